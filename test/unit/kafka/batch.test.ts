import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Batch, isWhole, sizeOf } from '#src/lib/kafka/batch.js'
import { eventOf } from '../../support/kafka-sender.js'

function batchOf(...deadlines: number[]) {
  const batch = new Batch('t', 0, 0)
  for (const [index, deadline] of deadlines.entries())
    batch.add({ ...eventOf(`e${index}`, 0), deadline, size: 100 })
  return batch
}

const valuesOf = ({ records }: Pick<Batch, 'records'>) => records.map(({ value }) => value)

test('a batch knows its size, and its first and last deadline', () => {
  const batch = batchOf(300, 100, 200)
  assert.equal(batch.size - new Batch('t', 0, 0).size, 300)
  assert.deepEqual([batch.deadline, batch.latest], [100, 300])
})

test('events whose deadline has come leave a batch that was not sent', () => {
  const batch = batchOf(300, 100, 200)
  assert.deepEqual(batch.takeDue(99), [])
  assert.deepEqual(valuesOf({ records: batch.takeDue(200) }), ['e1', 'e2'])
  assert.deepEqual(valuesOf(batch), ['e0'])
  assert.deepEqual([batch.deadline, batch.hasExpired], [300, false])
})

test('a batch that was sent keeps its records, because brokers know it by them, and may not be sent again', () => {
  const batch = batchOf(300, 100)
  batch.identity = { producerId: 7, epoch: 0, sequence: 0 }
  const { size } = batch
  assert.deepEqual(valuesOf({ records: batch.takeDue(100) }), ['e1'])
  assert.deepEqual(valuesOf(batch), ['e0', 'e1'])
  assert.deepEqual([batch.size, batch.deadline, batch.hasExpired], [size, 300, true])
})

test('what is cut off is a batch of its own', () => {
  const batch = batchOf(300, 100, 200)
  const rest = batch.cut(1)
  assert.deepEqual([valuesOf(batch), valuesOf(rest)], [['e0'], ['e1', 'e2']])
  assert.deepEqual([batch.deadline, rest.deadline], [300, 100])
})

test('records that are sent again have no identity yet, and count the attempts at them', () => {
  const batch = batchOf(300)
  batch.identity = { producerId: -1, epoch: -1, sequence: -1 }
  batch.attempts = 3
  batch.probe = true
  assert.ok(batch.plain)
  const again = batch.again(batch.records)
  assert.deepEqual([again.identity, again.attempts, again.probe, again.closed], [undefined, 3, true, true])
})

test('an event’s size has its key and headers, and one that came late proves nothing', () => {
  assert.equal(sizeOf(10, Buffer.from('key'), Buffer.alloc(5)) - sizeOf(10, null, undefined), 8)
  assert.ok(isWhole({ ...eventOf('x', 0), patience: 900 }, 1000))
  assert.ok(!isWhole({ ...eventOf('x', 0), patience: 800 }, 1000))
})
