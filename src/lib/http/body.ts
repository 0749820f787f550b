import { isUtf8 } from 'node:buffer'
import { GateError, quote } from '../errors.js'
import { isObject } from '../eventgate.js'
import { discard } from '../runtime/memory.js'
import { inexactNumber, mayHoldInexactNumber } from './inexact-numbers.js'
import { emptyBody, JsonScan, MAX_DEPTH, tooManyEvents } from './json-scan.js'

export { MAX_DEPTH, MAX_MEMBERS } from './json-scan.js'

/** The events of one request's body, read. */
export interface Body {
  /** The events in order. A GateError stands in the place of one that cannot be taken as it was sent. */
  events: unknown[]
  /** The text of one event as it was received. The first call scans the whole body. */
  textOf(index: number): string
}

/**
 * Reads a body: one JSON value, or an array of them. Throws a GateError to refuse the request as a whole. If an object
 * has duplicate keys, the last one wins. A byte order mark is skipped.
 */
export function readBody(bytes: Buffer): Body {
  const body = new RequestBody(bytes)
  body.count()
  body.check()
  return { events: Array.from(body, event => event), textOf: index => body.textOf(index) }
}

/**
 * A larger body is never held as values. Each event is parsed once to make sure that the whole body is JSON, and again
 * when it is processed.
 */
const WHOLE_BYTES = 128 * 1024
/** Events whose inexact number is named. A body of nothing else would take seconds. */
const MAX_EXPLAINED = 1000

/**
 * The events of a body. It keeps the bytes, which are outside of the heap, so that the garbage collector does not copy
 * them. It also keeps the values of a small body until `drop`, so that its events are parsed once.
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
  /** Whether any of its values is a JSON object. Known after `check`. */
  holdsObject = false

  /** Throws a GateError if the bytes are not UTF-8. */
  constructor(bytes: Buffer, maxEvents = Infinity) {
    if (!isUtf8(bytes)) throw new GateError('body_not_utf8', 'the body is not UTF-8')
    this.#bytes = bytes
    this.#maxEvents = maxEvents
    this.#start = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 3 : 0
  }

  /** The number of events. Known after `count`. */
  get length(): number {
    return this.#length
  }

  /** What parsing its heaviest event makes at most (bytes). 0 for a small body. */
  get heaviest(): number {
    return this.#isSmall ? 0 : (this.#scan?.heaviest ?? 0)
  }

  get #isSmall(): boolean {
    return this.#bytes.length <= WHOLE_BYTES
  }

  /**
   * Counts the events, and weighs them before any is parsed. Returns whether it is done, which it may not be by
   * `until`. Throws a GateError to refuse the body.
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

  /** Makes sure that the whole body is JSON. To be called after `count`. Returns and throws as that does. */
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
      // Each level of nesting opens a bracket, so that most bodies need not be walked.
      const mayBeDeep = opensMoreThan(text, MAX_DEPTH)
      if (mayBeDeep || mayHoldInexactNumber(text)) {
        this.#length = events.length
        for (let i = 0; i < events.length; i++) events[i] = this.#refusal(i) ?? events[i]
      }
    }
    return events.length
  }

  /** The event at `index`. A GateError if it cannot be taken as it was sent. */
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

  /** Drops the values, so that a request that waits holds only bytes. Events are then parsed again. */
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

/** Whether a text has more than `limit` opening brackets, including those inside strings. */
function opensMoreThan(text: string, limit: number): boolean {
  let opened = 0
  for (const bracket of ['{', '[']) {
    for (let at = text.indexOf(bracket); at >= 0; at = text.indexOf(bracket, at + 1)) {
      if (++opened > limit) return true
    }
  }
  return false
}
