import type { GateError } from '../errors.js'
import type { Trace } from '../eventgate.js'
import type { Share } from './share.js'
import type { Encoded } from './transport.js'
import { BATCH_OVERHEAD, type Identity, RECORD_OVERHEAD, type RecordData } from './wire/records.js'

/** What an event is for those who send it. */
export interface Origin {
  /** Where it goes, as long as its topic has that partition. */
  readonly partition?: number
  /** False if it stays here until it is stored, or refused. */
  readonly spool?: boolean | undefined
}

/** A batch that an earlier process has sent to this partition, and may have stored. */
export interface Resumed {
  readonly partition: number
  readonly identity: Identity
  readonly records: readonly Pending[]
}

/** One event, from its acceptance to its outcome. */
export interface Pending extends RecordData {
  /** When it is answered at the latest, by the sender's clock. Not in the order of acceptance: requests have their own. */
  deadline: number
  /** When it would be, if it were not a probe, or beside one. */
  ownDeadline?: number
  /** Of the request that it came with. */
  readonly trace?: Trace | undefined
  readonly origin?: Origin | undefined
  /** What it takes of a batch, at most. */
  readonly size: number
  /** What it holds room of until it has its outcome. */
  share: Share | undefined
  /** How long it had until then when it was accepted. */
  readonly patience: number
  /** Whether it has its outcome. It may still be part of a batch that is on its way. */
  settled: boolean
  /** The batch that it begins, if an earlier process has sent that. */
  resumes?: Resumed
  resolve: (how?: 'spooled') => void
  reject: (error: GateError) => void
}

/** What a record takes of a batch, at most. */
export function sizeOf(valueBytes: number, key: RecordData['key'], headers: RecordData['headers']): number {
  return RECORD_OVERHEAD + valueBytes + (key?.length ?? 0) + (headers?.length ?? 0)
}

/** Whether an event had as good as the whole timeout: one that came with its deadline near proves nothing by it. */
export function isWhole({ patience }: Pending, timeoutMs: number): boolean {
  return patience >= 0.9 * timeoutMs
}

/** Events of one partition that are sent together. Its first sending freezes it: brokers know it by what it has. */
export class Batch {
  records: Pending[] = []
  /** At most this many bytes, uncompressed. */
  size = BATCH_OVERHEAD
  /** Nothing more is added. Set by its freezing, and for parts of a batch that was too large or had bad records. */
  closed = false
  identity: Identity | undefined
  encoded: Encoded | undefined
  /** Attempts that may have stored it: those which no answer of their own has refused. */
  open = 0
  /** Attempts that may still be answered. */
  awaited = 0
  isStored = false
  /** When the first of its events that are not answered must be, and the last. */
  deadline = Infinity
  latest = -Infinity
  /** Whether an event of it has been answered already: then nothing of it may be sent again. */
  hasExpired = false
  /** It was let in by a breaker that is half-open, to find out whether its partition is well again. */
  probe = false
  /** How often it was sent. */
  attempts = 0
  /** Attempts that were refused because the checksum did not match. */
  corrupt = 0
  /** Its records are sent without their headers. */
  bare = false
  /** Attempts that the broker answered without a reason. */
  unexplained = 0
  /** Attempts that a broker refused because it expected another batch, while earlier ones were open. */
  unexpected = 0

  constructor(
    readonly topic: string,
    readonly partition: number,
    /** When its first event was accepted. */
    readonly since: number,
  ) {}

  /** Whether it is frozen without an identity: what is sent again may then be stored twice. */
  get plain(): boolean {
    return this.identity !== undefined && this.identity.producerId < 0
  }

  add(record: Pending): void {
    this.records.push(record)
    this.size += record.size
    this.deadline = Math.min(this.deadline, record.deadline)
    this.latest = Math.max(this.latest, record.deadline)
  }

  /** Gives its events the time that their clients have; beside a probe that failed they would have had little. */
  prolong(): void {
    for (const record of this.records) record.deadline = record.ownDeadline ?? record.deadline
    this.#keep(this.records)
  }

  /** The events whose deadline has come; they must be answered. They leave a batch that is not frozen. */
  takeDue(now: number): Pending[] {
    if (this.deadline > now) return []
    const due: Pending[] = []
    const rest: Pending[] = []
    for (const record of this.records) if (!record.settled) (record.deadline <= now ? due : rest).push(record)
    const { records, size } = this
    this.#keep(rest)
    // Brokers know a frozen batch by all of its records.
    if (this.identity) {
      this.hasExpired = true
      this.records = records
      this.size = size
    }
    return due
  }

  /** Keeps the first `count` events, and answers a batch of the others. */
  cut(count: number): Batch {
    const rest = this.again(this.records.slice(count))
    rest.closed = this.closed
    this.#keep(this.records.slice(0, count))
    return rest
  }

  #keep(records: readonly Pending[]): void {
    this.records = []
    this.size = BATCH_OVERHEAD
    this.deadline = Infinity
    this.latest = -Infinity
    for (const record of records) this.add(record)
  }

  /** These records again, to be frozen anew. */
  again(records: Pending[]): Batch {
    const batch = new Batch(this.topic, this.partition, this.since)
    for (const record of records) batch.add(record)
    batch.closed = true
    batch.probe = this.probe
    batch.corrupt = this.corrupt
    batch.attempts = this.attempts
    return batch
  }
}
