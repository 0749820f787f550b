import { GateError, quote } from '../errors.js'

// A number that JavaScript cannot hold must be refused rather than changed on its way to Kafka. Only numbers of 16 or
// more digits, or with an exponent, can be such. Hardly any event has one outside a string, so that the others cost one
// regular expression over the text (1 µs for 1.3 kB). The lookahead keeps V8 from running it by its linear engine,
// which takes seconds for megabytes.
const MAY_BE_INEXACT = /(?=\d)(?:\d{16}|\d[eE]\+?\d+(?:[\s,\]}]|$))/

/** Characters of the path to a number that a message has. */
const MAX_PATH = 1000
const INEXACT = new GateError(
  'event_number_inexact',
  'the event holds a number that a double cannot hold: send it as a string',
)

/** Whether a text may hold a number that a double cannot. If it does not, none of its events need a closer look. */
export function mayHoldInexactNumber(text: string): boolean {
  return MAY_BE_INEXACT.test(text)
}

/** Why the JSON of an event is refused for a number. Undefined if it is not. */
export function inexactNumber(text: string, isNamed: boolean): GateError | undefined {
  if (!MAY_BE_INEXACT.test(text)) return undefined
  const found = firstInexact(text)
  if (!found) return undefined
  return isNamed ? refusalOf(text, ...found) : INEXACT
}

function refusalOf(text: string, start: number, end: number): GateError {
  const number = text.slice(start, end)
  const became = Number(number)
  const why = Number.isFinite(became) ? `it would become ${JSON.stringify(became)}` : 'it is too large'
  return new GateError(
    'event_number_inexact',
    `'${pathTo(text, start)}' is ${quote(number)}, which a double cannot hold: ${why}; send it as a string`,
  )
}

/** Where the first number of an event's JSON is that does not survive JSON.parse and JSON.stringify. */
function firstInexact(text: string): [start: number, end: number] | undefined {
  for (let at = 0; at < text.length; ) {
    const char = text.charCodeAt(at)
    if (char === QUOTE) at = endOfString(text, at)
    else if (char === MINUS || isDigit(char)) {
      let end = at + 1
      let hasExponent = false
      for (; end < text.length; end++) {
        const next = text.charCodeAt(end)
        if ((next | 0x20) === EXPONENT) hasExponent = true
        else if (!isDigit(next) && next !== DOT && next !== MINUS && next !== PLUS) break
      }
      if ((hasExponent || end - at >= 16) && isInexact(text.slice(at, end))) return [at, end]
      at = end
    } else at++
  }
  return undefined
}

const [QUOTE, MINUS, PLUS, DOT, EXPONENT] = [0x22, 0x2d, 0x2b, 0x2e, 0x65]

function isDigit(char: number): boolean {
  return char >= 0x30 && char <= 0x39
}

/** The path to the position `target` in the JSON of an event, such as `.a[1].b`. */
function pathTo(text: string, target: number): string {
  /** The current key of each open object, and the current index of each open array. */
  const path: (string | number)[] = []
  let keyNext = false
  for (let at = 0; at < target; at++) {
    const char = text[at] as string
    const last = path[path.length - 1]
    if (char === '{' || char === '[') {
      path.push(char === '[' ? 0 : '')
      keyNext = char === '{'
    } else if (char === '}' || char === ']') {
      path.pop()
      keyNext = false
    } else if (char === ',') {
      if (typeof last === 'number') path[path.length - 1] = last + 1
      else keyNext = true
    } else if (char === '"') {
      const end = endOfString(text, at)
      if (keyNext) path[path.length - 1] = JSON.parse(text.slice(at, end))
      keyNext = false
      at = end - 1
    }
  }
  let dotted = ''
  for (const step of path) {
    dotted += typeof step === 'number' ? `[${step}]` : `.${step.slice(0, MAX_PATH)}`
    if (dotted.length > MAX_PATH) return `${dotted.slice(0, MAX_PATH)}…`
  }
  return dotted
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

/**
 * Whether a JSON number is an integer beyond ±(2^53−1) that JSON.parse and JSON.stringify change, or is too
 * large for a double. Decimals may become the nearest double.
 */
export function isInexact(number: string): boolean {
  const value = Number(number)
  if (!Number.isFinite(value)) return true
  if (Number.isSafeInteger(value) || Math.abs(value) < Number.MAX_SAFE_INTEGER) return false
  if (String(value) === number) return false
  const sent = decimal(number)
  const kept = decimal(String(value))
  return sent.exponent >= 0 && (sent.digits !== kept.digits || sent.exponent !== kept.exponent)
}

/** A decimal number as an integer without zeros at its ends, times ten to an exponent. */
function decimal(number: string): { digits: string; exponent: number } {
  const [mantissa = '', exponent = '0'] = number.replace(/^-/, '').toLowerCase().split('e')
  const [whole = '', fraction = ''] = mantissa.split('.')
  const digits = whole + fraction
  // A regular expression for the zeros at the end would start anew at each of them.
  let start = 0
  while (digits[start] === '0') start++
  let end = digits.length
  while (end > start && digits[end - 1] === '0') end--
  return {
    digits: digits.slice(start, end),
    exponent: Number(exponent) - fraction.length + digits.length - end,
  }
}
