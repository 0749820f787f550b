import { isUtf8 } from 'node:buffer'
import { GateError, quote } from '../errors.js'
import { isObject } from '../eventgate.js'
import { discard } from '../runtime/memory.js'
import { inexactNumber, mayHoldInexactNumber } from './inexact-numbers.js'
import { emptyBody, JsonScan, MAX_DEPTH, tooManyEvents } from './json-scan.js'

export { MAX_DEPTH, MAX_MEMBERS } from './json-scan.js'

/** The events of one request's body, read. */
export interface Body {
  /** What was read of each event, in order; a GateError in the place of one that cannot be taken as it was sent. */
  events: unknown[]
  /** The text of one event as it was received. The first call scans the whole body. */
  textOf(index: number): string
}

/**
 * Reads a body: one JSON value, or an array of them. Throws a GateError where the request as a whole is of
 * no use. Of duplicate keys in an object the last wins. A byte order mark is skipped.
 */
export function readBody(bytes: Buffer): Body {
  const body = new RequestBody(bytes)
  body.count()
  body.check()
  return { events: Array.from(body, event => event), textOf: index => body.textOf(index) }
}

/**
 * Larger bodies are never held as values: each event is parsed when its turn comes, and once before, to make sure that
 * the whole of the body is JSON.
 */
const WHOLE_BYTES = 128 * 1024
/** Events whose inexact number is named. A body of nothing else would take seconds. */
const MAX_EXPLAINED = 1000

/**
 * The events of a body. What it keeps are its bytes, which are outside of the heap, where the garbage collector does
 * not copy them; values of a small body until `drop`, so that its events need not be parsed twice.
 */
export class RequestBody {
  #bytes: Buffer
  readonly #maxEvents: number
  readonly #start: number
  #values: unknown[] | undefined
  #scan: JsonScan | undefined
  #length = 0
  #checked = 0
  #explained = 0
  /** Whether any of its values is a JSON object, once they are checked. */
  holdsObject = false

  /** Throws a GateError where the bytes are no text. */
  constructor(bytes: Buffer, maxEvents = Infinity) {
    if (!isUtf8(bytes)) throw new GateError('body_not_utf8', 'the body is not UTF-8')
    this.#bytes = bytes
    this.#maxEvents = maxEvents
    this.#start = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 3 : 0
  }

  /** How many events there are, once they are counted. */
  get length(): number {
    return this.#length
  }

  /** What parsing the heaviest of its events makes, at most; bytes. 0 for a small body. */
  get heaviest(): number {
    return this.#isSmall ? 0 : (this.#scan?.heaviest ?? 0)
  }

  get #isSmall(): boolean {
    return this.#bytes.length <= WHOLE_BYTES
  }

  /**
   * Counts the events, and weighs them before any is parsed. Returns whether it is done; false when the clock says
   * `until`. Throws a GateError for a body that is of no use.
   */
  count(until = Infinity): boolean {
    if (this.#isSmall) {
      this.#length = this.#readWhole()
    } else {
      this.#scan ??= new JsonScan(this.#bytes, this.#start, this.#maxEvents)
      if (!this.#scan.read(until)) return false
      this.#length = this.#scan.length
    }
    if (this.#length === 0)
      throw new GateError('body_not_events', 'the body is an empty array: send at least one event')
    if (this.#length > this.#maxEvents) throw tooManyEvents(this.#maxEvents)
    return true
  }

  /** Makes sure that all of it is JSON, of events once counted. Returns whether it is done. Throws a GateError. */
  check(until = Infinity): boolean {
    if (this.#isSmall) return true
    while (this.#checked < this.#length) {
      const value = parse(this.textOf(this.#checked++))
      if (!this.#scan?.isArray) refuseScalar(value)
      this.holdsObject ||= isObject(value)
      if (performance.now() >= until) break
    }
    return this.#checked === this.#length
  }

  #readWhole(): number {
    const text = this.#bytes.toString('utf8', this.#start)
    if (text.trim() === '') throw emptyBody()
    const value = parse(text)
    const events: unknown[] = Array.isArray(value) ? value : [value]
    if (!Array.isArray(value)) refuseScalar(value)
    this.#values = events
    this.holdsObject = events.some(isObject)
    if (events.length <= this.#maxEvents) {
      // Each level of nesting opens a bracket, so that all but large bodies need not be walked.
      const mayBeDeep = opensMoreThan(text, MAX_DEPTH)
      if (mayBeDeep || mayHoldInexactNumber(text)) {
        this.#length = events.length
        for (let i = 0; i < events.length; i++) events[i] = this.#refusal(i) ?? events[i]
      }
    }
    return events.length
  }

  /** What was read of the event at `index`; a GateError for one that cannot be taken as it was sent. */
  at(index: number): unknown {
    if (this.#values) return this.#values[index]
    return this.#refusal(index) ?? parse(this.textOf(index))
  }

  *[Symbol.iterator](): Iterator<unknown> {
    for (let i = 0; i < this.#length; i++) yield this.at(i)
  }

  /** The text of the event at `index` as it was received. */
  textOf(index: number): string {
    const [start, end] = this.#scanned.span(index)
    return this.#bytes.toString('utf8', start, end)
  }

  get #scanned(): JsonScan {
    if (!this.#scan) {
      this.#scan = new JsonScan(this.#bytes, this.#start)
      this.#scan.read()
    }
    return this.#scan
  }

  #refusal(index: number): GateError | undefined {
    if (this.#scanned.isTooDeep(index))
      return new GateError('event_too_deep', `the event nests deeper than ${MAX_DEPTH} levels`)
    const inexact = inexactNumber(this.textOf(index), this.#explained < MAX_EXPLAINED)
    if (inexact) this.#explained++
    return inexact
  }

  /** Lets the values go: whatever has to wait holds bytes alone. Events that are asked for are parsed again. */
  drop(): void {
    this.#values = undefined
  }

  /** Frees its memory. No event may be asked for afterwards. */
  free(): void {
    this.drop()
    discard(this.#bytes)
    this.#bytes = Buffer.alloc(0)
  }
}

function refuseScalar(value: unknown): void {
  if (typeof value === 'object' && value !== null) return
  throw new GateError(
    'body_not_events',
    `the body must be a JSON object or an array of objects, not ${quote(value)}`,
  )
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new GateError('body_malformed', `the body is not JSON: ${(error as Error).message}`)
  }
}

/** Whether a text holds more than so many opening brackets, those inside strings too. */
function opensMoreThan(text: string, limit: number): boolean {
  let opened = 0
  for (const bracket of ['{', '[']) {
    for (let at = text.indexOf(bracket); at >= 0; at = text.indexOf(bracket, at + 1)) {
      if (++opened > limit) return true
    }
  }
  return false
}
