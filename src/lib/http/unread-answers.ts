import type { IncomingMessage, ServerResponse } from 'node:http'
import { GateError } from '../errors.js'

/** Bytes of answers that are not read yet, of all clients. */
const MAX_BYTES = 16 * 1024 * 1024
/** An answer that may be cut, where there are more than that, has had so long to be read, milliseconds. */
const MIN_AGE_MS = 1000
/** Shorter ones fit into what the kernel takes. */
const SHORT_BYTES = 16 * 1024

interface Unread {
  bytes: number
  madeAt: number
  req: IncomingMessage
}

/**
 * Answers that their clients have still to read. They hold none of the room of requests, but are bounded by
 * themselves: a client that does not read is cut, once the status line is out.
 */
export class UnreadAnswers {
  bytes = 0
  readonly #timeoutMs: number
  /** In the order of their making. */
  readonly #unread = new Set<Unread>()
  readonly #waiting = new Set<() => void>()
  #timer: NodeJS.Timeout | undefined

  /** An answer of which nothing is read for `timeoutMs` is cut. */
  constructor(timeoutMs: number) {
    this.#timeoutMs = timeoutMs
  }

  /** Undefined if there is room for another long answer. Rejects with `over_capacity` if there is none in time. */
  room(patienceMs: number): Promise<void> | undefined {
    if (this.bytes < MAX_BYTES) return undefined
    return new Promise((resolve, reject) => {
      const enter = () => {
        clearTimeout(timer)
        this.#waiting.delete(enter)
        resolve()
      }
      const timer = setTimeout(() => {
        this.#waiting.delete(enter)
        reject(
          new GateError('over_capacity', 'too many answers are not read yet: send the request again later'),
        )
      }, patienceMs)
      this.#waiting.add(enter)
    })
  }

  /** Takes note of an answer that was sent. */
  sent(req: IncomingMessage, res: ServerResponse, bytes: number): void {
    if (bytes < SHORT_BYTES || res.closed || req.socket.destroyed) return
    // Of no progress, that is: node:http sets its own when the answer is read.
    req.socket.setTimeout(this.#timeoutMs)
    const unread = { bytes, madeAt: performance.now(), req }
    this.#unread.add(unread)
    this.bytes += bytes
    res.once('close', () => {
      this.#unread.delete(unread)
      this.bytes -= bytes
      this.#admit()
    })
    this.#bound()
  }

  #admit(): void {
    if (this.bytes >= MAX_BYTES) return
    for (const enter of this.#waiting) enter()
  }

  /** Cuts the oldest where there are too many. */
  #bound(): void {
    if (this.#timer) return
    let excess = this.bytes - MAX_BYTES
    for (const { bytes, madeAt, req } of this.#unread) {
      if (excess <= 0) return
      const age = performance.now() - madeAt
      if (age < MIN_AGE_MS) {
        this.#timer = setTimeout(() => {
          this.#timer = undefined
          this.#bound()
        }, MIN_AGE_MS - age)
        return
      }
      req.socket.destroy()
      excess -= bytes
    }
  }
}
