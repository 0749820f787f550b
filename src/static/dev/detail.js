// @ts-check
// What the page says of one event.
import { api, curlOf } from './api.js'
import { copy, h } from './dom.js'
import { addedPointers, complaints, fixAll, inOrder, jsonView } from './explain.js'
import { isJson, patched, pretty } from './json.js'
import { clock, SIGN, WORD } from './lane.js'
import { isSameEntry, receivedText } from './store.js'

/** @typedef {import('./api.js').Entry} Entry */
/**
 * @typedef {{ close(): void, edit(text: string, from: Entry): void, showSchema(uri: string): void,
 *   isPinned(entry: Entry): boolean, pin(entry: Entry): void }} Actions
 */

/**
 * The entry with all that the service knows, or, if the service forgot it, what the page holds.
 * @param {Entry} entry
 * @returns {Promise<{ entry: Entry, isWhole: boolean }>}
 */
export async function wholeOf(entry) {
  try {
    const whole = await api.entry(entry.seq)
    if (isSameEntry(whole, entry)) return { entry: whole, isWhole: true }
  } catch {
    // The service keeps it no longer, or is away.
  }
  return { entry, isWhole: entry.text !== undefined }
}

/** @param {Entry} entry @param {boolean} isWhole @param {Actions} actions @returns {HTMLElement[]} */
export function detailView(entry, isWhole, actions) {
  const { seq, outcome, stream, schema_uri, received_at, delivery, request_id, index, error, cut, produced } =
    entry
  const text = receivedText(entry)
  const edit = () => actions.edit(pretty(text), entry)
  const isPinned = actions.isPinned(entry)
  const button = (/** @type {string} */ label, /** @type {() => void} */ onclick, more = {}) =>
    h('button', { type: 'button', onclick, ...more }, label)
  const details = inOrder(error?.details ?? [], text)
  const apply = (/** @type {import('./json.js').Operation[]} */ patch) =>
    actions.edit(patched(isJson(text) ? text : 'null', patch), entry)
  const fix = fixAll(error, entry.event, apply, ' in the editor')

  return [
    h('header.entry-head', null, [
      h('div.title', null, [
        h('h2', { tabindex: -1, id: 'detail-title' }, [
          h(`span.badge.${outcome}`, null, `${SIGN[outcome]} ${WORD[outcome]}`),
          ' ',
          stream ?? '(no stream)',
        ]),
        button('✕', actions.close, { class: 'icon', 'aria-label': 'Close this event', title: 'Close (Esc)' }),
      ]),
      h('p.meta', null, [
        schema_uri
          ? h('button.link', { type: 'button', onclick: () => actions.showSchema(schema_uri) }, schema_uri)
          : '(no schema)',
        h('span', null, ` · #${seq} · `),
        h('time', { datetime: received_at }, clock(received_at)),
        h(
          'span',
          null,
          ` · ${delivery}${index > 0 ? ` · event ${index + 1} of its request` : ''} · request `,
        ),
        h('code', null, request_id),
      ]),
      h('div.actions', { role: 'group', 'aria-label': 'Actions' }, [
        h(
          outcome === 'accepted' ? 'button' : 'button.primary',
          { type: 'button', onclick: edit, disabled: cut, title: 'e' },
          'Edit and send again',
        ),
        button('Copy JSON', () => void copy(pretty(text), 'the event'), { title: 'c' }),
        button('Copy as curl', () => void copy(curlOf(text, delivery), 'a curl command'), {
          disabled: cut,
          title: 'u',
        }),
        button(isPinned ? 'Unpin' : 'Pin', () => actions.pin(entry), {
          'aria-pressed': String(isPinned),
          title: 'p',
        }),
      ]),
      isWhole
        ? null
        : h(
            'p.warning',
            null,
            'The service no longer keeps this event: this is what the page still has of it.',
          ),
      cut
        ? h(
            'p.warning',
            null,
            'The event is longer than 64 KiB. Only its beginning is kept, so it cannot be sent again from here.',
          )
        : null,
    ]),
    error ? refused() : accepted(),
  ]

  function refused() {
    return h('div.why', null, [
      h('section.reasons', { 'aria-label': 'Why' }, [
        h('p.summary', null, [summary(), h('code.code', null, error?.code ?? ''), fix?.button]),
        complaints(details, entry.event, { apply, applyLabel: 'Apply in the editor', go: showLine }),
        fix?.box,
      ]),
      h('section.event', { 'aria-label': 'The event' }, [
        h('h3', null, 'As it was received'),
        jsonView(text, { details, label: 'The event as it was received' }),
      ]),
    ])
  }

  function summary() {
    if (details.length > 1) return `${details.length} things are wrong with the event. `
    if (details[0]?.keyword) return 'One thing is wrong with the event. '
    return outcome === 'failed' || outcome === 'unknown'
      ? 'The event is not at fault. '
      : 'EventGate refused the event before validating it. '
  }

  function accepted() {
    const sent =
      produced?.event === undefined || produced?.event === null ? null : JSON.stringify(produced.event)
    return h('div.why', null, [
      produced
        ? h('section.produced', { 'aria-label': 'What was produced' }, [
            h('dl', null, [
              ...['topic', 'key', 'timestamp'].flatMap(name => {
                const value = /** @type {any} */ (produced)[name]
                const shown =
                  name === 'timestamp'
                    ? new Date(value).toISOString()
                    : value === null
                      ? '(none)'
                      : typeof value === 'string'
                        ? value
                        : JSON.stringify(value)
                return [h('dt', null, name), h('dd', null, h('code', null, shown))]
              }),
            ]),
          ])
        : null,
      h(
        'section.event',
        { 'aria-label': 'The event' },
        sent
          ? [
              h('h3', null, 'As it was produced'),
              jsonView(sent, {
                added: addedPointers(entry.event, produced?.event),
                label: 'The event as it was produced',
              }),
            ]
          : [h('h3', null, 'As it was received'), jsonView(text, { label: 'The event as it was received' })],
      ),
    ])
  }
}

/** @param {string} path */
function showLine(path) {
  const lines = [...document.querySelectorAll('#detail li[data-pointer]')]
  const line =
    lines.find(element => element.getAttribute('data-pointer') === path) ??
    document.querySelector('#detail li.bad')
  line?.scrollIntoView({ block: 'center' })
}
