import { type Entry, weightOf } from './entry.js'
import { type Filter, type Match, matcher } from './filter.js'
import { type Counts, Tallies } from './tallies.js'

/** Clients that wait for entries at one time. */
const MAX_WAITING = 100

export interface Bounds {
  maxEntries: number
  /** A character counts as two bytes. */
  maxBytes: number
}

interface Waiter {
  matches: Match
  count: number
  found: Entry[]
  done(found: Entry[] | undefined): void
}

/** Keeps the latest entries, bounded by count and bytes, for people and tests to look at. */
export class Recorder {
  /** The number of the latest entry. */
  lastSeq = 0
  /** How many were dropped to make room. */
  dropped = 0
  /** What the entries weigh. */
  bytes = 0
  /** How often `reset` was called. */
  resets = 0
  readonly #bounds: Bounds
  /** In the order of their numbers, without gaps. */
  #entries: Entry[] = []
  #tallies = new Tallies()
  readonly #waiters = new Set<Waiter>()
  readonly #changed = new Set<() => void>()

  constructor(bounds: Bounds = { maxEntries: 1000, maxBytes: 16 * 1024 * 1024 }) {
    this.#bounds = bounds
  }

  get kept(): number {
    return this.#entries.length
  }

  add(entry: Omit<Entry, 'seq'>): void {
    const numbered: Entry = { seq: ++this.lastSeq, ...entry }
    this.#entries.push(numbered)
    this.bytes += weightOf(numbered)
    const { maxEntries, maxBytes } = this.#bounds
    while (this.kept > maxEntries || (this.bytes > maxBytes && this.kept > 1)) {
      this.bytes -= weightOf(this.#entries.shift() as Entry)
      this.dropped++
    }
    this.#tallies.add(numbered)
    for (const waiter of this.#waiters) {
      if (!waiter.matches(numbered)) continue
      waiter.found.push(numbered)
      if (waiter.found.length >= waiter.count) waiter.done(waiter.found)
    }
    this.#notify()
  }

  get(seq: number): Entry | undefined {
    const [first] = this.#entries
    return first && this.#entries[seq - first.seq]
  }

  /** Newest first; those older than `before`, if it is given. */
  list(filter: Filter, limit: number, before = Infinity): Entry[] {
    const matches = matcher(filter)
    const found: Entry[] = []
    for (let i = this.#entries.length - 1; i >= 0 && found.length < limit; i--) {
      const entry = this.#entries[i] as Entry
      if (entry.seq < before && matches(entry)) found.push(entry)
    }
    return found
  }

  /** Oldest first, at most `limit` of those after a number. */
  after(seq: number, limit: number): Entry[] {
    const from = Math.max(0, seq + 1 - (this.#entries[0]?.seq ?? 0))
    return this.#entries.slice(from, from + limit)
  }

  counts(now: number): Counts {
    return this.#tallies.counts(now)
  }

  /** Forgets everything except the number of the latest entry. */
  reset(): void {
    this.#entries = []
    this.bytes = 0
    this.dropped = 0
    this.resets++
    this.#tallies = new Tallies()
    this.#notify()
  }

  /** Calls back once, at the next change. The function it returns cancels that. */
  onceChanged(callback: () => void): () => void {
    this.#changed.add(callback)
    return () => void this.#changed.delete(callback)
  }

  #notify(): void {
    const callbacks = [...this.#changed]
    this.#changed.clear()
    for (const callback of callbacks) callback()
  }

  /**
   * Waits until `count` entries after `since` match, those among them that are kept already. Resolves with undefined
   * when the time is over or the signal is aborted, and with 'full' at once if too many are waiting.
   */
  async wait(
    filter: Filter,
    { count, since, ms, signal }: { count: number; since: number; ms: number; signal: AbortSignal },
  ): Promise<Entry[] | undefined | 'full'> {
    const matches = matcher(filter)
    const found = this.after(since, Infinity).filter(matches)
    if (found.length >= count) return found
    if (this.#waiters.size >= MAX_WAITING) return 'full'
    return new Promise(resolve => {
      const done = (found: Entry[] | undefined) => {
        clearTimeout(timer)
        signal.removeEventListener('abort', giveUp)
        this.#waiters.delete(waiter)
        resolve(found)
      }
      const giveUp = () => done(undefined)
      const waiter: Waiter = { matches, count, found, done }
      const timer = setTimeout(giveUp, ms)
      signal.addEventListener('abort', giveUp)
      this.#waiters.add(waiter)
    })
  }
}
