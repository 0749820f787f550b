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
  readonly #bounds: Bounds
  /** In the order of their numbers. Those before `#first` are gone. */
  #entries: Entry[] = []
  #first = 0
  #bytes = 0
  #seen = 0
  #resets = 0
  #tallies = new Tallies()
  readonly #waiters = new Set<Waiter>()
  readonly #changed = new Set<() => void>()
  #dropped = 0

  constructor(bounds: Bounds = { maxEntries: 1000, maxBytes: 16 * 1024 * 1024 }) {
    this.#bounds = bounds
  }

  /** The number of the latest entry. */
  get lastSeq(): number {
    return this.#seen
  }

  get kept(): number {
    return this.#entries.length - this.#first
  }

  /** How many were dropped to make room. */
  get dropped(): number {
    return this.#dropped
  }

  get bytes(): number {
    return this.#bytes
  }

  /** How often `reset` was called. */
  get resets(): number {
    return this.#resets
  }

  add(entry: Omit<Entry, 'seq'>): void {
    const numbered: Entry = { seq: ++this.#seen, ...entry }
    this.#entries.push(numbered)
    this.#bytes += weightOf(numbered)
    while (this.kept > this.#bounds.maxEntries || (this.#bytes > this.#bounds.maxBytes && this.kept > 1))
      this.#forgetFirst()
    this.#tallies.add(numbered)
    for (const waiter of this.#waiters) {
      if (!waiter.matches(numbered)) continue
      waiter.found.push(numbered)
      if (waiter.found.length >= waiter.count) waiter.done(waiter.found)
    }
    this.#tell()
  }

  #forgetFirst(): void {
    this.#bytes -= weightOf(this.#entries[this.#first] as Entry)
    this.#entries[this.#first++] = undefined as never
    this.#dropped++
    if (this.#first < this.#bounds.maxEntries) return
    this.#entries = this.#entries.slice(this.#first)
    this.#first = 0
  }

  get(seq: number): Entry | undefined {
    const first = this.#entries[this.#first]
    return first && seq >= first.seq ? this.#entries[this.#first + seq - first.seq] : undefined
  }

  /** Newest first; those older than `before`, if it is given. */
  list(filter: Filter, limit: number, before = Infinity): Entry[] {
    const matches = matcher(filter)
    const found: Entry[] = []
    for (let i = this.#entries.length - 1; i >= this.#first && found.length < limit; i--) {
      const entry = this.#entries[i] as Entry
      if (entry.seq < before && matches(entry)) found.push(entry)
    }
    return found
  }

  /** Oldest first, at most `limit` of those after a number. */
  after(seq: number, limit: number): Entry[] {
    const first = this.#entries[this.#first]
    if (!first || seq >= this.#seen) return []
    const from = this.#first + Math.max(0, seq + 1 - first.seq)
    return this.#entries.slice(from, from + limit)
  }

  counts(now: number): Counts {
    return this.#tallies.counts(now)
  }

  /** Forgets everything except the number of the latest entry. */
  reset(): void {
    this.#entries = []
    this.#first = 0
    this.#bytes = 0
    this.#dropped = 0
    this.#resets++
    this.#tallies = new Tallies()
    this.#tell()
  }

  /** Calls back once, at the next change. The function it returns cancels that. */
  onceChanged(callback: () => void): () => void {
    this.#changed.add(callback)
    return () => void this.#changed.delete(callback)
  }

  #tell(): void {
    if (this.#changed.size === 0) return
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
