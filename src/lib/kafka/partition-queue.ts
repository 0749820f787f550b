import { GateError } from '../errors.js'
import { backoffMs } from './backoff.js'
import { type Batch, isWhole, type Pending } from './batch.js'
import { BatchQueue, type BatchSettings } from './batch-queue.js'
import { CircuitBreaker } from './circuit-breaker.js'
import { Pace } from './lanes.js'
import { LeaderEpoch } from './leader-epoch.js'
import { describe, meaningOf } from './response-codes.js'
import { NOBODY, type Plainness, Sequence } from './sequence.js'
import { LONG_MS, type Share } from './share.js'
import type { PartitionResult } from './wire/protocol.js'

/** The part of a sender's settings that a partition's queue goes by. */
export interface QueueSettings extends BatchSettings {
  readonly requiresIdempotence: boolean
  readonly retries: number
  readonly retryBackoffMs: number
  readonly retryBackoffMaxMs: number
}

/** Who is told what becomes of the events. */
export interface Ledger {
  /** Gives an event its outcome: stored, or the error that says why not. */
  settle(record: Pending, error: GateError | undefined): void
  /** Events are stored that were answered before, as of unknown fate. */
  late(count: number): void
  /** A partition's leader may not be who it was. */
  refresh(partition: Partition): void
  /** A breaker has opened, a partition's or an unknown topic's: an event waited a whole timeout without success. */
  tripped(partition?: Partition): void
  /** An operator should see this. */
  complain(message: string): void
  /** As `complain`, where events are stored all the same. */
  warn(message: string): void
  /** Brokers refuse batches with an identity. Answers whether they may go without. */
  deny(problem: string): boolean
}

/** What a topic takes, as far as its refusals have told: less than batches have where its message format is old. */
export interface TopicFormat {
  /** No identity. */
  plain: boolean
  /** No headers. */
  bare: boolean
}

/** The longest wait for replicas that follows from a probe: the next one must not be long in coming. */
const MAX_PROBE_WAIT_MS = 4000
/** Attempts that a probe has, as long as what they are answered does not tell whether the partition is well. */
const MAX_PROBE_ATTEMPTS = 3
/** What comes so soon after a probe waits for it. */
const YOUNG_MS = 100
/** An answer that took longer was slow: whether an event can have its answer in time is looked at. */
const SLOW_MS = 1000
/** Of the time that an answer leaves, this part must be left besides: answers do not all take as long. */
const SLACK = 1 / 40
/** Attempts at a batch whose checksum does not match. */
const MAX_CORRUPT = 3
/** Attempts that a broker may answer without a reason before the headers are taken for it. */
const MAX_UNEXPLAINED = 2
/** How long the client of an event waits that is let into something stuck. */
export const PROBE_ANSWER_MS = 1000

/** A request that is out, as a partition sees it. */
export interface Attempt {
  readonly sentAt: number
}

/**
 * The queue of one partition: which of its events are sent next, and what each answer means for them.
 *
 * At most one batch is out at any time, always the first of the queue. The rules of idempotence rest on that:
 * sequence numbers are taken by a batch that is stored, not by one that is sent, so that a batch which surely
 * was not stored leaves no gap; and one of unknown fate is followed by a new epoch, under which brokers refuse
 * whatever of the old one is still on its way.
 *
 * Where brokers recognise batches, the first may be sent again before an earlier attempt at it is answered, because
 * that answer is late or another broker leads now. The first answer that says stored counts, whatever it answers.
 */
export class Partition {
  readonly #queue: BatchQueue
  /** The request that carries the first batch, and whose answer must come, or be late, before another does. */
  out: Attempt | undefined
  /** The number of the broker that leads it. */
  leader: number | undefined
  /** How many answers in a row did not know it any more. */
  missed = 0
  readonly epoch = new LeaderEpoch()
  readonly breaker = new CircuitBreaker()
  readonly pace = new Pace()
  /** How long the latest successful request took, and the lesser of the latest two: one slow answer tells little. */
  #lastMs = 0
  #latencyMs = 0
  /** Not before this time is it worth another attempt. */
  notBefore = 0
  /** Whether it has failed since events without a key were last taken out. */
  #mayLose = false
  #lastSuccess = -Infinity
  readonly sequence: Sequence

  constructor(
    readonly topic: string,
    readonly index: number,
    readonly settings: QueueSettings,
    readonly ledger: Ledger,
    readonly share: Share,
    readonly cluster: Plainness,
    readonly format: TopicFormat,
  ) {
    this.#queue = new BatchQueue(topic, index, settings)
    this.sequence = new Sequence([cluster, format])
  }

  get empty(): boolean {
    return this.#queue.length === 0
  }

  /** No event must be answered before. */
  get deadline(): number {
    return this.#queue.deadline
  }

  /** Whether nothing is wrong with it, so that an event that may go anywhere may go here. */
  get isWell(): boolean {
    return this.leader !== undefined && this.breaker.isWell && !this.pace.isSlow && this.#latencyMs < SLOW_MS
  }

  /** Whether it may take an event of this size: what is not well holds only a part of the room. */
  hasRoom(bytes: number, now: number): boolean {
    if (this.updateShare(now)) return true
    const stalledMs = this.#stalledMs(now)
    return this.share.hasPlace(bytes, stalledMs >= LONG_MS, stalledMs < SLOW_MS)
  }

  /** Answers whether it is well. */
  updateShare(now: number): boolean {
    return this.share.update(this.keepsUp(now))
  }

  /** Well, and nothing is out or waits for so long that this may turn out to be otherwise: behind a quota, a busy broker. */
  keepsUp(now: number): boolean {
    if (!this.isWell || (this.out && now - this.out.sentAt > SLOW_MS / 4)) return false
    return this.#stalledMs(now) <= this.settings.lingerMs + SLOW_MS / 2
  }

  /** For how long an event has always waited, and none was stored. */
  #stalledMs(now: number): number {
    return this.empty ? 0 : now - Math.max(this.#lastSuccess, this.#queue.since)
  }

  /**
   * Whether it refuses an event now. A probe gets one attempt. Its client has the outcome of that within a second,
   * or learns then that it is unknown; the attempt goes on.
   */
  get rejects(): boolean {
    return this.breaker.rejects(this.#queue.length > 0)
  }

  /** Whether a probe has just been sent: what follows within moments waits for what it finds out. */
  hasYoungProbe(now: number): boolean {
    return this.out !== undefined && this.#queue.first?.probe === true && now - this.out.sentAt < YOUNG_MS
  }

  /** Whether it has a batch that an event could share. */
  get grows(): boolean {
    return this.#queue.grows
  }

  /** Takes an event. Answers whether a batch need not linger: it is full, or a client waits to see whether it can be stored. */
  append(record: Pending, now: number): boolean {
    if (!this.breaker.isClosed) {
      const until = this.hasYoungProbe(now) && this.out ? this.out.sentAt + YOUNG_MS : now + PROBE_ANSWER_MS
      record.deadline = Math.min(record.deadline, until)
    }
    return this.#queue.add(record, now, !this.breaker.isClosed)
  }

  /**
   * When an event that is accepted now can have its answer, if the broker goes on as it does; 0 where nothing is out
   * by which that is seen.
   */
  foreseen(now: number): number {
    if (this.#latencyMs < SLOW_MS || !this.out) return 0
    const ahead = Math.max(now, this.out.sentAt + this.#latencyMs)
    const batches = this.#queue.length - (this.#queue.length > 1 && this.grows ? 1 : 0)
    return ahead + batches * this.#latencyMs + SLACK * (this.settings.timeoutMs - this.#latencyMs)
  }

  /** From when on the first batch may be sent, if none is out. */
  readyAt(lingering: boolean): number {
    const batch = this.#queue.first
    // Of what may be sent no more an answer may still come, and of what would be stored twice.
    if (!batch || batch.answered || (batch.plain && batch.awaited > 0)) return Infinity
    if (!lingering || !this.#queue.lingers) return Math.max(this.notBefore, batch.since)
    // What comes from another partition, or has waited for its topic to be known, has lingered there.
    const { deadline, patience } = batch.records[0] as Pending
    const acceptedAt = deadline - patience
    return Math.max(
      this.notBefore,
      Math.min(acceptedAt + this.settings.lingerMs, (acceptedAt + batch.deadline) / 2),
    )
  }

  /** The size of what `take` would take. */
  get nextSize(): number {
    return this.#queue.first?.size ?? 0
  }

  /** Whether the next batch goes without an identity. */
  get plain(): boolean {
    const batch = this.#queue.first
    return batch?.identity ? batch.plain : this.sequence.plain
  }

  /** The first batch, frozen, to be sent by `request`: an attempt is open from here on. */
  take(request: Attempt, now: number): Batch {
    const batch = this.#queue.first as Batch
    // Something else has shown that the partition is well.
    if (this.breaker.isClosed) batch.probe = false
    if (!batch.identity) {
      if (this.#latencyMs >= SLOW_MS) {
        this.#queue.merge(batch)
        this.#refuseLate(batch, now)
      }
      this.#queue.cut(batch, now, this.breaker.failures === 0)
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

  /** Answers events whose answer would most likely come too late, unless that is all of them. */
  #refuseLate(batch: Batch, now: number): void {
    const needed = now + this.#latencyMs
    if (batch.latest <= needed) return
    const late = batch.takeDue(needed)
    if (late.length === 0) return
    const error = this.#error('deadline_not_stored', `it takes Kafka ${Math.round(this.#latencyMs)} ms`)
    for (const record of late) this.ledger.settle(record, error)
  }

  /** Who leads it. What another leader was asked in vain need not hold back a new one. Answers whether it is one. */
  moved(leader: number | undefined, epoch?: number, from?: string): boolean {
    if (!this.epoch.isNews(epoch, from) || leader === this.leader) return false
    this.leader = leader
    this.notBefore = 0
    this.breaker.unreachable()
    this.#release()
    return true
  }

  /** Takes out those events that are surely not stored, and not on their way. */
  takeOut(isWanted: (record: Pending) => boolean): Pending[] {
    this.#mayLose = false
    const taken: Pending[] = []
    this.#queue.replace(batch => {
      if (batch.open > 0 || batch.probe) return batch
      const rest: Pending[] = []
      const before = taken.length
      for (const record of batch.records) if (!record.settled) (isWanted(record) ? taken : rest).push(record)
      if (taken.length === before) return batch
      this.#leave(batch)
      return batch.again(rest)
    })
    return taken
  }

  /** Whether its events without a key had better wait elsewhere. */
  get mayLose(): boolean {
    return this.#mayLose && !this.isWell
  }

  /** It cannot be reached now. */
  isAway(problem: string): void {
    this.breaker.note(problem)
    this.#mayLose = true
  }

  /** The first batch need not wait for the answer to what is out: it may be sent again before. */
  #release(): void {
    const batch = this.#queue.first
    // Without an identity a second copy would be stored, too.
    if (!batch?.identity || batch.plain || batch.answered) return
    if (batch.attempts <= this.settings.retries) this.out = undefined
  }

  /** A request's answer is late. */
  late(batch: Batch, request: Attempt, problem: string, now: number): void {
    if (batch !== this.#queue.first || request !== this.out) return
    this.breaker.fail(problem)
    this.#mayLose = true
    this.ledger.refresh(this)
    // Nothing would keep what follows from being stored before it.
    if (batch.plain) return
    if (batch.probe) {
      this.out = undefined
      this.#delay(now)
      this.#failProbe(batch)
    } else this.#release()
  }

  /** A request's answer for a batch; `quickMs`: within which an answer is quick. */
  answered(
    batch: Batch,
    request: Attempt,
    result: PartitionResult,
    now: number,
    quickMs: number,
    isWaitTooShort: boolean,
  ): void {
    const { code, baseOffset, recordErrors } = result
    const { effect, next, error } = meaningOf(code, baseOffset)
    batch.awaited--
    if (effect === 'stored') {
      if (!batch.isStored) this.#stored(batch, now, now - request.sentAt, quickMs)
      return
    }
    if (effect === 'refused') batch.open--
    if (!this.#landed(batch, request)) return
    this.#failed(describe(code) + (result.message ? ` (${result.message})` : ''))
    switch (next) {
      case 'wait_longer':
        this.#waitLonger(batch, now, isWaitTooShort)
        break
      case 'slow_lane':
        this.pace.slowDown(now, batch.plain)
        this.#backOff(batch, now)
        break
      case 'doubt_headers':
        this.#doubtHeaders(batch)
        this.ledger.refresh(this)
        this.#backOff(batch, now)
        break
      case 'refresh':
        this.ledger.refresh(this)
        // A probe that went to the wrong broker tells nothing: it may ask the right one.
        if (effect === 'refused' && batch.probe && batch.attempts < MAX_PROBE_ATTEMPTS && !batch.answered)
          this.#delay(now)
        else this.#backOff(batch, now)
        break
      case 'back_off':
        this.#backOff(batch, now)
        break
      case 'encode':
        // It may have been made wrong.
        batch.encoded = undefined
        if (++batch.corrupt < MAX_CORRUPT) this.#backOff(batch, now)
        // An old broker says so of a record that it cannot take, as of one without a key on a compacted topic.
        else if (recordErrors === undefined) this.#split(batch, 'record_refused')
        else this.#fail(batch, error)
        break
      case 'split':
        this.#queue.isTooLarge(batch)
        this.#split(batch, error)
        break
      case 'refuse_records':
        this.#refuseRecords(batch, error, recordErrors)
        break
      case 'plain':
        if (!batch.plain && this.ledger.deny(this.breaker.problem)) this.#sendPlain(batch)
        else this.#fail(batch, error)
        break
      case 'plain_topic':
        if (batch.plain || this.settings.requiresIdempotence) this.#fail(batch, error)
        else {
          this.#demote({ plain: true, bare: true }, 'idempotence and headers')
          this.#sendPlain(batch)
        }
        break
      case 'new_epoch':
      case 'new_id':
        this.sequence.nextEpoch(next === 'new_id')
        if (batch.probe && batch.attempts >= MAX_PROBE_ATTEMPTS) this.#backOff(batch, now)
        else {
          this.#delay(now)
          this.#dissolve(batch)
        }
        break
      case 'fail':
        this.#fail(batch, error)
        break
    }
  }

  /** Its broker has closed the connection, which with acks 0 is all that it says of a failure. */
  hungUp(problem: string, now: number): void {
    this.breaker.note(problem)
    // Others, which are well, may have shared it.
    this.notBefore = now + this.settings.retryBackoffMs
    this.ledger.refresh(this)
  }

  /** A request ended without an answer for a batch. */
  lost(batch: Batch, request: Attempt, problem: string, now: number): void {
    batch.awaited--
    if (!this.#landed(batch, request)) return
    this.#failed(problem)
    this.ledger.refresh(this)
    this.#backOff(batch, now)
  }

  #failed(problem: string): void {
    this.#mayLose = true
    this.breaker.problem = problem
    this.breaker.unreachable()
  }

  /** Answers the events whose deadline has come. */
  expire(now: number): void {
    this.#queue.replace(batch => {
      if (!this.#expireIn(batch, now)) return batch
      // An answer may still come for what is left of it.
      if (batch.awaited > 0 && (batch.plain || batch.probe || batch.deadline < Infinity)) return batch
      return batch.identity ? this.#takeBack(batch) : batch
    })
  }

  /** Answers those of a batch's events whose deadline has come; false if there are none. */
  #expireIn(batch: Batch, now: number): boolean {
    const due = batch.takeDue(now)
    if (due.length === 0) return false
    const { timeoutMs } = this.settings
    if (this.#stalledMs(now) >= timeoutMs) this.#trip()
    if (batch.probe && batch.awaited === 0) {
      this.breaker.unreachable()
      this.#delay(now)
    }
    let error: GateError | undefined
    for (const record of due) {
      const waited = isWhole(record, timeoutMs) && this.#lastSuccess < record.deadline - timeoutMs
      if (waited) this.#trip()
      error ??= this.#error(batch.open > 0 ? 'deadline_unknown' : 'deadline_not_stored')
      this.ledger.settle(record, error)
    }
    return true
  }

  #trip(): void {
    if (!this.breaker.isClosed) return
    this.breaker.trip()
    this.ledger.tripped(this)
  }

  /** Answers everything now; what was never sent, or surely not stored, by `code`. */
  abandon(code: EventError): void {
    for (const batch of this.#queue.takeAll()) this.#settle(batch, code)
    this.out = undefined
  }

  /** `topic-0`, for messages. */
  toString(): string {
    return `${this.topic}-${this.index}`
  }

  /** Whether the end of a request decides what becomes of the first batch: it is the latest that carries it. */
  #landed(batch: Batch, request: Attempt): boolean {
    if (batch !== this.#queue.first) return false
    if (request === this.out) {
      this.out = undefined
      return true
    }
    // Whatever else it waits for: what may be sent no more is done with once no answer can come.
    if (batch.answered && batch.awaited === 0) this.#dissolve(batch)
    return false
  }

  #stored(batch: Batch, now: number, tookMs: number, quickMs: number): void {
    batch.isStored = true
    this.pace.stored(now, tookMs, quickMs, batch.attempts === 1)
    this.#latencyMs = Math.min(this.#lastMs, tookMs)
    this.#lastMs = tookMs
    this.breaker.succeed()
    this.notBefore = 0
    this.#lastSuccess = now
    if (batch === this.#queue.first) {
      this.#queue.shift()
      this.out = undefined
      if (!batch.plain) this.sequence.advance(batch.records.length)
    }
    if (batch.bare && !this.format.bare) this.#demote({ ...this.format, bare: true }, 'headers')
    let late = 0
    for (const record of batch.records) {
      if (record.settled) late++
      else this.ledger.settle(record, undefined)
    }
    if (late > 0) this.ledger.late(late)
  }

  /** Not now. What was let in to find that out is told so; what came before waits for its deadline. */
  #backOff(batch: Batch, now: number): void {
    const { retryBackoffMaxMs } = this.settings
    // A probe that told nothing made its client wait, unlike one that was refused.
    this.#delay(now, batch.probe && batch.open > 0 ? 2 * retryBackoffMaxMs : retryBackoffMaxMs)
    if (batch.probe) this.#failProbe(batch)
    else this.#retry(batch, this.notBefore)
  }

  /** Answers a probe, and what came soon after it. */
  #failProbe(batch: Batch): void {
    this.#fail(batch, 'partition_unavailable')
    for (let next = this.#queue.first; next?.probe && !next.identity; next = this.#queue.first)
      this.#fail(next, 'partition_unavailable')
  }

  /** The broker has waited for the replicas already, so it is asked again at once. */
  #waitLonger(batch: Batch, now: number, isWaitTooShort: boolean): void {
    if (!isWaitTooShort) this.pace.slowDown(now, batch.plain, batch.probe ? MAX_PROBE_WAIT_MS : undefined)
    if (batch.probe) this.#backOff(batch, now)
    else {
      this.breaker.fail()
      this.#retry(batch, 0)
    }
  }

  #delay(now: number, most = this.settings.retryBackoffMaxMs): void {
    this.notBefore = now + backoffMs(this.breaker.failures, this.settings.retryBackoffMs, most)
    this.breaker.fail()
  }

  /** Leaves a batch at the head of the queue, to be sent again as it is, if that is still allowed. */
  #retry(batch: Batch, notBefore: number): void {
    this.notBefore = notBefore
    if (batch.attempts > this.settings.retries) this.#fail(batch, 'produce_failed')
    else if (batch.answered && batch.awaited === 0) this.#dissolve(batch)
  }

  /** Gives up on sending a batch as it is. What surely was not stored may be sent in another. */
  #dissolve(batch: Batch): void {
    this.#queue.shift()
    const rest = this.#takeBack(batch)
    if (rest) this.#queue.unshift(rest)
  }

  /** Sends a batch again without the identity that was refused. What an earlier attempt may have stored may be stored twice. */
  #sendPlain(batch: Batch): void {
    // What comes with an identity again must not continue what this one began.
    this.sequence.nextEpoch(true)
    if (batch.open === 0) this.#dissolve(batch)
    else {
      batch.identity = NOBODY
      batch.bare = this.format.bare
      batch.encoded = undefined
      this.#retry(batch, 0)
    }
  }

  /** An old message format has no headers, and a batch that has some is answered like any that the broker cannot store. */
  #doubtHeaders(batch: Batch): void {
    if (!batch.plain || batch.bare || ++batch.unexplained < MAX_UNEXPLAINED) return
    batch.bare = batch.records.some(({ headers }) => headers)
  }

  #demote(format: TopicFormat, without: string): void {
    if (format.plain === this.format.plain && format.bare === this.format.bare) return
    Object.assign(this.format, format)
    this.ledger.warn(
      `${this.topic}: its message format is older than 0.11: it is produced to without ${without}`,
    )
  }

  /** Of a batch that is out of the queue, what may be sent again; the rest is answered, and its identity done with. */
  #takeBack(batch: Batch): Batch | undefined {
    if (batch.open > 0) {
      this.#settle(batch, 'produce_unknown')
      return undefined
    }
    this.#leave(batch)
    const rest = batch.records.filter(record => !record.settled)
    return rest.length > 0 ? batch.again(rest) : undefined
  }

  /** Answers a batch for good: its events are not stored, by `code`, unless an attempt at it is still open. */
  #fail(batch: Batch, code: EventError): void {
    if (code === 'kafka_misconfigured')
      this.ledger.complain(`${this}: ${this.breaker.problem}: the configuration does not fit this cluster`)
    this.#queue.shift()
    this.#settle(batch, code)
  }

  #settle(batch: Batch, code: EventError): void {
    const open = batch.open > 0
    this.#leave(batch)
    let error: GateError | undefined
    for (const record of batch.records) {
      if (record.settled) continue
      error ??= this.#error(open ? 'produce_unknown' : code)
      this.ledger.settle(record, error)
    }
  }

  /** What follows a batch that was sent, and is not known to be stored, needs another identity than that had. */
  #leave(batch: Batch): void {
    if (!batch.identity) return
    this.out = undefined
    this.sequence.leave(batch.identity)
  }

  /** Refuses an event that cannot be sent smaller; halves what is more than one event. */
  #split(batch: Batch, code: EventError): void {
    this.#queue.shift()
    const rest = this.#takeBack(batch)
    if (!rest) return
    const { records } = rest
    const half = records.length >> 1
    if (half === 0) this.#settle(rest, code)
    else this.#queue.unshift(rest.again(records.slice(0, half)), rest.again(records.slice(half)))
  }

  /** Refuses the records that a broker names. One that names none is asked again about each half. */
  #refuseRecords(batch: Batch, code: EventError, errors: PartitionResult['recordErrors'] = []): void {
    if (batch.open > 0 || errors.length === 0) {
      this.#split(batch, code)
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
      this.ledger.settle(
        record,
        new GateError(code, `the broker refused this event for ${this.topic}: ${reason}`),
      )
    }
    if (refused > 0) this.#dissolve(batch)
    else this.#split(batch, code)
  }

  #error(code: EventError, problem = this.breaker.problem): GateError {
    return errorOf(code, this, problem)
  }
}

export type EventError = keyof typeof OUTCOMES

/** The error of an event that is not known to be stored; `where`: its partition, or its topic. */
export function errorOf(code: EventError, where: { toString(): string }, problem: string): GateError {
  return new GateError(code, `${where}: ${OUTCOMES[code]} (${problem})`)
}

const OUTCOMES = {
  deadline_not_stored: 'not produced in time: the event is not stored',
  deadline_unknown: 'not acknowledged in time: the event may have been stored, or may yet be',
  produce_failed: 'the broker refused the event: it is not stored',
  partition_unavailable: 'nothing could be stored for a while, nor can it now: the event is not stored',
  produce_unknown: 'not acknowledged: the event may have been stored, or may yet be',
  event_too_large: 'the event is larger than the broker takes',
  record_refused: 'the broker refused the event',
  topic_refused: 'the topic does not take what this service sends: the event is not stored',
  kafka_misconfigured: 'Kafka refuses what this service sends: the event is not stored',
} as const
