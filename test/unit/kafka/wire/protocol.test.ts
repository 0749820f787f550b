import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { test } from 'node:test'
import {
  decodeInitProducerId,
  decodeMetadata,
  decodeProduce,
  encodeInitProducerId,
  encodeMetadata,
  encodeProduce,
} from '#src/lib/kafka/wire/protocol.js'
import { batchEncoder } from '#src/lib/kafka/wire/records.js'
import { IDENTITY, record } from '../../../support/kafka-records.js'

const require = createRequire(import.meta.url)

interface Encoder {
  buffer: Buffer
}

interface Kafkajs {
  request(request: object): { encode(): Promise<Encoder> }
  response: { decode(body: Buffer): Promise<unknown> }
}
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
