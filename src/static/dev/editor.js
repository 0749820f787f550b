// @ts-check
// The composer: the text of an event, which is checked while one types, and sent.
import { api, curlOf } from './api.js'
import { byId, copy, h, say } from './dom.js'
import { patched, pretty, syntaxError } from './json.js'
import { VerdictPane } from './verdict-pane.js'

/** @typedef {{ ok: boolean, status: number, requestId: string, message: string }} Sent */

const WAIT_MS = 200
const DRAFT = 'eventgate.draft'
/** Lines that get a number. */
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
  /** @type {Set<number>} */
  #badLines = new Set()

  /** @param {{ onSent(sent: Sent): void }} told */
  constructor({ onSent }) {
    this.#onSent = onSent
    this.#area = /** @type {HTMLTextAreaElement} */ (byId('editor-text'))
    this.#gutter = byId('editor-gutter')
    this.#from = byId('editor-from')
    this.#schema = /** @type {HTMLInputElement} */ (byId('editor-schema'))
    this.#hasty = /** @type {HTMLInputElement} */ (byId('editor-hasty'))
    this.#send = /** @type {HTMLButtonElement} */ (byId('editor-send'))
    this.#verdict = new VerdictPane({
      mark: (lines, isBad) => this.#mark(lines, isBad),
      apply: patch => this.#write(patched(this.#area.value, patch)),
      goTo: line => this.#goTo(line),
      select: at => this.#select(at),
    })
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
    if (draft !== null) this.load(draft, 'Your last draft.')
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

  /** @param {{ uri: string }[]} schemas */
  offer(schemas) {
    byId('schema-uris').replaceChildren(...schemas.map(({ uri }) => h('option', { value: uri })))
  }

  /** Writes an event of a schema. @param {string} uri */
  async make(uri) {
    if (uri === '') return say('Choose a schema first, or write its URI.')
    try {
      const { sample, examples } = await api.schema(uri)
      const event = sample ?? examples[0]
      if (event === undefined || event === null)
        return say(`No event could be made for ${uri}. Write one: it is checked while you type.`)
      this.#schema.value = uri
      this.load(JSON.stringify(event, null, 2), `Made for ${uri}.`)
      this.focus()
    } catch (error) {
      say(/** @type {Error} */ (error).message)
    }
  }

  async send() {
    this.#send.disabled = true
    await this.sendText(this.#area.value, { hasty: this.#hasty.checked })
    this.#send.disabled = false
  }

  /** @param {string} text @param {{ hasty?: boolean }} [how] */
  async sendText(text, how) {
    try {
      this.#onSent(await api.send(text, how))
    } catch (error) {
      say(`Not sent: ${/** @type {Error} */ (error).message}`)
    }
  }

  /** Writes as if somebody typed it, so that it can be undone. @param {string} text */
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
      // The draft is too long for the browser's storage.
    }
    clearTimeout(this.#timer)
    this.#asked.abort()
    this.#badLines = new Set()
    this.#number()
    this.#verdict.wait()
    const text = this.#area.value
    const syntax = text.trim() === '' ? null : syntaxError(text)
    if (text.trim() === '') this.#verdict.showHint()
    else if (syntax) this.#verdict.showSyntaxError(syntax)
    else this.#timer = setTimeout(() => void this.#validate(text), WAIT_MS)
  }

  /** @param {string} text */
  async #validate(text) {
    this.#asked = new AbortController()
    const { signal } = this.#asked
    try {
      const { results } = await api.validate(text, signal)
      if (!signal.aborted) this.#verdict.showResults(text, results)
    } catch (error) {
      if (!signal.aborted) this.#verdict.showProblem(/** @type {Error} */ (error).message)
    }
  }

  /** @param {Set<number>} lines @param {boolean} isBad */
  #mark(lines, isBad) {
    this.#badLines = lines
    this.#number()
    this.#area.setAttribute('aria-invalid', String(isBad))
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
