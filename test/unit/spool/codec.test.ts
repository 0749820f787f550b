import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  decodeRecord,
  detach,
  encodeRecord,
  isFirstOfCommit,
  isRecord,
  positionOf,
  recordBytes,
} from '#src/lib/spool/codec.js'
import { FRAME_BYTES, type Frame } from '#src/lib/spool/frames.js'
import type { SpoolRecord } from '#src/lib/spool/record.js'
import { record } from '../../support/spool.js'

function encode(given: SpoolRecord, position = 5, isFirst = false): Frame {
  const buffer = Buffer.alloc(recordBytes(given))
  assert.equal(encodeRecord(buffer, 0, given, position, 1234, isFirst), buffer.length)
  return { at: 0, end: buffer.length, payload: buffer.subarray(FRAME_BYTES) }
}

test('a record is read as it was written, to the byte', () => {
  const records: SpoolRecord[] = [
    record('{}'),
    record('{"ü":"€"}', { key: '', partition: -1, delivery: 'hasty', stream: '/^a\\./' }),
    { ...record('x'), value: Buffer.from([0, 255]), valueBytes: 2, headers: Buffer.from([1]) },
    { ...record(''), timestamp: 253_402_300_799_999 },
  ]
  for (const given of records) {
    const frame = encode(given, 2 ** 47)
    const { position, spooledAt, bytes, ...back } = decodeRecord(frame)
    assert.ok(isRecord(frame))
    assert.deepEqual([position, spooledAt, bytes], [2 ** 47, 1234, frame.end])
    assert.equal(positionOf(frame), position)
    assert.deepEqual(back, { ...given, value: Buffer.from(given.value), headers: given.headers })
  }
})

test('the first record of a commit is marked', () => {
  assert.equal(isFirstOfCommit(encode(record('a'), 1, true)), true)
  assert.equal(isFirstOfCommit(encode(record('a'), 1, false)), false)
})

test('a record that is detached keeps nothing of what was read with it', () => {
  const stored = decodeRecord(encode(record('abc', { key: 'k' })))
  const { value, key } = detach(stored)
  assert.deepEqual([`${value}`, `${key}`], ['abc', 'k'])
  assert.notEqual(value.buffer, stored.value.buffer)
})
