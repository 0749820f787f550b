/** Of each turn of the event loop, this much goes to work that nobody waits for, milliseconds. */
const SLICE_MS = 1

/**
 * Lets work that nobody waits for go on a little in each turn of the event loop, in the order of its coming, so that
 * what somebody waits for is never far from its own turn, however much of the other there is.
 */
export class Turns {
  readonly #waiting: (() => void)[] = []
  /** Those before it have had their turn. */
  #next = 0
  #working = false

  /** How many wait for theirs. */
  get length(): number {
    return this.#waiting.length - this.#next
  }

  /** Resolves when it is the caller's turn, which must await this very promise, and ends at its next `await`. */
  turn(): Promise<void> {
    return new Promise(resolve => {
      this.#waiting.push(resolve)
      if (!this.#working) void this.#work()
    })
  }

  async #work(): Promise<void> {
    this.#working = true
    while (this.#next < this.#waiting.length) {
      await new Promise(setImmediate)
      const end = performance.now() + SLICE_MS
      do {
        this.#waiting[this.#next++]?.()
        // Whoever waited goes on before this does: promises' jobs are first in, first out.
        await undefined
      } while (this.#next < this.#waiting.length && performance.now() < end)
      if (this.#next < COMPACT_AT && this.#next < this.#waiting.length) continue
      this.#waiting.splice(0, this.#next)
      this.#next = 0
    }
    this.#working = false
  }
}

/** Those who had their turn are forgotten not one by one, which would move all the others each time. */
const COMPACT_AT = 1000
