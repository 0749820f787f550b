import type { OutgoingBatch, ProduceRequest } from '#src/lib/kafka/transport.js'
import type { PartitionResult, ProduceResponse, TopicMetadata } from '#src/lib/kafka/wire/protocol.js'
import type { VirtualClock } from './clock.js'
import { type Entry, Replica } from './replica.js'

/** What one broker believes of a partition. */
interface View {
  readonly leader: number
  readonly epoch: number
  readonly isr: readonly number[]
}

/** A produce request that waits for the replicas. */
interface Waiter {
  readonly broker: number
  readonly end: number
  finish(code: number): void
}

export interface TopicOptions {
  readonly replication: number
  readonly minInsync: number
  /** Of a batch, after compression. */
  readonly maxBytes?: number
}

/** Wall-clock time at the virtual clock's 0. */
export const EPOCH_MS = 1_700_000_000_000
/** A broker that was not heard of for this long is fenced. */
const SESSION_MS = 9000
/** A follower that was not in sync for this long leaves the in-sync set. */
const REPLICA_LAG_MS = 10_000
const TICK_MS = 500
/** From a broker's start to its registration. */
const START_MS = 3000
/** After this, counted from the newest timestamp of its last batch, a producer is forgotten. */
const PRODUCER_EXPIRY_MS = 24 * 3_600_000
const EXPIRY_CHECK_MS = 60_000
/** What compression leaves of a batch. */
const COMPRESSED = 0.25

export class SimTopic {
  readonly partitions: SimPartition[] = []
  /** When it last came to have another number of partitions. */
  resizedAt = 0
  constructor(
    readonly name: string,
    readonly options: TopicOptions,
  ) {}
}

/** A partition as the controller has it, with all copies of its log. */
export class SimPartition {
  leader = -1
  epoch = 0
  isr: number[]
  readonly logs = new Map<number, Replica>()
  readonly waiters = new Set<Waiter>()
  readonly fetching = new Set<number>()
  readonly caughtUpAt = new Map<number, number>()
  /** How far the leader of an epoch knows each follower to be. */
  readonly positions = new Map<number, { epoch: number; end: number }>()
  /** Injected: what its leader answers instead, and whether it appends. */
  fault: (() => BatchFault | undefined) | undefined
  isDeleted = false
  /** Counts whatever may cost its events time: its own faults, and their ends. */
  disturbances = 0
  disturbedAt = 0
  /** When brokers last lost what they remembered of producers. */
  forgotAt: number[] = []
  /** Events that were lost because a replica out of sync became the leader. */
  readonly lost = new Set<number>()

  constructor(
    readonly topic: SimTopic,
    readonly index: number,
    readonly replicas: readonly number[],
  ) {
    this.isr = [...replicas]
    for (const id of replicas) this.logs.set(id, new Replica())
  }

  log(broker: number): Replica {
    return this.logs.get(broker) as Replica
  }
}

/** What a leader answers for one batch in place of the truth. */
export interface BatchFault {
  readonly code?: number
  /** Appended all the same; the answer then has its offset if `offset` says so. */
  readonly append?: boolean
  readonly offset?: boolean
  /** The answer does not mention the partition. */
  readonly missing?: boolean
}

export class SimBroker {
  address: string
  isUp = true
  /** SIGSTOP: the kernel takes what comes, and nobody reads it. */
  isPaused = false
  /** It and the other brokers, the controller among them, do not hear each other. */
  isIsolated = false
  /** It and the clients do not hear each other; what is on its way arrives later. */
  isMute = false
  isFenced = false
  /** How long each produce request takes before it is looked at. */
  slowMs = 0
  /** How long its fetches take as a follower. */
  followMs = 0
  throttleMs = 0
  /** Share of requests at whose time the connection breaks. */
  resets = 0
  /** Metadata and producer ids are not answered. */
  isControlSick = false
  /** How long the controller's news take to get here. */
  newsMs = 0
  /** Counts its starts. */
  incarnation = 0
  unheardSince: number | undefined
  readonly views = new Map<SimPartition, View>()
  readonly topics = new Map<string, SimTopic>()
  /** Its answers about topics, until one of them changes. */
  readonly described = new Map<string, TopicMetadata>()
  readonly addresses = new Map<number, string>()
  readonly connections = new Set<{ reset(message: string): void }>()
  readonly onResume: (() => void)[] = []
  readonly news: { at: number; apply: () => void }[] = []

  constructor(readonly id: number) {
    this.address = `broker-${id}:9092`
  }

  /** It does whatever a broker does, with the other brokers. */
  get works(): boolean {
    return this.isUp && !this.isPaused && !this.isIsolated
  }

  /** It has no faults that a client of its own would see. */
  get isWell(): boolean {
    return (
      this.works &&
      !this.isMute &&
      !this.isFenced &&
      this.slowMs + this.throttleMs + this.resets + this.newsMs === 0
    )
  }
}

/** A Kafka cluster: brokers that replicate, a controller that elects, and what may go wrong with either. */
export class SimCluster {
  readonly brokers: SimBroker[]
  readonly topics = new Map<string, SimTopic>()
  /** Partitions of topics that were deleted. */
  readonly graveyard: SimPartition[] = []
  hasController = true
  createsTopics = true
  /** Brokers hold the answers that they throttle, as they do for old versions of Produce. */
  holdsThrottled = false
  /** Answers name the bad records of a batch. */
  namesRecords = true
  /** InitProducerId answers this code; 0 for none. */
  idCode = 0
  /** The first epoch of a new producer id. */
  firstEpoch = 0
  /** Brokers before 2.5: without what they know of a producer they take sequence 0 only. */
  isOld = false
  /** When anything was last wrong with what clients ask of any broker: metadata, ids, elections. */
  controlTroubleAt = -Infinity
  /** Since when that has been so without a pause; undefined while nothing is. */
  controlTroubleSince: number | undefined
  /** No broker tells who leads what, and how often that has come to be. */
  isSilent = false
  silences = 0
  #nextId = 1000
  #partitions: SimPartition[] | undefined

  constructor(
    readonly clock: VirtualClock,
    readonly random: () => number,
    brokers: number,
  ) {
    this.brokers = Array.from({ length: brokers }, (_, id) => new SimBroker(id))
    for (const broker of this.brokers)
      for (const other of this.brokers) broker.addresses.set(other.id, other.address)
    this.#every(TICK_MS, () => this.#tick())
    this.#every(EXPIRY_CHECK_MS, () => this.#expireProducers())
  }

  get partitions(): readonly SimPartition[] {
    this.#partitions ??= [...this.topics.values()].flatMap(topic => topic.partitions)
    return this.#partitions
  }

  broker(id: number): SimBroker {
    return this.brokers[id] as SimBroker
  }

  between(low: number, high: number): number {
    return Math.round(low + this.random() * (high - low))
  }

  pick<T>(items: readonly T[]): T {
    return items[Math.floor(this.random() * items.length)] as T
  }

  #every(ms: number, callback: () => void): void {
    const again = () => {
      callback()
      this.clock.after(ms, again)
    }
    this.clock.after(ms, again)
  }

  // Health, as the isolation of partitions is judged by it.

  /** Nothing is wrong with a partition, its leader, or a replica that it waits for. */
  isWell(partition: SimPartition): boolean {
    const { leader, isr, topic, epoch } = partition
    if (leader < 0 || partition.fault || partition.isDeleted || isr.length < topic.options.minInsync)
      return false
    if (!this.broker(leader).isWell) return false
    return isr.every(id => {
      const broker = this.broker(id)
      return (
        broker.works &&
        !broker.isFenced &&
        broker.followMs === 0 &&
        broker.views.get(partition)?.epoch === epoch
      )
    })
  }

  disturb(partition: SimPartition): void {
    partition.disturbances++
    partition.disturbedAt = this.clock.time
  }

  /** A fault of a broker begins or ends. */
  disturbBroker(broker: SimBroker): void {
    for (const partition of this.partitions)
      if (partition.leader === broker.id || partition.replicas.includes(broker.id)) this.disturb(partition)
  }

  noteControl(): void {
    const { time } = this.clock
    const sick =
      !this.hasController ||
      this.idCode !== 0 ||
      this.brokers.some(broker => !broker.isWell || broker.isControlSick)
    const isSilent = this.brokers.every(
      ({ works, isMute, isControlSick }) => !works || isMute || isControlSick,
    )
    if (isSilent && !this.isSilent) this.silences++
    this.isSilent = isSilent
    if (sick) {
      this.controlTroubleSince ??= time
      this.controlTroubleAt = Infinity
    } else if (this.controlTroubleSince !== undefined) {
      this.controlTroubleSince = undefined
      this.controlTroubleAt = time
    }
  }

  // The controller.

  /** With so many partitions, placed at random, or with these replicas, the first of which leads. */
  createTopic(
    name: string,
    partitions: number | readonly (readonly number[])[],
    options: TopicOptions,
  ): SimTopic {
    const topic = new SimTopic(name, options)
    this.topics.set(name, topic)
    if (typeof partitions === 'number') this.addPartitions(topic, partitions)
    else for (const replicas of partitions) this.#addPartition(topic, replicas)
    this.#publishAll(broker => broker.topics.set(name, topic))
    return topic
  }

  addPartitions(topic: SimTopic, count: number): void {
    for (let i = 0; i < count; i++) this.#addPartition(topic, this.#place(topic.options.replication))
  }

  #place(replication: number): number[] {
    const { length } = this.brokers
    const first = Math.floor(this.random() * length)
    const step = 1 + Math.floor(this.random() * (length - 1))
    const replicas = [first]
    for (let r = 1; r < replication; r++) {
      let next = (first + r * step) % length
      while (replicas.includes(next)) next = (next + 1) % length
      replicas.push(next)
    }
    return replicas
  }

  #addPartition(topic: SimTopic, replicas: readonly number[]): void {
    topic.resizedAt = this.clock.time
    this.#partitions = undefined
    const partition = new SimPartition(topic, topic.partitions.length, replicas)
    topic.partitions.push(partition)
    partition.isr = replicas.filter(id => !this.broker(id).isFenced)
    if (partition.isr.length === 0) partition.isr = replicas.slice(0, 1)
    this.#elect(partition)
  }

  deleteTopic(name: string): void {
    const topic = this.topics.get(name)
    if (!topic) return
    this.topics.delete(name)
    this.#partitions = undefined
    for (const partition of topic.partitions) {
      partition.isDeleted = true
      this.disturb(partition)
      this.graveyard.push(partition)
    }
    this.#publishAll(broker => {
      if (broker.topics.get(name) === topic) broker.topics.delete(name)
      for (const partition of topic.partitions) {
        broker.views.delete(partition)
        this.#endWaiters(partition, 3, broker)
      }
    })
  }

  /** Another in-sync replica leads it, as after a reassignment. */
  move(partition: SimPartition): void {
    if (!this.hasController) return
    const others = partition.isr.filter(id => id !== partition.leader && this.broker(id).works)
    if (others.length > 0) this.#lead(partition, this.pick(others))
  }

  /** A replica that has not all that was committed becomes the leader. */
  electUnclean(partition: SimPartition): void {
    const others = partition.replicas.filter(id => id !== partition.leader && this.broker(id).works)
    if (others.length === 0 || !this.hasController || partition.leader < 0) return
    const next = this.pick(others)
    const log = partition.log(next)
    for (const { events } of log.truncate(Math.max(0, log.entries.length - this.between(1, 3))))
      for (const event of events) partition.lost.add(event)
    for (const replica of partition.logs.values())
      for (const { events } of replica.entries.slice(log.entries.length))
        for (const event of events) partition.lost.add(event)
    partition.forgotAt.push(this.clock.time)
    partition.isr = [next]
    this.#lead(partition, next)
  }

  #lead(partition: SimPartition, leader: number): void {
    partition.leader = leader
    partition.epoch++
    this.#publish(partition)
  }

  #elect(partition: SimPartition): void {
    const able = partition.replicas.filter(id => partition.isr.includes(id) && !this.broker(id).isFenced)
    this.#lead(partition, able[0] ?? -1)
  }

  #setIsr(partition: SimPartition, isr: number[]): void {
    if (!this.hasController || partition.isDeleted) return
    partition.isr = isr
    this.#publish(partition)
  }

  #publish(partition: SimPartition): void {
    this.disturb(partition)
    const { leader, epoch, isr } = partition
    const view: View = { leader, epoch, isr: [...isr] }
    this.#publishAll(broker => this.#believe(broker, partition, view))
  }

  #publishAll(apply: (broker: SimBroker) => void): void {
    for (const broker of this.brokers) this.#tell(broker, () => apply(broker))
  }

  /** News come to a broker in order, after a while; what cannot reach it waits. */
  #tell(broker: SimBroker, apply: () => void): void {
    const at = Math.max(
      broker.news.at(-1)?.at ?? 0,
      this.clock.time + (this.clock.time === 0 ? 0 : this.between(1, 20) + broker.newsMs),
    )
    broker.news.push({ at, apply })
    this.clock.at(at, () => this.#hear(broker))
    if (at === this.clock.time) this.#hear(broker)
  }

  #hear(broker: SimBroker): void {
    if (!broker.works) return
    while (broker.news.length > 0 && (broker.news[0] as { at: number }).at <= this.clock.time)
      broker.news.shift()?.apply()
    // Rare enough to describe everything anew.
    broker.described.clear()
  }

  #believe(broker: SimBroker, partition: SimPartition, view: View): void {
    const before = broker.views.get(partition)
    broker.views.set(partition, view)
    if (!partition.replicas.includes(broker.id)) return
    if (before?.leader === broker.id && before.epoch !== view.epoch) this.#endWaiters(partition, 6, broker)
    if (view.leader !== broker.id) {
      this.#fetch(partition, broker.id)
      return
    }
    this.#advance(partition, broker)
    for (const id of partition.replicas) if (id !== broker.id) this.#fetch(partition, id)
  }

  #tick(): void {
    const { time } = this.clock
    if (this.hasController) {
      for (const broker of this.brokers) {
        if (broker.works) {
          broker.unheardSince = undefined
          if (broker.isFenced) this.#unfence(broker)
        } else {
          broker.unheardSince ??= time
          if (!broker.isFenced && time - broker.unheardSince >= SESSION_MS) this.fence(broker)
        }
      }
    }
    for (const partition of this.partitions) {
      this.#shrink(partition)
      // Who was caught up while nobody could let it in is let in now.
      for (const id of partition.replicas) if (!partition.isr.includes(id)) this.#fetch(partition, id)
    }
    this.noteControl()
  }

  fence(broker: SimBroker): void {
    broker.isFenced = true
    for (const partition of this.partitions) {
      if (!partition.replicas.includes(broker.id)) continue
      const rest = partition.isr.filter(id => id !== broker.id)
      if (rest.length < partition.isr.length && rest.length > 0) partition.isr = rest
      if (partition.leader === broker.id) this.#elect(partition)
      else this.#publish(partition)
    }
    this.#publishAll(other => other.addresses.delete(broker.id))
  }

  #unfence(broker: SimBroker): void {
    broker.isFenced = false
    const { address, id } = broker
    this.#publishAll(other => other.addresses.set(id, address))
    for (const partition of this.partitions) {
      if (partition.replicas.includes(id)) this.disturb(partition)
      if (partition.leader < 0) this.#elect(partition)
    }
    this.refetch(broker)
  }

  #shrink(partition: SimPartition): void {
    const { time } = this.clock
    const { leader, isr } = partition
    if (leader < 0 || isr.length < 2 || !this.broker(leader).works) return
    const { end } = partition.log(leader)
    const left = isr.filter(
      id =>
        id === leader ||
        partition.log(id).end >= end ||
        time - (partition.caughtUpAt.get(id) ?? 0) < REPLICA_LAG_MS,
    )
    if (left.length < isr.length) this.#setIsr(partition, left)
  }

  // Replication.

  /** All that a broker follows, and what follows it, goes on. */
  refetch(broker: SimBroker): void {
    for (const partition of this.partitions) {
      if (!partition.replicas.includes(broker.id)) continue
      for (const id of partition.replicas) if (id !== partition.leader) this.#fetch(partition, id)
    }
  }

  /** A follower asks for what it has not; the answer takes as long as it is slow. */
  #fetch(partition: SimPartition, id: number): void {
    if (partition.fetching.has(id) || partition.isDeleted) return
    const follower = this.broker(id)
    if (!follower.works) return
    partition.fetching.add(id)
    const asked = partition.leader < 0 ? 0 : partition.log(partition.leader).entries.length
    const leader = partition.leader
    this.clock.after(this.between(1, 3) + follower.followMs, () => {
      partition.fetching.delete(id)
      if (leader === partition.leader) this.#copy(partition, follower, asked)
      else this.#fetch(partition, id)
    })
  }

  #copy(partition: SimPartition, follower: SimBroker, asked: number): void {
    const id = partition.leader
    if (id < 0 || id === follower.id || partition.isDeleted) return
    const leader = this.broker(id)
    const view = leader.views.get(partition)
    if (!leader.works || !follower.works || view?.leader !== id) return
    if (follower.views.get(partition)?.epoch !== view.epoch) return
    const from = partition.log(id)
    const to = partition.log(follower.id)
    to.follow(from)
    for (const entry of from.entries.slice(to.entries.length, asked)) to.copy(entry)
    partition.positions.set(follower.id, { epoch: view.epoch, end: to.end })
    if (to.end >= from.end) partition.caughtUpAt.set(follower.id, this.clock.time)
    if (!partition.isr.includes(follower.id) && to.end >= from.end && !follower.isFenced)
      this.#setIsr(partition, [...partition.isr, follower.id])
    this.#advance(partition, leader)
    if (to.entries.length < from.entries.length) this.#fetch(partition, follower.id)
  }

  /** Answers those who wait for what all in-sync replicas have by now. */
  #advance(partition: SimPartition, leader: SimBroker): void {
    const view = leader.views.get(partition)
    if (view?.leader !== leader.id || partition.waiters.size === 0) return
    let highWatermark = partition.log(leader.id).end
    // Who has just been let into the set counts before the leader hears that it was.
    for (const id of [...view.isr, ...partition.isr]) {
      if (id === leader.id) continue
      const position = partition.positions.get(id)
      highWatermark = Math.min(highWatermark, position?.epoch === view.epoch ? position.end : 0)
    }
    const code = view.isr.length < partition.topic.options.minInsync ? 20 : 0
    for (const waiter of [...partition.waiters])
      if (waiter.broker === leader.id && waiter.end <= highWatermark) waiter.finish(code)
  }

  #endWaiters(partition: SimPartition, code: number, broker: SimBroker): void {
    for (const waiter of [...partition.waiters]) if (waiter.broker === broker.id) waiter.finish(code)
  }

  #expireProducers(): void {
    const before = EPOCH_MS + this.clock.time - PRODUCER_EXPIRY_MS
    for (const partition of this.partitions) {
      let any = false
      for (const log of partition.logs.values()) if (log.forget(before)) any = true
      if (any) partition.forgotAt.push(this.clock.time)
    }
  }

  // What goes wrong with brokers.

  async pause(broker: SimBroker, ms: number): Promise<void> {
    await this.fault(broker, ms, on => {
      broker.isPaused = on
      if (!on) this.resume(broker)
    })
  }

  async isolate(broker: SimBroker, ms: number): Promise<void> {
    await this.fault(broker, ms, on => {
      broker.isIsolated = on
      if (!on) this.resume(broker)
    })
  }

  async mute(broker: SimBroker, ms: number): Promise<void> {
    await this.fault(broker, ms, on => {
      broker.isMute = on
      if (!on) this.resume(broker)
    })
  }

  /** What has waited for the broker goes on. */
  resume(broker: SimBroker): void {
    for (const callback of broker.onResume.splice(0)) callback()
    this.#hear(broker)
    this.refetch(broker)
  }

  async kill(broker: SimBroker, ms: number): Promise<void> {
    await this.fault(broker, ms, on => {
      if (on) this.#stop(broker, 'ECONNRESET')
      else broker.incarnation++
    })
    await this.#start(broker)
  }

  /** SIGTERM: others lead its partitions before it ends. */
  async shutDown(broker: SimBroker, ms: number): Promise<void> {
    if (this.hasController) {
      for (const partition of this.partitions) if (partition.leader === broker.id) this.move(partition)
      await this.clock.sleep(this.between(50, 500))
      if (this.hasController) this.fence(broker)
    }
    await this.kill(broker, ms)
  }

  #stop(broker: SimBroker, message: string): void {
    broker.isUp = false
    for (const partition of this.partitions)
      for (const waiter of [...partition.waiters])
        if (waiter.broker === broker.id) partition.waiters.delete(waiter)
    for (const connection of [...broker.connections]) connection.reset(message)
  }

  async #start(broker: SimBroker): Promise<void> {
    await this.clock.sleep(START_MS)
    broker.isUp = true
    this.disturbBroker(broker)
    // It registers anew: with its address, and whatever it led begins a new epoch.
    const { address, id } = broker
    if (!broker.isFenced) this.#publishAll(other => other.addresses.set(id, address))
    for (const partition of this.partitions)
      if (partition.leader === broker.id) this.#lead(partition, broker.id)
    this.resume(broker)
    this.noteControl()
  }

  /** Turns something on, and off again. */
  async fault(broker: SimBroker, ms: number, set: (on: boolean) => void): Promise<void> {
    set(true)
    this.disturbBroker(broker)
    this.noteControl()
    await this.clock.sleep(ms)
    set(false)
    this.disturbBroker(broker)
    this.noteControl()
  }

  async failController(ms: number): Promise<void> {
    this.hasController = false
    this.noteControl()
    await this.clock.sleep(ms)
    this.hasController = true
    for (const broker of this.brokers) broker.unheardSince = undefined
    this.noteControl()
  }

  // What a broker answers.

  async produce(broker: SimBroker, request: ProduceRequest): Promise<ProduceResponse> {
    const { acks, timeoutMs } = request
    const results = await Promise.all(
      request.batches.map(batch => this.#store(broker, batch, acks, timeoutMs)),
    )
    return { results: results.filter(result => result !== undefined), throttleMs: 0 }
  }

  async #store(
    broker: SimBroker,
    batch: OutgoingBatch,
    acks: number,
    timeoutMs: number,
  ): Promise<PartitionResult | undefined> {
    const answer = (code: number, baseOffset = -1, recordErrors: PartitionResult['recordErrors'] = []) => ({
      topic: batch.topic,
      partition: batch.partition,
      code,
      baseOffset,
      recordErrors,
      message: null,
    })
    const partition = broker.topics.get(batch.topic)?.partitions[batch.partition]
    const view = partition && broker.views.get(partition)
    if (!partition || !view) return answer(3)
    if (view.leader !== broker.id) return answer(6)
    const fault = partition.fault?.()
    if (fault?.code !== undefined && !fault.append) return fault.missing ? undefined : answer(fault.code)
    const { minInsync, maxBytes = 1_000_000 } = partition.topic.options
    let bytes = 0
    for (const { valueBytes } of batch.records) bytes += valueBytes
    if (bytes * COMPRESSED > maxBytes) return answer(10)
    const poison = batch.records.flatMap(({ value }, index) =>
      String(value).endsWith('poison') ? [{ index, message: 'bad' }] : [],
    )
    if (poison.length > 0) return answer(87, -1, this.namesRecords ? poison : [])
    if (acks === -1 && view.isr.length < minInsync && !fault?.append) return answer(19)
    const log = partition.log(broker.id)
    const judged = log.judge(batch, this.isOld)
    if (judged && 'code' in judged) return answer(judged.code)
    const entry: Entry = judged?.duplicate ?? log.append(batch, view.epoch, this.clock.time)
    if (!judged) for (const id of partition.replicas) if (id !== broker.id) this.#fetch(partition, id)
    if (acks !== -1) return answer(0, entry.base)
    const code = await this.#replicated(partition, broker, entry.end, timeoutMs)
    if (fault?.missing) return undefined
    if (fault?.code !== undefined) return answer(fault.code, fault.offset ? entry.base : -1)
    // Whatever ends the wait, the answer has the offset at which it was appended.
    return answer(code, entry.base)
  }

  /** Waits for the in-sync replicas, as long as the request allows. */
  #replicated(partition: SimPartition, broker: SimBroker, end: number, timeoutMs: number): Promise<number> {
    return new Promise(resolve => {
      const waiter: Waiter = {
        broker: broker.id,
        end,
        finish: code => {
          partition.waiters.delete(waiter)
          cancel()
          resolve(code)
        },
      }
      const cancel = this.clock.after(timeoutMs, () => waiter.finish(7))
      partition.waiters.add(waiter)
      this.#advance(partition, broker)
    })
  }

  producerId(broker: SimBroker): { code: number; producerId: number; epoch: number } {
    const none = { producerId: -1, epoch: -1 }
    if (this.idCode !== 0) return { code: this.idCode, ...none }
    if (!this.hasController || broker.isIsolated) return { code: 14, ...none }
    return { code: 0, producerId: this.#nextId++, epoch: this.firstEpoch }
  }
}
