import type { Entry, EntryOutcome } from './entry.js'

/** What became of so many events. Without a code they are accepted. */
interface Posting {
  outcome: EntryOutcome
  code?: string
  events: number
}

interface Tally {
  accepted: number
  refused: number
  /** Includes those whose outcome is unknown. */
  failed: number
  /** ISO time. */
  last_at: string
}

export interface Counts {
  /** `account`: all that came of the stream, by what became of it. */
  by_stream: ({ name: string; account: Posting[] } & Tally)[]
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
  /** By stream, then by outcome and code. Codes are a closed set. */
  readonly #accounts = new Map<string, Map<string, Posting>>()
  readonly #schemas = new Map<string, Tally>()
  readonly #codes = new Map<string, number>()
  /** By second since the epoch. */
  readonly #seconds = new Map<number, { accepted: number; refused: number }>()

  add({ receivedAt, stream, schemaUri, outcome, error }: Entry): void {
    const counted = count(this.#streams, stream ?? NONE, outcome, receivedAt)
    this.#post(counted, outcome, error?.code)
    count(this.#schemas, schemaUri ?? NONE, outcome, receivedAt)
    if (error) this.#codes.set(error.code, (this.#codes.get(error.code) ?? 0) + 1)
    const second = Math.floor(receivedAt / 1000)
    let inSecond = this.#seconds.get(second)
    if (!inSecond) {
      inSecond = { accepted: 0, refused: 0 }
      this.#seconds.set(second, inSecond)
      for (const old of this.#seconds.keys()) if (old <= second - TIMELINE_S) this.#seconds.delete(old)
    }
    inSecond[outcome === 'accepted' ? 'accepted' : 'refused']++
  }

  #post(stream: string, outcome: EntryOutcome, code: string | undefined): void {
    const account = this.#accounts.get(stream) ?? new Map<string, Posting>()
    this.#accounts.set(stream, account)
    const key = code ?? outcome
    const posting = account.get(key) ?? { outcome, ...(code !== undefined && { code }), events: 0 }
    posting.events++
    account.set(key, posting)
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
      by_stream: named(this.#streams).map(tally => ({
        ...tally,
        account: [...(this.#accounts.get(tally.name)?.values() ?? [])],
      })),
      by_schema: named(this.#schemas),
      by_code: Object.fromEntries(this.#codes),
      timeline,
    }
  }
}

/** Answers the name under which it was counted. */
function count(tallies: Map<string, Tally>, name: string, outcome: EntryOutcome, at: number): string {
  let tally = tallies.get(name)
  if (!tally) {
    if (tallies.size >= MAX_NAMES && name !== OTHERS) {
      return count(tallies, OTHERS, outcome, at)
    }
    tally = { accepted: 0, refused: 0, failed: 0, last_at: '' }
    tallies.set(name, tally)
  }
  tally[outcome === 'unknown' ? 'failed' : outcome]++
  tally.last_at = iso(at)
  return name
}

function iso(ms: number): string {
  return new Date(ms).toISOString()
}
