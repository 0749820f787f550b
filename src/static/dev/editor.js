// @ts-check
// The composer: an event is written, told of while one types, and sent.
import { api, curlOf } from './api.js'
import { addedPointers } from './detail.js'
import { byId, copy, h, say } from './dom.js'
import { complaints, culprits, inOrder, jsonView, mendAll } from './explain.js'
import { linesOf, nearestOf, parseExactly, patched, pretty, syntaxError } from './json.js'

/** @typedef {import('./json.js').Operation} Operation */
/** @typedef {import('./api.js').Prospect} Prospect */

const WAIT_MS = 200
const DRAFT = 'eventgate.draft'
/** Lines that are numbered. */
const MAX_NUMBERED = 2000

export class Editor {
  #area
  #gutter
  #verdict
  #from
  #schema
  #hasty
  #send
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer
  #asked = new AbortController()
  #onSent
  #badLines = new Map()

  /** @param {{ onSent(requestId: string, sent: { ok: boolean, status: number, message: string }): void }} told */
  constructor({ onSent }) {
    this.#onSent = onSent
    this.#area = /** @type {HTMLTextAreaElement} */ (byId('editor-text'))
    this.#gutter = byId('editor-gutter')
    this.#verdict = byId('editor-verdict')
    this.#from = byId('editor-from')
    this.#schema = /** @type {HTMLInputElement} */ (byId('editor-schema'))
    this.#hasty = /** @type {HTMLInputElement} */ (byId('editor-hasty'))
    this.#send = /** @type {HTMLButtonElement} */ (byId('editor-send'))
    this.#area.addEventListener('input', () => this.#changed())
    this.#area.addEventListener('scroll', () => {
      this.#gutter.scrollTop = this.#area.scrollTop
    })
    this.#area.addEventListener('keydown', event => {
      if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) {
        event.preventDefault()
        void this.send()
      }
    })
    this.#send.addEventListener('click', () => void this.send())
    byId('editor-format').addEventListener('click', () => this.#write(pretty(this.#area.value)))
    byId('editor-curl').addEventListener(
      'click',
      () => void copy(curlOf(this.#area.value, this.#hasty.checked ? 'hasty' : ''), 'a curl command'),
    )
    byId('editor-make').addEventListener('click', () => void this.make(this.#schema.value))
    this.#schema.addEventListener('keydown', event => {
      if (event.key === 'Enter') void this.make(this.#schema.value)
    })
    const draft = sessionStorage.getItem(DRAFT)
    if (draft !== null) this.load(draft, 'Where you left off.')
    else this.#changed()
  }

  /** @param {string} text @param {string | Node} from @param {{ hasty?: boolean }} [how] */
  load(text, from, { hasty = false } = {}) {
    this.#hasty.checked = hasty
    this.#from.replaceChildren(from)
    this.#area.value = text
    this.#area.scrollTop = 0
    this.#area.setSelectionRange(0, 0)
    this.#changed()
  }

  focus() {
    this.#area.focus()
  }

  get isEmpty() {
    return this.#area.value.trim() === ''
  }

  /** @param {{ uri: string }[]} schemas */
  offer(schemas) {
    byId('schema-uris').replaceChildren(...schemas.map(({ uri }) => h('option', { value: uri })))
  }

  /** An event of a schema. @param {string} uri */
  async make(uri) {
    if (uri === '') return say('Which schema? Choose one, or write its URI.')
    try {
      const { sample, examples } = await api.schema(uri)
      const event = sample ?? examples[0]
      if (event === undefined || event === null)
        return say(`No event could be made of ${uri}: write one, it is checked while you type.`)
      this.#schema.value = uri
      this.load(JSON.stringify(event, null, 2), `Made of ${uri}.`)
      this.focus()
    } catch (error) {
      say(/** @type {Error} */ (error).message)
    }
  }

  async send() {
    const text = this.#area.value
    this.#send.disabled = true
    try {
      const sent = await api.send(text, { hasty: this.#hasty.checked })
      this.#onSent(sent.requestId, sent)
    } catch (error) {
      say(`Not sent: ${/** @type {Error} */ (error).message}`)
    } finally {
      this.#send.disabled = false
    }
  }

  /** As if typed, so that it can be undone. @param {string} text */
  #write(text) {
    if (text === this.#area.value) return
    this.#area.focus()
    this.#area.select()
    if (!document.execCommand('insertText', false, text)) {
      this.#area.value = text
      this.#changed()
    }
    this.#area.setSelectionRange(0, 0)
    this.#area.scrollTop = 0
  }

  #changed() {
    try {
      sessionStorage.setItem(DRAFT, this.#area.value)
    } catch {
      // It is too long to be kept.
    }
    clearTimeout(this.#timer)
    this.#asked.abort()
    this.#badLines = new Map()
    this.#number()
    this.#verdict.setAttribute('aria-busy', 'true')
    const syntax = this.isEmpty ? null : syntaxError(this.#area.value)
    if (this.isEmpty)
      this.#tell('idle', [
        h(
          'p.empty',
          null,
          'Choose a schema to have an event made of it, or paste one: a verdict stands here while you type.',
        ),
      ])
    else if (syntax) this.#tellSyntax(syntax)
    else this.#timer = setTimeout(() => void this.#validate(), WAIT_MS)
  }

  async #validate() {
    this.#asked = new AbortController()
    const { signal } = this.#asked
    const text = this.#area.value
    try {
      const { results } = await api.validate(text, signal)
      if (!signal.aborted) this.#tellResults(text, results)
    } catch (error) {
      if (!signal.aborted) this.#tell('bad', [h('p', null, /** @type {Error} */ (error).message)])
    }
  }

  /** @param {NonNullable<ReturnType<typeof syntaxError>>} syntax */
  #tellSyntax({ message, line, column, at }) {
    this.#badLines.set(line - 1, message)
    this.#number()
    this.#tell('bad', [
      h('h3', null, '✗ Not JSON yet'),
      h('p', null, [
        `Line ${line}, column ${column}: ${message} `,
        h('button.link', { type: 'button', onclick: () => this.#select(at) }, 'go there'),
      ]),
    ])
  }

  /** @param {string} text @param {Prospect[]} results */
  #tellResults(text, results) {
    const isList = /^\s*\[/.test(text)
    const lines = linesOf(text)
    for (const { index, error } of results) {
      for (const detail of error?.details ?? []) {
        for (const path of culprits(detail)) {
          const pointer = nearestOf(lines, isList ? `/${index}${path}` : path)
          this.#badLines.set(lines.get(pointer) ?? 0, detail.explanation ?? detail.message)
        }
      }
    }
    this.#number()
    const bad = results.filter(({ outcome }) => outcome !== 'accepted')
    const head =
      results.length === 1
        ? []
        : [h('p', null, `${results.length - bad.length} of ${results.length} events would be accepted.`)]
    const root = parseExactly(text)
    const shown = (bad.length > 0 ? bad : results).slice(0, 10)
    this.#tell(bad.length > 0 ? 'bad' : 'good', [
      ...head,
      ...shown.map(result =>
        this.#resultView(result, isList ? root[result.index] : root, isList ? `/${result.index}` : '', lines),
      ),
    ])
  }

  /** @param {Prospect} result @param {any} event @param {string} prefix @param {Map<string, number>} lines */
  #resultView(result, event, prefix, lines) {
    const { outcome, error, topic, key, timestamp, index } = result
    const which = prefix === '' ? '' : ` (event ${index + 1})`
    /** @param {Operation[]} patch */
    const apply = patch =>
      this.#write(
        patched(
          this.#area.value,
          patch.map(operation => ({ ...operation, path: prefix + operation.path })),
        ),
      )
    if (outcome === 'accepted') {
      return h('section', null, [
        h('h3', null, `✓ Would be accepted${which}`),
        h(
          'p.meta',
          null,
          [
            'topic ',
            h('code', null, topic ?? ''),
            key === null ? null : [' · key ', h('code', null, JSON.stringify(key))],
            timestamp === null ? null : ` · ${new Date(timestamp).toISOString()}`,
          ].flat(),
        ),
        result.event === null
          ? null
          : h('details', { open: true }, [
              h('summary', null, 'As it would be produced'),
              jsonView(JSON.stringify(result.event), {
                added: addedPointers(event, result.event),
                label: 'The event as it would be produced',
              }),
            ]),
      ])
    }
    const details = inOrder(error?.details ?? [], JSON.stringify(event))
    const mend = mendAll(error, event, apply, '')
    return h('section', null, [
      h('h3', null, [
        `✗ Would be ${outcome === 'refused' ? 'refused' : 'not stored'}${which} `,
        h('code.code', null, error?.code ?? ''),
      ]),
      details.length === 0 ? h('p', null, error?.message ?? '') : null,
      mend ? h('div.actions', null, mend.button) : null,
      complaints(details, event, {
        apply,
        applyLabel: 'Apply',
        go: path => this.#goTo(lines.get(nearestOf(lines, prefix + path)) ?? 0),
      }),
      mend?.box,
    ])
  }

  /** @param {'idle' | 'good' | 'bad'} tone @param {HTMLElement[]} content */
  #tell(tone, content) {
    this.#verdict.className = `verdict ${tone}`
    this.#verdict.setAttribute('aria-busy', 'false')
    this.#verdict.replaceChildren(...content)
    const heading = this.#verdict.querySelector('h3')
    // Only what changes is said.
    const words = heading?.textContent ?? ''
    if (byId('editor-status').textContent !== words) byId('editor-status').textContent = words
    this.#area.setAttribute('aria-invalid', String(tone === 'bad'))
  }

  #number() {
    const count = Math.min(MAX_NUMBERED, this.#area.value.split('\n').length)
    const bad = this.#badLines
    while (this.#gutter.childElementCount > count) this.#gutter.lastElementChild.remove()
    while (this.#gutter.childElementCount < count) this.#gutter.append(h('li'))
    for (let i = 0; i < count; i++) {
      const item = this.#gutter.children[i]
      const text = bad.has(i) ? `✗ ${i + 1}` : String(i + 1)
      if (item.textContent === text) continue
      item.textContent = text
      item.className = bad.has(i) ? 'bad' : ''
    }
    this.#gutter.scrollTop = this.#area.scrollTop
  }

  /** @param {number} line from 0 */
  #goTo(line) {
    const lines = this.#area.value.split('\n')
    const at = lines.slice(0, line).reduce((sum, text) => sum + text.length + 1, 0)
    this.#select(at, lines[line]?.length ?? 0)
    const height = this.#area.scrollHeight / Math.max(1, lines.length)
    this.#area.scrollTop = Math.max(0, line * height - this.#area.clientHeight / 2)
  }

  /** @param {number} at @param {number} [length] */
  #select(at, length = 1) {
    this.#area.focus()
    this.#area.setSelectionRange(at, at + length)
  }
}
