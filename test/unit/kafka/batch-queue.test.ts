import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setUp } from '../../support/kafka-sender.js'

test('a linger is honoured, until a batch is full or there is a flush', async () => {
  const { clock, sender, send, answers } = setUp({ lingerMs: 1000, batchMessages: 3 })
  send('first')
  await clock.runUntil(1500)
  assert.ok((answers.get('first')?.at ?? 0) >= 1000)
  const before = clock.time
  for (const value of ['a', 'b', 'c']) send(value)
  await clock.runUntil(before + 50)
  assert.ok((answers.get('c')?.at ?? Infinity) < before + 50)
  send('flushed')
  void sender.flush()
  await clock.runUntil(before + 100)
  assert.ok((answers.get('flushed')?.at ?? Infinity) < before + 100)
})

test('requests that were slow to come, between others, neither make a batch of each event nor end a linger', async () => {
  const { clock, cluster, send, seen, outcome } = setUp({}, { latency: () => 5 })
  for (let i = 0; i < 1000; i++)
    clock.at(i, () => send(`v${i}`, { key: 'k', timeoutMs: i % 2 ? 8900 : 3000 + (i % 7) * 500 }))
  await clock.runUntil(1500)
  const values = Array.from({ length: 1000 }, (_, i) => `v${i}`)
  assert.ok(values.every(value => outcome(value) === 'stored'))
  assert.deepEqual(cluster.stored('t'), [values])
  assert.ok(seen.requests.length < 250, `${seen.requests.length} requests`)

  const lingering = setUp({ lingerMs: 1000 })
  for (let i = 0; i < 10; i++) lingering.send(`v${i}`, { timeoutMs: i % 2 ? 8900 : 5000 })
  await lingering.clock.runUntil(2000)
  assert.deepEqual(lingering.seen.requests, [[1, 10]])
})

test('mixed deadlines in a queue that had to wait: all that have time are stored, in their order, in few requests', async () => {
  const { clock, cluster, send, seen, outcome } = setUp({}, { latency: () => 5 })
  cluster.move(cluster.partition('t'), -1, false)
  for (let i = 0; i < 1000; i++) clock.at(i, () => send(`v${i}`, { timeoutMs: i % 2 ? 8900 : 7000 }))
  clock.at(4000, () => cluster.move(cluster.partition('t'), 1, false))
  await clock.runUntil(6000)
  const values = Array.from({ length: 1000 }, (_, i) => `v${i}`)
  assert.ok(values.every(value => outcome(value) === 'stored'))
  assert.deepEqual(cluster.stored('t'), [values])
  assert.ok(seen.requests.length < 20, `${seen.requests.length} requests`)
})
