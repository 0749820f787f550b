import { GateError } from './errors.js'

interface Waiter {
  members: number
  enter: () => void
}

/**
 * Bounds what is parsed at one time. Bytes in flight do not: a body weighs up to twenty times as much once it is
 * parsed, and stays so between the slices in which its events are taken, and while their schemas are fetched.
 * Who finds no room waits, with no more than the text, in the order of coming.
 */
export class Parsing {
  readonly #maxMembers: number
  readonly #waiting = new Set<Waiter>()
  #members = 0

  /** `maxMembers`: objects, arrays and keys, of which each weighs some 60 bytes. One body alone is always let in. */
  constructor(maxMembers: number) {
    this.#maxMembers = maxMembers
  }

  /** Undefined if there is room at once. Rejects with `over_capacity` if there is none in time. */
  enter(members: number, patienceMs: number): Promise<void> | undefined {
    if (this.#waiting.size === 0 && this.#fits(members)) {
      this.#members += members
      return undefined
    }
    return new Promise((resolve, reject) => {
      const waiter: Waiter = {
        members,
        enter: () => {
          clearTimeout(timer)
          this.#waiting.delete(waiter)
          this.#members += members
          resolve()
        },
      }
      const timer = setTimeout(
        () => {
          this.#waiting.delete(waiter)
          reject(new GateError('over_capacity', 'too much is read at once: send the request again later'))
          this.#admit()
        },
        Math.max(0, patienceMs),
      )
      this.#waiting.add(waiter)
    })
  }

  leave(members: number): void {
    this.#members -= members
    this.#admit()
  }

  #admit(): void {
    for (const waiter of this.#waiting) {
      if (!this.#fits(waiter.members)) return
      waiter.enter()
    }
  }

  #fits(members: number): boolean {
    return this.#members === 0 || this.#members + members <= this.#maxMembers
  }
}
