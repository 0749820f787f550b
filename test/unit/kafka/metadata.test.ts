import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setUp, setUpAway } from '../../support/kafka-sender.js'

test('the controller is gone: events wait for ids and leaders, and arrive', async () => {
  const { clock, cluster, send, outcome } = setUp(
    {},
    {
      producerId: () => (clock.time < 6000 ? 'fails' : undefined),
      metadata: () => (clock.time < 3000 ? 'fails' : undefined),
    },
  )
  send('x')
  await clock.runUntil(8000)
  assert.equal(outcome('x'), 'stored')
  assert.ok(cluster.metadataRequests.length < 10)
})

test('what was refused while Kafka was away, and never came again, is forgotten', async () => {
  const back = 40 * 60_000
  const { clock, cluster, send, outcome } = setUpAway(back)
  cluster.create('other', 1)
  clock.at(2000, () => send('vain'))
  clock.at(20_000, () => send('refused', { topic: 'other' }))
  await clock.runUntil(back)
  assert.equal(outcome('refused'), 'partition_unavailable')
  await clock.runUntil(back + 5 * 60_000)
  assert.ok(
    cluster.metadataRequests.every(({ time, topics }) => time < 30 * 60_000 || !topics.includes('other')),
  )
  send('after', { topic: 'other' })
  await clock.runUntil(clock.time + 1000)
  assert.equal(outcome('after'), 'stored')
})

test('a topic that is deleted while events come for it is made again, where brokers allow it', async () => {
  const created: number[] = []
  const world = setUp(
    {},
    {
      metadata: (topics, create) => {
        for (const topic of topics)
          if (create && !world.cluster.topics.has(topic)) {
            created.push(world.clock.time)
            world.cluster.create(topic, 1)
          }
        return undefined
      },
    },
  )
  const { clock, cluster, send, outcome } = world
  send('first', { topic: 'gone' })
  await clock.runUntil(1000)
  assert.equal(outcome('first'), 'stored')
  clock.at(2000, () => cluster.topics.delete('gone'))
  const times = Array.from({ length: 60 }, (_, i) => 3000 + i * 500)
  for (const time of times) clock.at(time, () => send(`at ${time}`, { topic: 'gone' }))
  await clock.runUntil(40_000)
  assert.equal(created.length, 2)
  // Not at once, because brokers that restart do not know their topics for a moment.
  assert.ok(Number(created[1]) >= 8000 && Number(created[1]) <= 12_000, `${created}`)
  for (const time of times.filter(time => time >= 20_000))
    assert.equal(outcome(`at ${time}`), 'stored', `${time}`)
})

test('an event that waits has its topic made again, and without events nobody asks for that', async () => {
  for (const comes of [true, false]) {
    const asked: number[] = []
    const world = setUp(
      {},
      {
        metadata: (_topics, create) => {
          if (!create) return undefined
          asked.push(world.clock.time)
          world.cluster.create('gone', 1)
          return undefined
        },
      },
    )
    const { clock, cluster, send, outcome } = world
    send('first', { topic: 'gone' })
    await clock.runUntil(30_000)
    assert.deepEqual([outcome('first'), asked.length], ['stored', 1])
    cluster.topics.delete('gone')
    if (comes) send('last', { topic: 'gone' })
    await clock.runUntil(600_000)
    assert.equal(outcome('last'), comes ? 'stored' : undefined)
    assert.equal(asked.length, comes ? 2 : 1)
  }
})

test('many topics that became known to nobody while Kafka was away take events soon after its return', async () => {
  const back = 20_000
  const { clock, cluster, send, outcome } = setUpAway(back)
  const topics = Array.from({ length: 950 }, (_, i) => `topic${i}`)
  for (const topic of topics) cluster.create(topic, 1)
  clock.at(5000, () => {
    for (const topic of topics) send(`first ${topic}`, { topic })
  })
  clock.at(back + 1000, () => {
    for (const topic of topics) send(`after ${topic}`, { topic })
  })
  await clock.runUntil(back + 5000)
  const refused = topics.filter(topic => outcome(`after ${topic}`) !== 'stored')
  assert.deepEqual(refused, [])
})

test('a topic that does not exist yet is waited for, and asked for in a way that may create it, once known only if it stays away', async () => {
  const { clock, cluster, send, outcome } = setUp()
  send('n', { topic: 'new' })
  clock.at(2000, () => cluster.create('new', 2))
  await clock.runUntil(5000)
  assert.equal(outcome('n'), 'stored')
  assert.ok(cluster.metadataRequests.every(({ topics, create }) => !topics.includes('new') || create))
  cluster.topics.delete('new')
  send('deleted', { topic: 'new' })
  await clock.runUntil(20_000)
  assert.equal(outcome('deleted'), 'deadline_not_stored')
  const asked = cluster.metadataRequests.filter(({ time, topics }) => time >= 5000 && topics.includes('new'))
  assert.ok(asked.some(({ create }) => !create))
  const creating = asked.filter(({ create }) => create)
  assert.ok(creating.every(({ time }) => time >= 10_000))
  assert.ok(creating.length >= 1 && creating.length <= 3, `${creating.length}`)
})

test('only the topics in trouble are asked about, and rather not their leader', async () => {
  const { clock, cluster, send } = setUp()
  const avoided: (number | undefined)[] = []
  const { metadata } = cluster
  cluster.metadata = (topics, create, avoid?: number) => {
    avoided.push(avoid)
    return metadata.call(cluster, topics, create)
  }
  for (let i = 0; i < 20; i++) cluster.create(`well${i}`, 1)
  cluster.create('sick', 1, () => 2)
  for (let i = 0; i < 20; i++) send(`w${i}`, { topic: `well${i}` })
  send('before', { topic: 'sick' })
  await clock.runUntil(500)
  const before = cluster.metadataRequests.length
  cluster.partition('sick').leader = 1
  send('x', { topic: 'sick' })
  await clock.runUntil(2000)
  const asked = cluster.metadataRequests.slice(before)
  assert.ok(asked.length > 0)
  for (const { topics } of asked) assert.deepEqual(topics, ['sick'])
  assert.equal(avoided[before], 2)
})

test('a topic that exists beside another one of nearly its name is waited for', async () => {
  const { clock, cluster, send, outcome } = setUp()
  cluster.create('a_b', 1)
  cluster.create('a.b', 1)
  cluster.metadataAs.set('a_b', { topic: 'a_b', code: 3, partitions: [] })
  clock.at(3000, () => cluster.metadataAs.clear())
  send('x', { topic: 'a_b' })
  await clock.runUntil(5000)
  assert.equal(cluster.listed.length, 1)
  assert.equal(outcome('x'), 'stored')
})

for (const createsTopics of [true, false])
  test(`a topic that collides with another is soon refused, ${createsTopics ? 'though brokers create topics' : 'also where brokers create none'}`, async () => {
    const { clock, cluster, send, answers, outcome } = setUp()
    cluster.createsTopics = createsTopics
    cluster.create('a.b', 1)
    for (let i = 0; i < 100; i++) send(`made up ${i}`, { topic: `made-up_${i}`, timeoutMs: 20 })
    send('x', { topic: 'a_b' })
    await clock.runUntil(2500)
    assert.equal(outcome('x'), 'topic_refused')
    assert.match(answers.get('x')?.error?.message ?? '', /a_b: .* differs from that of a\.b only/)
    send('y', { topic: 'a_b' })
    await clock.runUntil(2510)
    assert.equal(outcome('y'), 'topic_refused')
    assert.equal(cluster.listed.length, 1, 'nobody asks again for each topic')
    // Many events of many topics for a minute: the question stays seldom.
    for (let i = 0; i < 600; i++)
      clock.at(3000 + i * 100, () => send(`z${i}`, { topic: i % 2 ? 'a_b' : `new_${i}` }))
    await clock.runUntil(63_000)
    assert.ok(cluster.listed.length <= 7, `${cluster.listed.length} questions`)
    assert.ok(cluster.listed.every((time, i, all) => time - (all[i - 1] ?? -Infinity) >= 10_000))
    for (let i = 1; i < 600; i += 2) assert.equal(outcome(`z${i}`), 'topic_refused')

    cluster.topics.delete('a.b')
    if (!createsTopics) cluster.create('a_b', 1)
    await clock.runUntil(75_000)
    send('later', { topic: 'a_b' })
    await clock.runUntil(76_000)
    assert.equal(outcome('later'), 'stored')
  })

test('a partition without a leader has one looked for before an event comes, and not all the time', async () => {
  const { clock, cluster, send, outcome } = setUp(
    {},
    { metadata: () => (clock.time > 70_000 ? 'fails' : undefined) },
  )
  cluster.create('rare', 1, () => -1)
  send('early', { topic: 'rare', timeoutMs: 100 })
  await clock.runUntil(5000)
  assert.equal(outcome('early'), 'deadline_not_stored')
  const asked = cluster.metadataRequests.length
  await clock.runUntil(65_000)
  const more = cluster.metadataRequests.length - asked
  assert.ok(more >= 10 && more <= 70, `${more} in a minute`)
  cluster.partition('rare').leader = 1
  await clock.runUntil(67_000)
  const before = cluster.metadataRequests.length
  await clock.runUntil(80_000)
  assert.equal(cluster.metadataRequests.length, before, 'what is known is not asked about again')
  send('x', { topic: 'rare' })
  await clock.runUntil(80_100)
  assert.equal(outcome('x'), 'stored')
})
