import assert from 'node:assert/strict'
import { test } from 'node:test'
import { JournaledTransport, lasting } from '#src/lib/kafka/persistent.js'
import { FakeClock, FakeCluster } from '../../support/kafka-fake.js'

const BATCH = {
  topic: 't',
  partition: 0,
  bare: false,
  identity: { producerId: 1, epoch: 0, sequence: 0 },
  records: [{ key: null, value: 'a', valueBytes: 1, timestamp: 1 }],
}
const REQUEST = { acks: -1, timeoutMs: 100, answerMs: 1000, batches: [BATCH] } as const

test('a request waits for the journal, and is not sent if that fails', async () => {
  const clock = new FakeClock()
  const cluster = new FakeCluster(clock)
  cluster.create('t', 1)
  let failure: Error | undefined
  const journaled = new JournaledTransport(cluster, async batches => {
    assert.deepEqual(batches, [BATCH])
    await clock.sleep(50)
    if (failure) throw failure
  })
  assert.equal(journaled.control, cluster)
  const connecting = journaled.connect(0, 'fast')
  await clock.runUntil(10)
  const link = await connecting
  assert.deepEqual([link.open, link.broken], [true, false])
  const first = link.produce(REQUEST)
  await clock.runUntil(59)
  assert.deepEqual(cluster.stored('t'), [[]])
  await clock.runUntil(200)
  assert.equal((await first)?.results[0]?.code, 0)
  failure = new Error('EIO')
  const second = assert.rejects(link.produce(REQUEST), /EIO/)
  await clock.runUntil(400)
  await second
  assert.deepEqual(cluster.stored('t'), [['a']])
  link.close()
  assert.equal(link.open, false)
})

test('an event that lasts has no deadline, and its outcome is its own', async () => {
  const value = Buffer.from('a')
  const { record, outcome } = lasting({ key: null, value, valueBytes: 1, timestamp: 1, partition: 3 })
  assert.deepEqual([record.deadline, record.origin?.partition], [Infinity, 3])
  record.resolve()
  await outcome
})
