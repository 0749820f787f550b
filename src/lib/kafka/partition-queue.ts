import { GateError } from '../errors.js'
import type { Batch, Pending } from './batch.js'
import { BatchQueue, type BatchSettings } from './batch-queue.js'
import type { CircuitBreaker } from './circuit-breaker.js'
import type { SenderObserver } from './observer.js'
import { countAgain } from './persistent.js'
import { type QueueErrorCode, queueError } from './queue-errors.js'
import { NOBODY, type Plainness, Sequence } from './sequence.js'
import type { PartitionResult } from './wire/protocol.js'

/** The part of a sender's settings that a partition's queue goes by. */
export interface QueueSettings extends BatchSettings {
  readonly requiresIdempotence: boolean
  readonly retries: number
  readonly retryBackoffMs: number
  readonly retryBackoffMaxMs: number
  /** Whether an event is sent again until it is stored or surely never will be, even if that may store it twice. */
  readonly persists?: boolean | undefined
}

/** Is told what becomes of the events. */
export interface QueueListener {
  /** Gives an event its outcome: stored, or the error that says why not. */
  settle(record: Pending, error: GateError | undefined): void
  readonly observer: SenderObserver
}

/** What a topic takes, as far as its refusals have told: less than batches have where its message format is old. */
export interface TopicFormat {
  /** No identity. */
  plain: boolean
  /** No headers. */
  bare: boolean
}

/** A request that is out, as a partition sees it. */
export interface Attempt {
  readonly sentAt: number
}

/** Attempts that a broker may answer without a reason before the headers are taken for it. */
const MAX_UNEXPLAINED = 2

/**
 * The batches of one partition: under which identity each is sent, and what becomes of its events.
 *
 * At most one batch is out at any time, always the first. The rules of idempotence rest on that. Sequence numbers
 * are taken by a batch that is stored, not by one that is sent: what surely was not stored leaves no gap. A batch
 * of unknown fate is followed by a new epoch, under which brokers refuse what of the old one is still on its way.
 *
 * Where brokers recognise batches, the first may be sent again before an earlier attempt is answered. The first
 * answer that says stored counts, whichever attempt it answers.
 */
export class PartitionQueue extends BatchQueue {
  /** The request that carries the first batch. Its answer must come, or be late, before another is sent. */
  out: Attempt | undefined
  readonly sequence: Sequence

  constructor(
    topic: string,
    partition: number,
    override readonly settings: QueueSettings,
    readonly listener: QueueListener,
    /** Has the reason of the latest failure. */
    readonly breaker: CircuitBreaker,
    cluster: Plainness,
    readonly format: TopicFormat,
  ) {
    super(topic, partition, settings)
    this.sequence = new Sequence([cluster, format])
  }

  /** `topic-0`, for messages. */
  override toString(): string {
    return `${this.topic}-${this.partition}`
  }

  /** Whether the next batch goes without an identity. */
  get plain(): boolean {
    const batch = this.first
    return batch?.identity ? batch.plain : this.sequence.plain
  }

  /** Whether the first batch was sent, and any of its events has no outcome yet. */
  get isTried(): boolean {
    return this.first !== undefined && this.first.attempts > 0 && this.first.deadline < Infinity
  }

  /** Whether an attempt may yet store something. */
  get isOpen(): boolean {
    return this.first !== undefined && this.first.open > 0
  }

  /** When the first batch may be sent, if none is out. */
  readyAt(lingering: boolean, notBefore: number): number {
    const batch = this.first
    // No event of an answered batch may be sent again. A plain batch would be stored twice.
    if (!batch || batch.hasExpired || (batch.plain && batch.awaited > 0)) return Infinity
    if (!lingering || !this.lingers) return Math.max(notBefore, batch.since)
    // What comes from another partition, or has waited for its topic to be known, has lingered there.
    const { deadline, patience } = batch.records[0] as Pending
    const acceptedAt = deadline - patience
    return Math.max(
      notBefore,
      Math.min(acceptedAt + this.settings.lingerMs, (acceptedAt + batch.deadline) / 2),
    )
  }

  /** The first batch, frozen, to be sent by `request`: an attempt is open from here on. */
  take(request: Attempt, now: number): Batch {
    const batch = this.first as Batch
    if (!batch.identity) {
      this.cut(batch, now, this.breaker.failures === 0)
      batch.closed = true
      batch.identity = this.sequence.identity
      batch.bare = this.format.bare
    }
    batch.open++
    batch.awaited++
    batch.attempts++
    this.out = request
    return batch
  }

  /** The first batch may be sent again before what is out is answered. */
  release(): void {
    const batch = this.first
    // Without an identity a second copy would be stored, too.
    if (!batch?.identity || batch.plain || batch.hasExpired) return
    if (batch.attempts <= this.settings.retries) this.out = undefined
  }

  /** Whether the end of a request decides what becomes of the first batch: it is the latest that carries it. */
  landed(batch: Batch, request: Attempt): boolean {
    if (batch !== this.first) return false
    if (request === this.out) {
      this.out = undefined
      return true
    }
    // What may not be sent again is finished once no answer can come.
    if (batch.hasExpired && batch.awaited === 0) this.dissolve(batch)
    return false
  }

  /** A batch is stored, by whichever attempt. */
  stored(batch: Batch): void {
    batch.isStored = true
    if (batch === this.first) {
      this.shift()
      this.out = undefined
      if (batch.identity) this.sequence.advance(batch.identity, batch.records.length)
    }
    if (this.first?.probe) this.prolong()
    if (batch.bare && !this.format.bare) this.demote({ ...this.format, bare: true }, 'headers')
    let late = 0
    for (const record of batch.records) {
      if (record.settled) late++
      else this.listener.settle(record, undefined)
    }
    if (late > 0) this.listener.observer.late?.(late)
  }

  /** Takes out those events that are surely not stored, and not on their way. */
  takeOut(isWanted: (record: Pending) => boolean, mayBeTried = true): Pending[] {
    const taken: Pending[] = []
    this.replace(batch => {
      if (batch.open > 0 || batch.probe || (batch.attempts > 0 && !mayBeTried)) return batch
      const rest: Pending[] = []
      const before = taken.length
      for (const record of batch.records) if (!record.settled) (isWanted(record) ? taken : rest).push(record)
      if (taken.length === before) return batch
      this.#leave(batch)
      return batch.again(rest)
    })
    return taken
  }

  /** Answers everything now; what was never sent, or surely not stored, by `code`. */
  abandon(code: QueueErrorCode): void {
    for (const batch of this.takeAll()) this.#settle(batch, code)
    this.out = undefined
  }

  /** Gives up on sending a batch as it is. What surely was not stored may be sent in another. */
  dissolve(batch: Batch): void {
    this.shift()
    const rest = this.reclaim(batch)
    if (rest) this.unshift(rest)
  }

  /** Answers a batch for good: its events are not stored, by `code`, unless an attempt at it is still open. */
  fail(batch: Batch, code: QueueErrorCode): void {
    if (code === 'kafka_misconfigured')
      this.listener.observer.complain?.(
        `${this}: ${this.breaker.problem}: the configuration does not fit this cluster`,
      )
    countAgain(this, batch)
    this.shift()
    this.#settle(batch, code)
  }

  /** The probe at the head failed: answers it, and the events that came soon after it. */
  failProbe(probe: Batch): void {
    this.fail(probe, 'partition_unavailable')
    for (let next = this.first; next?.probe && !next.identity; next = this.first)
      this.fail(next, 'partition_unavailable')
  }

  /** Refuses an event that cannot be sent smaller; halves what is more than one event. */
  split(batch: Batch, code: QueueErrorCode): void {
    this.shift()
    const rest = this.reclaim(batch)
    if (!rest) return
    const { records } = rest
    const half = records.length >> 1
    if (half === 0) this.#settle(rest, code)
    else this.unshift(rest.again(records.slice(0, half)), rest.again(records.slice(half)))
  }

  /** Refuses the records that a broker names. If it names none, it is asked again about each half. */
  refuseRecords(batch: Batch, code: QueueErrorCode, errors: PartitionResult['recordErrors'] = []): void {
    if (batch.open > 0 || errors.length === 0) {
      this.split(batch, code)
      return
    }
    let refused = 0
    for (const { index, message } of errors) {
      const record = batch.records[index]
      if (!record || record.settled) continue
      refused++
      const { problem } = this.breaker
      // A broker may say the same of the batch and of its only bad record.
      const reason = message && !problem.includes(message) ? `${problem}: ${message}` : problem
      this.listener.settle(
        record,
        new GateError(code, `the broker refused this event for ${this.topic}: ${reason}`),
      )
    }
    if (refused > 0) this.dissolve(batch)
    else this.split(batch, code)
  }

  /** Takes a batch's identity away. Answers whether it stays: then an earlier attempt may store it a second time. */
  makePlain(batch: Batch): boolean {
    // What comes with an identity again must not continue what this one began.
    this.sequence.nextEpoch(true)
    if (batch.open === 0) {
      this.dissolve(batch)
      return false
    }
    batch.identity = NOBODY
    batch.bare = this.format.bare
    batch.encoded = undefined
    return true
  }

  /** An old message format has no headers. A batch that has some gets the answer of any that cannot be stored. */
  doubtHeaders(batch: Batch): void {
    if (!batch.plain || batch.bare || ++batch.unexplained < MAX_UNEXPLAINED) return
    batch.bare = batch.records.some(({ headers }) => headers)
  }

  demote(format: TopicFormat, without: string): void {
    if (format.plain === this.format.plain && format.bare === this.format.bare) return
    Object.assign(this.format, format)
    this.listener.observer.warn?.(
      `${this.topic}: its message format is older than 0.11: it is produced to without ${without}`,
    )
  }

  /** Of a batch that is out of the queue, what may be sent again. The rest is answered, and its identity given up. */
  reclaim(batch: Batch): Batch | undefined {
    if (batch.open > 0 && !this.settings.persists) {
      this.#settle(batch, 'produce_unknown')
      return undefined
    }
    countAgain(this, batch)
    this.#leave(batch)
    const rest = batch.records.filter(record => !record.settled)
    return rest.length > 0 ? batch.again(rest) : undefined
  }

  #settle(batch: Batch, code: QueueErrorCode): void {
    const isUnknown = batch.open > 0 && !this.settings.persists
    this.#leave(batch)
    let error: GateError | undefined
    for (const record of batch.records) {
      if (record.settled) continue
      error ??= queueError(isUnknown ? 'produce_unknown' : code, this, this.breaker.problem)
      this.listener.settle(record, error)
    }
  }

  /** What follows a batch that was sent, and is not known to be stored, needs another identity than that had. */
  #leave(batch: Batch): void {
    if (!batch.identity) return
    this.out = undefined
    this.sequence.leave(batch.identity)
  }
}
