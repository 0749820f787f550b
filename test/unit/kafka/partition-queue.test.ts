import assert from 'node:assert/strict'
import { test } from 'node:test'
import { inOrder, setUp } from '../../support/kafka-sender.js'

test('an event with time left does not share the fate of one that has none', async () => {
  let requests = 0
  const { clock, cluster, send, answers, outcome } = setUp(
    {},
    { request: () => (requests++ === 0 ? 'silent' : undefined) },
  )
  for (const [value, timeoutMs] of [
    ['hurried', 300],
    ['young', Infinity],
    ['hurried too', 400],
  ] as const)
    send(value, { timeoutMs })
  await clock.runUntil(10_000)
  assert.deepEqual(['hurried', 'young', 'hurried too'].map(outcome), [
    'deadline_unknown',
    'stored',
    'deadline_not_stored',
  ])
  assert.equal(answers.get('hurried')?.at, 300)
  assert.equal(answers.get('hurried too')?.at, 400)
  assert.deepEqual(cluster.stored('t'), [['young']])
})

test('a poison record fails alone, where the broker names it', async () => {
  const { clock, cluster, send, outcome, answers } = setUp(
    {},
    inOrder({ code: 32, recordErrors: [{ index: 1, message: 'too old' }] }),
  )
  for (const value of ['a', 'poison', 'c']) send(value)
  await clock.runUntil(1000)
  assert.deepEqual(['a', 'poison', 'c'].map(outcome), ['stored', 'record_refused', 'stored'])
  assert.match(answers.get('poison')?.error?.message ?? '', /too old/)
  assert.deepEqual(cluster.stored('t'), [['a', 'c']])
})

test('a poison record fails alone, where the broker does not name it', async () => {
  const { clock, cluster, send, outcome } = setUp(
    {},
    {
      batch: (_broker, batch) =>
        batch.records.some(({ value }) => value === 'poison') ? { code: 87 } : undefined,
    },
  )
  const values = ['a', 'b', 'poison', 'd', 'e']
  for (const value of values) send(value)
  await clock.runUntil(10_000)
  assert.deepEqual(values.map(outcome), ['stored', 'stored', 'record_refused', 'stored', 'stored'])
  assert.deepEqual(cluster.stored('t'), [['a', 'b', 'd', 'e']])
})

test('a batch that is too large is split; an event that is too large alone is the client’s', async () => {
  const bytes = (value: string | Buffer) => value.length
  const { clock, cluster, send, outcome } = setUp(
    {},
    {
      batch: (_broker, batch) =>
        batch.records.reduce((sum, { value }) => sum + bytes(value), 0) > 100 ? { code: 10 } : undefined,
    },
  )
  const large = 'x'.repeat(101)
  const values = ['a'.repeat(60), 'b'.repeat(60), large, 'c'.repeat(60)]
  for (const value of values) send(value)
  await clock.runUntil(10_000)
  assert.deepEqual(values.map(outcome), ['stored', 'stored', 'event_too_large', 'stored'])
  assert.equal(cluster.stored('t')[0]?.length, 3)
})

test('an event that goes to another partition does not linger again', async () => {
  const { clock, cluster, send, answers, outcome } = setUp({ lingerMs: 1500 })
  cluster.create('wide', 3, () => 0)
  for (let i = 0; i < 9; i++) send(`first ${i}`, { topic: 'wide', key: `k${i}` })
  await clock.runUntil(5000)
  cluster.faults.batch = (_broker, { partition }) =>
    clock.time < 7000 && partition === sentTo() ? { code: 19 } : undefined
  const sentTo = () => cluster.asked.find(({ batch }) => batch.records[0]?.value === 'x')?.batch.partition
  send('x', { topic: 'wide' })
  await clock.runUntil(10_000)
  assert.equal(outcome('x'), 'stored')
  assert.ok((answers.get('x')?.at ?? Infinity) < 6700, `${answers.get('x')?.at}`)
})

test('no linger takes more than half of the time that an event has', async () => {
  const { clock, send, answers, outcome } = setUp({ lingerMs: 3000 })
  send('known')
  await clock.runUntil(5000)
  send('hurried', { timeoutMs: 1000 })
  send('shares')
  await clock.runUntil(10_000)
  assert.deepEqual(['hurried', 'shares'].map(outcome), ['stored', 'stored'])
  assert.ok((answers.get('hurried')?.at ?? Infinity) < 5600)
  clock.at(11_000, () => send('first'))
  clock.at(12_000, () => send('hurried later', { timeoutMs: 500 }))
  await clock.runUntil(20_000)
  assert.deepEqual(['first', 'hurried later'].map(outcome), ['stored', 'stored'])
})
