import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { SenderSettings } from '#src/lib/kafka/sender.js'
import { type FakeCluster, randomFrom } from '../../support/kafka-fake.js'
import { setUp as setUpSender } from '../../support/kafka-sender.js'

const MINUTE = 60_000

/** A sender whose events have a key, and may have a trace. */
function setUp(
  settings: Partial<SenderSettings> = {},
  faults: ConstructorParameters<typeof FakeCluster>[1] = {},
) {
  const made = setUpSender(settings, faults)
  const { cluster, seen } = made
  const { warnings, complaints } = seen
  const send = (value: string, { topic = 't', key = 'k' as string | null, traced = false } = {}) =>
    made.send(value, { topic, key, ...(traced ? { trace: TRACE } : {}) })
  /** Whether each batch that a broker was asked to store had an identity. */
  const identified = (topic = 't') =>
    cluster.asked
      .filter(({ batch }) => batch.topic === topic)
      .map(({ batch }) => (batch.identity?.producerId ?? -1) >= 0)
  return { ...made, send, warnings, complaints, identified }
}

const TRACE = { headers: { traceparent: '00-1-1-01' } } as never

test('without the right to idempotence events are stored all the same, and the right is named', async () => {
  const { clock, cluster, sender, send, outcome, warnings, complaints, identified } = setUp()
  cluster.upgrade({ produce: 5, denies: true })
  assert.equal(sender.plainBecause, undefined)
  for (let i = 0; i < 20; i++) clock.at(i * 1000, () => send(`v${i}`))
  await clock.runUntil(30_000)
  assert.ok(Array.from({ length: 20 }, (_, i) => outcome(`v${i}`)).every(code => code === 'stored'))
  assert.equal(cluster.stored('t').flat().length, 20)
  assert.ok(identified().every(has => !has))
  assert.equal(warnings.length, 1)
  assert.match(warnings[0] ?? '', /refuses idempotence .*IdempotentWrite .*at least once/)
  assert.match(sender.plainBecause ?? '', /31 .*IdempotentWrite/)
  assert.deepEqual(complaints, [])
})

test('it is asked again every ten minutes, and what is sent from then on has an identity', async () => {
  const { clock, cluster, sender, send, outcome, warnings, identified } = setUp()
  cluster.upgrade({ denies: true })
  let asked = 0
  const { producerId } = cluster
  cluster.producerId = () => {
    asked++
    return producerId.call(cluster)
  }
  const minutes = 35
  for (let i = 0; i < minutes * 6; i++) clock.at(i * 10_000, () => send(`v${i}`))
  await clock.runUntil(25 * MINUTE)
  assert.equal(asked, 3)
  cluster.upgrade({ denies: false })
  await clock.runUntil(minutes * MINUTE)
  assert.equal(asked, 4)
  assert.equal(sender.plainBecause, undefined)
  assert.equal(warnings.length, 2)
  assert.match(warnings[1] ?? '', /again/)
  const kinds = identified()
  assert.equal(kinds.length, minutes * 6)
  // No way back and forth.
  assert.equal(kinds.filter((has, i) => has !== kinds[i - 1]).length, 2)
  assert.equal(kinds.at(-1), true)
  assert.ok(Array.from({ length: minutes * 6 }, (_, i) => outcome(`v${i}`)).every(code => code === 'stored'))
  assert.equal(cluster.stored('t').flat().length, minutes * 6)
})

test('in a mixed cluster one broker gives ids, and a leader that refuses them is told from it', async () => {
  const { clock, cluster, send, outcome, identified } = setUp()
  cluster.create('other', 1, () => 1)
  cluster.brokers.set(0, { produce: 5, denies: true })
  cluster.idBroker = 1
  for (let i = 0; i < 10; i++) {
    clock.at(i * 1000, () => {
      send(`v${i}`)
      send(`o${i}`, { topic: 'other' })
    })
  }
  await clock.runUntil(20_000)
  for (let i = 0; i < 10; i++) assert.deepEqual([outcome(`v${i}`), outcome(`o${i}`)], ['stored', 'stored'])
  // One attempt was refused, surely, and its records were sent on.
  assert.deepEqual(identified().slice(0, 3), [true, false, false])
  assert.deepEqual(cluster.stored('t'), [Array.from({ length: 10 }, (_, i) => `v${i}`)])
  assert.deepEqual(cluster.violations, [])
})

test('where the right is taken away while an attempt is open, the event is stored, perhaps twice', async () => {
  let lose = true
  const { clock, cluster, send, outcome, identified } = setUp(
    {},
    { request: () => (lose ? 'unanswered' : undefined) },
  )
  send('x')
  await clock.runUntil(50)
  assert.deepEqual(cluster.stored('t'), [['x']])
  lose = false
  cluster.upgrade({ denies: true })
  await clock.runUntil(5000)
  assert.equal(outcome('x'), 'stored')
  assert.deepEqual(cluster.stored('t'), [['x', 'x']])
  assert.deepEqual(identified(), [true, true, false])
})

test('where an attempt may still be answered, the refusal of another one brings no copy that nobody recognises', async () => {
  const { clock, cluster, send, answers, outcome, identified } = setUp()
  cluster.upgrade({ produce: 5 })
  cluster.throttleMs = 4000
  send('x')
  await clock.runUntil(500)
  cluster.throttleMs = 0
  cluster.upgrade({ denies: true })
  await clock.runUntil(8000)
  assert.equal(outcome('x'), 'stored')
  assert.ok((answers.get('x')?.at ?? 0) >= 4000)
  assert.deepEqual(cluster.stored('t'), [['x']])
  assert.ok(identified().length > 1 && identified().every(has => has))
})

test('without idempotence a lost answer stays open: never “not stored”', async () => {
  let lost = 0
  const { clock, cluster, send, answers, outcome } = setUp(
    {},
    {
      request: () => (lost++ === 0 ? 'unanswered' : undefined),
      batch: () => (lost > 1 ? { code: 19 } : undefined),
    },
  )
  cluster.upgrade({ denies: true })
  send('x')
  send('y')
  await clock.runUntil(20_000)
  assert.equal(outcome('x'), 'deadline_unknown')
  assert.equal(answers.get('x')?.error?.fate, 'unknown')
  assert.deepEqual(cluster.stored('t'), [['x', 'y']])
})

test('after the right is given back nothing continues what was begun before', async () => {
  const { clock, cluster, send, outcome } = setUp()
  send('a')
  await clock.runUntil(1000)
  cluster.upgrade({ denies: true })
  send('b')
  await clock.runUntil(2000)
  cluster.upgrade({ denies: false })
  await clock.runUntil(11 * MINUTE)
  send('c')
  await clock.runUntil(11 * MINUTE + 1000)
  send('d')
  await clock.runUntil(12 * MINUTE)
  assert.deepEqual(['a', 'b', 'c', 'd'].map(outcome), ['stored', 'stored', 'stored', 'stored'])
  const identities = cluster.asked.map(({ batch }) => batch.identity)
  const [first] = identities
  const last = identities.at(-1)
  assert.ok(first && last && last.producerId > first.producerId)
  assert.deepEqual(cluster.stored('t'), [['a', 'b', 'c', 'd']])
})

test('where enable.idempotence is true in the configuration, nothing goes without, and the error names the right', async () => {
  const { clock, cluster, sender, send, answers, complaints, warnings } = setUp({ requiresIdempotence: true })
  cluster.upgrade({ denies: true })
  send('x')
  await clock.runUntil(100)
  const error = answers.get('x')?.error
  assert.deepEqual([error?.code, error?.fate], ['kafka_misconfigured', 'not_stored'])
  assert.match(error?.message ?? '', /IdempotentWrite/)
  assert.match(complaints[0] ?? '', /IdempotentWrite/)
  assert.deepEqual(warnings, [])
  // By a leader, too.
  cluster.brokers.set(1, { denies: false })
  cluster.idBroker = 1
  await clock.runUntil(5000)
  send('y')
  await clock.runUntil(5100)
  assert.equal(answers.get('y')?.error?.code, 'kafka_misconfigured')
  assert.match(answers.get('y')?.error?.message ?? '', /IdempotentWrite/)
  assert.equal(sender.plainBecause, undefined)
  assert.deepEqual(cluster.stored('t'), [[]])
})

test('a topic of an old message format is produced to without idempotence and headers; no other is', async () => {
  const { clock, cluster, send, outcome, warnings, identified } = setUp()
  cluster.create('old', 1, () => 0, { oldFormat: true })
  for (let i = 0; i < 10; i++) {
    clock.at(i * 100, () => {
      send(`v${i}`, { traced: true })
      send(`o${i}`, { topic: 'old', traced: true })
    })
  }
  await clock.runUntil(5000)
  for (let i = 0; i < 10; i++) assert.deepEqual([outcome(`v${i}`), outcome(`o${i}`)], ['stored', 'stored'])
  assert.ok(identified().every(has => has))
  assert.deepEqual(identified('old').slice(0, 3), [true, false, false])
  const bare = (topic: string) =>
    new Set(cluster.asked.filter(({ batch }) => batch.topic === topic).map(({ batch }) => batch.bare))
  assert.deepEqual([...bare('t')], [false])
  assert.ok(bare('old').has(true))
  assert.equal(warnings.length, 1)
  assert.match(warnings[0] ?? '', /^old: .*message format.*without idempotence and headers/)
  assert.deepEqual(cluster.violations, [])
  assert.deepEqual(
    ['t', 'old'].map(topic => cluster.stored(topic)[0]?.length),
    [10, 10],
  )
})

test('with enable.idempotence: true a topic of an old message format refuses its events, and says why', async () => {
  const { clock, cluster, send, answers } = setUp({ requiresIdempotence: true })
  cluster.create('old', 1, () => 0, { oldFormat: true })
  send('o', { topic: 'old' })
  await clock.runUntil(100)
  assert.equal(answers.get('o')?.error?.code, 'topic_refused')
  assert.match(answers.get('o')?.error?.message ?? '', /43 .*message format older than 0\.11/)
})

test('without idempotence, headers that a topic does not take are left out; an answer −1 by itself costs nobody his', async () => {
  let trouble = 1
  const { clock, cluster, send, outcome, warnings } = setUp(
    { idempotent: false },
    { batch: (_broker, batch) => (batch.topic === 't' && trouble-- > 0 ? { code: -1 } : undefined) },
  )
  cluster.create('old', 1, () => 0, { oldFormat: true })
  for (let i = 0; i < 5; i++) {
    clock.at(i * 1000, () => {
      send(`v${i}`, { traced: true })
      send(`o${i}`, { topic: 'old', traced: true })
      send(`p${i}`, { topic: 'old' })
    })
  }
  await clock.runUntil(10_000)
  for (let i = 0; i < 5; i++)
    assert.deepEqual([`v${i}`, `o${i}`, `p${i}`].map(outcome), ['stored', 'stored', 'stored'])
  assert.ok(cluster.asked.every(({ batch }) => batch.topic === 'old' || !batch.bare))
  // It is found out once.
  assert.equal(cluster.asked.filter(({ batch }) => batch.topic === 'old' && !batch.bare).length, 2)
  assert.deepEqual(warnings.length, 1)
  assert.match(warnings[0] ?? '', /without headers/)
})

for (const produce of [5, 7, 8])
  test(`a record without a key fails alone on a compacted topic, at Produce ${produce}`, async () => {
    const { clock, cluster, send, answers, outcome } = setUp()
    cluster.upgrade({ produce })
    cluster.create('compacted', 1, () => 0, { compacted: true })
    for (let i = 0; i < 16; i++) send(`v${i}`, { topic: 'compacted', key: i === 5 ? null : 'k' })
    await clock.runUntil(8000)
    const error = answers.get('v5')?.error
    assert.deepEqual([error?.code, error?.kind], ['record_refused', 'invalid'])
    const others = Array.from({ length: 16 }, (_, i) => `v${i}`).filter(value => value !== 'v5')
    assert.ok(others.every(value => outcome(value) === 'stored'))
    assert.deepEqual(cluster.stored('compacted'), [others])
  })

for (const denies of [false, true])
  test(`an answer that is held back for a pause is waited for, and no pause follows it: ${denies ? 'without' : 'with'} idempotence`, async () => {
    const { clock, cluster, send, answers } = setUp()
    cluster.upgrade({ produce: 5, denies })
    cluster.throttleMs = 4000
    send('a')
    await clock.runUntil(4500)
    const first = answers.get('a')?.at ?? Infinity
    assert.ok(first >= 4000 && first < 4100, `${first}`)
    // Without idempotence the silence brings no second copy.
    if (denies) assert.equal(cluster.asked.filter(({ batch }) => batch.identity?.producerId === -1).length, 1)
    cluster.throttleMs = 0
    send('b')
    await clock.runUntil(4600)
    assert.ok((answers.get('b')?.at ?? Infinity) < 4600)
    assert.deepEqual(cluster.stored('t'), [['a', 'b']])
  })

test('while a broker holds its answers back, a few batches are sent again at first, and none later', async () => {
  const { clock, cluster, send, outcome } = setUp()
  cluster.upgrade({ produce: 5 })
  cluster.throttleMs = 4000
  for (let i = 0; i < 100; i++) clock.at(i * 500, () => send(`v${i}`))
  await clock.runUntil(65_000)
  for (let i = 0; i < 100; i++) assert.equal(outcome(`v${i}`), 'stored', `v${i}`)
  assert.equal(cluster.stored('t')[0]?.length, 100)
  const times = new Map<unknown, number[]>()
  for (const { time, batch } of cluster.asked) {
    const first = batch.records[0]?.value
    times.set(first, [...(times.get(first) ?? []), time])
  }
  const copies = [...times.values()].flatMap(([, ...again]) => again)
  assert.ok(copies.length <= 4, `sent again at ${copies}`)
})

test('without idempotence a batch is out once at a time, whatever is slow, moves or is given up', async () => {
  const random = randomFrom(5)
  const { clock, cluster, send } = setUp(
    { idempotent: false, timeoutMs: 3000 },
    { latency: () => (random() < 0.1 ? 4000 : 5) },
  )
  cluster.create('few', 3)
  const carried = new Set<string>()
  const twice: string[] = []
  const { connect } = cluster
  cluster.connect = async (broker, lane) => {
    const link = await connect.call(cluster, broker, lane)
    const { produce } = link
    link.produce = request => {
      const names = request.batches.map(({ topic, partition }) => `${topic}-${partition}`)
      for (const name of names) {
        if (carried.has(name)) twice.push(`${name} at ${clock.time}`)
        carried.add(name)
      }
      return produce.call(link, request).finally(() => {
        for (const name of names) carried.delete(name)
      })
    }
    return link
  }
  let sent = 0
  for (let i = 0; i < 600; i++)
    clock.at(i * 50, () => send(`v${sent++}`, { topic: 'few', key: `k${i % 20}` }))
  for (let i = 0; i < 20; i++)
    clock.at(i * 1500, () => cluster.move(cluster.partition('few', i % 3), i % 2, true))
  await clock.runUntil(60_000)
  assert.ok(cluster.asked.length > 50)
  assert.deepEqual(twice, [])
})

test('after retention an old broker knows the producer no more, and what comes next is stored once', async () => {
  for (const produce of [5, 7, 8]) {
    const { clock, cluster, send, outcome } = setUp()
    cluster.upgrade({ produce })
    for (let i = 0; i < 4; i++) {
      send(`v${i}`)
      await clock.runUntil(clock.time + 1000)
      cluster.forget(cluster.partition('t'))
    }
    assert.deepEqual(['v0', 'v1', 'v2', 'v3'].map(outcome), ['stored', 'stored', 'stored', 'stored'])
    assert.deepEqual(cluster.stored('t'), [['v0', 'v1', 'v2', 'v3']], `Produce ${produce}`)
  }
})

test('an attempt that retention makes an old broker forget is of unknown fate', async () => {
  let lost = 0
  const { clock, cluster, send, answers } = setUp(
    {},
    { request: () => (lost++ === 1 ? 'unanswered' : undefined) },
  )
  cluster.upgrade({ produce: 5 })
  send('first')
  await clock.runUntil(1000)
  send('second')
  await clock.runUntil(1050)
  cluster.forget(cluster.partition('t'))
  await clock.runUntil(20_000)
  assert.equal(answers.get('second')?.error?.fate, 'unknown')
  assert.deepEqual(cluster.stored('t'), [['first', 'second']])
})

test('a leader that is not supported fails its events at once, the other leaders’ are stored', async () => {
  const { clock, cluster, send, answers, outcome, complaints } = setUp()
  cluster.create('other', 1, () => 1)
  cluster.brokers.set(0, { produce: 3 })
  for (let i = 0; i < 20; i++) {
    clock.at(i * 500, () => {
      send(`v${i}`)
      send(`o${i}`, { topic: 'other' })
    })
  }
  await clock.runUntil(20_000)
  for (let i = 0; i < 20; i++) {
    assert.deepEqual([outcome(`v${i}`), outcome(`o${i}`)], ['kafka_misconfigured', 'stored'])
    assert.ok((answers.get(`v${i}`)?.at ?? Infinity) - i * 500 < 100)
  }
  assert.match(answers.get('v0')?.error?.message ?? '', /broker 0 is not supported: .*Produce 0 to 3/)
  assert.match(complaints[0] ?? '', /Produce 0 to 3/)
  cluster.brokers.set(0, { produce: 5 })
  clock.at(21_000, () => send('again'))
  clock.at(22_000, () => send('after'))
  await clock.runUntil(25_000)
  assert.equal(outcome('after'), 'stored')
})

test('a cluster that is upgraded and downgraded under load loses nothing and stores nothing twice', async () => {
  const random = randomFrom(3)
  const { clock, cluster, send, outcome } = setUp(
    {},
    {
      request: () => (random() < 0.05 ? 'unanswered' : undefined),
      latency: () => 1 + Math.floor(random() * 5),
    },
  )
  cluster.create('many', 12)
  for (let i = 0; i < 3000; i++) clock.at(i * 10, () => send(`v${i}`, { topic: 'many', key: `k${i % 50}` }))
  for (let i = 0; i < 30; i++) {
    clock.at(i * 1000, () => {
      cluster.brokers.set(i % 3, { produce: [5, 7, 8][Math.floor(random() * 3)] as number })
      const partition = cluster.partition('many', Math.floor(random() * 12))
      cluster.move(partition, (partition.leader + 1) % 3, true)
    })
  }
  await clock.runUntil(60_000)
  const outcomes = Array.from({ length: 3000 }, (_, i) => outcome(`v${i}`))
  assert.ok(outcomes.every(code => code === 'stored'))
  const stored = cluster.stored('many').flat()
  assert.deepEqual([stored.length, new Set(stored).size], [3000, 3000])
})
