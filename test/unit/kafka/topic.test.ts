import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PARTITIONERS } from '#src/lib/kafka/partitioner.js'
import { setUp, setUpAway, TIMEOUT } from '../../support/kafka-sender.js'

test('events without a key fill one batch after the other, each of another partition', async () => {
  const { clock, cluster, send, seen } = setUp({ lingerMs: 1000, stickyMs: 2000, batchBytes: 1000 })
  cluster.create('wide', 6, () => 0)
  const values = Array.from({ length: 200 }, (_, i) => `${String(i).padStart(3, '0')}${'v'.repeat(60)}`)
  // Known first, so that they do not come all at once.
  send('first', { topic: 'wide' })
  await clock.runUntil(10)
  for (const value of values) {
    send(value, { topic: 'wide' })
    await clock.runUntil(clock.time + 1)
  }
  const sent = seen.requests.map(([, events]) => events)
  assert.ok(sent.length > 15 && sent.every(events => events >= 9), `none lingers half full: ${sent}`)
  await clock.runUntil(3000)
  const stored = cluster.stored('wide')
  assert.equal(stored.flat().length, 201)
  assert.ok(stored.filter(log => log.length > 0).length > 3, 'all go to a few partitions')
})

test('so is an unknown topic', async () => {
  const { clock, send, outcome } = setUp()
  for (let i = 0; i < 200; i++) clock.at(i * 100, () => send(`v${i}`, { topic: 'none', timeoutMs: 7000 }))
  await clock.runUntil(20_000)
  const refused = Array.from({ length: 40 }, (_, i) => outcome(`v${160 + i}`))
  assert.ok(refused.filter(code => code === 'partition_unavailable').length > 20, String(refused))
})

test('an event that shows whether an unknown topic is there now is answered within a second', async () => {
  const { clock, cluster, send, answers, outcome } = setUp()
  for (let i = 0; i < 600; i++) clock.at(i * 50, () => send(`v${i}`, { topic: 'later' }))
  clock.at(25_000, () => cluster.create('later', 1))
  await clock.runUntil(60_000)
  for (let i = 0; i < 600; i++) {
    const at = i * 50
    if (at > 27_000) assert.equal(outcome(`v${i}`), 'stored', `at ${at}`)
    if (at > TIMEOUT) assert.ok((answers.get(`v${i}`)?.at ?? Infinity) - at <= 1000, `at ${at}`)
  }
})

test('a topic that is not known while no broker answers refuses at once, and takes events when one does', async () => {
  const { clock, cluster, send, answers, outcome } = setUpAway(60_000)
  cluster.create('other', 1)
  clock.at(5000, () => send('first', { topic: 'other' }))
  for (const at of [5000 + TIMEOUT + 10, 20_000, 59_000])
    clock.at(at, () => send(`${at}`, { topic: 'other' }))
  clock.at(65_000, () => send('after', { topic: 'other' }))
  await clock.runUntil(70_000)
  assert.equal(outcome('first'), 'deadline_not_stored')
  for (const at of [5000 + TIMEOUT + 10, 20_000, 59_000])
    assert.deepEqual([outcome(`${at}`), answers.get(`${at}`)?.at], ['partition_unavailable', at])
  assert.equal(outcome('after'), 'stored')
  const asked = cluster.metadataRequests.length
  await clock.runUntil(200_000)
  assert.equal(cluster.metadataRequests.length, asked, 'what is known is not asked about again')
})

test('events without a key avoid a partition that is not well, and find out when it is well again', async () => {
  const { clock, cluster, send, answers } = setUp()
  cluster.create('some', 3)
  cluster.partition('some', 1).starved = true
  clock.at(25_000, () => {
    cluster.partition('some', 1).starved = false
  })
  for (let i = 0; i < 400; i++) clock.at(i * 100, () => send(`v${i}`, { topic: 'some' }))
  await clock.runUntil(60_000)
  const failed = Array.from({ length: 400 }, (_, i) => i).filter(i => answers.get(`v${i}`)?.error)
  // Those that came before anybody knew, and one for each timeout since.
  assert.ok(failed.filter(i => i * 100 > TIMEOUT).length <= 3, `${failed}`)
  const log = cluster.stored('some')[1] ?? []
  assert.ok(log.filter(value => Number(value.slice(1)) > 300).length > 10, 'it is used again')
})

test('made anew with fewer partitions: what follows an event that is on its way does not overtake it', async () => {
  const { clock, cluster, send, outcome } = setUp(
    { idempotent: false },
    {
      batch: (_broker, { topic }) => {
        if (topic === 'slow') return { waitMs: 150 }
        return clock.time < 150 ? { code: 5 } : undefined
      },
    },
  )
  const keyOf = (index: number) =>
    ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'].find(
      key => PARTITIONERS.consistent_random(Buffer.from(key), 4) === index,
    ) as string
  cluster.create('made', 4, index => (index === 3 ? 0 : 1))
  cluster.create('slow', 1, () => 0)
  // Both in one request, which takes as long as its slowest partition.
  send('first', { topic: 'made', key: keyOf(3) })
  send('slow', { topic: 'slow' })
  clock.at(10, () => send('second', { topic: 'made', key: keyOf(3) }))
  clock.at(20, () => cluster.create('made', 1, () => 2))
  clock.at(50, () => send('other', { topic: 'made', key: keyOf(2) }))
  await clock.runUntil(5000)
  assert.equal(outcome('first'), 'stored')
  const [log = []] = cluster.stored('made')
  assert.deepEqual(
    log.filter(value => value !== 'other'),
    ['first', 'second'],
  )
})
