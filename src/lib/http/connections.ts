/** How many connections there may be, and how old they may become. */
export interface ConnectionLimits {
  max: number
  /** In milliseconds. 0 means any age. */
  maxAgeMs: number
}

/**
 * Requests of one connection that are processed at one time. Further ones wait, and nothing more is read. Browsers and
 * proxies send one at a time, but RFC 9112 9.3.2 lets clients send more.
 */
const MAX_UNANSWERED = 16
/** Waiting requests of all connections. Each takes some kilobytes. */
const MAX_WAITING = 4096
/** The share by which the largest age varies, so that connections do not all end at once. */
const JITTER = 0.2

interface Opened {
  /** After this time its next answer is its last (`performance.now`). */
  until: number
  excess: boolean
  unanswered: number
  waiting: (() => void)[]
}

/** The part of a socket that is used here. */
interface Pausable {
  readonly destroyed: boolean
  pause(): void
  resume(): void
}

/**
 * The open connections. A connection is closed with an answer, never between two: a client that gets no answer may
 * take that for success (docs/contract.md 1.2).
 */
export class Connections {
  /** On shutdown every answer is the last on its connection. */
  closing = false
  readonly limits: ConnectionLimits
  readonly #open = new Map<object, Opened>()
  #waiting = 0

  constructor(limits: ConnectionLimits) {
    this.limits = limits
  }

  get count(): number {
    return this.#open.size
  }

  /** A new connection was accepted. */
  opened(socket: object): void {
    const { max, maxAgeMs } = this.limits
    const age = maxAgeMs * (1 - JITTER + 2 * JITTER * Math.random())
    this.#open.set(socket, {
      until: maxAgeMs === 0 ? Infinity : performance.now() + age,
      excess: this.#open.size >= max,
      unanswered: 0,
      waiting: [],
    })
  }

  closed(socket: object): void {
    this.#waiting -= this.#open.get(socket)?.waiting.length ?? 0
    this.#open.delete(socket)
  }

  /**
   * Begins a request now, or when enough earlier ones on its connection are answered. False if too many wait. `answered`
   * must follow.
   */
  asked(socket: Pausable, begin: () => void): boolean {
    const opened = this.#open.get(socket)
    if (opened && opened.unanswered >= MAX_UNANSWERED) {
      if (this.#waiting >= MAX_WAITING) return false
      this.#waiting++
      opened.waiting.push(begin)
      socket.pause()
      return true
    }
    if (opened) opened.unanswered++
    begin()
    return true
  }

  answered(socket: Pausable): void {
    const opened = this.#open.get(socket)
    if (!opened || socket.destroyed) return
    opened.unanswered--
    const next = opened.waiting.shift()
    if (!next) return
    this.#waiting--
    opened.unanswered++
    next()
    if (opened.waiting.length === 0) socket.resume()
  }

  [Symbol.iterator](): Iterator<object> {
    return this.#open.keys()
  }

  /** Whether there were too many when it was opened. Its requests are refused before they cost anything. */
  isExcess(socket: object): boolean {
    return this.#open.get(socket)?.excess ?? false
  }

  /** Whether the next answer must be the last on this connection. */
  isLast(socket: object): boolean {
    if (this.closing) return true
    const opened = this.#open.get(socket)
    return opened !== undefined && (opened.excess || performance.now() >= opened.until)
  }
}
