/** What is used of a worker's `ChildProcess`. */
export interface Recipient {
  // biome-ignore lint/suspicious/noExplicitAny: the cluster module and we call it with different arguments
  send: (message: any, handle?: any, ...more: any[]) => boolean
  on(event: 'internalMessage', listener: (message: { ack?: number }) => void): unknown
}

interface Handle {
  close(): void
}

/**
 * The connections that the cluster module hands to one worker and that the worker has not taken yet. It forgets them if
 * the worker dies at that moment, and their clients would wait for ever.
 */
export class Handoffs {
  readonly #open = new Map<number, Handle>()

  constructor(worker: Recipient) {
    const send = worker.send.bind(worker)
    worker.send = (message, handle, ...more) => {
      if (typeof handle?.close === 'function' && message.seq !== undefined)
        this.#open.set(message.seq, handle)
      return send(message, handle, ...more)
    }
    worker.on('internalMessage', ({ ack }) => {
      if (ack !== undefined) this.#open.delete(ack)
    })
  }

  /** The worker is gone. */
  close(): void {
    for (const handle of this.#open.values()) handle.close()
    this.#open.clear()
  }
}
