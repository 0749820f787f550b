import type { Clock } from './transport.js'

/** Calls back once for all who have asked, soon or at a time. Soon: once the sockets are read, which may have answers. */
export class Alarm {
  /** It calls back soon. */
  isSet = false
  #wakeAt = Infinity
  #cancel: (() => void) | undefined
  #isStopped = false

  constructor(
    readonly clock: Clock,
    readonly ring: (now: number) => void,
  ) {}

  /** Soon, or at `time`. */
  set(time?: number): void {
    if (this.#isStopped) return
    if (time === undefined) {
      if (this.isSet) return
      this.isSet = true
      this.clock.soon(this.#ring)
    } else if (time < this.#wakeAt) {
      this.#cancel?.()
      this.#wakeAt = time
      this.#cancel = this.clock.at(time, this.#ringSoon)
    }
  }

  stop(): void {
    this.#isStopped = true
    this.#cancel?.()
  }

  readonly #ringSoon = () => {
    this.#wakeAt = Infinity
    this.set()
  }

  readonly #ring = () => {
    this.isSet = false
    if (!this.#isStopped) this.ring(this.clock.now())
  }
}
