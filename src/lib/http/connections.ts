/** How many connections there may be, and how old they may get. */
export interface ConnectionLimits {
  max: number
  /** Milliseconds; 0: any age. */
  maxAgeMs: number
}

/**
 * Requests of one connection that are worked on. Of what it sends beyond them nothing is read, but one read may hold
 * hundreds: they wait. Browsers and proxies have one at a time (RFC 9112 9.3.2 lets clients send more).
 */
const MAX_UNANSWERED = 16
/** Of all connections; each weighs some kilobytes. */
const MAX_WAITING = 4096
/** By how much of the largest age one connection's differs from another's, so that they do not all end at once. */
const JITTER = 0.2

interface Opened {
  /** From then on its next answer is its last. Milliseconds of `performance.now`. */
  until: number
  excess: boolean
  unanswered: number
  waiting: (() => void)[]
}

/** What is needed of a socket. */
interface Pausable {
  readonly destroyed: boolean
  pause(): void
  resume(): void
}

/**
 * The connections that are open. One is ended with an answer, never between them: a client whose connection
 * ends without an answer may take that for success (docs/contract.md 1.2).
 */
export class Connections {
  /** On shutdown: every answer is its connection's last. */
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

  /** Takes note of a new one. */
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
   * Begins a request, now or when enough of those before it on its connection are answered; false where too many
   * wait. To be followed by `answered`.
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

  /** Whether it was one too many when it was opened: what it asks for costs an answer, and no more. */
  isExcess(socket: object): boolean {
    return this.#open.get(socket)?.excess ?? false
  }

  /** Whether the next answer is to be the last on this connection. */
  isLast(socket: object): boolean {
    if (this.closing) return true
    const opened = this.#open.get(socket)
    return opened !== undefined && (opened.excess || performance.now() >= opened.until)
  }
}
