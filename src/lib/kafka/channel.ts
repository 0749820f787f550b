import { backoffMs } from './backoff.js'
import { isMisfit } from './response-codes.js'
import type { Clock, Lane, Link, ProduceRequest, Transport } from './transport.js'
import type { ProduceResponse } from './wire/protocol.js'

/** A connection that is not there after this long may never be. */
const LONG_MS = 1000

/** The way to one broker by one lane: one connection at a time, with one request out at a time. */
export class Channel {
  /** Connecting, or waiting for an answer. */
  busy = false
  /** Failures to connect since the last request that was answered. */
  failures = 0
  problem = ''
  /** The broker answers, but nothing can be sent to it for good: a version of it that is not supported. */
  misfit = false
  #link: Link | undefined
  #connectingSince = Infinity
  #notBefore = 0

  constructor(
    readonly broker: number,
    readonly lane: Lane,
    readonly transport: Transport,
    readonly clock: Clock,
    readonly backoff: { readonly retryBackoffMs: number; readonly retryBackoffMaxMs: number },
  ) {}

  /** When it may be used next; Infinity while it is busy. */
  get readyAt(): number {
    return this.busy ? Infinity : this.#notBefore
  }

  get connected(): boolean {
    return this.#link?.open ?? false
  }

  /** Whether it cannot be reached as far as is known now: the last attempt failed, or this one takes long. */
  isAway(now: number): boolean {
    if (this.#connectingSince === Infinity) return this.failures > 0 && this.readyAt > now
    if (now - this.#connectingSince < LONG_MS) return false
    this.problem ||= `broker ${this.broker}: no connection yet`
    return true
  }

  /** Whether a connection was there, and its other end has closed it. */
  get broken(): boolean {
    return this.#link?.broken ?? false
  }

  /** Answers whether it is connected. Never rejects: a failure is `problem`, and makes `readyAt` wait. */
  async connect(): Promise<boolean> {
    this.close()
    this.busy = true
    this.#connectingSince = this.clock.now()
    try {
      this.#link = await this.transport.connect(this.broker, this.lane)
      this.misfit = false
      return true
    } catch (error) {
      this.#failed(error)
      return false
    } finally {
      this.busy = false
      this.#connectingSince = Infinity
    }
  }

  /** Rejects when there is no answer; the connection is then closed, and another one is made when it is needed. */
  async produce(request: ProduceRequest): Promise<ProduceResponse | undefined> {
    this.busy = true
    try {
      const response = await (this.#link as Link).produce(request)
      this.failures = 0
      return response
    } catch (error) {
      this.close()
      this.problem = `broker ${this.broker}: ${(error as Error).message}`
      throw error
    } finally {
      this.busy = false
    }
  }

  close(): void {
    this.#link?.close()
    this.#link = undefined
  }

  #failed(error: unknown): void {
    const { retryBackoffMs, retryBackoffMaxMs } = this.backoff
    this.misfit = isMisfit(error)
    const what = this.misfit ? 'is not supported' : 'cannot be reached'
    this.problem = `broker ${this.broker} ${what}: ${(error as Error).message}`
    this.#notBefore = this.clock.now() + backoffMs(this.failures++, retryBackoffMs, retryBackoffMaxMs)
  }
}
