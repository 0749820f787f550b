import type { Log } from './log.js'

/** A line that repeats is one in this time, and one more with a count (ms). */
const INTERVAL_MS = 1000
/** Of a refused event this much is logged, at debug. */
const MAX_EVENT_LENGTH = 4096

/** Logs the first line of its kind at once. Those that follow within a second are one more line. */
export class RepeatLog {
  readonly #log: Log
  readonly #repeats = new Map<string, { count: number }>()

  constructor(log: Log) {
    this.#log = log
  }

  /** `code` is the kind. What clients sent may be private: `event` is shown only at level debug. */
  say(
    level: 'info' | 'warn' | 'error',
    code: string,
    message: string,
    fields: object,
    event?: () => string,
  ): void {
    if (this.isRepeat(code)) return
    const repeats = { count: 0 }
    this.#repeats.set(code, repeats)
    const shown =
      event && this.#log.isLevelEnabled('debug') ? { event: event().slice(0, MAX_EVENT_LENGTH) } : {}
    this.#log[level]({ code, ...fields, ...shown }, message)
    const end = setTimeout(() => {
      this.#repeats.delete(code)
      const { count } = repeats
      if (count > 0) this.#log[level]({ code, count }, `and ${count} more with ${code} in ${INTERVAL_MS} ms`)
    }, INTERVAL_MS)
    end.unref()
  }

  /** Whether a line of this kind was logged within a second. Counts one more then. */
  isRepeat(code: string): boolean {
    const repeats = this.#repeats.get(code)
    if (repeats) repeats.count++
    return repeats !== undefined
  }
}
