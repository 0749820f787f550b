/** One connection to the service, and a reader of answers that forgives nothing. */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'

export interface Answer {
  status: number
  reason: string
  headers: Record<string, string>
  body: string
}

/** What is sent, in turn: bytes, or a pause in milliseconds. */
export type Piece = Buffer | number

/** All headers that an answer may have; anything else was smuggled in. */
const KNOWN_HEADERS = new Set([
  ...['date', 'connection', 'keep-alive', 'content-length', 'content-type', 'transfer-encoding'],
  ...['allow', 'retry-after', 'location', 'vary', 'cache-control', 'content-language'],
  ...['access-control-allow-origin', 'access-control-allow-headers', 'access-control-expose-headers'],
  ...['access-control-allow-methods', 'access-control-max-age'],
  ...['x-xss-protection', 'x-content-type-options', 'x-frame-options', 'content-security-policy'],
  ...['referrer-policy', 'strict-transport-security', 'cross-origin-resource-policy'],
])

/** Bytes that are no answer, or one that says what it must not. */
export class NotAnAnswer extends Error {}

export class Wire {
  readonly socket: Socket
  #received = Buffer.alloc(0)
  #closed = false
  #changed = () => {}
  /** Whether the last answer said that the connection ends with it. */
  ending = false
  /** 1xx answers. */
  interim = 0

  private constructor(socket: Socket) {
    this.socket = socket
    socket.setNoDelay(true)
    socket.on('data', chunk => {
      this.#received = this.#received.length === 0 ? chunk : Buffer.concat([this.#received, chunk])
      this.#changed()
    })
    socket.on('error', () => {})
    for (const event of ['end', 'close']) {
      socket.on(event, () => {
        this.#closed = true
        this.#changed()
      })
    }
  }

  static async open(port: number): Promise<Wire> {
    const socket = connect({ host: '127.0.0.1', port, allowHalfOpen: true })
    await once(socket, 'connect')
    return new Wire(socket)
  }

  get closed(): boolean {
    return this.#closed
  }

  /** Bytes that no answer accounts for. */
  get rest(): string {
    return this.#received.toString('latin1')
  }

  async send(pieces: readonly Piece[]): Promise<void> {
    for (const piece of pieces) {
      if (this.socket.destroyed) return
      if (typeof piece === 'number') await new Promise(resolve => setTimeout(resolve, piece))
      else this.socket.write(piece)
    }
  }

  /** The next answer; undefined if the connection is closed instead. Throws NotAnAnswer, or an Error in time. */
  async answer(method: string, withinMs: number): Promise<Answer | undefined> {
    const end = Date.now() + withinMs
    for (;;) {
      const answer = this.#parse(method)
      if (answer && answer.status >= 200) return answer
      if (answer) this.interim++
      else if (this.#closed) {
        if (this.#received.length > 0)
          throw new NotAnAnswer(`cut off: ${JSON.stringify(this.rest.slice(0, 300))}`)
        return undefined
      } else await this.#wait(end)
    }
  }

  async #wait(end: number): Promise<void> {
    const left = end - Date.now()
    if (left <= 0)
      throw new Error(
        `neither an answer nor an end in time; so far: ${JSON.stringify(this.rest.slice(0, 300))}`,
      )
    await new Promise<void>(resolve => {
      const timer = setTimeout(resolve, left)
      this.#changed = () => {
        clearTimeout(timer)
        resolve()
      }
    })
    this.#changed = () => {}
  }

  #parse(method: string): Answer | undefined {
    const split = this.#received.indexOf('\r\n\r\n')
    if (split < 0) return undefined
    const head = this.#received.toString('latin1', 0, split)
    const [line = '', ...lines] = head.split('\r\n')
    const match = /^HTTP\/1\.1 ([1-5]\d\d) ([\x20-\x7e]*)$/.exec(line)
    if (!match) throw new NotAnAnswer(JSON.stringify(head.slice(0, 300)))
    const headers: Record<string, string> = {}
    for (const header of lines) {
      const [, name = '', value = ''] = /^([A-Za-z-]+): ?([\x20-\x7e]*)$/.exec(header) ?? []
      const key = name.toLowerCase()
      if (!KNOWN_HEADERS.has(key)) throw new NotAnAnswer(`header ${JSON.stringify(header)}`)
      if (headers[key] !== undefined) throw new NotAnAnswer(`header ${key} twice`)
      if (/injected/i.test(value)) throw new NotAnAnswer(`header ${JSON.stringify(header)}`)
      headers[key] = value
    }
    const status = Number(match[1])
    const start = split + 4
    let end = start
    let body = Buffer.alloc(0)
    if (status >= 200 && status !== 204 && status !== 304 && method !== 'HEAD') {
      if (headers['transfer-encoding'] === 'chunked') {
        const chunks: Buffer[] = []
        for (;;) {
          const eol = this.#received.indexOf('\r\n', end)
          if (eol < 0) return undefined
          const size = this.#received.toString('latin1', end, eol)
          if (!/^[0-9a-f]+$/i.test(size)) throw new NotAnAnswer(`a chunk of ${JSON.stringify(size)}`)
          const length = Number.parseInt(size, 16)
          if (this.#received.length < eol + 4 + length) return undefined
          chunks.push(this.#received.subarray(eol + 2, eol + 2 + length))
          end = eol + 4 + length
          if (length === 0) break
        }
        body = Buffer.concat(chunks)
      } else if (headers['content-length'] !== undefined) {
        end = start + Number(headers['content-length'])
        if (this.#received.length < end) return undefined
        body = this.#received.subarray(start, end)
      } else throw new NotAnAnswer(`no length: ${JSON.stringify(head.slice(0, 300))}`)
    }
    const answer = { status, reason: match[2] as string, headers, body: body.toString() }
    this.#received = this.#received.subarray(end)
    this.ending = headers.connection === 'close'
    return answer
  }

  destroy(): void {
    this.socket.destroy()
  }
}
