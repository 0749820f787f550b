/** What a message is sent and received by: `process` in a worker, a cluster's `Worker` in the primary. */
export interface Channel {
  send?(message: object, sent: (error: Error | null) => void): unknown
  on(event: 'message', listener: (message: unknown) => void): unknown
  off(event: 'message', listener: (message: unknown) => void): unknown
}

/** What the other side may ask or tell. */
export type Handlers = Readonly<Record<string, (value: unknown) => unknown>>

interface Message {
  eventgate: 'ask' | 'answer' | 'tell'
  what: string
  id?: number
  value?: unknown
}

/** One side of the connection between a primary and a worker: asks, answers and tells. Both sides are alike. */
export class Link {
  readonly #channel: Channel
  readonly #handlers: Handlers
  readonly #open = new Map<number, (value: unknown) => void>()
  /** Of all links of the process, because several may share a channel. */
  static #lastId = 0

  constructor(channel: Channel, handlers: Handlers) {
    this.#channel = channel
    this.#handlers = handlers
    channel.on('message', this.#receive)
  }

  /** Undefined if there is no answer in time. */
  ask(what: string, timeoutMs: number): Promise<unknown> {
    const id = ++Link.#lastId
    return new Promise(resolve => {
      const settle = (value: unknown) => {
        clearTimeout(timer)
        this.#open.delete(id)
        resolve(value)
      }
      const timer = setTimeout(settle, timeoutMs, undefined)
      this.#open.set(id, settle)
      void this.#send({ eventgate: 'ask', what, id })
    })
  }

  /** Resolves when it is with the operating system, or cannot be sent. */
  tell(what: string, value?: unknown): Promise<void> {
    return this.#send({ eventgate: 'tell', what, value })
  }

  /** Nothing is received from then on, and what was asked has no answer. */
  close(): void {
    this.#channel.off('message', this.#receive)
    for (const settle of this.#open.values()) settle(undefined)
  }

  readonly #receive = async (given: unknown): Promise<void> => {
    const { eventgate, what, id, value } = given as Message
    if (eventgate === 'answer') return this.#open.get(id as number)?.(value)
    const handler = this.#handlers[what]
    if ((eventgate !== 'ask' && eventgate !== 'tell') || !handler) return
    const answer = await handler(value)
    if (eventgate === 'ask') await this.#send({ eventgate: 'answer', what, id: id as number, value: answer })
  }

  /** The other side may be gone at any time, which its exit tells. */
  #send(message: Message): Promise<void> {
    return new Promise(resolve => {
      try {
        if (this.#channel.send) this.#channel.send(message, () => resolve())
        else resolve()
      } catch {
        resolve()
      }
    })
  }
}
