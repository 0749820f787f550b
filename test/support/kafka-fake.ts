import { KafkaError, Misfit } from '#src/lib/kafka/response-codes.js'
import type {
  Clock,
  ControlQuestions,
  Lane,
  Link,
  OutgoingBatch,
  ProduceRequest,
  Transport,
} from '#src/lib/kafka/transport.js'
import type { PartitionResult, ProduceResponse, TopicMetadata } from '#src/lib/kafka/wire/protocol.js'

/** Time that passes when it is told to. */
export class FakeClock implements Clock {
  time = 0
  #soon: (() => void)[] = []
  #timers: { time: number; callback: () => void }[] = []

  now(): number {
    return this.time
  }

  at(time: number, callback: () => void): () => void {
    const timer = { time, callback }
    this.#timers.push(timer)
    return () => {
      this.#timers = this.#timers.filter(other => other !== timer)
    }
  }

  soon(callback: () => void): void {
    this.#soon.push(callback)
  }

  sleep(ms: number): Promise<void> {
    return new Promise(resolve => this.at(this.time + ms, resolve))
  }

  /** Lets everything happen that happens until `time`. */
  async runUntil(time: number): Promise<void> {
    for (let steps = 0; ; steps++) {
      if (steps > 200_000) throw new Error(`the sender spins at ${this.time}`)
      // All promises that can go on do.
      await new Promise(setImmediate)
      const soon = this.#soon.splice(0)
      for (const callback of soon) callback()
      if (soon.length > 0) continue
      const next = this.#timers.reduce<{ time: number; callback: () => void } | undefined>(
        (first, timer) => (first && first.time <= timer.time ? first : timer),
        undefined,
      )
      if (!next || next.time > time) break
      this.#timers = this.#timers.filter(other => other !== next)
      this.time = Math.max(this.time, next.time)
      next.callback()
    }
    this.time = time
  }

  /** The event loop stands still until `time`. Timers come before what `read` reads, as they do in Node.js. */
  async stall(time: number, read: () => void): Promise<void> {
    this.time = time
    const due = this.#timers.filter(timer => timer.time <= time).sort((a, b) => a.time - b.time)
    this.#timers = this.#timers.filter(timer => timer.time > time)
    for (const { callback } of due) callback()
    read()
    await this.runUntil(time)
  }
}

/** A pseudo-random number generator, so that a failing run can be run again (mulberry32). */
export function randomFrom(seed: number): () => number {
  let state = seed | 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 0x1_0000_0000
  }
}

interface Entry {
  value: string
  /** All in-sync replicas have it. What they do not have is lost when the leader is. */
  committed: boolean
}

interface Known {
  epoch: number
  last: number
  recent: { first: number; last: number; offset: number }[]
}

/** What tells one broker from another; what is not told is as in Kafka 4. */
export interface FakeBroker {
  /** The highest version of Produce that it speaks: 5 is Kafka 1.x, 7 is 2.0 to 2.3. */
  produce: number
  /** It lets nobody be idempotent, as before 2.8 where the right is missing. */
  denies: boolean
}

export interface FakeTopic {
  /** It takes no record without a key. */
  compacted: boolean
  /** Its message format is older than 0.11: no identities, no headers. */
  oldFormat: boolean
}

/** A partition as its leader has it: a log, and what it remembers of producers. */
export class FakePartition {
  log: Entry[] = []
  leader = 0
  /** Too few replicas are in sync. */
  starved = false
  producers = new Map<number, Known>()
  /** Who changed the leader while they waited. */
  generation = 0

  constructor(readonly rules: Readonly<FakeTopic> = { compacted: false, oldFormat: false }) {}

  /** What Kafka does with a batch: an error's code, or the offset at which it stands. */
  append(
    batch: OutgoingBatch,
    { produce, denies }: FakeBroker,
  ): { code: number; recordErrors?: PartitionResult['recordErrors'] } | { offset: number } {
    const { producerId, epoch, sequence } = batch.identity ?? { producerId: -1, epoch: -1, sequence: -1 }
    if (denies && producerId >= 0) return { code: 31 }
    if (this.rules.oldFormat) {
      if (producerId >= 0) return { code: 43 }
      if (!batch.bare && batch.records.some(({ headers }) => headers)) return { code: -1 }
    }
    const keyless = batch.records.flatMap(({ key }, index) => (key ? [] : { index, message: 'no key' }))
    if (this.rules.compacted && keyless.length > 0)
      return produce >= 8 ? { code: 87, recordErrors: keyless } : { code: 2 }
    const last = (sequence + batch.records.length - 1) % 0x8000_0000
    if (producerId >= 0) {
      const known = this.producers.get(producerId)
      // Newer brokers take any sequence of a producer that they do not know.
      if (!known && produce <= 5 && sequence !== 0) return { code: 59 }
      if (known) {
        if (epoch < known.epoch) return { code: 47 }
        if (epoch > known.epoch) {
          if (sequence !== 0) return { code: 45 }
          known.recent = []
        } else {
          const same = known.recent.find(other => other.first === sequence && other.last === last)
          if (same) return { offset: same.offset }
          if (sequence !== (known.last + 1) % 0x8000_0000) return { code: 45 }
        }
      }
      const recent = [...(known?.recent ?? []), { first: sequence, last, offset: this.log.length }].slice(-5)
      this.producers.set(producerId, { epoch, last, recent })
    }
    const offset = this.log.length
    for (const { value } of batch.records) this.log.push({ value: String(value), committed: false })
    return { offset }
  }
}

/** What goes wrong with a request as a whole. */
export type RequestFault =
  | 'lost' // the connection breaks before the broker has read it
  | 'unanswered' // the broker does it, and the connection breaks
  | 'zombie' // the broker does it long after the client has given up on it
  | 'silent' // nothing happens any more on this connection

/** What a broker answers for one batch, and whether it has appended it before. */
export interface BatchFault {
  code?: number
  /** Appended all the same; the answer then has its offset if `offset` says so. */
  append?: boolean
  offset?: boolean
  /** The answer does not mention the partition. */
  missing?: boolean
  recordErrors?: { index: number; message: string | null }[]
  /** How long it takes, at most as long as the request allows. */
  waitMs?: number
}

interface Faults {
  connect(broker: number, lane: Lane): 'refused' | 'hangs' | undefined
  request(broker: number, lane: Lane, request: ProduceRequest): RequestFault | undefined
  batch(broker: number, batch: OutgoingBatch, lane: Lane): BatchFault | undefined
  metadata(topics: readonly string[], create: boolean): 'fails' | undefined
  producerId(): 'fails' | undefined
  latency(): number
}

const NONE: Faults = {
  connect: () => undefined,
  request: () => undefined,
  batch: () => undefined,
  metadata: () => undefined,
  producerId: () => undefined,
  latency: () => 1,
}

/** A cluster in memory that keeps Kafka's rules, and breaks when it is told to. */
export class FakeCluster implements Transport {
  readonly topics = new Map<string, FakePartition[]>()
  readonly faults: Faults
  /** Every batch that a broker was asked to store, in order. */
  readonly asked: { time: number; broker: number; lane: Lane; timeoutMs: number; batch: OutgoingBatch }[] = []
  /** When each value was last sent by anybody. */
  readonly lastSent = new Map<string, number>()
  readonly metadataRequests: { time: number; topics: string[]; create: boolean }[] = []
  /** What brokers believe a topic's metadata to be, where it is not what it is. */
  readonly metadataAs = new Map<string, TopicMetadata>()
  connections = 0
  /** Whether brokers create topics that are asked for. */
  createsTopics = false
  /** When all topics were asked for. */
  readonly listed: number[] = []
  throttleMs = 0
  /** By their numbers, as far as they are special. */
  readonly brokers = new Map<number, Partial<FakeBroker>>()
  /** Which of them is asked for producer ids. */
  idBroker = 0
  /** What no client may do and a broker does not notice. */
  readonly violations: string[] = []
  #nextId = 1000
  /** What the replicas know of producers. */
  #replicated = new Map<FakePartition, Map<number, Known>>()

  constructor(
    readonly clock: FakeClock,
    faults: Partial<Faults> = {},
  ) {
    this.faults = { ...NONE, ...faults }
  }

  create(
    topic: string,
    partitions: number,
    leaderOf: (index: number) => number = index => index % 3,
    rules: Partial<FakeTopic> = {},
  ): void {
    const all = { compacted: false, oldFormat: false, ...rules }
    const made = Array.from({ length: partitions }, () => new FakePartition(all))
    for (const [index, partition] of made.entries()) partition.leader = leaderOf(index)
    this.topics.set(topic, made)
  }

  broker(id: number): FakeBroker {
    return { produce: 8, denies: false, ...this.brokers.get(id) }
  }

  /** All brokers are like this from now on. */
  upgrade(broker: Partial<FakeBroker>): void {
    for (const id of [0, 1, 2]) this.brokers.set(id, { ...this.brokers.get(id), ...broker })
  }

  partition(topic: string, index = 0): FakePartition {
    return this.topics.get(topic)?.[index] as FakePartition
  }

  /** All values of a topic that will be read, in the order of each partition. */
  stored(topic: string): string[][] {
    return (this.topics.get(topic) ?? []).map(partition => partition.log.map(entry => entry.value))
  }

  /** Another broker leads a partition. It has all that was committed, and, with `keep`, what was not. */
  move(partition: FakePartition, leader: number, keep: boolean): void {
    if (keep) this.commit(partition)
    partition.leader = leader
    partition.generation++
    partition.log = partition.log.filter(entry => entry.committed)
    partition.producers = structuredClone(this.#replicated.get(partition) ?? new Map())
  }

  /** Retention has taken what was known of producers, as it does up to Kafka 2.3. */
  forget(partition: FakePartition): void {
    partition.producers.clear()
    this.#replicated.delete(partition)
  }

  /** The replicas have all that the leader has. */
  commit(partition: FakePartition): void {
    for (const entry of partition.log) entry.committed = true
    this.#replicated.set(partition, structuredClone(partition.producers))
  }

  async connect(broker: number, lane: Lane): Promise<Link> {
    const fault = this.faults.connect(broker, lane)
    await this.clock.sleep(fault === 'hangs' ? 2000 : this.faults.latency())
    if (fault) throw new Error(`connection ${fault}`)
    const { produce } = this.broker(broker)
    if (produce < 5) throw new Misfit(35, `the broker speaks Produce 0 to ${produce}`)
    this.connections++
    return new FakeLink(this, broker, lane)
  }

  /** It answers questions itself. */
  get control(): ControlQuestions {
    return this
  }

  async metadata(topics: readonly string[], create: boolean): Promise<TopicMetadata[]> {
    this.metadataRequests.push({ time: this.clock.time, topics: [...topics], create })
    const fault = this.faults.metadata(topics, create)
    await this.clock.sleep(fault ? 1000 : this.faults.latency())
    if (fault) throw new Error('no metadata')
    return topics.map(topic => {
      const other = this.metadataAs.get(topic)
      if (other) return other
      if (create && this.createsTopics && !this.topics.has(topic) && !this.#collides(topic))
        this.create(topic, 1)
      const partitions = this.topics.get(topic)
      if (!partitions) return { topic, code: 3, partitions: [] }
      return {
        topic,
        code: 0,
        partitions: partitions.map(({ leader }, partition) => ({
          partition,
          code: leader < 0 ? 5 : 0,
          leader,
        })),
      }
    })
  }

  /** Brokers create no topic whose name differs from another one's only in `.` and `_`; they say that it is unknown. */
  #collides(topic: string): boolean {
    const like = (name: string) => name.replaceAll('.', '_')
    return [...this.topics.keys()].some(other => like(other) === like(topic))
  }

  async topicNames(): Promise<string[]> {
    this.listed.push(this.clock.time)
    await this.clock.sleep(this.faults.latency())
    return [...this.topics.keys()]
  }

  async brokerIds(): Promise<number[]> {
    return []
  }

  async producerId(): Promise<{ producerId: number; epoch: number }> {
    await this.clock.sleep(this.faults.latency())
    if (this.faults.producerId()) throw new Error('no id')
    if (this.broker(this.idBroker).denies) throw new KafkaError(31, 'no producer id')
    return { producerId: this.#nextId++, epoch: 0 }
  }
}

class FakeLink implements Link {
  open = true
  get broken(): boolean {
    return !this.open
  }
  #reset: ((error: Error) => void) | undefined

  constructor(
    readonly cluster: FakeCluster,
    readonly broker: number,
    readonly lane: Lane,
  ) {}

  produce(request: ProduceRequest): Promise<ProduceResponse | undefined> {
    if (!this.open || this.#reset) throw new Error('a link was used after its end, or twice at a time')
    const { cluster } = this
    return new Promise((resolve, reject) => {
      const end = (finish: () => void) => {
        if (!this.#reset) return
        this.#reset = undefined
        cancel()
        finish()
      }
      this.#reset = error => end(() => reject(error))
      const cancel = cluster.clock.at(cluster.clock.time + request.answerMs, () => {
        this.open = false
        end(() => reject(new Error('no answer')))
      })
      this.#handle(request).then(
        response => end(() => resolve(response)),
        error => {
          this.open = false
          end(() => reject(error))
        },
      )
    })
  }

  async #handle(request: ProduceRequest): Promise<ProduceResponse | undefined> {
    const { cluster, broker, lane } = this
    const { clock, faults } = cluster
    const fault = faults.request(broker, lane, request)
    // As bytes would be: what becomes of the sender's objects later changes nothing here.
    const batches = request.batches.map(({ topic, partition, identity, bare, records }) => ({
      topic,
      partition,
      identity,
      bare,
      records: [...records],
    }))
    const kinds = new Set(batches.map(({ identity }) => (identity?.producerId ?? -1) >= 0))
    if (kinds.size > 1) cluster.violations.push('a request has batches with an identity and without')
    const { produce } = cluster.broker(broker)
    const { timeoutMs, acks } = request
    for (const batch of batches)
      for (const { value } of batch.records) cluster.lastSent.set(String(value), clock.time)
    await clock.sleep(faults.latency())
    if (fault === 'lost') throw new Error('connection reset')
    if (fault === 'silent') return new Promise(() => {})
    if (fault === 'zombie') await clock.sleep(timeoutMs + 2000 + 5000 * (faults.latency() / 10))
    const results = await Promise.all(batches.map(batch => this.#store(batch, timeoutMs)))
    if (fault === 'unanswered') throw new Error('connection reset')
    if (acks === 0) {
      // It is all that a broker says of a failure.
      if (results.some(result => result && result.code !== 0)) this.open = false
      return undefined
    }
    const answered = results.filter(result => result !== undefined)
    if (produce < 8) for (const result of answered) result.recordErrors = undefined
    if (produce >= 6) return { results: answered, throttleMs: cluster.throttleMs }
    // Up to Produce 5 the pause comes before the answer.
    if (cluster.throttleMs > 0) await clock.sleep(cluster.throttleMs)
    return { results: answered, throttleMs: 0 }
  }

  async #store(batch: OutgoingBatch, timeoutMs: number): Promise<PartitionResult | undefined> {
    const { cluster, broker, lane } = this
    cluster.asked.push({ time: cluster.clock.time, broker, lane, timeoutMs, batch })
    const partition = cluster.topics.get(batch.topic)?.[batch.partition]
    const { topic, partition: index } = batch
    const result = { topic, partition: index, recordErrors: [], message: null }
    if (!partition) return { ...result, code: 3, baseOffset: -1 }
    if (partition.leader !== broker) return { ...result, code: 6, baseOffset: -1 }
    const fault = cluster.faults.batch(broker, batch, lane)
    if (fault?.code !== undefined && !fault.append) {
      const recordErrors = fault.recordErrors ?? []
      return fault.missing ? undefined : { ...result, code: fault.code, baseOffset: -1, recordErrors }
    }
    if (partition.starved && !fault?.append) return { ...result, code: 19, baseOffset: -1 }
    const done = partition.append(batch, cluster.broker(broker))
    if ('code' in done) return fault?.missing ? undefined : { ...result, baseOffset: -1, ...done }
    const { generation } = partition
    if (fault?.waitMs) await cluster.clock.sleep(Math.min(fault.waitMs, timeoutMs))
    if (partition.generation !== generation) return { ...result, code: 6, baseOffset: done.offset }
    if ((fault?.waitMs ?? 0) > timeoutMs) return { ...result, code: 7, baseOffset: -1 }
    if (fault?.code !== undefined)
      return { ...result, code: fault.code, baseOffset: fault.offset ? done.offset : -1 }
    cluster.commit(partition)
    return fault?.missing ? undefined : { ...result, code: 0, baseOffset: done.offset }
  }

  close(): void {
    this.open = false
    this.#reset?.(new Error('closed'))
  }
}
