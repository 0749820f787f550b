import type { ProduceResponse, TopicMetadata } from './wire/protocol.js'
import type { EncodeBatch, Identity, RecordData } from './wire/records.js'

/** A batch's bytes, and what they depend on beside the batch. */
export interface Encoded {
  readonly by: EncodeBatch
  readonly bare: boolean
  readonly bytes: Buffer
}

/** A batch on its way to its partition. All of it is frozen: it is sent again exactly as it is, or not at all. */
export interface OutgoingBatch {
  readonly topic: string
  readonly partition: number
  readonly records: readonly RecordData[]
  /** Set before it is sent. */
  readonly identity: Identity | undefined
  /** Whether its records are sent without their headers. */
  readonly bare: boolean
  /** Kept by the transport from its first sending to the next. */
  encoded?: Encoded | undefined
}

export interface ProduceRequest {
  readonly acks: Acks
  /** How long the broker may wait for the replicas. */
  readonly timeoutMs: number
  /** How long the answer is waited for: as long as anybody can use it. */
  readonly answerMs: number
  readonly batches: readonly OutgoingBatch[]
}

export type Acks = -1 | 0 | 1

/** Whether a connection is for the partitions that are well, or for some whose replicas take long. */
export type Lane = 'fast' | 'slow'

/** One connection to one broker. Once it has failed it is closed for good; another is opened in its place. */
export interface Link {
  readonly open: boolean
  /** Whether its other end has closed it, or it has failed. */
  readonly broken: boolean
  /** Rejects if no answer comes in time. Undefined for acks 0, when all is written. One request at a time. */
  produce(request: ProduceRequest): Promise<ProduceResponse | undefined>
  close(): void
}

/** What the sender needs of a cluster. Brokers are known by their numbers, which metadata gives. */
export interface Transport {
  /** Rejects when no connection can be had soon. */
  connect(broker: number, lane: Lane): Promise<Link>
  readonly control: ControlQuestions
}

/** What any broker can be asked. */
export interface ControlQuestions {
  /** Avoids a broker if it can. With `create`, topics that do not exist are created where brokers allow it. */
  metadata(topics: readonly string[], create: boolean, avoid?: number): Promise<TopicMetadata[]>
  /** The names of all topics that this client may know of, as any broker says. */
  topicNames(): Promise<string[]>
  /** The brokers that there are, as any of them says. */
  brokerIds(): Promise<number[]>
  /** A new producer id, of any broker. Rejects with a KafkaError where a broker refuses. */
  producerId(): Promise<{ producerId: number; epoch: number }>
}

/** Time, as the sender sees it; a test brings its own. */
export interface Clock {
  /** Milliseconds of a clock that never goes back. */
  now(): number
  /** Calls back once, at `time` or soon after; the answer cancels. */
  at(time: number, callback: () => void): () => void
  /** Calls back once the events that are at hand have been taken. */
  soon(callback: () => void): void
}

/** How a part of the sender has everything looked at. */
export interface Waker {
  /** At this time, or now: an answer has come. */
  wake(time?: number): void
}

export const REAL_CLOCK: Clock = {
  now: () => performance.now(),
  at(time, callback) {
    const timer = setTimeout(callback, Math.max(0, Math.ceil(time - performance.now())))
    return () => clearTimeout(timer)
  },
  soon: callback => void setImmediate(callback),
}
