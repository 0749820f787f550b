import { setTimeout as delay } from 'node:timers/promises'
import { yieldToEventLoop } from '../runtime/event-loop.js'

/** When the look-ups for one schema and all that it refers to end, of `performance.now()`. */
export interface Deadline {
  until: number
}

/** After a longer step others get as long again, at most this (ms). */
const LONG_STEP_MS = 5
const MAX_PAUSE_MS = 100

/**
 * Spaces out the steps during which nothing else runs: reading, checking and compiling a schema. At most one runs in a
 * turn of the event loop.
 */
export class Pacer {
  #line: Promise<void> = Promise.resolve()

  /** Resolves when the caller may run a step. The deadline moves, because no repository caused the time in line. */
  async wait(deadline: Deadline): Promise<void> {
    const begun = performance.now()
    this.#line = this.#line.then(afterOthers)
    await this.#line
    deadline.until += performance.now() - begun
  }
}

/** Waits for the next turn of the event loop, and as long again as this one took if it was long. */
async function afterOthers(): Promise<void> {
  const began = performance.now()
  await yieldToEventLoop()
  const took = performance.now() - began
  if (took > LONG_STEP_MS) await delay(Math.min(took, MAX_PAUSE_MS))
}
