import type { Entry, EntryOutcome } from './entry.js'

interface Tally {
  accepted: number
  refused: number
  /** Includes those whose outcome is unknown. */
  failed: number
  /** ISO time. */
  last_at: string
}

export interface Counts {
  by_stream: ({ name: string } & Tally)[]
  by_schema: ({ name: string } & Tally)[]
  by_code: Record<string, number>
  /** Seconds without events are left out. */
  timeline: { at: string; accepted: number; refused: number }[]
}

/** Streams, and schemas, that are counted by name. Clients choose the names. */
const MAX_NAMES = 1000
const OTHERS = '(others)'
const NONE = '(none)'
const TIMELINE_S = 120

/** Counts all events, also those whose entries are dropped. */
export class Tallies {
  readonly #streams = new Map<string, Tally>()
  readonly #schemas = new Map<string, Tally>()
  readonly #codes = new Map<string, number>()
  /** By second since the epoch. */
  readonly #seconds = new Map<number, { accepted: number; refused: number }>()

  add({ receivedAt, stream, schemaUri, outcome, error }: Entry): void {
    count(this.#streams, stream ?? NONE, outcome, receivedAt)
    count(this.#schemas, schemaUri ?? NONE, outcome, receivedAt)
    if (error) this.#codes.set(error.code, (this.#codes.get(error.code) ?? 0) + 1)
    const second = Math.floor(receivedAt / 1000)
    let counted = this.#seconds.get(second)
    if (!counted) {
      counted = { accepted: 0, refused: 0 }
      this.#seconds.set(second, counted)
      for (const old of this.#seconds.keys()) if (old <= second - TIMELINE_S) this.#seconds.delete(old)
    }
    counted[outcome === 'accepted' ? 'accepted' : 'refused']++
  }

  counts(now: number): Counts {
    const named = (tallies: Map<string, Tally>) =>
      [...tallies].map(([name, tally]) => ({ name, ...tally })).sort((a, b) => (a.name < b.name ? -1 : 1))
    const oldest = Math.floor(now / 1000) - TIMELINE_S
    const timeline = [...this.#seconds]
      .filter(([second]) => second > oldest)
      .sort(([a], [b]) => a - b)
      .map(([second, counted]) => ({ at: iso(second * 1000), ...counted }))
    return {
      by_stream: named(this.#streams),
      by_schema: named(this.#schemas),
      by_code: Object.fromEntries(this.#codes),
      timeline,
    }
  }
}

function count(tallies: Map<string, Tally>, name: string, outcome: EntryOutcome, at: number): void {
  let tally = tallies.get(name)
  if (!tally) {
    if (tallies.size >= MAX_NAMES && name !== OTHERS) {
      count(tallies, OTHERS, outcome, at)
      return
    }
    tally = { accepted: 0, refused: 0, failed: 0, last_at: '' }
    tallies.set(name, tally)
  }
  tally[outcome === 'unknown' ? 'failed' : outcome]++
  tally.last_at = iso(at)
}

function iso(ms: number): string {
  return new Date(ms).toISOString()
}
