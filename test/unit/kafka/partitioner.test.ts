import assert from 'node:assert/strict'
import { test } from 'node:test'
import { murmur2, PARTITIONERS } from '#src/lib/kafka/partitioner.js'

test('murmur2 is that of Java', () => {
  // Of UtilsTest in Apache Kafka's clients.
  for (const [key, hash] of [
    ['21', -973932308],
    ['foobar', -790332482],
    ['a-little-bit-long-string', -985981536],
    ['a-little-bit-longer-string', -1486304829],
    ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58897971],
  ] as const)
    assert.equal(murmur2(Buffer.from(key)), hash, key)
  assert.equal(murmur2(Buffer.from([0x61, 0x62, 0x63])), 479470107)
})

test('consistent_random is CRC-32 modulo partitions', () => {
  // 0xcbf43926 is the check value of CRC-32.
  assert.equal(PARTITIONERS.consistent_random(Buffer.from('123456789'), 1000), 0xcbf43926 % 1000)
})

test('an empty key is no key for consistent_random, and a key for murmur2_random', () => {
  assert.equal(PARTITIONERS.consistent_random(Buffer.alloc(0), 7), undefined)
  assert.equal(PARTITIONERS.murmur2_random(Buffer.alloc(0), 7), (murmur2(Buffer.alloc(0)) & 0x7fff_ffff) % 7)
})
