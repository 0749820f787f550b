import { FRAME_BYTES, type Frame, seal } from './frames.js'
import type { SpoolRecord, StoredRecord } from './record.js'

// A record's payload: kind, flags, position, timestamp, time of spooling, partition, lengths of topic, stream, key and
// headers, then these and the value.
const KIND_RECORD = 1
const FIXED_BYTES = 36
/** All before this record's frame was synced before it was written. */
const FLAG_FIRST = 1
const FLAG_HASTY = 2
const FLAG_KEY = 4
const FLAG_HEADERS = 8

/** What a record takes on disk. */
export function recordBytes(record: SpoolRecord): number {
  const { topic, stream, key, headers, valueBytes } = record
  return (
    FRAME_BYTES +
    FIXED_BYTES +
    Buffer.byteLength(topic) +
    Buffer.byteLength(stream) +
    (key?.length ?? 0) +
    (headers?.length ?? 0) +
    valueBytes
  )
}

/** Writes a record's frame, and answers its end. */
export function encodeRecord(
  to: Buffer,
  at: number,
  record: SpoolRecord,
  position: number,
  spooledAt: number,
  isFirst: boolean,
): number {
  const { topic, partition, stream, key, headers, value, valueBytes, timestamp, delivery } = record
  const fixed = at + FRAME_BYTES
  let end = fixed + FIXED_BYTES
  const topicBytes = to.write(topic, end)
  end += topicBytes
  const streamBytes = to.write(stream, end)
  end += streamBytes
  to[fixed] = KIND_RECORD
  to[fixed + 1] =
    (isFirst ? FLAG_FIRST : 0) |
    (delivery === 'hasty' ? FLAG_HASTY : 0) |
    (key ? FLAG_KEY : 0) |
    (headers ? FLAG_HEADERS : 0)
  to.writeUIntBE(position, fixed + 2, 6)
  to.writeUIntBE(timestamp, fixed + 8, 6)
  to.writeUIntBE(spooledAt, fixed + 14, 6)
  to.writeInt32BE(partition, fixed + 20)
  to.writeUInt16BE(topicBytes, fixed + 24)
  to.writeUInt16BE(streamBytes, fixed + 26)
  to.writeUInt32BE(key?.length ?? 0, fixed + 28)
  to.writeUInt32BE(headers?.length ?? 0, fixed + 32)
  if (key) {
    to.set(key, end)
    end += key.length
  }
  if (headers) {
    to.set(headers, end)
    end += headers.length
  }
  if (typeof value !== 'string') to.set(value, end)
  // All ASCII when there is a byte a character: copied, not transcoded.
  else to.write(value, end, valueBytes, value.length === valueBytes ? 'latin1' : 'utf8')
  end += valueBytes
  seal(to, at, end)
  return end
}

export function isRecord({ payload }: Frame): boolean {
  return payload[0] === KIND_RECORD && payload.length >= FIXED_BYTES
}

export function positionOf({ payload }: Frame): number {
  return payload.readUIntBE(2, 6)
}

/** Whether all before this record was synced before it was written. */
export function isFirstOfCommit({ payload }: Frame): boolean {
  return ((payload[1] as number) & FLAG_FIRST) !== 0
}

/** Reads a record. Its buffers are parts of the frame's. */
export function decodeRecord({ payload, at, end }: Frame): StoredRecord {
  const flags = payload[1] as number
  let from = FIXED_BYTES
  const take = (bytes: number) => {
    from += bytes
    return payload.subarray(from - bytes, from)
  }
  const topic = take(payload.readUInt16BE(24)).toString()
  const stream = take(payload.readUInt16BE(26)).toString()
  const key = take(payload.readUInt32BE(28))
  const headers = take(payload.readUInt32BE(32))
  const value = payload.subarray(from)
  return {
    topic,
    partition: payload.readInt32BE(20),
    key: flags & FLAG_KEY ? key : null,
    value,
    valueBytes: value.length,
    timestamp: payload.readUIntBE(8, 6),
    headers: flags & FLAG_HEADERS ? headers : undefined,
    stream,
    delivery: flags & FLAG_HASTY ? 'hasty' : 'guaranteed',
    position: positionOf({ payload, at, end }),
    spooledAt: payload.readUIntBE(14, 6),
    bytes: end - at,
  }
}

/** The same record, in memory of its own. */
export function detach(record: StoredRecord): StoredRecord {
  const { key, headers, value } = record
  return {
    ...record,
    key: key && Buffer.from(key),
    headers: headers && Buffer.from(headers),
    value: Buffer.from(value),
  }
}
