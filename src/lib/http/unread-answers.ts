import type { IncomingMessage, ServerResponse } from 'node:http'
import { GateError } from '../errors.js'

/** Bytes of all answers that their clients have not read yet. */
const MAX_BYTES = 16 * 1024 * 1024
/** If there are more, an answer that is at least this old may be cut (ms). */
const MIN_AGE_MS = 1000
/** Shorter answers fit into the buffers of the kernel. */
const SHORT_BYTES = 16 * 1024

interface Unread {
  bytes: number
  madeAt: number
  req: IncomingMessage
}

/**
 * Answers that their clients have not read yet. They take no room of requests, but have a bound of their own. A client
 * that does not read is cut off after the status line has left.
 */
export class UnreadAnswers {
  bytes = 0
  readonly #timeoutMs: number
  /** The oldest first. */
  readonly #unread = new Set<Unread>()
  readonly #waiting = new Set<() => void>()
  #timer: NodeJS.Timeout | undefined

  /** An answer is cut when nothing of it is read for `timeoutMs`. */
  constructor(timeoutMs: number) {
    this.#timeoutMs = timeoutMs
  }

  /** Waits for room for another long answer; undefined if there is room now. Rejects with `over_capacity`. */
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

  /** Called when an answer was sent. */
  sent(req: IncomingMessage, res: ServerResponse, bytes: number): void {
    if (bytes < SHORT_BYTES || res.closed || req.socket.destroyed) return
    // This is a timeout without progress. node:http sets its own once the answer is read.
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

  /** Cuts the oldest if there are too many. */
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
