import { GateError } from '../errors.js'

/**
 * The deepest nesting of an event. Real events nest a dozen levels. Consumers' parsers give up between 512 (PHP) and
 * 1,000 (Jackson), and recursion over the value must not overflow the stack.
 */
export const MAX_DEPTH = 500
/** Objects, arrays and keys in one event. To parse this many different keys takes a second and 100 MB. */
export const MAX_MEMBERS = 500_000
/** What parsing makes at most of an object, array or key, and of an item (bytes). */
const MEMBER_BYTES = 64
const ITEM_BYTES = 24
/** What parsing may make of one event (bytes). 10 MB of JSON make no more, unless they have too many members. */
const MAX_WEIGHT = 160 * 1024 * 1024
/** Bytes after which the clock is read again. */
const STRIDE = 64 * 1024

const [QUOTE, BACKSLASH, COMMA, COLON] = [0x22, 0x5c, 0x2c, 0x3a]
const [OPEN_ARRAY, CLOSE_ARRAY, OPEN_OBJECT, CLOSE_OBJECT] = [0x5b, 0x5d, 0x7b, 0x7d]

/**
 * Finds the events of a body in its bytes, counts and weighs them, before any is parsed. What it takes for an event may
 * still not be JSON. What stands between events is checked.
 */
export class JsonScan {
  /** Events found so far. */
  length = 0
  /** What parsing the heaviest of them makes at most (bytes). */
  heaviest = 0
  readonly isArray: boolean
  readonly #bytes: Buffer
  readonly #maxEvents: number
  /** The start and the end of each event. */
  #spans = new Uint32Array(2 * 16)
  readonly #deep = new Set<number>()
  readonly #base: number
  #at: number
  #start: number
  #depth = 0
  #deepest = 0
  #members = 0
  #items = 0
  #done = false

  /** Throws `body_empty` if only blanks follow `start`. */
  constructor(bytes: Buffer, start: number, maxEvents = Infinity) {
    this.#bytes = bytes
    this.#maxEvents = maxEvents
    this.#at = skipBlanks(bytes, start)
    if (this.#at === bytes.length) throw emptyBody()
    this.isArray = bytes[this.#at] === OPEN_ARRAY
    this.#base = this.isArray ? 1 : 0
    if (this.isArray) {
      this.#open()
      this.#at++
    }
    this.#start = this.#at
    this.#deepest = 0
    this.#members = 0
  }

  /** The start and the end of the event at `index`. */
  span(index: number): [start: number, end: number] {
    return [this.#spans[2 * index] as number, this.#spans[2 * index + 1] as number]
  }

  isTooDeep(index: number): boolean {
    return this.#deep.has(index)
  }

  /** Reads on until `until` or the end, and returns whether it is done. Throws `body_malformed` or `body_too_large`. */
  read(until = Infinity): boolean {
    while (!this.#done) {
      this.#stride(Math.min(this.#bytes.length, this.#at + STRIDE))
      if (this.#at >= this.#bytes.length && !this.#done) this.#end()
      if (performance.now() >= until) break
    }
    return this.#done
  }

  #stride(to: number): void {
    const bytes = this.#bytes
    let at = this.#at
    while (at < to) {
      const byte = bytes[at] as number
      if (byte === QUOTE) {
        at++
        while (at < bytes.length && bytes[at] !== QUOTE) at += bytes[at] === BACKSLASH ? 2 : 1
      } else if (byte === COMMA) {
        if (this.isArray && this.#depth === 1) this.#found(at)
        else this.#items++
      } else if (byte === COLON) this.#members++
      else if (byte === OPEN_OBJECT || byte === OPEN_ARRAY) this.#open()
      else if (byte === CLOSE_OBJECT || byte === CLOSE_ARRAY) {
        this.#depth--
        if (this.isArray && this.#depth === 0) {
          this.#close(at)
          return
        }
      }
      at++
    }
    this.#at = at
  }

  #open(): void {
    this.#members++
    if (++this.#depth > this.#deepest + this.#base) this.#deepest = this.#depth - this.#base
  }

  /** The array ends here, so nothing may follow. */
  #close(at: number): void {
    const bytes = this.#bytes
    if (bytes[at] !== CLOSE_ARRAY || skipBlanks(bytes, at + 1) < bytes.length) throw malformed()
    if (this.length > 0 || skipBlanks(bytes, this.#start) < at) this.#found(at)
    this.#at = bytes.length
    this.#done = true
  }

  #end(): void {
    if (this.isArray) throw malformed()
    this.#found(this.#bytes.length)
    this.#done = true
  }

  #found(end: number): void {
    const bytes = this.#bytes
    const start = skipBlanks(bytes, this.#start)
    let last = end
    while (last > start && isBlank(bytes[last - 1] as number)) last--
    if (start >= last) throw malformed()
    this.#weigh()
    if (this.length === this.#maxEvents) throw tooManyEvents(this.#maxEvents)
    if (2 * this.length === this.#spans.length) {
      const more = new Uint32Array(2 * this.#spans.length)
      more.set(this.#spans)
      this.#spans = more
    }
    this.#spans[2 * this.length] = start
    this.#spans[2 * this.length + 1] = last
    if (this.#deepest > MAX_DEPTH) this.#deep.add(this.length)
    this.length++
    this.#start = end + 1
    this.#deepest = this.#members = this.#items = 0
  }

  #weigh(): void {
    const weight = MEMBER_BYTES * this.#members + ITEM_BYTES * this.#items
    if (this.#members > MAX_MEMBERS || weight > MAX_WEIGHT) {
      const message = `the body holds an event of more than ${MAX_MEMBERS} objects, arrays and keys, or of items`
      throw new GateError('body_too_large', `${message} that take as much memory: send smaller events`)
    }
    this.heaviest = Math.max(this.heaviest, weight)
  }
}

export function tooManyEvents(max: number): GateError {
  const message = `the body holds more events than the ${max} that fit: send fewer at a time`
  return new GateError('body_too_large', message)
}

export function emptyBody(): GateError {
  return new GateError('body_empty', 'the body is empty: send a JSON object or an array of them')
}

function malformed(): GateError {
  return new GateError(
    'body_malformed',
    'the body is not JSON: its array is not a list of values, or does not end',
  )
}

function isBlank(byte: number): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09
}

function skipBlanks(bytes: Buffer, start: number): number {
  let at = start
  while (at < bytes.length && isBlank(bytes[at] as number)) at++
  return at
}
