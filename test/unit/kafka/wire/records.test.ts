import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { test } from 'node:test'
import fc from 'fast-check'
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
