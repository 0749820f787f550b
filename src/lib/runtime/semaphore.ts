import { GateError } from '../errors.js'

interface Waiter {
  weight: number
  enter: () => void
}

/** Admits up to a total weight at one time, in the order of arrival. What is heavier than that is admitted alone. */
export class WeightedSemaphore {
  readonly #capacity: number
  readonly #waiting = new Set<Waiter>()
  #held = 0

  constructor(capacity: number) {
    this.#capacity = capacity
  }

  /** Waits for room; undefined if there is room now. Rejects with `over_capacity` after `patienceMs`. */
  acquire(weight: number, patienceMs: number): Promise<void> | undefined {
    if (this.#waiting.size === 0 && this.#fits(weight)) {
      this.#held += weight
      return undefined
    }
    return new Promise((resolve, reject) => {
      const waiter: Waiter = {
        weight,
        enter: () => {
          clearTimeout(timer)
          this.#waiting.delete(waiter)
          this.#held += weight
          resolve()
        },
      }
      const refuse = () => {
        this.#waiting.delete(waiter)
        reject(new GateError('over_capacity', 'too much is in progress: send the request again later'))
        this.#admit()
      }
      const timer = patienceMs === Infinity ? undefined : setTimeout(refuse, Math.max(0, patienceMs))
      this.#waiting.add(waiter)
    })
  }

  release(weight: number): void {
    this.#held -= weight
    this.#admit()
  }

  #admit(): void {
    for (const waiter of this.#waiting) {
      if (!this.#fits(waiter.weight)) return
      waiter.enter()
    }
  }

  #fits(weight: number): boolean {
    return this.#held === 0 || this.#held + weight <= this.#capacity
  }
}
