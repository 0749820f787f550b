import type { Clock } from '#src/lib/kafka/transport.js'

interface Timer {
  readonly time: number
  /** Timers of the same time fire in the order in which they were set. */
  readonly order: number
  callback: (() => void) | undefined
}

/** More steps than this at one moment, and something spins. */
const MAX_STEPS_AT_ONCE = 50_000

/** Virtual time: it stands still while anything can go on, then jumps to the next timer. */
export class VirtualClock implements Clock {
  time = 0
  readonly #timers: Timer[] = []
  #soon: (() => void)[] = []
  #order = 0

  now(): number {
    return this.time
  }

  at(time: number, callback: () => void): () => void {
    const timer: Timer = { time: Math.max(time, this.time), order: this.#order++, callback }
    this.#push(timer)
    return () => {
      timer.callback = undefined
    }
  }

  soon(callback: () => void): void {
    this.#soon.push(callback)
  }

  after(ms: number, callback: () => void): () => void {
    return this.at(this.time + ms, callback)
  }

  sleep(ms: number): Promise<void> {
    return new Promise(resolve => void this.at(this.time + ms, resolve))
  }

  /** Lets everything happen that happens until `time`. */
  async runUntil(time: number): Promise<void> {
    for (let steps = 0; ; steps++) {
      if (steps > MAX_STEPS_AT_ONCE) throw new Error(`something spins at ${this.time}`)
      // All promises that can go on do before the next immediate.
      await new Promise(setImmediate)
      if (this.#soon.length > 0) {
        for (const callback of this.#soon.splice(0)) callback()
        continue
      }
      const next = this.#pop(time)
      if (!next) break
      if (next.time > this.time) {
        this.time = next.time
        steps = 0
      }
      next.callback?.()
    }
    this.time = time
  }

  // A binary heap.

  #push(timer: Timer): void {
    const timers = this.#timers
    let at = timers.push(timer) - 1
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (!isBefore(timer, timers[parent] as Timer)) break
      timers[at] = timers[parent] as Timer
      at = parent
    }
    timers[at] = timer
  }

  /** The next timer that was not cancelled, if its time is not after `until`. */
  #pop(until: number): Timer | undefined {
    for (;;) {
      const first = this.#timers[0]
      if (!first || (first.callback && first.time > until)) return undefined
      this.#removeFirst()
      if (first.callback) return first
    }
  }

  #removeFirst(): void {
    const timers = this.#timers
    const last = timers.pop() as Timer
    const { length } = timers
    if (length === 0) return
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= length) break
      if (child + 1 < length && isBefore(timers[child + 1] as Timer, timers[child] as Timer)) child++
      if (!isBefore(timers[child] as Timer, last)) break
      timers[at] = timers[child] as Timer
      at = child
    }
    timers[at] = last
  }
}

function isBefore(a: Timer, b: Timer): boolean {
  return a.time < b.time || (a.time === b.time && a.order < b.order)
}
