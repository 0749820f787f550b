/** Work is done in slices. Each lane has its share of each turn of the event loop (ms). */
const LANES = { guaranteed: 5, hasty: 0.5 } as const
/** After a step of one lane that takes longer the other lane runs in the next turn (ms). */
const LONG_MS = 8
/** No more work begins at once in a turn after this time (ms). */
const TURN_MS = 5

export type LaneName = keyof typeof LANES

/**
 * Decides what runs in each turn of the event loop: first urgent callbacks, then a slice of each lane. However much work
 * there is, the event loop goes round between two slices.
 */
export class Scheduler {
  readonly #urgent: (() => void)[] = []
  readonly #lanes: Record<LaneName, Lane> = { guaranteed: new Lane(), hasty: new Lane() }
  #arranged = false
  #owed: LaneName | undefined
  /** When work was first begun at once in this turn. */
  #turnBegan: number | undefined

  /** The number of hasty requests that wait to begin. */
  get length(): number {
    return this.#lanes.hasty.starting
  }

  /** Calls back at the end of this turn, before any slice. */
  urgent(callback: () => void): void {
    this.#urgent.push(callback)
    this.#arrange()
  }

  /** As `start`, but undefined if the caller may run now: its lane is empty, and this turn has time for such work. */
  begin(lane: LaneName): Promise<void> | undefined {
    const now = performance.now()
    this.#turnBegan ??= now
    this.#arrange()
    if (this.#lanes[lane].length === 0 && now - this.#turnBegan < TURN_MS) return undefined
    return this.start(lane)
  }

  /**
   * Resolves when the caller may run. The caller must await this very promise, and its slice ends at its next `await`.
   * Small work does not wait behind large work.
   */
  start(lane: LaneName, isSmall = false): Promise<void> {
    return this.#await(isSmall ? this.#lanes[lane].small : this.#lanes[lane].fresh)
  }

  /** The same for work that has begun. It continues before other work of its lane begins, unless that is small. */
  resume(lane: LaneName): Promise<void> {
    return this.#await(this.#lanes[lane].begun)
  }

  #await(queue: Queue): Promise<void> {
    return new Promise(resolve => {
      queue.push(resolve)
      this.#arrange()
    })
  }

  #arrange(): void {
    if (this.#arranged) return
    this.#arranged = true
    setImmediate(() => void this.#turn())
  }

  async #turn(): Promise<void> {
    this.#arranged = false
    this.#turnBegan = undefined
    for (const callback of this.#urgent.splice(0)) callback()
    const began = performance.now()
    const names: LaneName[] = this.#owed === 'hasty' ? ['hasty', 'guaranteed'] : ['guaranteed', 'hasty']
    this.#owed = undefined
    for (const name of names) {
      const lane = this.#lanes[name]
      if (lane.length > 0 && performance.now() - began > LONG_MS) this.#owed = name
      else await slice(lane, performance.now() + LANES[name])
    }
    if (this.#lanes.guaranteed.length + this.#lanes.hasty.length > 0) this.#arrange()
  }
}

async function slice(lane: Lane, end: number): Promise<void> {
  for (;;) {
    const next = lane.next()
    if (!next) return
    next()
    // The resumed work runs before this function does, because promise jobs are first in, first out.
    await undefined
    if (performance.now() >= end) return
  }
}

class Lane {
  readonly small = new Queue()
  readonly begun = new Queue()
  readonly fresh = new Queue()
  #isSmallNext = true

  get starting(): number {
    return this.small.length + this.fresh.length
  }

  get length(): number {
    return this.starting + this.begun.length
  }

  /** Alternates small work and the rest, so that neither waits for all of the other. */
  next(): (() => void) | undefined {
    const small = this.#isSmallNext ? this.small.shift() : undefined
    this.#isSmallNext = small === undefined
    return small ?? this.begun.shift() ?? this.fresh.shift() ?? this.small.shift()
  }
}

/** First in, first out. The `shift` of an array would move all other entries each time. */
class Queue {
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
