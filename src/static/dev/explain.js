// @ts-check
// Why an event is refused: the event with its faults marked, the broken rules, and what would pass.
import { h } from './dom.js'
import { escapeStep, layout, nearestOf, stepsOf } from './json.js'

/** @typedef {import('./api.js').Detail} Detail */
/** @typedef {import('./json.js').Operation} Operation */

const MAX_LINES = 500
/** Keywords that complain of a whole because of some parts of it. */
const ABOUT_PARTS = new Set([
  'additionalProperties',
  'unevaluatedProperties',
  'propertyNames',
  'maxProperties',
  'additionalItems',
  'maxItems',
])

/** The pointers to mark for a complaint: the parts to remove, or the value itself. @param {Detail} detail @returns {string[]} */
export function culprits({ path, keyword, suggestion }) {
  if (!ABOUT_PARTS.has(keyword ?? '')) return [path]
  const inside = (suggestion?.patch ?? []).filter(
    operation => operation.op === 'remove' && operation.path.startsWith(`${path}/`),
  )
  return inside.length > 0 ? inside.map(operation => operation.path) : [path]
}

/** Complaints in the order of their places in the event. @param {Detail[]} details @param {string} text @returns {Detail[]} */
export function inOrder(details, text) {
  const places = new Map(
    (layout(text) ?? []).filter(({ closes }) => !closes).map(({ pointer }, index) => [pointer, index]),
  )
  const place = (/** @type {Detail} */ detail) =>
    Math.min(...culprits(detail).map(path => places.get(nearestOf(places, path)) ?? 0))
  return details.slice().sort((one, other) => place(one) - place(other))
}

/**
 * An event laid out, its lines marked.
 * @param {string} text
 * @param {{ details?: Detail[], added?: Map<string, string>, label: string }} options `added`: what EventGate added, by pointer
 */
export function jsonView(text, { details = [], added = new Map(), label }) {
  const lines = layout(text)
  const box = h('div.json', { role: 'region', tabindex: 0, 'aria-label': label })
  if (!lines) {
    box.append(h('pre', null, text === '' ? '(nothing)' : text))
    return box
  }
  const there = new Set(lines.filter(({ closes }) => !closes).map(({ pointer }) => pointer))
  /** @type {Map<string, { detail: Detail, number: number }[]>} */
  const faults = new Map()
  details.forEach((detail, index) => {
    for (const path of culprits(detail)) {
      const pointer = nearestOf(there, path)
      faults.set(pointer, [...(faults.get(pointer) ?? []), { detail, number: index + 1 }])
    }
  })
  const list = h('ol.lines')
  /** @param {number} from @param {number} end */
  const show = (from, end) => {
    for (const line of lines.slice(from, end)) {
      const found = line.closes ? undefined : faults.get(line.pointer)
      const addition = line.closes ? undefined : added.get(line.pointer)
      const item = h(
        found ? 'li.bad' : addition ? 'li.added' : 'li',
        { 'data-pointer': line.closes ? undefined : line.pointer },
        [
          h('code', null, [
            '  '.repeat(line.depth),
            ...line.tokens.map(({ kind, text }) => (kind === 'mark' ? text : h(`span.${kind}`, null, text))),
          ]),
        ],
      )
      if (addition) item.append(h('span.note', null, addition))
      list.append(item)
      for (const { detail, number } of found ?? []) {
        list.append(
          h('li.fault', null, [
            h('span', null, ['  '.repeat(line.depth)]),
            h('span.marker', null, String(number)),
            h('span', null, detail.explanation ?? detail.message),
          ]),
        )
      }
    }
  }
  show(0, MAX_LINES)
  box.append(list)
  let upTo = MAX_LINES
  if (upTo < lines.length) {
    const button = h('button', {
      type: 'button',
      onclick: () => {
        show(upTo, upTo + MAX_LINES)
        upTo += MAX_LINES
        if (upTo < lines.length) label()
        else button.remove()
      },
    })
    const label = () => {
      const rest = lines.slice(upTo)
      const isBad = rest.some(line => !line.closes && faults.has(line.pointer))
      button.textContent = `Show more: ${rest.length} lines${isBad ? ', some with faults' : ''}`
    }
    label()
    box.append(button)
  }
  return box
}

/**
 * One fix for all complaints: a button, and what it changes. Null if the only complaint's own suggestion does the same.
 * @param {import('./api.js').Refusal | null} error @param {any} event
 * @param {(patch: Operation[]) => void} apply @param {string} where
 */
export function fixAll(error, event, apply, where) {
  const { mended, details = [] } = error ?? {}
  if (!mended || (details.length === 1 && details[0]?.suggestion?.passes)) return null
  const what = details.length > 1 ? `all ${details.length}` : 'it'
  return {
    button: h(
      'button.primary',
      { type: 'button', onclick: () => apply(mended.patch) },
      `Fix ${what}${where}`,
    ),
    box: h('div.suggestion.whole', null, [
      h('h3', null, ['What would pass', h('span.note.ok', null, '✓ tried')]),
      diffView(mended.patch, event),
    ]),
  }
}

/**
 * One card per complaint.
 * @param {Detail[]} details @param {any} event
 * @param {{ apply(patch: Operation[]): void, applyLabel: string, go?(path: string): void }} does
 */
export function complaints(details, event, { apply, applyLabel, go }) {
  return h(
    'ol.complaints',
    null,
    details.map((detail, index) => {
      const { path, keyword, message, explanation, rule, schema, suggestion, why_not } = detail
      const where = path === '' ? 'the event itself' : path
      return h('li.complaint', null, [
        h('h3', null, [h('span.marker', null, String(index + 1)), ' ', explanation ?? message]),
        h('p.where', null, [
          'At ',
          go
            ? h('button.link', { type: 'button', onclick: () => go(path) }, h('code.path', null, where))
            : h('code.path', null, where),
          ...(keyword ? [' · the answer said “', message, '”'] : []),
        ]),
        keyword
          ? h('div.rule', null, [
              h('h4', null, "The schema's rule"),
              h(
                'pre',
                { tabindex: 0, 'aria-label': "The schema's rule" },
                h('code', null, [
                  h('mark', null, `${JSON.stringify(keyword)}: ${brief(rule)}`),
                  besides(schema, keyword),
                ]),
              ),
              typeof schema?.description === 'string' ? h('p.description', null, schema.description) : null,
            ])
          : null,
        suggestion
          ? h('div.suggestion', null, [
              h('h4', null, [
                'What would pass here',
                suggestion.passes
                  ? h('span.note.ok', null, '✓ tried')
                  : h('span.note', null, 'other faults remain'),
              ]),
              h('p', null, suggestion.text),
              // The text says it all if there is one operation.
              suggestion.patch.length > 1 ? diffView(suggestion.patch, event) : null,
              h('button', { type: 'button', onclick: () => apply(suggestion.patch) }, applyLabel),
            ])
          : why_not
            ? h('p.why-not', null, ['There is no suggestion: ', why_not])
            : null,
      ])
    }),
  )
}

/** @param {any} value */
function brief(value) {
  const text = JSON.stringify(value, null, 2) ?? 'null'
  return text.length > 2000 ? `${text.slice(0, 2000)} …` : text
}

/** The rest of the sub-schema, long values cut. @param {any} schema @param {string} keyword */
function besides(schema, keyword) {
  if (typeof schema !== 'object' || schema === null) return ''
  const rest = Object.entries(schema).filter(
    ([name]) => name !== keyword && name !== 'description' && name !== 'examples',
  )
  const text = rest.map(([name, value]) => {
    const written = JSON.stringify(value)
    return `\n${JSON.stringify(name)}: ${written.length > 160 ? `${written.slice(0, 160)} …` : written}`
  })
  return text.join('')
}

/** @param {Operation[]} patch @param {any} event */
export function diffView(patch, event) {
  const rows = patch.slice(0, 20).flatMap(({ op, path, value }) => {
    const name = path === '' ? '' : `${path}: `
    const old = stepsOf(path).reduce((at, step) => at?.[step], event)
    return [
      ...(op === 'add'
        ? []
        : [h('del', null, [h('span.visually-hidden', null, 'Take away '), `− ${name}${short(old)}`])]),
      ...(op === 'remove'
        ? []
        : [h('ins', null, [h('span.visually-hidden', null, 'Put '), `+ ${name}${short(value)}`])]),
    ]
  })
  if (patch.length > 20) rows.push(h('span', null, `and ${patch.length - 20} more`))
  return h('div.diff', null, rows)
}

/** @param {any} value */
function short(value) {
  const text = JSON.stringify(value) ?? ''
  return text.length > 200 ? `${text.slice(0, 200)} …` : text
}

/** What EventGate added or changed, by pointer. @param {any} received @param {any} made @returns {Map<string, string>} */
export function addedPointers(received, made, prefix = '', found = new Map()) {
  if (typeof made !== 'object' || made === null) return found
  for (const [name, value] of Object.entries(made)) {
    const pointer = `${prefix}/${escapeStep(name)}`
    const had = received !== null && typeof received === 'object' && Object.hasOwn(received, name)
    if (!had) found.set(pointer, 'filled in')
    else if (typeof value === 'object' && value !== null) addedPointers(received[name], value, pointer, found)
    else if (received[name] !== value) found.set(pointer, 'set by EventGate')
  }
  return found
}
