/** Of each round of the event loop, this much goes to work that nobody waits for, milliseconds. */
const SLICE_MS = 0.5

/**
 * Who does what, at the end of each round of the event loop: first what somebody waits for, then a little of what
 * nobody waits for, so that the one is never far from its own turn, however much of the other there is.
 *
 * Of the latter, what has begun goes on before anything else begins: work that is half done holds what it has
 * parsed, and a hundred halves would be what the garbage collector copies, again and again, while everybody waits.
 */
export class Turns {
  readonly #first: (() => void)[] = []
  readonly #begun = new Line()
  readonly #new = new Line()
  #arranged = false

  /** How many wait for their turn to begin. */
  get length(): number {
    return this.#new.length
  }

  /** Calls back in this round, once what has come with it is taken, before all others' turns. */
  soon(callback: () => void): void {
    this.#first.push(callback)
    this.#arrange()
  }

  /** Resolves when it is the caller's turn, which must await this very promise, and ends at its next `await`. */
  turn(): Promise<void> {
    return this.#await(this.#new)
  }

  /** The same, for who had a turn, and goes on: in a turn of those that have begun, before those that have not. */
  again(): Promise<void> {
    return this.#await(this.#begun)
  }

  #await(line: Line): Promise<void> {
    return new Promise(resolve => {
      line.push(resolve)
      this.#arrange()
    })
  }

  #arrange(): void {
    if (this.#arranged) return
    this.#arranged = true
    setImmediate(() => void this.#round())
  }

  async #round(): Promise<void> {
    this.#arranged = false
    for (const callback of this.#first.splice(0)) callback()
    const end = performance.now() + SLICE_MS
    for (;;) {
      const next = this.#begun.shift() ?? this.#new.shift()
      if (!next) return
      next()
      // Whoever waited goes on before this does: promises' jobs are first in, first out.
      await undefined
      if (performance.now() >= end) break
    }
    if (this.#begun.length + this.#new.length > 0) this.#arrange()
  }
}

/** First in, first out; an array's own `shift` would move all the others each time. */
class Line {
  #waiting: ((() => void) | undefined)[] = []
  #next = 0

  get length(): number {
    return this.#waiting.length - this.#next
  }

  push(resolve: () => void): void {
    this.#waiting.push(resolve)
  }

  shift(): (() => void) | undefined {
    if (this.length === 0) return undefined
    const next = this.#waiting[this.#next]
    this.#waiting[this.#next++] = undefined
    if (this.length === 0 || this.#next === COMPACT_AT) {
      this.#waiting = this.#waiting.slice(this.#next)
      this.#next = 0
    }
    return next
  }
}

const COMPACT_AT = 1000
