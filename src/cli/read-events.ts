import { createReadStream } from 'node:fs'
import { GateError } from '../lib/errors.js'
import { readBody } from '../lib/http/body.js'

/** An event, and where it begins. */
export interface Read {
  file: string
  /** Counted from 1. */
  line: number
  /** Its position in the file. */
  index: number
  /** The event, or a GateError that says why it cannot be read. */
  event: unknown
  text: string
}

/** Events that are judged together: as many as the gate explains for one request. */
const BATCH = 100
/** Maximum size of a document that does not end (bytes). */
const MAX_OPEN = 64 * 1024 * 1024

/** A JSON value, or what should be one, and the line on which it begins. */
interface Text {
  bytes: Buffer
  line: number
}

/** A document over several lines whose end has not been read yet. */
interface Open {
  line: number
  lines: Buffer[]
  bytes: number
  depth: number
  /** Whether the last line was an event by itself. */
  afterEvent: boolean
}

/**
 * Reads events from a file, or from stdin if it is `-`: JSON documents of one or several lines. Yields what has been
 * read at once, so that a pipe may stay open, and keeps nothing of it.
 */
export async function* batchesOf(file: string): AsyncGenerator<Read[]> {
  const name = file === '-' ? 'stdin' : file
  const reader = new Reader()
  let index = 0
  for await (const texts of reader.read(file === '-' ? process.stdin : createReadStream(file))) {
    const events = texts.flatMap(eventsOf).map(event => ({ file: name, ...event, index: index++ }))
    for (let start = 0; start < events.length; start += BATCH) yield events.slice(start, start + BATCH)
  }
}

class Reader {
  #line = 0
  #open: Open | undefined

  /** Yields the texts that end in each piece of the stream. */
  async *read(stream: AsyncIterable<Buffer>): AsyncGenerator<Text[]> {
    let rest: Buffer[] = []
    for await (const piece of stream) {
      const texts: Text[] = []
      let start = 0
      for (let end = piece.indexOf(10); end >= 0; end = piece.indexOf(10, start)) {
        texts.push(...this.#readLine(Buffer.concat([...rest, piece.subarray(start, end)])))
        rest = []
        start = end + 1
      }
      if (start < piece.length) rest.push(piece.subarray(start))
      yield texts
    }
    yield [...this.#readLine(Buffer.concat(rest)), ...this.#endDocument()]
  }

  *#readLine(received: Buffer): Generator<Text> {
    const line = ++this.#line
    const bytes = line === 1 && received.indexOf(BYTE_ORDER_MARK) === 0 ? received.subarray(3) : received
    const text = bytes.toString()
    const open = this.#open
    if (!open) {
      if (text.trim() === '') return
      const depth = isJson(text) ? 0 : depthOf(text)
      if (depth <= 0) yield { bytes, line }
      else this.#open = { line, lines: [bytes], bytes: bytes.length, depth, afterEvent: false }
      return
    }
    open.lines.push(bytes)
    open.bytes += bytes.length
    open.depth += depthOf(text)
    const isEvent = isEventByItself(text)
    // Within one document a comma would separate two events.
    const isCutOff = (isEvent && open.afterEvent) || open.bytes > MAX_OPEN
    if (text.trim() !== '') open.afterEvent = isEvent
    if (open.depth <= 0 || isCutOff) yield* this.#endDocument(isCutOff)
  }

  /** Ends an open document. If it is not JSON, each of its lines is a document. */
  *#endDocument(isCutOff = false): Generator<Text> {
    if (!this.#open) return
    const { line, lines } = this.#open
    this.#open = undefined
    const bytes = Buffer.concat(lines.flatMap(line => [line, NEWLINE]))
    // Lines of events begin with a brace. Lines of a broken document are indented.
    const isLines = isCutOff || lines.some(line => line[0] === BRACE && isEventByItself(line.toString()))
    if (!isLines || isJson(bytes.toString())) return yield { bytes, line }
    for (const [i, bytes] of lines.entries())
      if (bytes.toString().trim() !== '') yield { bytes, line: line + i }
  }
}

const NEWLINE = Buffer.from('\n')
const BRACE = '{'.charCodeAt(0)
const BYTE_ORDER_MARK = Buffer.from('\uFEFF')

/** Counts the brackets that a line opens and does not close. JSON has no strings over several lines. */
function depthOf(line: string): number {
  const brackets = line.replace(/"(?:[^"\\]|\\.)*"/g, '').replace(/[^[\]{}]/g, '')
  return [...brackets].reduce((depth, bracket) => depth + (bracket === '[' || bracket === '{' ? 1 : -1), 0)
}

function isEventByItself(line: string): boolean {
  return line.trimStart().startsWith('{') && isJson(line)
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

/** Parses events. A text that cannot be parsed becomes one event with the reason. */
function eventsOf({ bytes, line }: Text): Pick<Read, 'line' | 'event' | 'text'>[] {
  try {
    const { events, textOf } = readBody(bytes)
    const whole = bytes.toString()
    let [begun, ended] = [0, 0]
    return events.map((event, i) => {
      const text = textOf(i)
      // Only commas and blanks separate two events.
      const at = whole.indexOf(text, ended)
      line += whole.slice(begun, at).split('\n').length - 1
      begun = at
      ended = at + text.length
      return { line, event, text }
    })
  } catch (error) {
    return [{ line, event: GateError.from(error), text: bytes.toString() }]
  }
}
