import { backoffMs } from './backoff.js'
import { type Batch, isWhole, type Pending } from './batch.js'
import { CircuitBreaker, PROBE_ANSWER_MS } from './circuit-breaker.js'
import { Pace } from './lanes.js'
import { LeaderEpoch } from './leader-epoch.js'
import {
  type Attempt,
  PartitionQueue,
  type QueueListener,
  type QueueSettings,
  type TopicFormat,
} from './partition-queue.js'
import { countAgain, persistently } from './persistent.js'
import { queueError } from './queue-errors.js'
import { describe, meaningOf } from './response-codes.js'
import type { Plainness } from './sequence.js'
import { LONG_MS, type Share } from './share.js'
import type { PartitionResult } from './wire/protocol.js'

/** Is told, beside what becomes of the events, how the partition fares. */
export interface PartitionListener extends QueueListener {
  /** A partition's leader may not be the one that was known. */
  refresh(partition: Partition): void
  /** A breaker has opened, a partition's or an unknown topic's: an event waited a whole timeout without success. */
  tripped(partition?: Partition): void
  /** Brokers refuse batches with an identity. Answers whether they may go without. */
  deny(problem: string): boolean
}

/** The longest wait for replicas that follows from a probe: the next one must not be long in coming. */
const MAX_PROBE_WAIT_MS = 4000
/** Attempts that a probe has, as long as what they are answered does not tell whether the partition is well. */
const MAX_PROBE_ATTEMPTS = 3
/** What comes so soon after a probe waits for it, or in the time of so many answers. */
const YOUNG_MS = 100
const YOUNG_ANSWERS = 4
/** After a slower answer each event is checked: can it have its own in time? */
const SLOW_MS = 1000
/** Of the time that an answer leaves, this part must be left besides: answers do not all take as long. */
const SLACK = 1 / 40
/** Attempts at a batch whose checksum does not match. */
const MAX_CORRUPT = 3

/** One partition: whether it takes events, when its queue may be sent, and what each answer means for it. */
export class Partition {
  readonly queue: PartitionQueue
  /** The number of the broker that leads it. */
  leader: number | undefined
  /** How many answers in a row did not know it any more. */
  missed = 0
  readonly epoch = new LeaderEpoch()
  readonly breaker = new CircuitBreaker()
  readonly pace = new Pace()
  /** How long the latest successful request took, and the lesser of the latest two: one slow answer tells little. */
  #lastMs = 0
  latencyMs = 0
  /** No attempt is made before this time. */
  notBefore = 0
  /** Whether it has failed since events without a key were last taken out. */
  #mayLose = false
  /** What was out when another broker was found to lead. */
  #misdirected: Attempt | undefined
  lastSuccess = -Infinity

  constructor(
    readonly topic: string,
    readonly index: number,
    readonly settings: QueueSettings,
    readonly listener: PartitionListener,
    readonly share: Share,
    cluster: Plainness,
    format: TopicFormat,
  ) {
    this.queue = new PartitionQueue(topic, index, settings, listener, this.breaker, cluster, format)
  }

  toString(): string {
    return this.queue.toString()
  }

  get empty(): boolean {
    return this.queue.length === 0
  }

  /** Whether nothing is wrong with it, so that an event that may go anywhere may go here. */
  get isWell(): boolean {
    return this.leader !== undefined && this.breaker.isWell && !this.pace.isSlow && this.latencyMs < SLOW_MS
  }

  /** Well, and no event waits for long: behind a quota or a busy broker it may turn out to be otherwise. */
  keepsUp(now: number): boolean {
    const { out } = this.queue
    if (!this.isWell || (out && now - out.sentAt > SLOW_MS / 4)) return false
    return this.#stalledMs(now) <= this.settings.lingerMs + SLOW_MS / 2
  }

  /** Whether it may take an event of this size: what is not well holds only a part of the room. */
  hasRoom(bytes: number, now: number): boolean {
    if (this.updateShare(now)) return true
    const stalledMs = this.#stalledMs(now)
    return this.share.hasPlace(bytes, stalledMs >= LONG_MS, stalledMs < SLOW_MS)
  }

  /** Answers whether it keeps up. */
  updateShare(now: number): boolean {
    return this.share.update(this.keepsUp(now))
  }

  /** For how long an event has always waited, and none was stored. */
  #stalledMs(now: number): number {
    return this.empty ? 0 : now - Math.max(this.lastSuccess, this.queue.since)
  }

  /** Whether it refuses an event now. */
  get rejects(): boolean {
    return this.breaker.rejects(!this.empty)
  }

  /** The end of the moment after a probe was sent. What comes before it waits for what the probe finds out. */
  get youngUntil(): number {
    const { out, first } = this.queue
    const ms = Math.min(PROBE_ANSWER_MS, Math.max(YOUNG_MS, YOUNG_ANSWERS * this.latencyMs))
    return out && first?.probe ? out.sentAt + ms : -Infinity
  }

  /** Takes an event. Answers whether a batch need not linger: it is full, or a client waits for what a probe finds. */
  append(record: Pending, now: number): boolean {
    if (this.breaker.isClosed) return this.queue.add(record, now, false)
    const until = now < this.youngUntil ? this.youngUntil : now + PROBE_ANSWER_MS
    record.ownDeadline ??= record.deadline
    record.deadline = Math.min(record.deadline, until)
    return this.queue.add(record, now, true)
  }

  /** When an event that is accepted now can have its answer, as far as what is out shows; else 0. */
  foreseen(now: number): number {
    const { out, length, grows } = this.queue
    if (this.latencyMs < SLOW_MS || !out) return 0
    const ahead = Math.max(now, out.sentAt + this.latencyMs)
    const batches = length - (length > 1 && grows ? 1 : 0)
    return ahead + batches * this.latencyMs + SLACK * (this.settings.timeoutMs - this.latencyMs)
  }

  /** The first batch, frozen, to be sent by `request`: an attempt is open from here on. */
  take(request: Attempt, now: number): Batch {
    const batch = this.queue.first as Batch
    // Something else has shown that the partition is well.
    if (this.breaker.isClosed) batch.probe = false
    if (!batch.identity && this.latencyMs >= SLOW_MS) {
      this.queue.merge(batch)
      this.#refuseLate(batch, now)
    }
    if (batch.plain) countAgain(this.queue, batch)
    return this.queue.take(request, now)
  }

  /** Answers events whose answer would most likely come too late, unless that is all of them. */
  #refuseLate(batch: Batch, now: number): void {
    const needed = now + this.latencyMs
    if (batch.latest <= needed) return
    const late = batch.takeDue(needed)
    if (late.length === 0) return
    const problem = `it takes Kafka ${Math.round(this.latencyMs)} ms`
    const error = queueError('deadline_not_stored', this, problem)
    for (const record of late) this.listener.settle(record, error)
  }

  /** Takes who leads it. What the old leader failed to do does not delay the new one. Answers whether it is a new one. */
  moved(leader: number | undefined, epoch?: number, from?: string): boolean {
    if (!this.epoch.isNews(epoch, from) || leader === this.leader) return false
    this.leader = leader
    this.notBefore = 0
    this.#misdirected = this.queue.out
    this.breaker.unreachable()
    this.queue.release()
    return true
  }

  /** Whether its events without a key had better wait elsewhere. */
  get mayLose(): boolean {
    return this.#mayLose && !this.isWell
  }

  /** Takes out those events that are surely not stored, and not on their way. */
  takeOut(isWanted: (record: Pending) => boolean, mayBeTried?: boolean): Pending[] {
    this.#mayLose = false
    return this.queue.takeOut(isWanted, mayBeTried)
  }

  /** It cannot be reached now. */
  isAway(problem: string): void {
    this.breaker.note(problem)
    this.#mayLose = true
  }

  /** A request's answer is late. */
  late(batch: Batch, request: Attempt, problem: string, now: number): void {
    if (batch !== this.queue.first || request !== this.queue.out) return
    this.breaker.fail(problem)
    this.#mayLose = true
    this.listener.refresh(this)
    // Nothing would keep what follows from being stored before it.
    if (batch.plain) return
    if (batch.probe) {
      this.queue.out = undefined
      this.#delay(now)
      this.queue.failProbe(batch)
    } else this.queue.release()
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
    const { queue } = this
    const { code, baseOffset, recordErrors } = result
    const { effect, next, error } = meaningOf(code, baseOffset)
    batch.awaited--
    if (effect === 'stored') {
      if (!batch.isStored) this.#stored(batch, now, now - request.sentAt, quickMs)
      return
    }
    if (effect === 'refused') batch.open--
    if (!queue.landed(batch, request)) return
    this.#failed(describe(code) + (result.message ? ` (${result.message})` : ''))
    switch (this.settings.persists ? persistently(next, batch) : next) {
      case 'wait_longer':
        this.#waitLonger(batch, now, isWaitTooShort)
        break
      case 'slow_lane':
        this.pace.slowDown(now, batch.plain)
        this.#backOff(batch, now)
        break
      case 'doubt_headers':
        queue.doubtHeaders(batch)
        this.listener.refresh(this)
        this.#backOff(batch, now)
        break
      case 'refresh':
        this.listener.refresh(this)
        // A probe that went to the wrong broker tells nothing: it may ask the right one.
        if (effect === 'refused' && batch.probe && batch.attempts < MAX_PROBE_ATTEMPTS && !batch.hasExpired)
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
        else if (recordErrors === undefined) queue.split(batch, 'record_refused')
        else queue.fail(batch, error)
        break
      case 'split':
        queue.isTooLarge(batch)
        queue.split(batch, error)
        break
      case 'refuse_records':
        queue.refuseRecords(batch, error, recordErrors)
        break
      case 'plain':
        if (!batch.plain && this.listener.deny(this.breaker.problem)) this.#sendPlain(batch)
        else queue.fail(batch, error)
        break
      case 'plain_topic':
        if (batch.plain || this.settings.requiresIdempotence) queue.fail(batch, error)
        else {
          queue.demote({ plain: true, bare: true }, 'idempotence and headers')
          this.#sendPlain(batch)
        }
        break
      case 'new_epoch':
      case 'new_id':
        queue.sequence.nextEpoch(next === 'new_id')
        if (batch.probe && batch.attempts >= MAX_PROBE_ATTEMPTS) this.#backOff(batch, now)
        else {
          this.#delay(now)
          queue.dissolve(batch)
        }
        break
      case 'fail':
        queue.fail(batch, error)
        break
    }
    if (request === this.#misdirected) this.notBefore = 0
  }

  /** Its broker has closed the connection, which with acks 0 is all that it says of a failure. */
  hungUp(problem: string, now: number): void {
    this.breaker.note(problem)
    // Others, which are well, may have shared it.
    this.notBefore = now + this.settings.retryBackoffMs
    this.listener.refresh(this)
  }

  /** A request ended without an answer for a batch. */
  lost(batch: Batch, request: Attempt, problem: string, now: number): void {
    batch.awaited--
    if (!this.queue.landed(batch, request)) return
    this.#failed(problem)
    this.listener.refresh(this)
    this.#backOff(batch, now)
    if (request === this.#misdirected) this.notBefore = 0
  }

  #failed(problem: string): void {
    this.#mayLose = true
    this.breaker.problem = problem
    this.breaker.unreachable()
  }

  /** Answers the events whose deadline has come. */
  expire(now: number): void {
    this.queue.replace(batch => {
      if (!this.#expireIn(batch, now)) return batch
      // An answer may still come for what is left of it.
      if (batch.awaited > 0 && (batch.plain || batch.probe || batch.deadline < Infinity)) return batch
      return batch.identity ? this.queue.reclaim(batch) : batch
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
    const code = batch.open > 0 ? 'deadline_unknown' : 'deadline_not_stored'
    const error = queueError(code, this, this.breaker.problem)
    for (const record of due) {
      if (isWhole(record, timeoutMs) && this.lastSuccess < record.deadline - timeoutMs) this.#trip()
      this.listener.settle(record, error)
    }
    return true
  }

  #trip(): void {
    if (!this.breaker.isClosed) return
    this.breaker.trip()
    this.listener.tripped(this)
  }

  #stored(batch: Batch, now: number, tookMs: number, quickMs: number): void {
    this.pace.stored(now, tookMs, quickMs, batch.attempts === 1)
    this.latencyMs = Math.min(this.#lastMs, tookMs)
    this.#lastMs = tookMs
    this.breaker.succeed()
    this.notBefore = 0
    this.lastSuccess = now
    this.queue.stored(batch)
  }

  /** Tries again later. A probe is answered now; what came before it waits for its deadline. */
  #backOff(batch: Batch, now: number): void {
    const { retryBackoffMaxMs } = this.settings
    // A probe that told nothing made its client wait, unlike one that was refused.
    this.#delay(now, batch.probe && batch.open > 0 ? 2 * retryBackoffMaxMs : retryBackoffMaxMs)
    if (batch.probe) this.queue.failProbe(batch)
    else this.#retry(batch, this.notBefore)
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

  #sendPlain(batch: Batch): void {
    if (this.queue.makePlain(batch)) this.#retry(batch, 0)
  }

  #delay(now: number, most = this.settings.retryBackoffMaxMs): void {
    this.notBefore = now + backoffMs(this.breaker.failures, this.settings.retryBackoffMs, most)
    this.breaker.fail()
  }

  /** Leaves a batch at the head of the queue, to be sent again as it is, if that is still allowed. */
  #retry(batch: Batch, notBefore: number): void {
    this.notBefore = notBefore
    if (batch.attempts > this.settings.retries) this.queue.fail(batch, 'produce_failed')
    else if (batch.hasExpired && batch.awaited === 0) this.queue.dissolve(batch)
  }
}
