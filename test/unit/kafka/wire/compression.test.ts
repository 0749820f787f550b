import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { test } from 'node:test'
import { gunzipSync } from 'node:zlib'
import { HAS_ZSTD } from '#src/lib/kafka/wire/compression.js'
import { BATCH_OVERHEAD, batchEncoder } from '#src/lib/kafka/wire/records.js'
import { crc32c } from '#src/lib/runtime/crc32c.js'
import { IDENTITY, record } from '../../../support/kafka-records.js'

const require = createRequire(import.meta.url)

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
