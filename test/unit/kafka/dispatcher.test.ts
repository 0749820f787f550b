import assert from 'node:assert/strict'
import { test } from 'node:test'
import { inOrder, setUp, TIMEOUT } from '../../support/kafka-sender.js'

test('the beginning and the end of each request are told, and what was wrong with it', async () => {
  const { clock, send, seen, outcome } = setUp({}, inOrder({ code: 19 }, undefined))
  send('x')
  await clock.runUntil(5000)
  assert.equal(outcome('x'), 'stored')
  const [refused, stored, ...others] = seen.ended
  assert.deepEqual(refused?.values, ['x'])
  assert.match(String(refused?.problem), /^t-0: /)
  assert.deepEqual([stored, ...others], [{ values: ['x'], problem: 'none' }])
})

test('a request carries all partitions of its leader', async () => {
  const { clock, cluster, send, seen } = setUp()
  cluster.create('wide', 32, () => 2)
  for (let i = 0; i < 200; i++) send(`v${i}`, { topic: 'wide', key: `k${i}` })
  await clock.runUntil(1000)
  assert.equal(cluster.stored('wide').flat().length, 200)
  assert.deepEqual(
    seen.requests.map(([batches, events]) => [batches > 25, events]),
    [[true, 200]],
  )
})

test('a request holds no more than it may, except for one batch, and the rest follows', async () => {
  const { clock, cluster, send, seen } = setUp({ requestBytes: 1000 })
  cluster.create('wide', 32, () => 2)
  for (let i = 0; i < 100; i++) send('v'.repeat(300) + i, { topic: 'wide', key: `k${i}` })
  send('w'.repeat(5000))
  await clock.runUntil(1000)
  assert.equal(cluster.stored('wide').flat().length, 100)
  assert.equal(cluster.stored('t').flat().length, 1)
  assert.ok(
    seen.requests.every(([batches, events]) => batches === 1 || events <= 3),
    JSON.stringify(seen.requests),
  )
})

test('a broker that answers late is waited for: what is out is sent again beside it, and the first answer counts', async () => {
  const { clock, cluster, send, answers, outcome, seen } = setUp(
    {},
    { latency: () => (clock.time > 10 && clock.time < 20 ? 3000 : 1) },
  )
  send('first')
  await clock.runUntil(15)
  send('late')
  await clock.runUntil(20)
  for (let i = 0; i < 20; i++) clock.at(100 + i * 100, () => send(`v${i}`))
  await clock.runUntil(10_000)
  // The second request is answered at once, long before the first.
  assert.equal(outcome('late'), 'stored')
  assert.ok((answers.get('late')?.at ?? Infinity) < 1100)
  for (let i = 0; i < 20; i++) assert.ok((answers.get(`v${i}`)?.at ?? Infinity) < 2200, `v${i}`)
  assert.deepEqual(cluster.stored('t')[0]?.slice(0, 3), ['first', 'late', 'v0'])
  assert.equal(cluster.stored('t')[0]?.length, 22)
  assert.equal(seen.late, 0)
})

test('a producer whose batches brokers do not recognise sends nothing again while an answer may come', async () => {
  const { clock, cluster, send, outcome } = setUp(
    { idempotent: false },
    { latency: () => (clock.time > 10 && clock.time < 20 ? 6000 : 1) },
  )
  send('first')
  await clock.runUntil(15)
  send('late')
  await clock.runUntil(10_000)
  assert.deepEqual(['first', 'late'].map(outcome), ['stored', 'stored'])
  assert.deepEqual(cluster.stored('t'), [['first', 'late']])
})

test('an old connection that ends late does not disturb the new one', async () => {
  let requests = 0
  const { clock, cluster, send, outcome } = setUp(
    {},
    { request: () => (requests++ === 0 ? 'zombie' : undefined) },
  )
  send('x')
  await clock.runUntil(20_000)
  assert.equal(outcome('x'), 'stored')
  assert.deepEqual(cluster.stored('t'), [['x']])
  send('y')
  await clock.runUntil(40_000)
  assert.deepEqual(cluster.stored('t'), [['x', 'y']])
})

test('a late success is counted, and changes no answer', async () => {
  const { clock, cluster, send, outcome, seen } = setUp(
    { timeoutMs: 500 },
    { latency: () => (clock.time < 400 ? 1 : 600) },
  )
  send('x')
  await clock.runUntil(450)
  // The answer to the second is under way when its deadline comes.
  send('y')
  await clock.runUntil(5000)
  assert.deepEqual(['x', 'y'].map(outcome), ['stored', 'deadline_unknown'])
  assert.equal(cluster.stored('t').flat().length, 2)
  assert.equal(seen.late, 1)
})

test('a broker that asks for a pause gets it', async () => {
  const { clock, cluster, send, answers } = setUp()
  cluster.throttleMs = 700
  send('a')
  await clock.runUntil(50)
  const first = answers.get('a')?.at ?? Infinity
  send('b')
  await clock.runUntil(2000)
  assert.ok((answers.get('b')?.at ?? 0) >= first + 700)
})

test('a pause is kept on all connections to the broker that asks for it', async () => {
  let isSlow = true
  const { clock, cluster, send, outcome } = setUp(
    {},
    { batch: (_broker, { topic }) => (isSlow && topic === 'slow' ? { waitMs: 600 } : undefined) },
  )
  cluster.create('slow', 1, () => 0)
  for (let i = 0; i < 8; i++) clock.at(i * 700, () => send(`s${i}`, { topic: 'slow' }))
  await clock.runUntil(6000)
  assert.equal(cluster.asked.at(-1)?.lane, 'slow')
  isSlow = false
  cluster.throttleMs = 3000
  send('x')
  await clock.runUntil(6010)
  assert.equal(outcome('x'), 'stored')
  cluster.throttleMs = 0
  const before = cluster.asked.length
  send('y')
  send('s', { topic: 'slow' })
  await clock.runUntil(8990)
  assert.equal(cluster.asked.length, before)
  await clock.runUntil(9100)
  assert.deepEqual(['y', 's'].map(outcome), ['stored', 'stored'])
})

test('acks 0 is answered when all is written', async () => {
  const { clock, send, outcome, cluster } = setUp({ acks: 0, idempotent: false })
  send('x')
  await clock.runUntil(100)
  assert.equal(outcome('x'), 'stored')
  assert.equal(cluster.asked[0]?.batch.identity?.producerId, -1)
})

for (const acks of [0, 1] as const)
  test(`acks ${acks}: a leader that has moved is found, and what was lost by then is told`, async () => {
    const { clock, cluster, send, outcome, seen } = setUp({ acks, idempotent: false, timeoutMs: 300_000 })
    for (let i = 0; i < 100; i++) clock.at(i * 100, () => send(`v${i}`))
    clock.at(3050, () => cluster.move(cluster.partition('t'), 1, true))
    await clock.runUntil(15_000)
    for (let i = 0; i < 100; i++) assert.equal(outcome(`v${i}`), 'stored', `v${i}`)
    // With acks 0 a broker says nothing but that it closes the connection.
    const lost = acks === 0 ? ['v31'] : []
    const stored = new Set(cluster.stored('t')[0])
    assert.deepEqual(
      Array.from({ length: 100 }, (_, i) => `v${i}`).filter(value => !stored.has(value)),
      lost,
    )
    assert.deepEqual(
      seen.troubles,
      lost.map(
        () => 'broker 0 has closed the connection, and may not have stored what was sent last (acks 0)',
      ),
    )
    assert.ok(cluster.metadataRequests.length <= 4, `${cluster.metadataRequests.length} questions`)
  })

test('the time of the last success is told, whatever told of it', async () => {
  const unanswered = setUp({ acks: 0, idempotent: false })
  const again = setUp({}, { batch: () => ({ code: 46, append: true }) })
  for (const { clock, send, sender, outcome } of [unanswered, again]) {
    send('x')
    await clock.runUntil(100)
    assert.equal(outcome('x'), 'stored')
    assert.ok(sender.lastStoredAt !== undefined && sender.lastStoredAt <= 100)
  }
})

test('an event that a quota holds up to its deadline says so', async () => {
  const { clock, cluster, send, answers, outcome } = setUp()
  cluster.throttleMs = 20_000
  send('a')
  await clock.runUntil(50)
  assert.equal(outcome('a'), 'stored')
  send('b')
  await clock.runUntil(50 + TIMEOUT)
  assert.equal(outcome('b'), 'deadline_not_stored')
  assert.match(answers.get('b')?.error?.message ?? '', /\(broker 0 asks for a pause of \d+ ms: a quota\)$/)
})

test('an event that was sent, and whose answer did not come in time, says which broker owes it', async () => {
  for (const timeoutMs of [500, TIMEOUT]) {
    const { clock, send, answers, outcome } = setUp({ timeoutMs }, { request: () => 'silent' })
    send('x')
    await clock.runUntil(timeoutMs)
    assert.equal(outcome('x'), 'deadline_unknown')
    assert.match(answers.get('x')?.error?.message ?? '', /\(broker 0 has not answered [^()]+\)$/)
  }
})

test('each attempt to connect that fails is told once, and the one that succeeds is not', async () => {
  let attempts = 0
  const { clock, send, outcome, seen } = setUp(
    {},
    { connect: () => (attempts++ < 2 ? 'refused' : undefined) },
  )
  send('x')
  await clock.runUntil(2000)
  assert.equal(outcome('x'), 'stored')
  assert.equal(attempts, 3)
  const told = 'broker 0 cannot be reached: connection refused'
  assert.deepEqual(seen.troubles, [told, told])
})
