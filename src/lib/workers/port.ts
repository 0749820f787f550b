import { Server } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { yieldToEventLoop } from '../runtime/event-loop.js'

/** What is used of a worker's `ChildProcess`. */
export interface Recipient {
  // biome-ignore lint/suspicious/noExplicitAny: the cluster module and others call it with different arguments
  send: (message: any, handle?: any, ...more: any[]) => boolean
  on(event: 'internalMessage', listener: (message: { ack?: number }) => void): unknown
}

interface Handle {
  close(): void
}

/** Time for workers to take the connections that were handed to them (ms). */
const TAKE_MS = 1000

/**
 * The port that the cluster module holds for the workers, and the connections that it hands to them. The module lacks
 * two things. It closes the port only after the last worker has left it: a connection that comes then has nobody. And
 * it forgets connections that a worker had not taken when it died: their clients would wait for ever.
 */
export class Port {
  readonly #listening = new Set<Handle>()
  readonly #handedOver = new Map<Recipient, Map<number, Handle>>()
  #accepted = 0

  /** Watches from then on which ports are opened in this process. */
  constructor(servers: Pick<Server, 'listen'> = Server.prototype) {
    const { listen } = servers
    const listening = this.#listening
    const watched = function (this: Server & { _handle?: Handle | null }, ...args: never[]) {
      // The module takes the handle out of its server with the same event.
      this.once('listening', () => this._handle && listening.add(this._handle))
      return Reflect.apply(listen, this, args)
    }
    servers.listen = watched as typeof listen
  }

  /** A worker is there. To be called back when it is gone. */
  join(worker: Recipient): () => void {
    const open = new Map<number, Handle>()
    this.#handedOver.set(worker, open)
    const send = worker.send.bind(worker)
    worker.send = (message, handle, ...more) => {
      if (typeof handle?.close === 'function' && message.seq !== undefined) {
        open.set(message.seq, handle)
        this.#accepted++
      }
      return send(message, handle, ...more)
    }
    worker.on('internalMessage', ({ ack }) => {
      if (ack !== undefined) open.delete(ack)
    })
    return () => {
      this.#handedOver.delete(worker)
      for (const handle of open.values()) handle.close()
    }
  }

  /** Closes the port. Resolves when the workers have all connections that came before. */
  async close(): Promise<void> {
    // Connections that the kernel has made have requests on them.
    for (let before = -1; before < this.#accepted; ) {
      before = this.#accepted
      await yieldToEventLoop()
      await yieldToEventLoop()
    }
    for (const handle of this.#listening) handle.close()
    const until = performance.now() + TAKE_MS
    while ([...this.#handedOver.values()].some(({ size }) => size > 0) && performance.now() < until)
      await delay(5)
  }
}
