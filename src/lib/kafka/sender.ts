import { GateError } from '../errors.js'
import type { Trace } from '../eventgate.js'
import { Alarm } from './alarm.js'
import { type Origin, type Pending, sizeOf } from './batch.js'
import type { Channel } from './channel.js'
import { Dispatcher, type DispatcherSettings } from './dispatcher.js'
import type { Lanes } from './lanes.js'
import { Metadata, type MetadataSettings } from './metadata.js'
import type { SenderObserver } from './observer.js'
import type { Partition, PartitionListener } from './partition.js'
import { resume } from './persistent.js'
import { NO_LEADER, Prober } from './prober.js'
import { type ProducerIdSettings, ProducerIds } from './producer-ids.js'
import { fullness, unavailability, unfitness } from './refusals.js'
import { hold, QueueRoom } from './share.js'
import { type Overflow, recover, Spill } from './spill.js'
import { Topic, type TopicSettings } from './topic.js'
import type { Clock, Transport } from './transport.js'
import { headersOf } from './wire/headers.js'

export interface SenderSettings
  extends TopicSettings,
    MetadataSettings,
    ProducerIdSettings,
    DispatcherSettings {
  /** The largest event. */
  readonly maxRequestBytes: number
  /** What may wait, and be on its way; over either, events are refused. */
  readonly maxQueuedMessages: number
  readonly maxQueuedBytes: number
  /** What the service lets in at one time, where that may be less. */
  readonly maxInFlight?: { readonly messages: number; readonly bytes: number } | undefined
  /** Where events go that Kafka does not take soon. */
  readonly overflow?: Overflow | undefined
  /** Whether nothing new is sent to a partition for now. */
  readonly holds?: ((topic: string, partition: number) => boolean) | undefined
}

/** Whether a partition is still held is asked again after this long. */
const HELD_MS = 20
/** Brokers to which connections are made before they are needed. */
const MAX_PREPARED = 20
/**
 * Sends events to Kafka. By its deadline each is known to be stored by all replicas that the topic demands, surely not
 * stored, or of unknown fate.
 *
 * A state machine. An event, an answer or a timer changes the state and wakes it. It then gives each broker that is
 * free one request, with all that is ready for it. What arrives while a request is out is the next batch.
 */
export class Sender {
  /** Events that have no outcome yet. */
  queuedMessages = 0
  queuedBytes = 0
  readonly #metadata: Metadata
  readonly #producerIds: ProducerIds
  readonly #dispatcher: Dispatcher
  readonly #prober: Prober
  readonly #spill: Spill | undefined
  /** Partitions with something to send, those that were served longest ago first. */
  readonly #active = new Set<Partition>()
  /** Has everything looked at. */
  readonly #alarm: Alarm
  #state: 'open' | 'closing' | 'closed' = 'open'
  #lingers = true
  #onEmpty: (() => void)[] = []

  constructor(
    readonly settings: SenderSettings,
    readonly transport: Transport,
    readonly clock: Clock,
    readonly random: () => number = Math.random,
    readonly observer: SenderObserver = {},
  ) {
    const { maxQueuedMessages, maxQueuedBytes, maxInFlight } = settings
    const room = new QueueRoom(
      Math.min(maxQueuedBytes, maxInFlight?.bytes ?? Infinity),
      Math.min(maxQueuedMessages, maxInFlight?.messages ?? Infinity),
    )
    this.#alarm = new Alarm(clock, now => this.#dispatchReady(now))
    const wake = (time?: number) => this.#alarm.set(time)
    const listener: PartitionListener = {
      settle: (record, error) => this.#settle(record, error),
      refresh: ({ topic, leader }) => this.#metadata.refresh(topic, leader),
      tripped: partition => this.#prober.tripped(partition),
      observer,
      deny: problem => this.#producerIds.deny(problem),
    }
    this.#metadata = new Metadata(settings, transport.control, clock, {
      make: name => new Topic(name, settings, listener, random, room, this.#producerIds),
      place: (partition, record) => this.#place(partition, record),
      forgotten: () => this.#producerIds.renew(),
      trouble: (message, misfit) => (misfit ? observer.complain : observer.trouble)?.(message),
      wake,
    })
    this.#producerIds = new ProducerIds(settings, transport.control, clock, { wake, observer })
    this.#dispatcher = new Dispatcher(settings, transport, clock, observer, {
      wake,
      served: partition => this.#moveToBack(partition),
    })
    this.#prober = new Prober(this.#metadata, this.#dispatcher, clock, { wake })
    this.#spill = settings.overflow && new Spill(settings.overflow, record => this.#leave(record))
  }

  /**
   * Takes an event. Resolves when it is stored; with 'spooled' if the overflow has it. Rejects with a GateError, whose
   * `fate` is `not_stored` only if it surely is neither. `timeoutMs` counts if it is less than the settings'.
   */
  send(
    topicName: string,
    key: Buffer | null,
    value: string | Buffer,
    timestamp: number,
    timeoutMs = Infinity,
    trace?: Trace,
    origin?: Origin,
  ): Promise<'spooled' | undefined> {
    const { settings } = this
    const now = this.clock.now()
    const patience = Math.min(settings.timeoutMs, timeoutMs)
    const valueBytes = Buffer.byteLength(value)
    const headers = trace && headersOf(trace)
    const size = sizeOf(valueBytes, key, headers)
    if (this.#state !== 'open')
      return Promise.reject(new GateError('draining', 'the service is shutting down'))
    const unfit = unfitness(timestamp, valueBytes + (key?.length ?? 0), size, settings.maxRequestBytes)
    if (unfit) return Promise.reject(unfit)
    const isFull =
      this.queuedMessages >= settings.maxQueuedMessages || this.queuedBytes + size > settings.maxQueuedBytes
    const topic = isFull ? this.#metadata.get(topicName) : this.#metadata.topic(topicName)
    const partition = topic?.known ? topic.choose(key, now) : undefined
    let refusal: GateError | undefined
    if (isFull || !topic) refusal = fullness(this, isFull)
    else {
      topic.used = now
      this.#prober.tripEarly(topic, partition, now)
      refusal = unavailability(topic, partition, size, patience, now)
    }
    if (this.#spill && (refusal || this.#spill.isDue(topicName, partition ?? topic))) {
      const event = { key, value, valueBytes, timestamp, headers, origin, deadline: now + patience }
      const spooled = this.#spill.take(event, topicName, partition ?? topic)
      if (spooled) return spooled
    }
    if (refusal || !topic) return Promise.reject(refusal)
    return new Promise((resolve, reject) => {
      const record: Pending = {
        key,
        value,
        valueBytes,
        timestamp,
        headers,
        trace,
        origin,
        size,
        deadline: now + patience,
        patience,
        share: undefined,
        settled: false,
        resolve,
        reject,
      }
      this.queuedMessages++
      this.queuedBytes += size
      if (partition) this.#append(partition, record, now)
      else this.#await(topic, record)
    })
  }

  /** Takes an event that has all the time there is: for senders that persist. */
  persist(topicName: string, record: Pending): void {
    const topic = this.#metadata.topic(topicName)
    if (!topic) {
      record.reject(fullness(this, false))
      return
    }
    const now = this.clock.now()
    topic.used = now
    for (const { size } of record.resumes?.records ?? [record]) {
      this.queuedMessages++
      this.queuedBytes += size
    }
    if (topic.known) this.#place(topic.placeOf(record, now), record)
    else this.#await(topic, record)
  }

  #await(topic: Topic, record: Pending): void {
    hold(record, topic.share)
    this.#metadata.await(topic, record)
    this.#alarm.set()
  }

  /** When an event was last stored, by the clock; undefined before the first. */
  get lastStoredAt(): number | undefined {
    return this.#dispatcher.lastStoredAt
  }

  /** Why brokers do not recognise what is sent again; undefined if they do. */
  get plainBecause(): string | undefined {
    const { plain, problem } = this.#producerIds
    return plain ? problem || 'enable.idempotence is false' : undefined
  }

  /** Makes what the first event needs: a producer id, and connections to the brokers. Never rejects. */
  async prepare(): Promise<void> {
    const now = this.clock.now()
    if (!this.#producerIds.plain) this.#producerIds.ask(now)
    const brokers = await this.transport.control.brokerIds().catch(() => [])
    await Promise.all(brokers.slice(0, MAX_PREPARED).map(id => this.#dispatcher.lanes(id).prepare()))
  }

  /** Another producer stores events of this partition, or of a topic whose partitions were not known (−1). */
  recover(topicName: string, index: number): void {
    const topic = this.#metadata.get(topicName)
    if (!topic) return
    recover(topic.partitions[index] ?? topic)
    if (!topic.isLed) this.#metadata.refresh(topicName)
    this.#alarm.set()
  }

  /** Whether no event is on its way to a partition that has no outcome yet. */
  isSettled(topic: string, index: number): boolean {
    return !this.#metadata.get(topic)?.partitions[index]?.queue.isTried
  }

  /** From now on nothing lingers, what still comes neither; resolves once every event that it has is answered. */
  async flush(): Promise<void> {
    this.#lingers = false
    this.#alarm.set()
    await this.#empty()
  }

  /** Takes nothing more; resolves when all it had is answered, which it makes sure of after `graceMs`. */
  async close(graceMs: number): Promise<void> {
    if (this.#state !== 'open') return this.#empty()
    this.#state = 'closing'
    this.#lingers = false
    this.#alarm.set()
    // What is late may lie in the socket: it is read first.
    const cancel = this.clock.at(this.clock.now() + graceMs, () => this.clock.soon(() => this.#abandon()))
    await this.#empty()
    cancel()
    this.#state = 'closed'
    this.#alarm.stop()
    this.#dispatcher.close()
  }

  #append(partition: Partition, record: Pending, now: number): void {
    if (partition.empty) this.#active.add(partition)
    hold(record, partition.share)
    const full = partition.append(record, now)
    this.#alarm.set(record.deadline)
    if (this.#alarm.isSet || partition.queue.out) return
    // While its broker is busy there is nothing to do; the broker's answer wakes it.
    if (
      partition.leader !== undefined &&
      this.#dispatcher.lanes(partition.leader).channelFor(partition, now).busy
    )
      return
    if (full || this.settings.lingerMs === 0 || !this.#lingers) this.#alarm.set()
    else this.#alarm.set(partition.queue.readyAt(true, partition.notBefore))
  }

  /** Of an event that has waited for its topic to be known. */
  #place(partition: Partition, record: Pending): void {
    const now = this.clock.now()
    if (record.resumes) {
      this.#active.add(partition)
      resume(partition.queue, record.resumes, now)
      this.#alarm.set()
    } else this.#append(partition, record, now)
    if (this.#spill?.isDue(partition.topic, partition)) this.#spill.spill(partition)
  }

  #settle(record: Pending, error: GateError | undefined): void {
    if (error) record.reject(error)
    else record.resolve()
    this.#leave(record)
  }

  /** An event has its outcome, or will have it without the sender. */
  #leave(record: Pending): void {
    record.settled = true
    this.queuedMessages--
    this.queuedBytes -= record.size
    hold(record, undefined)
    if (this.queuedMessages === 0) for (const waiter of this.#onEmpty.splice(0)) waiter()
  }

  /** If not all fit into a request, others go first in the next. */
  #moveToBack(partition: Partition): void {
    if (this.#active.size < 2) return
    this.#active.delete(partition)
    this.#active.add(partition)
  }

  #empty(): Promise<void> {
    if (this.queuedMessages === 0) return Promise.resolve()
    return new Promise(resolve => this.#onEmpty.push(resolve))
  }

  #abandon(): void {
    if (this.#spill) {
      for (const topic of this.#metadata.unknown) this.#spill.spill(topic)
      for (const partition of this.#active) this.#spill.spill(partition)
    }
    this.#metadata.abandon()
    for (const partition of this.#active) partition.queue.abandon('deadline_not_stored')
  }

  #dispatchReady(now: number): void {
    this.#producerIds.recheck(now)
    this.#metadata.expire(now)
    this.#dispatcher.findLate(now)
    const ready = new Map<Channel, { lanes: Lanes; partitions: Partition[] }>()
    const needsId: Partition[] = []
    for (const partition of this.#active) {
      if (partition.queue.deadline <= now) partition.expire(now)
      const { sequence } = partition.queue
      if (partition.empty) {
        this.#active.delete(partition)
        this.#producerIds.prefetch(sequence, now)
        continue
      }
      partition.updateShare(now)
      this.#alarm.set(partition.queue.deadline)
      if (partition.queue.out) {
        // It may be out for long at a broker that leads no more.
        if (partition.breaker.failures > 0) this.#metadata.refreshIdle(partition.topic, partition.leader)
        continue
      }
      if (partition.mayLose) this.#placeAnew(partition, now)
      const isHeld = this.#isHeld(partition)
      const readyAt = isHeld ? now + HELD_MS : partition.queue.readyAt(this.#lingers, partition.notBefore)
      if (readyAt > now) {
        this.#alarm.set(readyAt)
        continue
      }
      if (partition.leader === undefined) {
        partition.isAway(NO_LEADER)
        this.#placeAnew(partition, now)
        this.#metadata.refresh(partition.topic)
        continue
      }
      if (sequence.needsId && !this.#producerIds.give(sequence)) {
        needsId.push(partition)
        continue
      }
      const lanes = this.#dispatcher.lanes(partition.leader)
      const channel = lanes.channelFor(partition, now, ready)
      if (channel.isAway(now)) partition.isAway(channel.problem)
      if (partition.mayLose) {
        this.#placeAnew(partition, now)
        if (partition.empty) continue
      }
      if (channel.failures > 0 || partition.breaker.failures > 0)
        this.#metadata.refresh(partition.topic, partition.leader)
      // It is asked again, but nobody waits for that.
      if (channel.misfit && channel.readyAt > now && !this.settings.persists) {
        partition.queue.abandon('kafka_misconfigured')
        continue
      }
      const same = ready.get(channel)
      if (same) same.partitions.push(partition)
      else ready.set(channel, { lanes, partitions: [partition] })
    }
    for (const [channel, { lanes, partitions }] of ready)
      this.#dispatcher.dispatch(lanes, channel, partitions, now)
    if (needsId.length > 0) this.#identify(needsId, now)
    if (this.#spill) {
      for (const topic of this.#metadata.unknown) this.#alarm.set(this.#spill.check(topic, now))
      for (const partition of this.#active) this.#alarm.set(this.#spill.check(partition, now))
    }
    if (this.#state === 'open') this.#prober.probe(now)
    this.#metadata.learn(now)
  }

  #isHeld({ topic, index, queue }: Partition): boolean {
    const { holds } = this.settings
    return holds !== undefined && !queue.isTried && !queue.isOpen && holds(topic, index)
  }

  /** Events without a key leave a partition that fails for one that is well. */
  #placeAnew(partition: Partition, now: number): void {
    const topic = this.#metadata.get(partition.topic)
    if (!topic?.has(partition) || !topic.hasWell || this.settings.persists) return
    for (const record of partition.takeOut(({ key }) => key === null))
      this.#append(topic.choose(null, now), record, now)
  }

  /** Has an id asked for. Partitions that cannot have one say why; when that is for good, to their events. */
  #identify(needy: readonly Partition[], now: number): void {
    this.#producerIds.ask(now)
    const { problem, refused } = this.#producerIds
    for (const partition of needy) {
      if (problem) partition.breaker.problem = problem
      if (refused && !this.settings.persists) partition.queue.abandon('kafka_misconfigured')
    }
    if (refused) this.observer.complain?.(`no producer id can be had: ${problem}`)
  }
}
