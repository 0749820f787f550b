import { GateError } from '../errors.js'
import type { Trace } from '../eventgate.js'
import { type Batch, type Pending, sizeOf } from './batch.js'
import type { Channel } from './channel.js'
import { Lanes, MAX_PATIENCE_MS } from './lanes.js'
import { Directory, type DirectorySettings } from './metadata.js'
import type { Attempt, Ledger, Partition } from './partition-queue.js'
import { Identities, type IdentitySettings } from './producer-ids.js'
import { describe, meaningOf } from './response-codes.js'
import { Room, type Share } from './share.js'
import { Topic, type TopicSettings } from './topic.js'
import type { Acks, Clock, ProduceRequest, Transport } from './transport.js'
import { headersOf } from './wire/headers.js'
import type { ProduceResponse } from './wire/protocol.js'
import { BATCH_OVERHEAD } from './wire/records.js'

export interface SenderSettings extends TopicSettings, DirectorySettings, IdentitySettings {
  readonly acks: Acks
  /** The largest event. */
  readonly maxRequestBytes: number
  /** The batches of one request, but for one that is a single batch. */
  readonly requestBytes: number
  /** What may wait, and be on its way; over either, events are refused. */
  readonly maxQueuedMessages: number
  readonly maxQueuedBytes: number
  /** What the service lets in at one time, where that may be less. */
  readonly maxInFlight?: { readonly messages: number; readonly bytes: number } | undefined
}

/** Told of what happens; none of it changes any outcome. */
export interface SenderObserver {
  /** A request was sent; `bytes` is what it has at most, before compression. */
  sent?(batches: number, events: number, bytes: number): void
  /** A request with these batches begins. What this answers is called at its end, with what was wrong with it. */
  begin?(batches: readonly Batch[]): ((problem?: string) => void) | undefined
  /** Events turned out to be stored after they were answered as of unknown fate. */
  late?(events: number): void
  /** A broker, or all of them, cannot be reached, or did not answer. It is tried again; this comes each time. */
  trouble?(message: string): void
  /** Something is wrong for good, as far as brokers can tell: an operator must see it. This, too, comes each time. */
  complain?(message: string): void
  /** Something works less well than it could for as long as an operator does nothing. This comes once. */
  warn?(message: string): void
}

/** Brokers to which connections are made before they are needed. */
const MAX_PREPARED = 20
/** The shortest wait for the replicas that is worth asking for. */
const MIN_WAIT_MS = 100
/** For so long an answer is waited for that changes none: it is counted, and tells how slow the broker is. */
const LATE_MS = 2000

/**
 * Sends events to Kafka, and tells the truth about each: stored by all replicas that the topic demands, surely
 * not stored, or of unknown fate; by its deadline, without waiting for anything.
 *
 * A state machine. Whatever happens (an event comes, an answer, a timer) changes the state and asks for a
 * *turn*, which looks at all partitions that have something to send, and gives each broker that is free one
 * request with all that is ready for it. What arrives while a request is out is the next batch.
 *
 * Time and the cluster are given to it, so that a test can be both.
 */
export class Sender {
  /** Events that have no outcome yet. */
  queuedMessages = 0
  queuedBytes = 0
  /** When an event was last stored, by the clock; undefined before the first. */
  lastStoredAt: number | undefined
  readonly #directory: Directory
  readonly #identities: Identities
  readonly #brokers = new Map<number, Lanes>()
  readonly #requests = new Set<Request>()
  /** Partitions with something to send, those that were served longest ago first. */
  readonly #active = new Set<Partition>()
  /** Partitions whose breaker is not closed, or was not. */
  readonly #tripped = new Set<Partition>()
  /** When a breaker last opened while no broker answered, by the clock. */
  #trippedAt = -Infinity
  #turning = false
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
    const room = new Room(
      Math.min(maxQueuedBytes, maxInFlight?.bytes ?? Infinity),
      Math.min(maxQueuedMessages, maxInFlight?.messages ?? Infinity),
    )
    const host = { turn: () => this.#turnSoon(), wake: (time: number) => this.#wake(time) }
    const ledger: Ledger = {
      settle: (record, error) => this.#settle(record, error),
      late: count => observer.late?.(count),
      refresh: ({ topic, leader }) => this.#directory.refresh(topic, leader),
      tripped: partition => {
        if (this.#directory.isCutOff(clock.now())) this.#trippedAt = clock.now()
        if (partition) this.#tripped.add(partition)
      },
      complain: message => observer.complain?.(message),
      warn: message => observer.warn?.(message),
      deny: problem => this.#identities.deny(problem),
    }
    this.#directory = new Directory(settings, transport, clock, {
      make: name => new Topic(name, settings, ledger, random, room, this.#identities),
      place: (partition, record) => this.#append(partition, record, clock.now()),
      forgotten: () => this.#identities.renew(),
      trouble: (message, misfit) => (misfit ? observer.complain : observer.trouble)?.(message),
      ...host,
    })
    this.#identities = new Identities(settings, transport, clock, { ...host, warn: ledger.warn })
  }

  /**
   * Takes an event. Resolves when it is stored; rejects with a GateError, whose `fate` is `not_stored` only if
   * the event surely is not stored and never will be. It is answered after `timeoutMs` where that is less than
   * the settings'.
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
    const topic = this.#directory.topic(topicName)
    if (!topic) return refused('producer_full', 'too many topics that Kafka does not know are waited for')
    topic.used = now
    const partition = topic.known ? topic.choose(key, now) : undefined
    const holder = partition ?? topic
    this.#tripEarly(topic, partition, now)
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
        this.#directory.await(topic, record)
        this.#wake(record.deadline)
        this.#turnSoon()
      }
    })
  }

  /** Why brokers do not recognise what is sent again; undefined if they do. */
  get plainBecause(): string | undefined {
    const { plain, problem } = this.#identities
    return plain ? problem || 'enable.idempotence is false' : undefined
  }

  /** Makes what the first event needs: a producer id, and connections to the brokers. Never rejects. */
  async prepare(): Promise<void> {
    const now = this.clock.now()
    if (!this.#identities.plain) this.#identities.ask(now)
    const brokers = await this.transport.brokerIds().catch(() => [])
    await Promise.all(brokers.slice(0, MAX_PREPARED).map(id => this.#lanes(id).prepare()))
  }

  /** From now on nothing lingers, what still comes neither; resolves once every event that it has is answered. */
  async flush(): Promise<void> {
    this.#lingers = false
    this.#turnSoon()
    await this.#empty()
  }

  /** Takes nothing more; resolves when all it had is answered, which it makes sure of after `graceMs`. */
  async close(graceMs: number): Promise<void> {
    if (this.#state !== 'open') return this.#empty()
    this.#state = 'closing'
    this.#lingers = false
    this.#turnSoon()
    // What is late may lie in the socket: it is read first.
    const cancel = this.clock.at(this.clock.now() + graceMs, () => this.clock.soon(() => this.#abandon()))
    await this.#empty()
    cancel()
    this.#state = 'closed'
    this.#cancelWake?.()
    for (const lanes of this.#brokers.values()) lanes.close()
  }

  #append(partition: Partition, record: Pending, now: number): void {
    if (partition.empty) this.#active.add(partition)
    this.#hold(record, partition.share)
    const full = partition.append(record, now)
    this.#wake(record.deadline)
    if (this.#turning || partition.out) return
    // While its broker is busy a turn would find nothing to do; the broker's answer brings one.
    if (partition.leader !== undefined && this.#lanes(partition.leader).channelFor(partition, now).busy)
      return
    if (full || this.settings.lingerMs === 0 || !this.#lingers) this.#turnSoon()
    else this.#wake(partition.readyAt(true))
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

  #empty(): Promise<void> {
    if (this.queuedMessages === 0) return Promise.resolve()
    return new Promise(resolve => this.#onEmpty.push(resolve))
  }

  #abandon(): void {
    this.#directory.abandon()
    for (const partition of this.#active) partition.abandon('deadline_not_stored')
  }

  /**
   * In an outage one event that timed out is enough: until a broker answers, or something is stored again, the
   * breakers of unknown topics open before an event of their own has waited, and so do those of partitions that
   * have no leader or cannot reach it. Otherwise each that is seldom used would cost a client the whole wait.
   */
  #tripEarly(topic: Topic, partition: Partition | undefined, now: number): void {
    if (!this.#directory.isCutOff(now) || this.#trippedAt <= (this.lastStoredAt ?? -Infinity)) return
    if ((partition ?? topic).rejects) return
    if (!partition) this.#directory.tripEarly(topic)
    else {
      const { leader } = partition
      const channel = leader === undefined ? undefined : this.#lanes(leader).channelFor(partition, now)
      // Without a failure nobody has tried: the event will.
      if (
        !partition.breaker.isClosed ||
        channel?.connected ||
        (channel?.failures === 0 && !channel.isAway(now))
      )
        return
      partition.breaker.trip(channel?.problem ?? NO_LEADER)
      this.#tripped.add(partition)
    }
    this.#turnSoon()
  }

  // Turns.

  #turnSoon(): void {
    if (this.#turning || this.#state === 'closed') return
    this.#turning = true
    this.clock.soon(this.#beginTurn)
  }

  readonly #beginTurn = () => {
    this.#turning = false
    if (this.#state !== 'closed') this.#turn(this.clock.now())
  }

  /**
   * Makes sure of a turn at `time`, once what has come until then is read: after a stall of the event loop that may
   * be the answers. A turn that comes too early for anything costs little.
   */
  #wake(time: number): void {
    if (time >= this.#wakeAt || this.#state === 'closed') return
    this.#cancelWake?.()
    this.#wakeAt = time
    this.#cancelWake = this.clock.at(time, () => {
      this.#wakeAt = Infinity
      this.#turnSoon()
    })
  }

  #turn(now: number): void {
    this.#identities.recheck(now)
    this.#directory.expire(now)
    this.#findLate(now)
    const ready = new Map<Channel, { lanes: Lanes; partitions: Partition[] }>()
    const needsId: Partition[] = []
    for (const partition of this.#active) {
      if (partition.deadline <= now) partition.expire(now)
      if (partition.empty) {
        this.#active.delete(partition)
        continue
      }
      partition.updateShare(now)
      this.#wake(partition.deadline)
      if (partition.out) {
        // It may be out for long at a broker that leads no more.
        if (partition.breaker.failures > 0) this.#directory.seek(partition.topic, now, partition.leader)
        continue
      }
      if (partition.mayLose) this.#placeAnew(partition, now)
      const readyAt = partition.readyAt(this.#lingers)
      if (readyAt > now) {
        this.#wake(readyAt)
        continue
      }
      if (partition.leader === undefined) {
        partition.isAway(NO_LEADER)
        this.#placeAnew(partition, now)
        this.#directory.refresh(partition.topic)
        continue
      }
      if (partition.sequence.needsId && !this.#identities.give(partition.sequence)) {
        needsId.push(partition)
        continue
      }
      const lanes = this.#lanes(partition.leader)
      const channel = lanes.channelFor(partition, now, ready)
      if (channel.isAway(now)) partition.isAway(channel.problem)
      if (partition.mayLose) {
        this.#placeAnew(partition, now)
        if (partition.empty) continue
      }
      if (channel.failures > 0 || partition.breaker.failures > 0)
        this.#directory.refresh(partition.topic, partition.leader)
      // It is asked again, but nobody waits for that.
      if (channel.misfit && channel.readyAt > now) {
        partition.abandon('kafka_misconfigured')
        continue
      }
      const same = ready.get(channel)
      if (same) same.partitions.push(partition)
      else ready.set(channel, { lanes, partitions: [partition] })
    }
    for (const [channel, { lanes, partitions }] of ready) this.#dispatch(lanes, channel, partitions, now)
    if (needsId.length > 0) this.#identify(needsId, now)
    if (this.#state === 'open') this.#seek(now)
    this.#directory.learn(now)
  }

  /** Events without a key leave a partition that fails for one that is well. */
  #placeAnew(partition: Partition, now: number): void {
    const topic = this.#directory.get(partition.topic)
    if (!topic?.has(partition) || !topic.hasWell) return
    for (const record of partition.takeOut(({ key }) => key === null))
      this.#append(topic.choose(null, now), record, now)
  }

  /**
   * Looks for the way to the leaders of partitions whose breaker is open, so that no client's event need wait to
   * find out that there is none.
   */
  #seek(now: number): void {
    for (const partition of this.#tripped) {
      const topic = this.#directory.get(partition.topic)
      // A topic that was forgotten, and is known again, has other ones.
      if (partition.breaker.isClosed || topic?.partitions[partition.index] !== partition)
        this.#tripped.delete(partition)
      else if (partition.empty && topic.has(partition)) this.#seekLeader(partition, now)
    }
  }

  #seekLeader(partition: Partition, now: number): void {
    if (partition.leader === undefined) {
      partition.breaker.problem = NO_LEADER
      this.#directory.seek(partition.topic, now)
      return
    }
    const channel = this.#lanes(partition.leader).channelFor(partition, now)
    // Half-open: its leader may have been lost since it was found.
    if (channel.isAway(now)) partition.breaker.unreachable()
    if (!partition.breaker.needsProbe && channel.connected) return
    const readyAt = Math.max(partition.notBefore, channel.readyAt)
    if (channel.failures > 0) partition.breaker.note(channel.problem)
    if (readyAt > now) this.#wake(readyAt)
    else if (channel.connected) partition.breaker.reachable()
    else this.#connect(channel)
    if (!channel.connected) this.#directory.seek(partition.topic, now)
  }

  /** Has an id asked for. Partitions that cannot have one say why; when that is for good, to their events. */
  #identify(needy: readonly Partition[], now: number): void {
    this.#identities.ask(now)
    const { problem, refused } = this.#identities
    for (const partition of needy) {
      if (problem) partition.breaker.problem = problem
      if (refused) partition.abandon('kafka_misconfigured')
    }
    if (refused) this.observer.complain?.(`no producer id can be had: ${problem}`)
  }

  // Requests.

  #lanes(broker: number): Lanes {
    let lanes = this.#brokers.get(broker)
    if (!lanes) {
      lanes = new Lanes(broker, this.transport, this.clock, this.settings)
      this.#brokers.set(broker, lanes)
    }
    return lanes
  }

  #connect(channel: Channel): void {
    void channel.connect().then(connected => {
      if (channel.misfit) this.observer.complain?.(channel.problem)
      else if (!connected) this.observer.trouble?.(channel.problem)
      this.#turnSoon()
    })
  }

  /** Sends what is ready for a channel, if it is free. */
  #dispatch(lanes: Lanes, channel: Channel, ready: readonly Partition[], now: number): void {
    const readyAt = Math.max(channel.readyAt, lanes.throttledUntil)
    if (readyAt > now) {
      if (lanes.throttledUntil > now) for (const { breaker } of ready) breaker.problem = lanes.throttled(now)
      this.#wake(readyAt)
      return
    }
    if (!channel.connected) {
      if (this.settings.acks === 0 && channel.broken) this.#hungUp(channel, ready, now)
      this.#connect(channel)
      return
    }
    const request = this.#take(lanes, channel, ready, now)
    const end = this.observer.begin?.(request.batches)
    this.#requests.add(request)
    this.#wake(request.lateAt)
    void channel
      .produce(request)
      .then(
        response => {
          end?.(problemOf(response))
          this.#requests.delete(request)
          this.#answered(request, response)
        },
        () => {
          end?.(channel.problem)
          this.#requests.delete(request)
          this.observer.trouble?.(channel.problem)
          lanes.lost(channel)
          this.#lost(request, channel.problem)
        },
      )
      .then(() => this.#turnSoon())
  }

  /** With acks 0 what was sent last may be lost: the leaders are looked for before anything else is sent. */
  #hungUp({ broker }: Channel, partitions: readonly Partition[], now: number): void {
    const problem = `broker ${broker} has closed the connection, and may not have stored what was sent last (acks 0)`
    this.observer.trouble?.(problem)
    for (const partition of partitions) partition.hungUp(problem, now)
  }

  /** The request that carries the batches of these partitions, or as many of them as it may. */
  #take(lanes: Lanes, channel: Channel, ready: readonly Partition[], now: number): Request {
    const { acks, requestBytes, timeoutMs } = this.settings
    const batches: Batch[] = []
    const partitions: Partition[] = []
    // Brokers that check who may be idempotent look at one batch of a request only: both kinds never share one.
    const plain = ready[0]?.plain ?? false
    const request: Request = {
      acks,
      timeoutMs: 0,
      answerMs: Math.min(timeoutMs, MAX_PATIENCE_MS) + LATE_MS,
      batches,
      plain,
      partitions,
      lanes,
      channel,
      sentAt: now,
      lateAt: 0,
    }
    let bytes = 0
    let events = 0
    let waitMs = 0
    let deadline = Infinity
    let isProbe = false
    for (const partition of ready) {
      if (partition.plain !== plain) continue
      if (batches.length > 0 && bytes + partition.nextSize > requestBytes) break
      const batch = partition.take(request, now)
      bytes += batch.size
      batches.push(batch)
      partitions.push(partition)
      events += batch.records.length
      waitMs = Math.max(waitMs, lanes.waitMsFor(partition))
      // The client of a probe does not wait for the attempt, which must show whether the partition is well.
      if (batch.probe) isProbe = true
      else deadline = Math.min(deadline, batch.deadline)
      if (partition.breaker.failures === 0) partition.breaker.problem = lanes.asked
      // To the back, so that where not all fit into a request each has its turn.
      if (this.#active.size > 1) {
        this.#active.delete(partition)
        this.#active.add(partition)
      }
    }
    request.timeoutMs = Math.ceil(Math.min(waitMs, Math.max(MIN_WAIT_MS, deadline - now)))
    request.lateAt = now + lanes.patienceMs(waitMs, isProbe)
    this.observer.sent?.(batches.length, events, bytes)
    return request
  }

  /**
   * What is out for too long may be sent again by another connection, which others need not wait for either; the
   * answer counts all the same.
   */
  #findLate(now: number): void {
    for (const request of this.#requests) {
      if (request.lateAt > now) {
        this.#wake(request.lateAt)
        continue
      }
      const { lanes, channel, sentAt } = request
      request.lateAt = Infinity
      lanes.late(channel)
      const problem = `broker ${lanes.broker} has not answered for ${Math.round(now - sentAt)} ms`
      this.observer.trouble?.(problem)
      eachPending(request, (partition, batch) => partition.late(batch, request, problem, now))
    }
  }

  /** A missing response is what acks 0 gets: all is written, and that is all there is to know. */
  #answered(request: Request, response: ProduceResponse | undefined): void {
    if (this.#state === 'closed') return
    const now = this.clock.now()
    const { lanes, batches, partitions, sentAt } = request
    let slow = 0
    for (const { code } of response?.results ?? []) if (meaningOf(code).next === 'wait_longer') slow++
    const isShort = lanes.answered(request, now - sentAt, batches.length, slow)
    const quickMs = lanes.quickMs(request.plain)
    if (!response) {
      this.lastStoredAt = now
      eachPending(request, (partition, batch) =>
        partition.answered(batch, request, WRITTEN, now, quickMs, false),
      )
      return
    }
    lanes.throttle(response.throttleMs, now)
    for (const result of response.results) {
      if (meaningOf(result.code, result.baseOffset).effect === 'stored') this.lastStoredAt = now
      const partition = this.#directory.get(result.topic)?.partitions[result.partition]
      const index = partitions.indexOf(partition)
      if (!partition || index < 0) continue
      partitions[index] = undefined
      partition.answered(batches[index] as Batch, request, result, now, quickMs, isShort)
    }
    if (partitions.some(Boolean)) this.#lost(request, 'the broker did not answer for it')
  }

  /** What of a request had no answer. */
  #lost(request: Request, problem: string): void {
    if (this.#state === 'closed') return
    const now = this.clock.now()
    eachPending(request, (partition, batch) => partition.lost(batch, request, problem, now))
  }
}

function refused(...why: ConstructorParameters<typeof GateError>): Promise<never> {
  return Promise.reject(new GateError(...why))
}

function unavailable(holder: Partition | Topic, problem: string): Promise<never> {
  return refused('partition_unavailable', `${holder}: ${problem}`)
}

function eachPending(
  { partitions, batches }: Request,
  act: (partition: Partition, batch: Batch) => void,
): void {
  partitions.forEach((partition, index) => {
    if (partition) act(partition, batches[index] as Batch)
  })
}

/** A Produce request that is out. */
interface Request extends ProduceRequest, Attempt {
  timeoutMs: number
  readonly batches: readonly Batch[]
  /** Theirs, until they are answered. */
  readonly partitions: (Partition | undefined)[]
  /** Whether they have no identity. */
  readonly plain: boolean
  readonly lanes: Lanes
  readonly channel: Channel
  lateAt: number
}

/** 9999-12-31; far below 2^52, up to which the differences of times are exact. */
const MAX_TIMESTAMP = 253_402_300_799_999

/** The first failure that an answer tells of. */
function problemOf(response: ProduceResponse | undefined): string | undefined {
  const failed = response?.results.find(({ code }) => code !== 0)
  return failed && `${failed.topic}-${failed.partition}: ${describe(failed.code)}`
}

const NO_LEADER = 'it has no leader'

const WRITTEN = { topic: '', partition: 0, code: 0, baseOffset: -1, recordErrors: [], message: null }
