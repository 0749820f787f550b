import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setUp } from '../../support/kafka-sender.js'

test('metadata that is out of date does not bring an old leader back, unless two brokers say the same', async () => {
  const { clock, cluster, send, outcome } = setUp()
  const tell = (leader: number, epoch: number, from: string) =>
    cluster.metadataAs.set('t', {
      topic: 't',
      code: 0,
      from,
      partitions: [{ partition: 0, code: 0, leader, epoch }],
    })
  const lead = (leader: number) => cluster.move(cluster.partition('t'), leader, true)
  tell(0, 5, 'a:1')
  send('first')
  await clock.runUntil(100)
  // The leader moves, one broker knows it, and then one does not.
  lead(1)
  tell(1, 6, 'b:2')
  send('moved')
  await clock.runUntil(1000)
  tell(0, 5, 'a:1')
  await clock.runUntil(301_000)
  const asked = cluster.asked.length
  send('stale')
  await clock.runUntil(302_000)
  assert.deepEqual(
    cluster.asked.slice(asked).map(({ broker }) => broker),
    [1],
  )
  // Made anew, a topic counts from 0.
  lead(2)
  tell(2, 0, 'a:1')
  send('anew')
  clock.at(302_500, () => tell(2, 0, 'b:2'))
  await clock.runUntil(304_000)
  assert.deepEqual(['first', 'moved', 'stale', 'anew'].map(outcome), ['stored', 'stored', 'stored', 'stored'])
})
