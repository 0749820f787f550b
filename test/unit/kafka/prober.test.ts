import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PARTITIONERS } from '#src/lib/kafka/partitioner.js'
import { setUp, setUpAway, TIMEOUT } from '../../support/kafka-sender.js'

test('while Kafka is away no event waits for it once one has timed out, and the first after its return is stored', async () => {
  const back = 60_000
  const { clock, send, answers, outcome } = setUpAway(back)
  for (let i = 0; i < 4000; i++) clock.at(i * 20, () => send(`v${i}`))
  await clock.runUntil(100_000)
  const foundOut = 1000 + TIMEOUT
  for (let i = 0; i < 4000; i++) {
    const at = i * 20
    const answer = answers.get(`v${i}`)
    if (at < 1000 || at > back + 2000) assert.equal(outcome(`v${i}`), 'stored', `at ${at}`)
    if (at <= foundOut || at >= back) continue
    assert.equal(answer?.at, at, `at ${at}`)
    assert.equal(answer?.error?.code, 'partition_unavailable')
    assert.match(answer?.error?.message ?? '', /cannot be reached/)
  }
})

test('one event that timed out speaks for partitions that were not tried: without a leader, of other topics, unknown', async () => {
  const back = 60_000
  const { clock, cluster, send, answers, outcome } = setUpAway(back)
  cluster.create('wide', 6)
  cluster.create('rare', 1, () => 2)
  // Two partitions: one for this key, and one, with another leader, for `other`.
  cluster.create('alone', 2, index =>
    index === PARTITIONERS.consistent_random(Buffer.from('key'), 2) ? 3 : 4,
  )
  cluster.create('never', 1, () => 2)
  for (const topic of ['wide', 'rare', 'alone']) send(`first ${topic}`, { topic, key: 'key' })
  // A broker that is killed last still tells who lost its leader.
  clock.at(500, () => {
    for (const [index, leader] of [2, -1, 0, 2, -1, 0].entries())
      cluster.move(cluster.partition('wide', index), leader, true)
    send('tells', { topic: 'wide' })
  })
  for (let i = 60; i < 4000; i++) clock.at(i * 20, () => send(`v${i}`, { topic: 'wide' }))
  const foundOut = 1200 + TIMEOUT
  for (const at of [foundOut + 1000, 40_000])
    for (const topic of ['rare', 'alone', 'never'])
      clock.at(at, () => send(`${topic} ${at}`, { topic, key: 'other' }))
  clock.at(back - 1000, () => {
    for (const index of [1, 4]) cluster.move(cluster.partition('wide', index), 1, true)
  })
  for (const topic of ['rare', 'never', 'alone'])
    clock.at(back + 2000, () => send(`${topic} after`, { topic, key: 'other' }))
  await clock.runUntil(100_000)
  for (let i = 60; i < 4000; i++) {
    const at = i * 20
    if (at > back + 2000) assert.equal(outcome(`v${i}`), 'stored', `at ${at}`)
    if (at <= foundOut || at >= back) continue
    assert.deepEqual([answers.get(`v${i}`)?.at, outcome(`v${i}`)], [at, 'partition_unavailable'], `at ${at}`)
  }
  const asked = [foundOut + 1000, 40_000].flatMap(at =>
    ['rare', 'never', 'alone'].map(topic => [
      outcome(`${topic} ${at}`),
      (answers.get(`${topic} ${at}`)?.at ?? 0) - at,
    ]),
  )
  const atOnce = ['partition_unavailable', 0]
  // Nobody had tried to reach the broker that leads `alone`.
  assert.deepEqual(asked, [atOnce, atOnce, ['deadline_not_stored', TIMEOUT], atOnce, atOnce, atOnce])
  for (const topic of ['rare', 'never', 'alone']) assert.equal(outcome(`${topic} after`), 'stored')
})

test('an event that timed out does not speak for a partition whose leader is connected, though nobody answers else', async () => {
  let now = () => 0
  const { clock, cluster, send, outcome } = setUp(
    {},
    {
      connect: broker => (now() < 20_000 && (broker === 3 || now() >= 1000) ? 'refused' : undefined),
      metadata: () => (now() >= 1000 ? 'fails' : undefined),
    },
  )
  now = () => clock.time
  for (const [topic, leader] of [
    ['well', 1],
    ['gone', 2],
    ['beside', 2],
  ] as const) {
    cluster.create(topic, 1, () => leader)
    send(`first ${topic}`, { topic })
  }
  await clock.runUntil(500)
  for (const topic of ['gone', 'beside']) {
    cluster.move(cluster.partition(topic), 3, true)
    // Too little time to tell anything but who leads now.
    send(`tells ${topic}`, { topic, timeoutMs: 400 })
  }
  await clock.runUntil(1000)
  send('vain', { topic: 'gone' })
  await clock.runUntil(1100 + TIMEOUT)
  assert.deepEqual(['tells beside', 'vain'].map(outcome), ['deadline_not_stored', 'deadline_not_stored'])
  send('unknown', { topic: 't' })
  await clock.runUntil(22_000)
  send('leader is back', { topic: 'beside' })
  send('leader was there', { topic: 'well' })
  await clock.runUntil(22_100)
  assert.deepEqual(['unknown', 'leader is back', 'leader was there'].map(outcome), [
    'partition_unavailable',
    'stored',
    'stored',
  ])
})

test('an event that comes once in a while is stored when Kafka is back: nobody had to fail to find that out', async () => {
  const { clock, cluster, send, outcome } = setUpAway(60_000)
  send('before')
  clock.at(5000, () => send('first'))
  clock.at(30_000, () => send('during'))
  clock.at(70_000, () => send('after'))
  await clock.runUntil(71_000)
  assert.deepEqual(['before', 'first', 'during', 'after'].map(outcome), [
    'stored',
    'deadline_unknown',
    'partition_unavailable',
    'stored',
  ])
  const { connections } = cluster
  await clock.runUntil(200_000)
  assert.equal(cluster.connections, connections)
})

test('the way to a leader that is away is sought without asking all the time, and found when there is another', async () => {
  const { clock, cluster, send, outcome } = setUp(
    {},
    { connect: broker => (broker === 0 ? 'refused' : undefined) },
  )
  cluster.create('well', 1, () => 1)
  send('first')
  for (let i = 0; i < 100; i++) clock.at(i * 1000, () => send(`w${i}`, { topic: 'well' }))
  await clock.runUntil(20_000)
  assert.equal(outcome('first'), 'deadline_not_stored')
  const asked = cluster.metadataRequests.length
  await clock.runUntil(80_000)
  const more = cluster.metadataRequests.length - asked
  assert.ok(more >= 10 && more <= 70, `${more} in a minute`)
  cluster.move(cluster.partition('t'), 2, true)
  await clock.runUntil(82_000)
  send('after')
  await clock.runUntil(83_000)
  assert.equal(outcome('after'), 'stored')
})

test('a topic that is forgotten is not sought any more, and is taken anew when it comes back', async () => {
  let tries = 0
  const { clock, cluster, send, outcome } = setUp(
    {},
    {
      connect: broker => {
        if (broker === 2) tries++
        return broker === 2 ? 'refused' : undefined
      },
    },
  )
  cluster.create('gone', 1, () => 2)
  send('first', { topic: 'gone' })
  await clock.runUntil(10_000)
  cluster.topics.delete('gone')
  await clock.runUntil(21 * 60_000)
  const before = [tries, cluster.metadataRequests.length] as const
  await clock.runUntil(24 * 60_000)
  assert.ok(before[0] > 10)
  assert.equal(tries, before[0])
  assert.ok(cluster.metadataRequests.length - before[1] <= 2)
  cluster.create('gone', 1, () => 1)
  send('again', { topic: 'gone' })
  await clock.runUntil(clock.time + 1000)
  assert.equal(outcome('again'), 'stored')
})

test('a half-open partition whose leader is lost before an event comes has the next one looked for', async () => {
  let isAway = false
  const { clock, cluster, send, outcome } = setUp(
    {},
    {
      connect: broker => (isAway && broker === 0 ? 'refused' : undefined),
      request: broker => (isAway && broker === 0 ? 'lost' : undefined),
      metadata: () => (clock.time > 25_000 ? 'fails' : undefined),
    },
  )
  cluster.create('beside', 1, () => 0)
  cluster.partition('t').starved = true
  send('trips')
  send('known', { topic: 'beside' })
  await clock.runUntil(15_000)
  assert.equal(outcome('trips'), 'deadline_not_stored')
  cluster.partition('t').starved = false
  isAway = true
  for (const topic of ['t', 'beside']) cluster.move(cluster.partition(topic), 1, true)
  send('tells', { topic: 'beside' })
  await clock.runUntil(30_000)
  assert.equal(outcome('tells'), 'stored')
  send('x')
  await clock.runUntil(30_100)
  assert.equal(outcome('x'), 'stored')
})

test('a half-open partition has its next leader looked for though the old one can be reached, and not often', async () => {
  const { clock, cluster, send, outcome } = setUp(
    {},
    { metadata: () => (clock.time > 60_000 ? 'fails' : undefined) },
  )
  cluster.partition('t').starved = true
  send('trips')
  await clock.runUntil(15_000)
  assert.equal(outcome('trips'), 'deadline_not_stored')
  cluster.partition('t').starved = false
  const asked = cluster.metadataRequests.length
  await clock.runUntil(50_000)
  const more = cluster.metadataRequests.length - asked
  assert.ok(more >= 6 && more <= 8, `${more} in 35 s`)
  cluster.move(cluster.partition('t'), 1, true)
  await clock.runUntil(65_000)
  send('x')
  await clock.runUntil(65_100)
  assert.equal(outcome('x'), 'stored')
})
