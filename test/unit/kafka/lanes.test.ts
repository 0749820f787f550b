import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Lanes, Pace } from '#src/lib/kafka/lanes.js'
import type { OutgoingBatch } from '#src/lib/kafka/transport.js'
import { type BatchFault, FakeClock, FakeCluster } from '../../support/kafka-fake.js'
import { SETTINGS, setUp, TIMEOUT } from '../../support/kafka-sender.js'

test('a partition that is found to be slow waits longer each time, up to eight seconds', () => {
  const pace = new Pace()
  const waits = Array.from({ length: 5 }, () => {
    pace.slowDown(0, false)
    return pace.waitMs
  })
  assert.deepEqual(waits, [1000, 2000, 4000, 8000, 8000])
})

test('three quick first attempts bring a partition back to the fast lane, and a second attempt does not count', () => {
  const pace = new Pace()
  pace.slowDown(0, false)
  for (const isFirstAttempt of [true, true, false, true, true]) pace.stored(1, 10, 40, isFirstAttempt)
  assert.ok(pace.isSlow)
  pace.stored(1, 10, 40, true)
  assert.ok(!pace.isSlow)
})

test('each ten seconds without news halve the wait, also if nobody asked meanwhile', () => {
  const pace = new Pace()
  for (let i = 0; i < 4; i++) pace.slowDown(1000, false)
  pace.forgive(10_999)
  assert.equal(pace.waitMs, 8000)
  pace.forgive(11_000)
  assert.equal(pace.waitMs, 4000)
  pace.forgive(31_000)
  assert.equal(pace.waitMs, 1000)
  pace.forgive(41_000)
  assert.ok(!pace.isSlow)
})

test('a pause that a broker asks for is kept for a minute at most, and never cut short by a shorter one', () => {
  const clock = new FakeClock()
  const lanes = new Lanes(1, new FakeCluster(clock, {}), clock, SETTINGS)
  lanes.throttle(5000, 0)
  lanes.throttle(100, 0)
  assert.equal(lanes.throttledUntil, 5000)
  lanes.throttle(2 ** 31 - 1, 0)
  assert.equal(lanes.throttledUntil, 60_000)
})

test('a stopped follower holds up its partition, and its neighbours once at most', async () => {
  const { clock, cluster, send, answers, outcome } = setUp(
    {},
    {
      batch: (_broker, batch) =>
        batch.topic === 'stopped' && clock.time < 7000 ? { waitMs: 1e6 } : undefined,
    },
  )
  cluster.create('stopped', 1, () => 0)
  for (let i = 0; i < 500; i++)
    clock.at(i * 10, () => {
      send(`s${i}`, { topic: 'stopped' })
      send(`x${i}`)
    })
  await clock.runUntil(20_000)
  const delays = Array.from({ length: 500 }, (_, i) => (answers.get(`x${i}`)?.at ?? Infinity) - i * 10)
  delays.sort((a, b) => a - b)
  assert.ok((delays[250] as number) < 10, `median ${delays[250]}`)
  // Only those that shared the first request, or came while it was out.
  assert.ok(
    delays.filter(delay => delay > 100).length <= 110,
    `${delays.filter(delay => delay > 100).length} slow`,
  )
  assert.equal(outcome('s0'), 'stored')
  assert.equal(cluster.stored('stopped').flat().length, 500)
  const waits = cluster.asked
    .filter(({ batch }) => batch.topic === 'stopped')
    .map(({ timeoutMs }) => timeoutMs)
  assert.deepEqual(waits.slice(0, 4), [50, 1000, 2000, 4000])
})

/** Replicas that have a batch so long after the leader, which a duplicate of it does not change. */
function lagging(clock: () => number, lagOf: (topic: string) => number | undefined) {
  const appendedAt = new Map<string, number>()
  return (_broker: number, { topic, partition, identity }: OutgoingBatch): BatchFault | undefined => {
    const lagMs = lagOf(topic)
    if (lagMs === undefined) return undefined
    const key = `${topic}-${partition} ${JSON.stringify(identity)}`
    const since = appendedAt.get(key) ?? clock()
    appendedAt.set(key, since)
    return { waitMs: Math.max(0, lagMs - (clock() - since)) }
  }
}

/** How long the events of a topic took that were stored, sorted; asserts that all were. */
function delaysOf(
  { answers, outcome }: Pick<ReturnType<typeof setUp>, 'answers' | 'outcome'>,
  sent: Map<string, number>,
): number[] {
  const delays = [...sent].map(([value, at]) => {
    assert.equal(outcome(value), 'stored', `${value}, sent at ${at}`)
    return (answers.get(value)?.at ?? Infinity) - at
  })
  return delays.sort((a, b) => a - b)
}

for (const lagMs of [100, 600, 2500, 1e6])
  test(`replicas that take ${lagMs} ms hold up their partition, and no other, whatever else the broker leads`, async () => {
    let clock: FakeClock | undefined
    const time = () => clock?.time ?? 0
    const lag = lagging(time, topic => (topic === 'sick' ? lagMs : topic === 'slow' ? 1200 : undefined))
    const made = setUp({}, { batch: lag })
    clock = made.clock
    for (const topic of ['sick', 'slow', 'well']) made.cluster.create(topic, 1, () => 0)
    const sent = new Map<string, Map<string, number>>()
    for (let i = 0; i < 300; i++)
      for (const topic of ['sick', 'slow', 'well']) {
        const at = i * 100
        const of = sent.get(topic) ?? new Map<string, number>()
        sent.set(topic, of.set(`${topic}${i}`, at))
        clock.at(at, () => made.send(`${topic}${i}`, { topic }))
      }
    await clock.runUntil(60_000)
    const well = delaysOf(made, sent.get('well') as Map<string, number>)
    assert.ok((well[150] as number) < 10, `median ${well[150]}`)
    assert.ok((well[297] as number) <= 300, `p99 ${well[297]}`)
    const slow = delaysOf(made, sent.get('slow') as Map<string, number>)
    assert.ok((slow[299] as number) < 5000, `at most ${slow[299]}`)
    if (lagMs < 8000) delaysOf(made, sent.get('sick') as Map<string, number>)
  })

test('a partition that was slow is quick again when its replicas are, though others of its lane are not', async () => {
  let clock: FakeClock | undefined
  const time = () => clock?.time ?? 0
  const lag = lagging(time, topic => (topic === 'heals' && time() > 10_000 ? undefined : 800))
  const made = setUp({}, { batch: lag })
  clock = made.clock
  for (const topic of ['slow', 'heals']) made.cluster.create(topic, 1, () => 0)
  for (let i = 0; i < 300; i++)
    for (const topic of ['slow', 'heals']) clock.at(i * 100, () => made.send(`${topic}${i}`, { topic }))
  await clock.runUntil(60_000)
  const delays = delaysOf(
    made,
    new Map(Array.from({ length: 100 }, (_, i) => [`heals${200 + i}`, (200 + i) * 100])),
  )
  assert.ok((delays[99] as number) < 100, `at most ${delays[99]}`)
})

test('no wait for replicas goes past a deadline', async () => {
  const { clock, cluster, send } = setUp({}, { batch: () => ({ waitMs: 1e6 }) })
  send('x')
  await clock.runUntil(TIMEOUT)
  for (const { time, timeoutMs } of cluster.asked)
    assert.ok(time + timeoutMs <= TIMEOUT + 10, `${time} ${timeoutMs}`)
})

test('probes do not wait for the replicas of others, nor for each other, as long as a plain request may', async () => {
  const { clock, cluster, send, outcome } = setUp(
    { idempotent: false },
    { batch: (_broker, { topic }) => (topic === 'slow' ? { waitMs: 1e6 } : undefined) },
  )
  const topics = ['a', 'b', 'slow']
  for (const topic of topics) {
    cluster.create(topic, 1, () => 0)
    cluster.partition(topic).starved = true
    send(`trips ${topic}`, { topic })
  }
  await clock.runUntil(15_000)
  for (const topic of topics) {
    assert.equal(outcome(`trips ${topic}`), 'deadline_not_stored')
    cluster.partition(topic).starved = false
  }
  for (const topic of ['slow', 'a', 'b']) send(`probe of ${topic}`, { topic })
  await clock.runUntil(15_100)
  assert.equal(outcome('probe of slow'), undefined)
  assert.equal(outcome('probe of a'), 'stored')
  assert.equal(outcome('probe of b'), 'stored')
})
