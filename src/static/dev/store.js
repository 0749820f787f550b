// @ts-check
// The events that the page holds, and the live connection that brings more.
import { api } from './api.js'

/** @typedef {import('./api.js').Entry} Entry */
/** @typedef {{ stream: string, schema: string, outcome: string, text: string }} Filter */

/** As many as the service keeps. */
const MAX_HELD = 1000
const PAGE = 200
const CHECK_MS = 5000
const RETRY_MS = [500, 1000, 2000, 3000]

/** @param {Filter} filter @returns {(entry: Entry) => boolean} */
export function matcher({ stream, schema, outcome, text }) {
  const outcomes = outcome === '' ? null : new Set(outcome.split(','))
  const wanted = text.toLowerCase()
  return entry =>
    (outcomes === null || outcomes.has(entry.outcome)) &&
    (stream === '' || (entry.stream ?? '(none)') === stream) &&
    (schema === '' || isOfSchema(entry.schema_uri ?? '(none)', schema)) &&
    (wanted === '' || textOf(entry).includes(wanted))
}

/** @param {string} uri @param {string} schema its URI, or title */
function isOfSchema(uri, schema) {
  return uri === schema || (uri.startsWith('/') && uri.slice(1, uri.lastIndexOf('/')) === schema)
}

/** @param {Entry} entry */
export function receivedText({ text, event }) {
  return text ?? JSON.stringify(event)
}

/** @type {WeakMap<Entry, string>} */
const texts = new WeakMap()

/** @param {Entry} entry */
function textOf(entry) {
  let text = texts.get(entry)
  if (text === undefined) {
    const { event, error, stream, schema_uri } = entry
    text = [JSON.stringify(event), error?.message ?? '', stream ?? '', schema_uri ?? '']
      .join('\n')
      .toLowerCase()
    texts.set(entry, text)
  }
  return text
}

/** @param {Entry} one @param {Entry | null} other */
export function isSameEntry(one, other) {
  return (
    other !== null &&
    one.seq === other.seq &&
    one.request_id === other.request_id &&
    one.received_at === other.received_at
  )
}

/** Holds the latest entries, the newest last. Calls `onChange` after each change of them, `onState` of `state`. */
export class Store {
  /** @type {Entry[]} */
  entries = []
  /** How many came too fast for the page. */
  missed = 0
  /** @type {'connecting' | 'live' | 'behind' | 'cut'} */
  state = 'connecting'
  detail = ''
  /** @type {EventSource | null} */
  #source = null
  #attempts = 0
  #wasLive = false
  #heardAt = 0
  /** How far ahead the service was at the last check. */
  #ahead = 0
  /** @type {() => void} */
  #onChange
  /** @type {() => void} */
  #onState

  /** @param {{ onChange(): void, onState(): void }} told */
  constructor({ onChange, onState }) {
    this.#onChange = onChange
    this.#onState = onState
    setInterval(() => void this.#check(), CHECK_MS)
  }

  get lastSeq() {
    return this.entries.at(-1)?.seq ?? 0
  }

  connect() {
    this.#source?.close()
    const source = new EventSource('/_dev/events/live')
    this.#source = source
    source.onopen = () => void this.#load(source)
    source.onerror = () => {
      if (this.#source === source) this.#retry('')
    }
    source.addEventListener('entries', event => {
      if (this.#source === source) this.#append(JSON.parse(event.data))
    })
    source.addEventListener('gap', event => {
      this.missed += JSON.parse(event.data).missed
      this.#onChange()
    })
    source.addEventListener('reset', () => this.clear())
  }

  clear() {
    this.entries = []
    this.missed = 0
    this.#onChange()
  }

  /** @param {number} seq */
  get(seq) {
    return this.entries.find(entry => entry.seq === seq)
  }

  /** @param {EventSource} source */
  async #load(source) {
    // A restarted service counts from 1 again: entries of before do not mix with what comes now.
    this.entries = []
    this.missed = 0
    this.#heardAt = Date.now()
    try {
      let before
      for (let held = 0; held < MAX_HELD; held += PAGE) {
        const { entries } = await api.list({ limit: PAGE, ...(before ? { before } : {}) })
        if (this.#source !== source) return
        this.#merge(entries.reverse())
        if (held === 0) this.#setState('live')
        if (entries.length < PAGE) break
        before = entries[0]?.seq
      }
      this.#attempts = 0
      this.#wasLive = true
    } catch (error) {
      this.#retry(/** @type {Error} */ (error).message)
    }
  }

  /** @param {Entry[]} entries in order */
  #merge(entries) {
    const first = this.entries[0]?.seq ?? Infinity
    const held = new Set(this.entries.map(({ seq }) => seq))
    const older = entries.filter(({ seq }) => !held.has(seq))
    const merged = [...older, ...this.entries]
    if ((older.at(-1)?.seq ?? 0) > first) merged.sort((one, other) => one.seq - other.seq)
    this.entries = merged.slice(-MAX_HELD)
    this.#onChange()
  }

  /** @param {Entry[]} entries */
  #append(entries) {
    this.#heardAt = Date.now()
    const last = this.lastSeq
    const fresh = entries.filter(({ seq }) => seq > last)
    this.entries.push(...fresh)
    if (this.entries.length > MAX_HELD) this.entries.splice(0, this.entries.length - MAX_HELD)
    this.#onChange()
  }

  /** @param {string} reason */
  #retry(reason) {
    this.#source?.close()
    this.#source = null
    this.#setState('cut', reason)
    const ms = RETRY_MS[Math.min(this.#attempts++, RETRY_MS.length - 1)]
    setTimeout(() => this.#source === null && this.connect(), ms)
    if (!this.#wasLive || this.#attempts > 2) void this.#findReason()
  }

  /** EventSource does not tell scripts why it failed. */
  async #findReason() {
    try {
      await api.list({ limit: 1 })
      if (this.state === 'cut')
        this.#setState('cut', 'the service answers, but too many pages may be watching it')
    } catch (error) {
      const message = /** @type {Error} */ (error).message
      if (this.state === 'cut') this.#setState('cut', /fetch|network/i.test(message) ? '' : message)
    }
  }

  /** A dead connection may stay silent, and the page may be slower than what arrives. */
  async #check() {
    if (document.hidden || !this.#source || this.state === 'connecting') return
    try {
      const { entries } = await api.list({ limit: 1 })
      const ahead = (entries[0]?.seq ?? 0) - this.lastSeq
      if (ahead > 0 && this.#ahead > 0 && Date.now() - this.#heardAt > CHECK_MS) this.connect()
      else if (ahead > 2000 || (ahead > 0 && Date.now() - this.#heardAt > 2000))
        this.#setState('behind', `${ahead} events`)
      else this.#setState('live')
      this.#ahead = ahead
    } catch {
      // EventSource notices it, too.
    }
  }

  /** @param {Store['state']} state @param {string} [detail] */
  #setState(state, detail = '') {
    if (state === this.state && detail === this.detail) return
    this.state = state
    this.detail = detail
    this.#onState()
  }
}
