import { isWhole, type Pending } from './batch.js'
import { CircuitBreaker, PROBE_ANSWER_MS } from './circuit-breaker.js'
import { Partition, type PartitionListener } from './partition.js'
import type { QueueSettings, TopicFormat } from './partition-queue.js'
import type { Partitioner } from './partitioner.js'
import { type QueueErrorCode, queueError } from './queue-errors.js'
import type { Plainness } from './sequence.js'
import { LONG_MS, type QueueRoom, Share } from './share.js'
import type { TopicMetadata } from './wire/protocol.js'

export interface TopicSettings extends QueueSettings {
  readonly partitioner: Partitioner
  /** For how long events without a key go to one partition at most, so that they share a batch. */
  readonly stickyMs: number
}

/** Answers in a row that do not know a partition any more, before it counts as gone: one may be out of date. */
const MAX_MISSED = 3
/** A topic that is not known for so long counts as one that is not well. */
const NEW_MS = 250
/** Between two events without a key that go to partitions which may not be well. */
const PROBE_MS = 1000

/** A topic: its partitions, once they are known, and until then the events that wait for that. */
export class Topic {
  readonly partitions: Partition[] = []
  /** Events whose partition is not known, first in first out. */
  waiting: Pending[] = []
  /** When the first of them must be answered. */
  deadline = Infinity
  /** While its partitions are not known. */
  readonly breaker = new CircuitBreaker()
  readonly #notKeepingUp = { bytes: 0, messages: 0 }
  /** Of the events that wait. */
  readonly share: Share
  /** When it was last produced to. */
  used = 0
  /** When it may be asked about again while it is unknown. */
  askAt = 0
  /** Since when brokers say that it does not exist, though they were asked to create it. */
  unknownSince: number | undefined
  /** A topic beside which brokers do not create this one. */
  rival: string | undefined
  /** Since when brokers say that it does not exist, though it did. */
  goneSince: number | undefined
  /** How often it was asked about while it stayed unknown. */
  asked = 0
  /** Since when there has always been an event that waits. */
  waitingSince = 0
  /** How many partitions it has: fewer than are kept here where it was made anew with fewer. */
  #count = 0
  readonly format: TopicFormat = { plain: false, bare: false }
  #sticky: Partition | undefined
  #stickyUntil = 0
  #probeAt = 0

  constructor(
    readonly name: string,
    readonly settings: TopicSettings,
    readonly listener: PartitionListener,
    readonly random: () => number,
    readonly room: QueueRoom,
    readonly cluster: Plainness,
  ) {
    this.share = new Share(room, this.#notKeepingUp)
  }

  get known(): boolean {
    return this.#count > 0
  }

  /** Whether each of its partitions has a leader, as far as is known. */
  get isLed(): boolean {
    return this.partitions.every(({ leader }, index) => leader !== undefined || index >= this.#count)
  }

  /** As a partition's. A new topic is known within a moment. */
  hasRoom(bytes: number, now: number): boolean {
    const waited = this.waiting.length > 0 ? now - this.waitingSince : 0
    return this.share.update(waited < NEW_MS) || this.share.hasPlace(bytes, waited >= LONG_MS, false)
  }

  /** Whether it refuses an event while it is unknown. */
  get rejects(): boolean {
    return this.breaker.rejects(this.waiting.length > 0)
  }

  toString(): string {
    return this.name
  }

  get idle(): boolean {
    return this.waiting.length === 0 && this.partitions.every(partition => partition.empty)
  }

  /** Where an event goes; only for a known topic. */
  choose(key: Buffer | null, now: number): Partition {
    const { partitions, settings } = this
    const index = key ? settings.partitioner(key, this.#count) : undefined
    if (index !== undefined) return partitions[index] as Partition
    const sticky = this.#sticky
    // A batch that lingered is full, or on its way: the next goes elsewhere, and need not queue behind it.
    const lasts = sticky && now < this.#stickyUntil && (settings.lingerMs === 0 || sticky.queue.grows)
    if (lasts && sticky.keepsUp(now)) return sticky
    this.#sticky = this.#any(now)
    this.#stickyUntil = now + settings.stickyMs
    return this.#sticky
  }

  /** Where an event goes that has waited, or comes from the spool. */
  placeOf({ key, origin }: Pending, now: number): Partition {
    const { partition = -1 } = origin ?? {}
    return partition >= 0 && partition < this.#count
      ? (this.partitions[partition] as Partition)
      : this.choose(key, now)
  }

  /** One at random that is well. Now and then an empty one that is not, which shows whether it is well again. */
  #any(now: number): Partition {
    const all = this.partitions.slice(0, this.#count)
    const led = all.filter(partition => partition.leader !== undefined)
    const well = led.filter(partition => partition.keepsUp(now))
    const probes =
      now < this.#probeAt
        ? []
        : led.filter(partition => partition.empty && !partition.rejects && !well.includes(partition))
    // A probe may well fail, though there are others that would have taken the event.
    const risky = probes.some(partition => !partition.breaker.isClosed)
    if (probes.length > 0) this.#probeAt = now + (risky ? this.settings.timeoutMs : PROBE_MS)
    const taking = all.filter(partition => !partition.rejects)
    const from = [probes, well, taking, all].find(some => some.length > 0) as Partition[]
    return from[Math.floor(this.random() * from.length)] as Partition
  }

  /** Takes what a broker knows of it; an error leaves what was known. Answers whether anything has changed. */
  update(metadata: TopicMetadata): boolean {
    // One that is made anew counts its leaders from 0.
    if (metadata.code === 3 || metadata.partitions.length !== this.#count)
      for (const partition of this.partitions) partition.epoch.forget()
    if (metadata.code !== 0 || metadata.partitions.length === 0) return false
    let changed = this.#resize(metadata.partitions.length)
    for (const { partition: index, leader, epoch } of metadata.partitions) {
      while (this.partitions.length <= index)
        this.partitions.push(
          new Partition(
            this.name,
            this.partitions.length,
            this.settings,
            this.listener,
            new Share(this.room, this.#notKeepingUp),
            this.cluster,
            this.format,
          ),
        )
      const partition = this.partitions[index] as Partition
      partition.missed = 0
      if (partition.moved(leader >= 0 ? leader : undefined, epoch, metadata.from)) changed = true
    }
    this.breaker.succeed()
    this.asked = 0
    this.unknownSince = undefined
    this.rival = undefined
    if (this.#sticky && this.#sticky.index >= this.#count) this.#sticky = undefined
    return changed
  }

  /** Takes how many partitions there are. Answers whether that has changed. */
  #resize(count: number): boolean {
    const gone = this.partitions.slice(count)
    for (const partition of gone) partition.missed++
    // What is on its way may be refused yet. Until then what follows it must not go anywhere else, and overtake it.
    if (gone.some(({ queue, missed }) => queue.isOpen && missed < MAX_MISSED)) return false
    const changed = this.#count !== count
    this.#count = count
    return changed
  }

  /** Whether events may go to a partition; not where the topic was made anew with fewer. */
  has(partition: Partition): boolean {
    return this.partitions[partition.index] === partition && partition.index < this.#count
  }

  /** Events of partitions that are gone, and surely not stored there. The outcome of others cannot change any more. */
  takeStranded(): Pending[] {
    return this.partitions.slice(this.#count).flatMap(partition => {
      const events = partition.takeOut(() => true)
      if (partition.missed >= MAX_MISSED) partition.queue.abandon('produce_failed')
      return events
    })
  }

  /** Whether an event without a key that waits in a partition which fails had better wait elsewhere. */
  get hasWell(): boolean {
    return this.partitions.some((partition, index) => index < this.#count && partition.isWell)
  }

  /** Keeps an event until the partitions are known. */
  wait(record: Pending, now: number): void {
    // As a partition's probe.
    if (!this.breaker.isClosed) record.deadline = Math.min(record.deadline, now + PROBE_ANSWER_MS)
    if (this.waiting.length === 0) this.waitingSince = now
    this.#keep(record)
  }

  #keep(record: Pending): void {
    this.waiting.push(record)
    this.deadline = Math.min(this.deadline, record.deadline)
  }

  /** The waiting events, no longer waiting. */
  takeWaiting(): Pending[] {
    const waiting = this.waiting
    this.waiting = []
    this.deadline = Infinity
    return waiting
  }

  /** Takes out some of the waiting events. */
  takeOut(isWanted: (record: Pending) => boolean): Pending[] {
    const taken: Pending[] = []
    for (const record of this.takeWaiting()) {
      if (isWanted(record)) taken.push(record)
      else this.#keep(record)
    }
    return taken
  }

  /** Answers the waiting events whose deadline has come. */
  expire(now: number): void {
    if (this.deadline > now) return
    const due = this.takeOut(({ deadline }) => deadline <= now)
    const { timeoutMs } = this.settings
    const waited = now - this.waitingSince >= timeoutMs || due.some(record => isWhole(record, timeoutMs))
    // A probe found out nothing: a broker must be heard before the next.
    this.breaker.unreachable()
    if (waited) {
      this.breaker.trip()
      this.listener.tripped()
    }
    this.fail('deadline_not_stored', due)
  }

  /** Refuses what waits for a topic that brokers do not create. */
  refuseBesideRival(): void {
    if (!this.rival) return
    this.breaker.problem = `brokers do not create it: its name differs from that of ${this.rival} only in "." and "_"`
    this.fail('topic_refused', this.takeWaiting())
  }

  /** Answers events that were never sent. */
  fail(code: QueueErrorCode, events: readonly Pending[]): void {
    const error = queueError(code, this, this.breaker.problem)
    for (const event of events) this.listener.settle(event, error)
  }
}
