import type { Socket } from 'node:net'

/** No response of those asked for here comes near it; a length beyond it is not Kafka's. */
const MAX_RESPONSE_BYTES = 64 * 1024 * 1024

interface Waiting {
  correlationId: number
  resolve: (body: Buffer) => void
  reject: (error: Error) => void
  timer: NodeJS.Timeout
}

/** Requests and responses over an authenticated socket. Any failure closes it for good, and rejects all that wait. */
export class Connection {
  #failure: Error | undefined
  #correlationId = 0
  /** Brokers answer in order. */
  readonly #waiting: Waiting[] = []
  /** What has come of a response that is not whole, how much that is, and how much it will be at least. */
  #pieces: Buffer[] = []
  #received = 0
  #expected = 4
  /** Called once, when it has failed or was closed. */
  onClosed: () => void = () => {}

  constructor(
    readonly socket: Socket,
    /** host:port, for messages. */
    readonly address: string,
  ) {
    socket.setNoDelay(true)
    socket.on('data', (data: Buffer) => this.#read(data))
    socket.on('error', error => this.#fail(error))
    socket.on('end', () => this.#fail(new Error('the broker closed the connection')))
    socket.on('close', () => this.#fail(new Error('the connection was closed')))
  }

  get open(): boolean {
    return this.#failure === undefined
  }

  /** Sends what `encode` makes of a correlation id. Resolves to the response's body. */
  request(encode: (correlationId: number) => Buffer, timeoutMs: number): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      if (this.#failure) throw this.#failure
      const correlationId = this.#nextId()
      this.socket.write(encode(correlationId))
      const timer = setTimeout(() => {
        const isWaiting = () => this.#waiting.some(({ correlationId: id }) => id === correlationId)
        this.#failUnlessRead(isWaiting, `no answer within ${Math.round(timeoutMs)} ms`)
      }, timeoutMs)
      this.#waiting.push({ correlationId, resolve, reject, timer })
    })
  }

  /** Sends a request that is not answered. Resolves when the system has taken it. */
  write(encode: (correlationId: number) => Buffer, timeoutMs: number): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#failure) throw this.#failure
      let isTaken = false
      const timer = setTimeout(
        () => this.#failUnlessRead(() => !isTaken, `not taken within ${Math.round(timeoutMs)} ms`),
        timeoutMs,
      )
      this.socket.write(encode(this.#nextId()), error => {
        isTaken = true
        clearTimeout(timer)
        if (error) reject(error)
        else resolve()
      })
    })
  }

  close(): void {
    this.#fail(new Error('the connection was closed by us'))
  }

  /** After a stall of the event loop what is waited for may have come already: it is read first. */
  #failUnlessRead(isWaiting: () => boolean, problem: string): void {
    setImmediate(() => {
      if (isWaiting()) this.#fail(new Error(problem))
    })
  }

  #nextId(): number {
    this.#correlationId = (this.#correlationId + 1) & 0x7fff_ffff
    return this.#correlationId
  }

  #read(data: Buffer): void {
    this.#pieces.push(data)
    this.#received += data.length
    if (this.#received < this.#expected) return
    let rest = this.#pieces.length > 1 ? Buffer.concat(this.#pieces) : data
    this.#expected = 4
    while (rest.length >= 4 && !this.#failure) {
      const length = rest.readInt32BE(0)
      if (length < 4 || length > MAX_RESPONSE_BYTES) {
        this.#fail(new Error(`what the broker answers is not Kafka's protocol (a length of ${length})`))
        return
      }
      this.#expected = 4 + length
      if (rest.length < this.#expected) break
      this.#answer(rest.readInt32BE(4), rest.subarray(8, 4 + length))
      rest = rest.subarray(4 + length)
      this.#expected = 4
    }
    this.#pieces = rest.length > 0 ? [rest] : []
    this.#received = rest.length
  }

  #answer(correlationId: number, body: Buffer): void {
    const first = this.#waiting[0]
    if (first?.correlationId !== correlationId) {
      this.#fail(new Error(`an answer to ${correlationId}, which was not asked`))
      return
    }
    this.#waiting.shift()
    clearTimeout(first.timer)
    first.resolve(body)
  }

  #fail(error: Error): void {
    if (this.#failure) return
    this.#failure = error
    // Destroyed, not ended: an old socket must have nothing more to say. An error that still comes is nobody's.
    this.socket.removeAllListeners()
    this.socket.on('error', () => {})
    this.socket.destroy()
    for (const { reject, timer } of this.#waiting.splice(0)) {
      clearTimeout(timer)
      reject(error)
    }
    this.onClosed()
  }
}
