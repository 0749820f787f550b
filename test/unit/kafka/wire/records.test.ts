import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { test } from 'node:test'
import { gunzipSync } from 'node:zlib'
import fc from 'fast-check'
import { HAS_ZSTD } from '#src/lib/kafka/wire/compression.js'
import { crc32c } from '#src/lib/kafka/wire/crc32c.js'
import {
  decodeInitProducerId,
  decodeMetadata,
  decodeProduce,
  encodeInitProducerId,
  encodeMetadata,
  encodeProduce,
} from '#src/lib/kafka/wire/protocol.js'
import {
  BATCH_OVERHEAD,
  batchEncoder,
  encodeHeaders,
  type Identity,
  RECORD_OVERHEAD,
  type RecordData,
} from '#src/lib/kafka/wire/records.js'

const require = createRequire(import.meta.url)

interface Encoder {
  buffer: Buffer
}
const { RecordBatch } = require('kafkajs/src/protocol/recordBatch/v0') as {
  RecordBatch(batch: object): Promise<Encoder>
}
const Record = require('kafkajs/src/protocol/recordBatch/record/v0') as (record: object) => object

/** The headers of records that have some, as kafkajs wants them. */
const namedHeaders = new WeakMap<RecordData, Record<string, string>>()

/** A batch as kafkajs encodes it. */
async function byKafkajs(records: readonly RecordData[], identity: Identity): Promise<Buffer> {
  const base = records[0]?.timestamp ?? 0
  const batch = await RecordBatch({
    firstTimestamp: base,
    maxTimestamp: Math.max(...records.map(record => record.timestamp)),
    lastOffsetDelta: records.length - 1,
    producerId: identity.producerId,
    producerEpoch: identity.epoch,
    firstSequence: identity.sequence,
    records: records.map((record, offsetDelta) => {
      const { key, value, timestamp } = record
      const headers = namedHeaders.get(record)
      return Record({
        key,
        value,
        offsetDelta,
        timestampDelta: timestamp - base,
        ...(headers && { headers }),
      })
    }),
  })
  return batch.buffer
}

function record(
  value: string | Buffer,
  key: string | null = null,
  timestamp = 1_700_000_000_000,
): RecordData {
  return {
    key: key === null ? null : Buffer.from(key),
    value,
    valueBytes: Buffer.byteLength(value),
    timestamp,
  }
}

const IDENTITY: Identity = { producerId: 4711, epoch: 3, sequence: 99 }

const arbitraryRecord: fc.Arbitrary<RecordData> = fc
  .record({
    key: fc.option(fc.uint8Array({ maxLength: 200 }).map(bytes => Buffer.from(bytes))),
    value: fc.oneof(
      fc.string({ unit: 'grapheme', maxLength: 300 }),
      fc.string({ minLength: 0, maxLength: 20_000, size: 'max' }),
      fc.uint8Array({ maxLength: 300 }).map(bytes => Buffer.from(bytes)),
    ),
    timestamp: fc.oneof(
      fc.integer({ min: 0, max: 253_402_300_799_999 }),
      fc.integer({ min: 1_700_000_000_000, max: 1_700_000_100_000 }),
    ),
    named: fc.option(
      fc.dictionary(
        fc.stringMatching(/^[a-z][a-z-]{0,20}$/),
        fc.string({ unit: 'grapheme', maxLength: 200 }),
        {
          maxKeys: 70,
        },
      ),
    ),
  })
  .map(({ named, ...parts }) => {
    const record: RecordData = { ...parts, valueBytes: Buffer.byteLength(parts.value) }
    if (!named) return record
    namedHeaders.set(record, named)
    record.headers = encodeHeaders(named)
    return record
  })

test('a batch is encoded to the bytes that kafkajs encodes it to', async () => {
  const encode = batchEncoder('none')
  await fc.assert(
    fc.asyncProperty(
      fc.array(arbitraryRecord, { minLength: 1, maxLength: 80 }),
      fc.record({
        producerId: fc.integer({ min: -1, max: Number.MAX_SAFE_INTEGER }),
        epoch: fc.integer({ min: -1, max: 32767 }),
        sequence: fc.integer({ min: -1, max: 0x7fff_ffff }),
      }),
      async (records, identity) => {
        const ours = encode(records, identity)
        const theirs = await byKafkajs(records, identity)
        assert.ok(ours.equals(theirs), 'the bytes differ')
        const bound = records.reduce(
          (sum, { key, valueBytes, headers }) =>
            sum + RECORD_OVERHEAD + (key?.length ?? 0) + valueBytes + (headers?.length ?? 0),
          BATCH_OVERHEAD,
        )
        assert.ok(ours.length <= bound, 'a record takes more than its bound')
      },
    ),
    { numRuns: 200 },
  )
})

test('CRC-32C is what others say it is', () => {
  const theirs = require('kafkajs/src/protocol/recordBatch/crc32C/crc32C') as (data: Buffer) => number
  assert.equal(crc32c(Buffer.from('123456789'), 0, 9) >>> 0, 0xe3069283)
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), fc.nat(10), (bytes, skip) => {
      const data = Buffer.from(bytes)
      const start = Math.min(skip, data.length)
      assert.equal(crc32c(data, start, data.length) >>> 0, theirs(data.subarray(start)) >>> 0)
    }),
  )
})

test('compressed records are the records', () => {
  const records = Array.from({ length: 700 }, (_, i) =>
    record(`{"event":${i},"text":"${'aé'.repeat(40)}"}`, `k${i}`),
  )
  const plain = batchEncoder('none')(records, IDENTITY).subarray(BATCH_OVERHEAD)
  const { uncompress } = require('snappyjs') as { uncompress(data: Buffer): Buffer }
  const { decompressFrameSync } = require('lz4-napi') as { decompressFrameSync(data: Buffer): Buffer }
  const xerial = (data: Buffer) => {
    assert.equal(data.subarray(0, 8).toString('latin1'), '\x82SNAPPY\0')
    const blocks: Buffer[] = []
    for (let at = 16; at < data.length; at += 4 + data.readInt32BE(at))
      blocks.push(uncompress(data.subarray(at + 4, at + 4 + data.readInt32BE(at))))
    return Buffer.concat(blocks)
  }
  for (const [codec, bits, decompress] of [
    ['gzip', 1, gunzipSync],
    ['snappy', 2, xerial],
    ['lz4', 3, decompressFrameSync],
  ] as const) {
    const batch = batchEncoder(codec)(records, IDENTITY)
    assert.equal(batch.readInt16BE(21), bits, codec)
    assert.equal(batch.readInt32BE(8), batch.length - 12, codec)
    assert.equal(batch.readInt32BE(17), crc32c(batch, 21, batch.length), codec)
    assert.ok(decompress(batch.subarray(BATCH_OVERHEAD)).equals(plain), codec)
    assert.ok(batch.length < plain.length / 2, codec)
  }
})

test('records that compression makes larger are sent as they are', () => {
  for (const codec of ['gzip', 'snappy', 'lz4'] as const) {
    const batch = batchEncoder(codec)([record('x')], IDENTITY)
    assert.ok(batch.equals(batchEncoder('none')([record('x')], IDENTITY)), codec)
  }
})

test('zstd is there where Node.js has it', () => {
  if (HAS_ZSTD) assert.equal(batchEncoder('zstd')([record('x'.repeat(1000))], IDENTITY).readInt16BE(21), 4)
  else assert.throws(() => batchEncoder('zstd'), /Node\.js 22\.15/)
})

test('a Produce request groups partitions by topic', () => {
  const batch = batchEncoder('none')([record('value')], IDENTITY)
  const request = encodeProduce(8, 7, 'me', -1, 1000, [
    { topic: 'a', partition: 1, batch },
    { topic: 'bb', partition: 0, batch },
    { topic: 'a', partition: 2, batch },
  ])
  const part = (partition: number) => Buffer.concat([int32(partition), int32(batch.length), batch])
  const expected = Buffer.concat([
    int16(0),
    int16(8),
    int32(7),
    string('me'),
    int16(-1),
    int16(-1),
    int32(1000),
    int32(2),
    ...[string('a'), int32(2), part(1), part(2)],
    ...[string('bb'), int32(1), part(0)],
  ])
  assert.deepEqual(request, Buffer.concat([int32(expected.length), expected]))
})

interface Kafkajs {
  request(request: object): { encode(): Promise<Encoder> }
  response: { decode(body: Buffer): Promise<unknown> }
}
const kafkajs = (api: string, version: number): Kafkajs => ({
  request: require(`kafkajs/src/protocol/requests/${api}/v${version}/request`),
  response: require(`kafkajs/src/protocol/requests/${api}/v${version}/response`),
})
const body = (request: Buffer) => request.subarray(14 + 'me'.length)

for (const version of [5, 6, 7, 8])
  test(`a request for metadata, version ${version}, is what kafkajs makes of it, and the answer is read`, async () => {
    // kafkajs knows no version above 6, from which 7 does not differ in the request.
    const { request, response } = kafkajs('metadata', Math.min(version, 6))
    const theirs = await request({ topics: ['t1', 'ü'], allowAutoTopicCreation: true }).encode()
    // Version 8 asks besides whether to tell what we may do; we do not ask.
    const more = version >= 8 ? Buffer.from([0, 0]) : Buffer.alloc(0)
    const ours = encodeMetadata(version, 1, 'me', ['t1', 'ü'], true)
    assert.deepEqual(body(ours), Buffer.concat([theirs.buffer, more]))
    assert.equal(ours.readInt16BE(6), version)

    const ints = (...values: number[]) => Buffer.concat([int32(values.length), ...values.map(int32)])
    const answer = Buffer.concat([
      int32(0),
      ...[int32(1), int32(9), string('broker.example'), int32(9093), string(null)],
      ...[string('cluster'), int32(9)],
      ...[int32(1), int16(0), string('t'), Buffer.from([0]), int32(1)],
      ...[int16(5), int32(0), int32(-1), ...(version >= 7 ? [int32(17)] : []), ints(9, 8), ints(9), ints(8)],
      ...(version >= 8 ? [int32(-1), int32(-1)] : []),
    ])
    assert.deepEqual(decodeMetadata(version, answer), {
      clusterId: 'cluster',
      brokers: [{ id: 9, host: 'broker.example', port: 9093 }],
      topics: [
        {
          topic: 't',
          code: 0,
          partitions: [{ partition: 0, code: 5, leader: -1, epoch: version >= 7 ? 17 : undefined }],
        },
      ],
    })
    assert.throws(() => decodeMetadata(version, answer.subarray(0, -5)), RangeError)
    if (version <= 6) assert.ok(await response.decode(answer))
  })

for (const version of [0, 1])
  test(`a request for an id, version ${version}, is what kafkajs makes of it, and the answer is read`, async () => {
    const { request } = kafkajs('initProducerId', version)
    const theirs = await request({ transactionalId: null, transactionTimeout: -1 }).encode()
    const ours = encodeInitProducerId(version, 1, 'me')
    assert.deepEqual(body(ours), theirs.buffer)
    assert.equal(ours.readInt16BE(6), version)
    const answer = Buffer.concat([int32(0), int16(14), int64(2n ** 40n), int16(2)])
    assert.deepEqual(decodeInitProducerId(answer), { code: 14, producerId: 2 ** 40, epoch: 2 })
  })

for (const version of [5, 6, 7, 8])
  test(`an answer to Produce, version ${version}, is read`, async () => {
    const errors = version >= 8 ? [int32(1), int32(3), string('too old'), string('one is bad')] : []
    const partition = [int32(5), int16(87), int64(-1n), int64(-1n), int64(0n), ...errors]
    const answer = Buffer.concat([int32(1), string('t'), int32(1), ...partition, int32(250)])
    assert.deepEqual(decodeProduce(version, answer), {
      results: [
        {
          topic: 't',
          partition: 5,
          code: 87,
          baseOffset: -1,
          recordErrors: version >= 8 ? [{ index: 3, message: 'too old' }] : undefined,
          message: version >= 8 ? 'one is bad' : null,
        },
      ],
      // Version 5 has waited for the pause already.
      throttleMs: version >= 6 ? 250 : 0,
    })
    assert.throws(() => decodeProduce(version, answer.subarray(0, -1)), RangeError)
    if (version <= 7) assert.ok(await kafkajs('produce', version).response.decode(answer))
  })

function int16(value: number): Buffer {
  const buffer = Buffer.alloc(2)
  buffer.writeInt16BE(value)
  return buffer
}

function int32(value: number): Buffer {
  const buffer = Buffer.alloc(4)
  buffer.writeInt32BE(value)
  return buffer
}

function int64(value: bigint): Buffer {
  const buffer = Buffer.alloc(8)
  buffer.writeBigInt64BE(value)
  return buffer
}

function string(value: string | null): Buffer {
  return value === null ? int16(-1) : Buffer.concat([int16(Buffer.byteLength(value)), Buffer.from(value)])
}
