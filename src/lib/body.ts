import { isUtf8 } from 'node:buffer'
import { GateError, quote } from './errors.js'

/**
 * The deepest nesting of an event. Real ones nest a dozen deep; consumers' parsers give up between 512 (PHP)
 * and 1,000 (Jackson), and recursion over the value, ours or Ajv's, must not overflow the stack.
 */
export const MAX_DEPTH = 500

/**
 * Objects, arrays and keys in one body. Each weighs 30 to 200 bytes once it is parsed: ten megabytes of `{},{},…`
 * would become 200, more than a pod has, and as much of keys that are all different takes seconds. Events that
 * are in use have 20 bytes and more for each of them.
 */
export const MAX_MEMBERS = 500_000
/** Shorter texts hold too few of them to be counted. */
const FEW_CHARACTERS = 2048

/** The events of one request's body. */
export interface Body {
  /** What was read of each event, in order; a GateError in the place of one that cannot be taken as it was sent. */
  events: unknown[]
  /** The text of one event as it was received. The first call scans the whole body. */
  textOf(index: number): string
}

/** The text of a body. A byte order mark is skipped. */
export class BodyText {
  #bytes: Buffer
  #text: string | undefined

  /** Throws a GateError where the bytes are no text. */
  constructor(bytes: Buffer) {
    if (!isUtf8(bytes)) throw new GateError('body_not_utf8', 'the body is not UTF-8')
    this.#bytes = bytes
  }

  get text(): string {
    this.#text ??= this.#bytes.toString('utf8', startOf(this.#bytes))
    return this.#text
  }

  /**
   * From now on it is asked for seldom, if at all: only the bytes are kept. They are outside of the heap, where the
   * garbage collector does not copy them while the events wait.
   */
  rest(): void {
    this.#text = undefined
  }

  /**
   * It is never asked for again. Gives large bytes back at once: those that waited belong to V8's old generation,
   * which is collected, all of it, after each 64 MB of them. To hand them over to one who drops them is how.
   */
  free(): void {
    const { buffer, length } = this.#bytes
    if (length < LARGE_BYTES || buffer.byteLength !== length || !(buffer instanceof ArrayBuffer)) return
    this.#bytes = Buffer.alloc(0)
    structuredClone(buffer, { transfer: [buffer] })
  }
}

const LARGE_BYTES = 16 * 1024

/** Where the text begins: after the byte order mark, if there is one. */
function startOf(bytes: Buffer): number {
  return bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 3 : 0
}

/**
 * Objects, arrays and keys in a text, at most: what stands in strings may count too. Throws `body_too_large` for
 * one that has too many to be parsed. 0 where there can be but few.
 */
export function membersOf(text: string): number {
  if (text.length <= FEW_CHARACTERS) return 0
  const atMost = occurrences(text, '{') + occurrences(text, '[') + occurrences(text, ':')
  if (atMost <= MAX_MEMBERS) return atMost
  const exactly = exactMembersOf(text)
  if (exactly <= MAX_MEMBERS) return exactly
  const message = `the body holds more than ${MAX_MEMBERS} objects, arrays and keys: send fewer at a time`
  throw new GateError('body_too_large', message)
}

function occurrences(text: string, char: string): number {
  let count = 0
  for (let at = text.indexOf(char); at >= 0; at = text.indexOf(char, at + 1)) count++
  return count
}

function exactMembersOf(text: string): number {
  let members = 0
  let isText = false
  for (let at = 0; at < text.length; at++) {
    const char = text[at]
    if (char === '"') isText = !isText
    else if (isText) {
      if (char === '\\') at++
    } else if (char === '{' || char === '[' || char === ':') members++
  }
  return members
}

/**
 * Reads a body: one JSON value, or an array of them. Throws a GateError where the request as a whole is of
 * no use. Of duplicate keys in an object the last wins. A byte order mark is skipped.
 */
export function readBody(bytes: Buffer): Body {
  const body = new BodyText(bytes)
  membersOf(body.text)
  return parseBody(body)
}

/** What `readBody` does with a text whose members are counted. */
export function parseBody(body: BodyText): Body {
  const { text } = body
  const value = parse(text)
  const events: unknown[] = Array.isArray(value) ? value : [value]
  if (events.length === 0)
    throw new GateError('body_not_events', 'the body is an empty array: send at least one event')
  if (!Array.isArray(value) && (typeof value !== 'object' || value === null)) {
    throw new GateError(
      'body_not_events',
      `the body must be a JSON object or an array of objects, not ${quote(value)}`,
    )
  }

  // Not the value itself: what is kept for `textOf` would keep all that was parsed.
  const isArray = Array.isArray(value)
  let spans: Span[] | undefined
  const scanOnce = () => {
    spans = scan(body.text, isArray)
    return spans
  }
  // Each level of nesting opens a bracket, so that all but large bodies need not be walked.
  if (opensMoreThan(text, MAX_DEPTH)) {
    for (const [i, event] of events.entries()) {
      if (isDeeperThan(event, MAX_DEPTH)) {
        events[i] = new GateError('event_too_deep', `the event nests deeper than ${MAX_DEPTH} levels`)
      }
    }
  }
  if (MAY_HOLD_INEXACT_NUMBER.test(text)) {
    let explained = 0
    for (const [i, { inexact }] of scanOnce().entries()) {
      if (!inexact || events[i] instanceof GateError) continue
      events[i] = explained++ < MAX_EXPLAINED ? inexactNumber(inexact) : INEXACT
    }
  }
  return {
    events,
    textOf(index) {
      const span = (spans ?? scanOnce())[index]
      return span ? body.text.slice(span.start, span.end) : ''
    },
  }
}

function parse(text: string): unknown {
  if (text.trim() === '')
    throw new GateError('body_empty', 'the body is empty: send a JSON object or an array of them')
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

function isDeeperThan(value: unknown, limit: number): boolean {
  if (typeof value !== 'object' || value === null) return false
  if (limit === 0) return true
  if (Array.isArray(value)) return value.some(item => isDeeperThan(item, limit - 1))
  for (const key in value) {
    if (isDeeperThan((value as Record<string, unknown>)[key], limit - 1)) return true
  }
  return false
}

// A number that JavaScript cannot hold must be refused rather than changed on its way to Kafka (CONTRACT 2.2).
// Only those of 16 digits and more, and those with an exponent, can be such; nearly no event has any outside
// a string, and one regular expression over the text (1 µs for 1.3 kB) is what they cost all others.
// The lookahead keeps V8's second engine away from it, which takes seconds for megabytes (regexp.ts).
const MAY_HOLD_INEXACT_NUMBER = /(?=\d)(?:\d{16}|\d[eE]\+?\d+[\s,\]}])/

/** Events whose number is named; a body of nothing else would take seconds. */
const MAX_EXPLAINED = 1000
const INEXACT = new GateError(
  'event_number_inexact',
  'the event holds a number that a double cannot hold: send it as a string',
)

interface Span {
  start: number
  end: number
  /** The first number in it that does not survive JSON.parse and JSON.stringify. */
  inexact?: { path: string; text: string }
}

function inexactNumber({ path, text }: { path: string; text: string }): GateError {
  const became = Number(text)
  const why = Number.isFinite(became) ? `it would become ${JSON.stringify(became)}` : 'it is too large'
  return new GateError(
    'event_number_inexact',
    `'${path}' is ${quote(text)}, which a double cannot hold: ${why}; send it as a string`,
  )
}

/**
 * Finds where each event begins and ends in the text of a body, and its first inexact number. The text is
 * known to be JSON.
 */
function scan(text: string, isArray: boolean): Span[] {
  const spans: Span[] = []
  const base = isArray ? 1 : 0
  /** Of each open object its current key, of each open array its current index. */
  const path: (string | number)[] = []
  let span: Span | undefined
  let keyNext = false
  for (let at = 0; at < text.length; at++) {
    const char = text[at] as string
    if (char === ' ' || char === '\n' || char === '\r' || char === '\t' || char === ':') continue
    if (char === ',') {
      if (path.length === base) span = undefined
      const last = path[path.length - 1]
      if (typeof last === 'number') path[path.length - 1] = last + 1
      else keyNext = true
      continue
    }
    if (char === '}' || char === ']') {
      path.pop()
      keyNext = false
      if (span && path.length >= base) span.end = at + 1
      continue
    }
    if (!span && (path.length === 1 || !isArray)) {
      span = { start: at, end: at }
      spans.push(span)
    }
    if (char === '{' || char === '[') {
      path.push(char === '[' ? 0 : '')
      keyNext = char === '{'
      continue
    }
    const end = char === '"' ? endOfString(text, at) : endOfWord(text, at)
    if (keyNext) {
      path[path.length - 1] = JSON.parse(text.slice(at, end))
      keyNext = false
    } else if (span) {
      span.end = end
      if ((char === '-' || (char >= '0' && char <= '9')) && !span.inexact) {
        const number = text.slice(at, end)
        if (isInexact(number)) span.inexact = { path: dotted(path.slice(base)), text: number }
      }
    }
    at = end - 1
  }
  return spans
}

function endOfString(text: string, start: number): number {
  let quoteAt = start
  do {
    quoteAt = text.indexOf('"', quoteAt + 1)
    let backslashes = 0
    while (text[quoteAt - 1 - backslashes] === '\\') backslashes++
    if (backslashes % 2 === 0) return quoteAt + 1
  } while (quoteAt > 0)
  return text.length
}

function endOfWord(text: string, start: number): number {
  let end = start + 1
  while (end < text.length && !' \n\r\t,]}'.includes(text[end] as string)) end++
  return end
}

function dotted(path: readonly (string | number)[]): string {
  return path.map(step => (typeof step === 'number' ? `[${step}]` : `.${step}`)).join('')
}

/**
 * Whether a JSON number is an integer beyond ±(2^53−1) that JSON.parse and JSON.stringify change, or is too
 * large for a double. Decimals may become the nearest double.
 */
export function isInexact(number: string): boolean {
  const value = Number(number)
  if (!Number.isFinite(value)) return true
  if (Number.isSafeInteger(value) || Math.abs(value) < Number.MAX_SAFE_INTEGER) return false
  const sent = decimal(number)
  const kept = decimal(String(value))
  return sent.exponent >= 0 && (sent.digits !== kept.digits || sent.exponent !== kept.exponent)
}

/** A decimal number as an integer without zeros at its ends, times ten to an exponent. */
function decimal(number: string): { digits: string; exponent: number } {
  const [mantissa = '', exponent = '0'] = number.replace(/^-/, '').toLowerCase().split('e')
  const [whole = '', fraction = ''] = mantissa.split('.')
  const digits = whole + fraction
  // A regular expression for the zeros at the end would try each of them as the first.
  let start = 0
  while (digits[start] === '0') start++
  let end = digits.length
  while (end > start && digits[end - 1] === '0') end--
  return {
    digits: digits.slice(start, end),
    exponent: Number(exponent) - fraction.length + digits.length - end,
  }
}
