import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Sequence } from '#src/lib/kafka/sequence.js'

function begun(epoch = 0): Sequence {
  const sequence = new Sequence([])
  assert.ok(sequence.needsId)
  assert.ok(sequence.identify({ producerId: 5, epoch, issue: 0 }))
  return sequence
}

test('what is not stored leaves no gap', () => {
  const sequence = begun()
  assert.deepEqual(sequence.identity, sequence.identity)
  sequence.advance(sequence.identity, 3)
  assert.deepEqual(sequence.identity, { producerId: 5, epoch: 0, sequence: 3 })
})

test('after 2147483647 comes 0', () => {
  const sequence = begun()
  sequence.advance(sequence.identity, 0x7fff_fffe)
  sequence.advance(sequence.identity, 3)
  assert.equal(sequence.identity.sequence, 1)
})

test('a new epoch counts from 0; after the last one there must be a new id, never the old', () => {
  const sequence = begun(32766)
  sequence.advance(sequence.identity, 9)
  sequence.nextEpoch(false)
  assert.deepEqual(sequence.identity, { producerId: 5, epoch: 32767, sequence: 0 })
  sequence.nextEpoch(false)
  assert.ok(sequence.needsId)
  assert.equal(sequence.identify({ producerId: 5, epoch: 0, issue: 0 }), false)
  assert.ok(sequence.identify({ producerId: 6, epoch: 0, issue: 1 }))
  assert.equal(sequence.identity.producerId, 6)
})

test('without idempotence there is no identity', () => {
  const sequence = new Sequence([{ plain: true }])
  assert.equal(sequence.needsId, false)
  sequence.advance(sequence.identity, 1)
  sequence.nextEpoch(false)
  assert.deepEqual(sequence.identity, { producerId: -1, epoch: -1, sequence: -1 })
})
