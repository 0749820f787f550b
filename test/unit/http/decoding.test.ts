import assert from 'node:assert/strict'
import { test } from 'node:test'
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from 'node:zlib'
import { codingOf, decode, decodeAtOnce } from '#src/lib/http/decoding.js'

const text = Buffer.from('{"a":"text"}')
const CODED: [string, Buffer][] = [
  ['gzip', gzipSync(text)],
  ['x-gzip', gzipSync(text)],
  ['deflate', deflateSync(text)],
  ['deflate', deflateRawSync(text)],
  ['br', brotliCompressSync(text)],
]
const grow = async () => {}

test('each coding is decoded, at once and as a stream', async () => {
  for (const [coding, bytes] of CODED) {
    assert.deepEqual(decodeAtOnce(bytes, coding), text, coding)
    assert.deepEqual(await decode(bytes, coding, grow), text, coding)
  }
})

test('what is not small, or does not stay small, is not decoded at once', () => {
  const random = Buffer.from(Array.from({ length: 5000 }, (_, i) => (i * 7919 + (i >> 3)) % 251))
  assert.equal(decodeAtOnce(Buffer.concat([gzipSync(random), Buffer.alloc(5000)]), 'gzip'), undefined)
  assert.equal(decodeAtOnce(gzipSync(Buffer.alloc(100_000)), 'gzip'), undefined)
})

test('bytes that follow the end are refused', async () => {
  for (const [coding, bytes] of CODED) {
    const more = Buffer.concat([bytes, Buffer.from('x')])
    assert.throws(() => decodeAtOnce(more, coding), coding)
    await assert.rejects(decode(more, coding, grow), coding)
  }
})

test('what is decoded is charged as it comes, and ends when it may not grow', async () => {
  const bytes = gzipSync(Buffer.alloc(1024 * 1024))
  const totals: number[] = []
  const decoded = await decode(bytes, 'gzip', async (total, added) => {
    assert.equal(total, (totals.at(-1) ?? 0) + added)
    totals.push(total)
  })
  assert.equal(decoded.length, 1024 * 1024)
  assert.ok(totals.length > 10)
  const stopped = decode(bytes, 'gzip', async total => {
    if (total > 100_000) throw new Error('too large')
  })
  await assert.rejects(stopped, /too large/)
})

test('codings by name: identity needs none, and what is unknown is refused', () => {
  assert.equal(codingOf(undefined), undefined)
  assert.equal(codingOf('identity'), undefined)
  assert.equal(codingOf(' GZIP '), 'gzip')
  assert.throws(() => codingOf('zstd'), { code: 'content_encoding_unsupported' })
})
