import { GateError } from '../errors.js'
import type { Trace } from '../eventgate.js'
import { type Pending, sizeOf } from './batch.js'
import type { Channel } from './channel.js'
import { Dispatcher, type DispatcherSettings } from './dispatcher.js'
import type { Lanes } from './lanes.js'
import { Metadata, type MetadataSettings } from './metadata.js'
import type { SenderObserver } from './observer.js'
import type { Partition, PartitionListener } from './partition.js'
import { NO_LEADER, Prober } from './prober.js'
import { type ProducerIdSettings, ProducerIds } from './producer-ids.js'
import { QueueRoom, type Share } from './share.js'
import { Topic, type TopicSettings } from './topic.js'
import type { Clock, Transport } from './transport.js'
import { headersOf } from './wire/headers.js'
import { BATCH_OVERHEAD } from './wire/records.js'

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
}

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
  /** Partitions with something to send, those that were served longest ago first. */
  readonly #active = new Set<Partition>()
  #isWoken = false
  #wakeAt = Infinity
  #cancelWake: (() => void) | undefined
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
    const wake = (time?: number) => this.#wake(time)
    const listener: PartitionListener = {
      settle: (record, error) => this.#settle(record, error),
      refresh: ({ topic, leader }) => this.#metadata.refresh(topic, leader),
      tripped: partition => this.#prober.tripped(partition),
      observer,
      deny: problem => this.#producerIds.deny(problem),
    }
    this.#metadata = new Metadata(settings, transport.control, clock, {
      make: name => new Topic(name, settings, listener, random, room, this.#producerIds),
      place: (partition, record) => this.#append(partition, record, clock.now()),
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
  }

  /**
   * Takes an event. Resolves when it is stored. Rejects with a GateError, whose `fate` is `not_stored` only if the
   * event surely is not stored and never will be. `timeoutMs` counts if it is less than the settings'.
   */
  send(
    topicName: string,
    key: Buffer | null,
    value: string | Buffer,
    timestamp: number,
    timeoutMs = Infinity,
    trace?: Trace,
  ): Promise<void> {
    const { settings, queuedMessages, queuedBytes } = this
    const now = this.clock.now()
    const patience = Math.min(settings.timeoutMs, timeoutMs)
    const valueBytes = Buffer.byteLength(value)
    const headers = trace && headersOf(trace)
    const size = sizeOf(valueBytes, key, headers)
    if (this.#state !== 'open') return refused('draining', 'the service is shutting down')
    if (!(timestamp >= 0 && timestamp <= MAX_TIMESTAMP && Number.isInteger(timestamp)))
      return refused('timestamp_unparsable', `${timestamp} is no time that Kafka can store`)
    if (BATCH_OVERHEAD + size > settings.maxRequestBytes)
      return refused(
        'event_too_large',
        `the event has ${valueBytes + (key?.length ?? 0)} bytes, and message.max.bytes is ${settings.maxRequestBytes}`,
      )
    if (queuedMessages >= settings.maxQueuedMessages || queuedBytes + size > settings.maxQueuedBytes)
      return refused(
        'producer_full',
        `Kafka does not keep up: ${queuedMessages} events, ${queuedBytes} bytes wait for it`,
      )
    const topic = this.#metadata.topic(topicName)
    if (!topic) return refused('producer_full', 'too many topics that Kafka does not know are waited for')
    topic.used = now
    const partition = topic.known ? topic.choose(key, now) : undefined
    const holder = partition ?? topic
    this.#prober.tripEarly(topic, partition, now)
    if (holder.rejects && !partition?.hasYoungProbe(now))
      return unavailable(
        holder,
        `nothing could be stored for ${settings.timeoutMs} ms (${holder.breaker.problem})`,
      )
    if (!holder.hasRoom(size, now))
      return unavailable(holder, `too many events wait for it already (${holder.breaker.problem})`)
    if (partition && partition.foreseen(now) > now + patience)
      return unavailable(
        holder,
        `Kafka is too slow for the event to be stored within ${Math.round(patience)} ms`,
      )
    this.queuedMessages++
    this.queuedBytes += size
    return new Promise((resolve, reject) => {
      const record: Pending = {
        key,
        value,
        valueBytes,
        timestamp,
        headers,
        trace,
        size,
        deadline: now + patience,
        patience,
        share: undefined,
        settled: false,
        resolve,
        reject,
      }
      if (partition) this.#append(partition, record, now)
      else {
        this.#hold(record, topic.share)
        this.#metadata.await(topic, record)
        this.#wake(record.deadline)
        this.#wake()
      }
    })
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

  /** From now on nothing lingers, what still comes neither; resolves once every event that it has is answered. */
  async flush(): Promise<void> {
    this.#lingers = false
    this.#wake()
    await this.#empty()
  }

  /** Takes nothing more; resolves when all it had is answered, which it makes sure of after `graceMs`. */
  async close(graceMs: number): Promise<void> {
    if (this.#state !== 'open') return this.#empty()
    this.#state = 'closing'
    this.#lingers = false
    this.#wake()
    // What is late may lie in the socket: it is read first.
    const cancel = this.clock.at(this.clock.now() + graceMs, () => this.clock.soon(() => this.#abandon()))
    await this.#empty()
    cancel()
    this.#state = 'closed'
    this.#cancelWake?.()
    this.#dispatcher.close()
  }

  #append(partition: Partition, record: Pending, now: number): void {
    if (partition.empty) this.#active.add(partition)
    this.#hold(record, partition.share)
    const full = partition.append(record, now)
    this.#wake(record.deadline)
    if (this.#isWoken || partition.queue.out) return
    // While its broker is busy there is nothing to do; the broker's answer wakes it.
    if (
      partition.leader !== undefined &&
      this.#dispatcher.lanes(partition.leader).channelFor(partition, now).busy
    )
      return
    if (full || this.settings.lingerMs === 0 || !this.#lingers) this.#wake()
    else this.#wake(partition.queue.readyAt(true, partition.notBefore))
  }

  #settle(record: Pending, error: GateError | undefined): void {
    record.settled = true
    this.queuedMessages--
    this.queuedBytes -= record.size
    this.#hold(record, undefined)
    if (error) record.reject(error)
    else record.resolve()
    if (this.queuedMessages === 0) for (const waiter of this.#onEmpty.splice(0)) waiter()
  }

  /** An event holds room of `share`, and no longer of another. */
  #hold(record: Pending, share: Share | undefined): void {
    const bytes = record.size
    record.share?.add(-bytes, -1)
    share?.add(bytes, 1)
    record.share = share
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
    this.#metadata.abandon()
    for (const partition of this.#active) partition.queue.abandon('deadline_not_stored')
  }

  /** Looks at everything soon, or at `time`: after the sockets are read, which may have the answers after a stall. */
  #wake(time?: number): void {
    if (this.#state === 'closed') return
    if (time === undefined) {
      if (this.#isWoken) return
      this.#isWoken = true
      this.clock.soon(this.#beginDispatch)
    } else if (time < this.#wakeAt) {
      this.#cancelWake?.()
      this.#wakeAt = time
      this.#cancelWake = this.clock.at(time, this.#wakeNow)
    }
  }

  readonly #wakeNow = () => {
    this.#wakeAt = Infinity
    this.#wake()
  }

  readonly #beginDispatch = () => {
    this.#isWoken = false
    if (this.#state !== 'closed') this.#dispatchReady(this.clock.now())
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
      this.#wake(partition.queue.deadline)
      if (partition.queue.out) {
        // It may be out for long at a broker that leads no more.
        if (partition.breaker.failures > 0) this.#metadata.refreshIdle(partition.topic, partition.leader)
        continue
      }
      if (partition.mayLose) this.#placeAnew(partition, now)
      const readyAt = partition.queue.readyAt(this.#lingers, partition.notBefore)
      if (readyAt > now) {
        this.#wake(readyAt)
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
      if (channel.misfit && channel.readyAt > now) {
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
    if (this.#state === 'open') this.#prober.probe(now)
    this.#metadata.learn(now)
  }

  /** Events without a key leave a partition that fails for one that is well. */
  #placeAnew(partition: Partition, now: number): void {
    const topic = this.#metadata.get(partition.topic)
    if (!topic?.has(partition) || !topic.hasWell) return
    for (const record of partition.takeOut(({ key }) => key === null))
      this.#append(topic.choose(null, now), record, now)
  }

  /** Has an id asked for. Partitions that cannot have one say why; when that is for good, to their events. */
  #identify(needy: readonly Partition[], now: number): void {
    this.#producerIds.ask(now)
    const { problem, refused } = this.#producerIds
    for (const partition of needy) {
      if (problem) partition.breaker.problem = problem
      if (refused) partition.queue.abandon('kafka_misconfigured')
    }
    if (refused) this.observer.complain?.(`no producer id can be had: ${problem}`)
  }
}

function refused(...why: ConstructorParameters<typeof GateError>): Promise<never> {
  return Promise.reject(new GateError(...why))
}

function unavailable(holder: Partition | Topic, problem: string): Promise<never> {
  return refused('partition_unavailable', `${holder}: ${problem}`)
}

/** 9999-12-31; far below 2^52, up to which the differences of times are exact. */
const MAX_TIMESTAMP = 253_402_300_799_999
