import { crc32c } from '../../runtime/crc32c.js'
import { CODEC_BITS, type Codec, compressor } from './compression.js'

/** What one record is made of. A string is written as UTF-8, without a buffer of its own in between. */
export interface RecordData {
  key: Buffer | null
  value: string | Buffer
  /** The value's length in bytes. */
  valueBytes: number
  /** Milliseconds since the epoch. */
  timestamp: number
  /** Its headers with their number, as `encodeHeaders` makes them; none if undefined. */
  headers?: Buffer | undefined
}

/** Who wrote a batch and which one it is: what brokers know duplicates by. All −1 without idempotence. */
export interface Identity {
  readonly producerId: number
  readonly epoch: number
  readonly sequence: number
}

/** The bytes of a batch before its records. */
export const BATCH_OVERHEAD = 61
/** At most this many bytes of a record are neither key nor value nor headers. */
export const RECORD_OVERHEAD = 32

/** Turns records into a record batch, version 2. */
export type EncodeBatch = (records: readonly RecordData[], identity: Identity) => Buffer

/** An encoder of batches. It compresses with `codec`, except where that makes a batch larger. */
export function batchEncoder(codec: Codec, level?: number): EncodeBatch {
  const compress = compressor(codec, level)
  if (!compress) return (records, identity) => seal(writeBatch(records, identity, Buffer.allocUnsafe))
  // Only what the compressor makes of it outlives the call, so that one buffer will do for all batches.
  let scratch = Buffer.allocUnsafeSlow(64 * 1024)
  const allocate = (size: number) => {
    if (size > scratch.length) scratch = Buffer.allocUnsafeSlow(2 * size)
    return scratch.subarray(0, size)
  }
  return (records, identity) => {
    const batch = writeBatch(records, identity, allocate)
    const compressed = compress(batch.subarray(BATCH_OVERHEAD))
    if (BATCH_OVERHEAD + compressed.length >= batch.length) return seal(Buffer.from(batch))
    const smaller = Buffer.allocUnsafe(BATCH_OVERHEAD + compressed.length)
    batch.copy(smaller, 0, 0, BATCH_OVERHEAD)
    compressed.copy(smaller, BATCH_OVERHEAD)
    smaller.writeInt16BE(CODEC_BITS[codec], 21)
    return seal(smaller)
  }
}

/** All of a batch except what `seal` writes. */
function writeBatch(
  records: readonly RecordData[],
  identity: Identity,
  allocate: (size: number) => Buffer,
): Buffer {
  const base = first(records).timestamp
  // Size, to the byte.
  let size = BATCH_OVERHEAD
  let max = base
  for (let i = 0; i < records.length; i++) {
    const record = records[i] as RecordData
    if (record.timestamp > max) max = record.timestamp
    const body = bodySize(record, i, record.timestamp - base)
    size += varintSize(body) + body
  }
  const batch = allocate(size)
  let end = BATCH_OVERHEAD
  for (let i = 0; i < records.length; i++) {
    const record = records[i] as RecordData
    end = writeRecord(batch, end, record, i, record.timestamp - base)
  }
  writeInt64(batch, 0, 0) // base offset: the broker's to give
  batch.writeInt32BE(0, 12) // partition leader epoch: the broker's to give
  batch[16] = 2 // magic: the format's version
  batch.writeInt16BE(0, 21) // attributes: not compressed, timestamps by the client
  batch.writeInt32BE(records.length - 1, 23) // last offset delta
  writeInt64(batch, 27, base)
  writeInt64(batch, 35, max)
  writeInt64(batch, 43, identity.producerId)
  batch.writeInt16BE(identity.epoch, 51)
  batch.writeInt32BE(identity.sequence, 53)
  batch.writeInt32BE(records.length, 57)
  return batch
}

/** Writes what depends on all the rest: the length of what follows it, and the checksum. */
function seal(batch: Buffer): Buffer {
  batch.writeInt32BE(batch.length - 12, 8)
  batch.writeInt32BE(crc32c(batch, 21, batch.length), 17)
  return batch
}

/** A record's bytes after its own length. */
function bodySize(record: RecordData, index: number, delta: number): number {
  const key = record.key
  return (
    1 + // attributes
    varlongSize(delta) +
    varintSize(index) +
    (key ? varintSize(key.length) + key.length : 1) +
    varintSize(record.valueBytes) +
    record.valueBytes +
    (record.headers?.length ?? 1)
  )
}

function writeRecord(to: Buffer, at: number, record: RecordData, index: number, delta: number): number {
  const { key, value, valueBytes, headers } = record
  at = writeVarint(to, at, bodySize(record, index, delta))
  to[at++] = 0
  at = writeVarlong(to, at, delta)
  at = writeVarint(to, at, index)
  if (key) {
    at = writeVarint(to, at, key.length)
    to.set(key, at)
    at += key.length
  } else {
    to[at++] = 1 // −1: null
  }
  at = writeVarint(to, at, valueBytes)
  if (typeof value !== 'string') to.set(value, at)
  // All ASCII when there is a byte a character: copied, not transcoded.
  else to.write(value, at, valueBytes, value.length === valueBytes ? 'latin1' : 'utf8')
  at += valueBytes
  if (headers) {
    to.set(headers, at)
    return at + headers.length
  }
  to[at++] = 0
  return at
}

/** Headers of a record, as it has them. Many records may share them. */
export function encodeHeaders(headers: Readonly<Record<string, string>>): Buffer {
  const all = Object.entries(headers)
    .flat()
    .map(text => Buffer.from(text))
  const length = all.reduce((sum, text) => sum + varintSize(text.length) + text.length, 0)
  const count = all.length / 2
  const bytes = Buffer.allocUnsafe(varintSize(count) + length)
  let end = writeVarint(bytes, 0, count)
  for (const text of all) {
    end = writeVarint(bytes, end, text.length)
    end += text.copy(bytes, end)
  }
  return bytes
}

function first<T>(items: readonly T[]): T {
  if (items.length === 0) throw new RangeError('a batch has at least one record')
  return items[0] as T
}

/** Two's complement of an integer that a double holds exactly. */
export function writeInt64(to: Buffer, at: number, value: number): void {
  to.writeInt32BE(Math.floor(value / 0x1_0000_0000) | 0, at)
  to.writeUInt32BE(value >>> 0, at + 4)
}

/** Of an integer beyond 2^53 the last digits are lost; nothing that is read here is ever that large. */
export function readInt64(from: Buffer, at: number): number {
  return from.readInt32BE(at) * 0x1_0000_0000 + from.readUInt32BE(at + 4)
}

// Kafka's varints are zigzag: 0, −1, 1, −2 … are 0, 1, 2, 3 …, seven bits a byte, the lowest first.

function varintSize(value: number): number {
  const zigzag = ((value << 1) ^ (value >> 31)) >>> 0
  return zigzag < 0x80 ? 1 : zigzag < 0x4000 ? 2 : zigzag < 0x20_0000 ? 3 : zigzag < 0x1000_0000 ? 4 : 5
}

function writeVarint(to: Buffer, at: number, value: number): number {
  let zigzag = ((value << 1) ^ (value >> 31)) >>> 0
  while (zigzag > 0x7f) {
    to[at++] = (zigzag & 0x7f) | 0x80
    zigzag >>>= 7
  }
  to[at++] = zigzag
  return at
}

/** Zigzag of 64 bits, as a non-negative double: exact, since the difference of two timestamps is below 2^52. */
function zigzag64(value: number): number {
  return value < 0 ? -2 * value - 1 : 2 * value
}

function varlongSize(value: number): number {
  let rest = zigzag64(value)
  let size = 1
  for (; rest >= 0x80; size++) rest = Math.floor(rest / 0x80)
  return size
}

function writeVarlong(to: Buffer, at: number, value: number): number {
  let rest = zigzag64(value)
  while (rest >= 0x80) {
    to[at++] = (rest % 0x80) | 0x80
    rest = Math.floor(rest / 0x80)
  }
  to[at++] = rest
  return at
}
