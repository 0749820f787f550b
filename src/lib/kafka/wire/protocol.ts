import { readInt64 } from './records.js'

export const PRODUCE = 0
export const METADATA = 3
export const INIT_PRODUCER_ID = 22

/** The first version of Produce that takes zstd. */
export const PRODUCE_ZSTD = 7
/** Before it a broker that has a client pause holds back its answer until the pause is over. */
const PRODUCE_PAUSE_TO_COME = 6

/** The bytes of a request before its body, its own length among them. */
const HEADER = 14

/** One partition's part of a Produce request: a batch as `batchEncoder` made it. */
export interface PartitionData {
  readonly topic: string
  readonly partition: number
  readonly batch: Buffer
}

export interface PartitionResult {
  topic: string
  partition: number
  /** 0, or one of Kafka's codes of errors. */
  code: number
  /** The offset of the first record; −1 if none was appended. */
  baseOffset: number
  /** Which records of the batch were refused, by their index in it. Undefined where the broker is too old to say. */
  recordErrors: { index: number; message: string | null }[] | undefined
  message: string | null
}

export interface ProduceResponse {
  results: PartitionResult[]
  throttleMs: number
}

export interface TopicMetadata {
  topic: string
  code: number
  partitions: PartitionMetadata[]
  /** Who said so. */
  from?: string
}

export interface PartitionMetadata {
  partition: number
  code: number
  /** −1: none. */
  leader: number
  /** How often the partition has had a new leader; undefined where the broker does not tell. */
  epoch?: number | undefined
}

export interface ClusterMetadata {
  clusterId: string | null
  brokers: { id: number; host: string; port: number }[]
  topics: TopicMetadata[]
}

/** A whole Produce request, its header included, in one buffer. */
export function encodeProduce(
  version: number,
  correlationId: number,
  clientId: string,
  acks: number,
  timeoutMs: number,
  parts: readonly PartitionData[],
): Buffer {
  const topics = new Map<string, PartitionData[]>()
  let size = 2 + 2 + 4 + 4
  for (const part of parts) {
    let same = topics.get(part.topic)
    if (!same) {
      same = []
      topics.set(part.topic, same)
      size += 2 + Buffer.byteLength(part.topic) + 4
    }
    same.push(part)
    size += 8 + part.batch.length
  }
  const { buffer, at: start } = request(PRODUCE, version, correlationId, clientId, size)
  let at = buffer.writeInt16BE(-1, start) // no transaction
  at = buffer.writeInt16BE(acks, at)
  at = buffer.writeInt32BE(timeoutMs, at)
  at = buffer.writeInt32BE(topics.size, at)
  for (const [topic, same] of topics) {
    at = writeString(buffer, at, topic)
    at = buffer.writeInt32BE(same.length, at)
    for (const { partition, batch } of same) {
      at = buffer.writeInt32BE(partition, at)
      at = buffer.writeInt32BE(batch.length, at)
      buffer.set(batch, at)
      at += batch.length
    }
  }
  return buffer
}

/** `body` begins after the correlation id. A pause that is over when the answer comes is not told. */
export function decodeProduce(version: number, body: Buffer): ProduceResponse {
  const reader = new Reader(body)
  const results: PartitionResult[] = []
  for (let topics = reader.int32(); topics > 0; topics--) {
    const topic = reader.string() ?? ''
    for (let partitions = reader.int32(); partitions > 0; partitions--) {
      const partition = reader.int32()
      const code = reader.int16()
      const baseOffset = reader.int64()
      reader.skip(16) // log append time, log start offset
      let recordErrors: PartitionResult['recordErrors']
      let message: string | null = null
      if (version >= 8) {
        recordErrors = []
        for (let errors = reader.int32(); errors > 0; errors--)
          recordErrors.push({ index: reader.int32(), message: reader.string() })
        message = reader.string()
      }
      results.push({ topic, partition, code, baseOffset, recordErrors, message })
    }
  }
  const throttleMs = reader.int32()
  return { results, throttleMs: version >= PRODUCE_PAUSE_TO_COME ? throttleMs : 0 }
}

/** Asks for `topics`, or without a list for all. With `create`, those that do not exist are created if allowed. */
export function encodeMetadata(
  version: number,
  correlationId: number,
  clientId: string,
  topics: readonly string[] | undefined,
  create: boolean,
): Buffer {
  const asksOperations = version >= 8
  let size = 4 + (asksOperations ? 3 : 1)
  for (const topic of topics ?? []) size += 2 + Buffer.byteLength(topic)
  const { buffer, at: start } = request(METADATA, version, correlationId, clientId, size)
  let at = buffer.writeInt32BE(topics?.length ?? -1, start)
  for (const topic of topics ?? []) at = writeString(buffer, at, topic)
  buffer[at++] = create ? 1 : 0
  // No authorized operations, neither of the cluster nor of the topics.
  if (asksOperations) buffer.writeInt16BE(0, at)
  return buffer
}

export function decodeMetadata(version: number, body: Buffer): ClusterMetadata {
  const reader = new Reader(body)
  reader.skip(4) // throttle time
  const brokers: ClusterMetadata['brokers'] = []
  for (let count = reader.int32(); count > 0; count--) {
    brokers.push({ id: reader.int32(), host: reader.string() ?? '', port: reader.int32() })
    reader.string() // rack
  }
  const clusterId = reader.string()
  reader.skip(4) // controller
  const topics: TopicMetadata[] = []
  for (let count = reader.int32(); count > 0; count--) {
    const code = reader.int16()
    const topic = reader.string() ?? ''
    reader.skip(1) // internal
    const partitions: TopicMetadata['partitions'] = []
    for (let left = reader.int32(); left > 0; left--) {
      const partitionCode = reader.int16()
      const partition = reader.int32()
      const leader = reader.int32()
      const epoch = version >= 7 ? reader.int32() : undefined
      for (let list = 0; list < 3; list++) reader.skip(4 * Math.max(0, reader.int32())) // replicas: all, in sync, offline
      partitions.push({ partition, code: partitionCode, leader, epoch })
    }
    if (version >= 8) reader.skip(4) // authorized operations
    topics.push({ topic, code, partitions })
  }
  return { clusterId, brokers, topics }
}

export function encodeInitProducerId(version: number, correlationId: number, clientId: string): Buffer {
  const { buffer, at } = request(INIT_PRODUCER_ID, version, correlationId, clientId, 6)
  buffer.writeInt16BE(-1, at) // no transaction
  buffer.writeInt32BE(-1, at + 2)
  return buffer
}

export function decodeInitProducerId(body: Buffer): { code: number; producerId: number; epoch: number } {
  const reader = new Reader(body)
  reader.skip(4) // throttle time
  return { code: reader.int16(), producerId: reader.int64(), epoch: reader.int16() }
}

/** A buffer for a request with a body of `size` bytes, its header written, and where its body begins. */
function request(key: number, version: number, correlationId: number, clientId: string, size: number) {
  const idBytes = Buffer.byteLength(clientId)
  const buffer = Buffer.allocUnsafe(HEADER + idBytes + size)
  buffer.writeInt32BE(buffer.length - 4, 0)
  buffer.writeInt16BE(key, 4)
  buffer.writeInt16BE(version, 6)
  buffer.writeInt32BE(correlationId, 8)
  return { buffer, at: writeString(buffer, 12, clientId) }
}

function writeString(to: Buffer, at: number, text: string): number {
  const bytes = to.write(text, at + 2)
  to.writeInt16BE(bytes, at)
  return at + 2 + bytes
}

/** Reads a response from its beginning. One that ends early throws a RangeError. */
class Reader {
  #at = 0
  constructor(readonly buffer: Buffer) {}

  int16(): number {
    return this.buffer.readInt16BE(this.skip(2))
  }

  int32(): number {
    return this.buffer.readInt32BE(this.skip(4))
  }

  int64(): number {
    return readInt64(this.buffer, this.skip(8))
  }

  string(): string | null {
    const bytes = this.int16()
    if (bytes < 0) return null
    const start = this.skip(bytes)
    return this.buffer.toString('utf8', start, start + bytes)
  }

  /** The position before. */
  skip(bytes: number): number {
    const before = this.#at
    this.#at += bytes
    if (this.#at > this.buffer.length) throw new RangeError('the response ends early')
    return before
  }
}
