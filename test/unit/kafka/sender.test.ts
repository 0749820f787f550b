import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PARTITIONERS } from '#src/lib/kafka/partitioner.js'
import { KafkaError } from '#src/lib/kafka/response-codes.js'
import type { OutgoingBatch } from '#src/lib/kafka/transport.js'
import type { BatchFault, FakeClock } from '../../support/kafka-fake.js'
import { inOrder, setUp, TIMEOUT } from '../../support/kafka-sender.js'

test('what is sent together shares a batch, and what comes while it is out is the next', async () => {
  const { clock, send, seen, cluster, outcome } = setUp({}, { latency: () => 5 })
  for (let i = 0; i < 10; i++) send(`a${i}`)
  await clock.runUntil(25)
  for (let i = 0; i < 10; i++) {
    send(`b${i}`)
    await clock.runUntil(clock.time)
  }
  await clock.runUntil(100)
  assert.equal(outcome('b9'), 'stored')
  assert.deepEqual(cluster.stored('t')[0]?.length, 20)
  assert.ok(seen.requests.length <= 3, JSON.stringify(seen.requests))
})

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

test('a request holds no more than it may, but for one batch, and the rest follows', async () => {
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

test('leadership moved under a waiting request: what was appended and kept is stored once', async () => {
  const { clock, cluster, send, outcome } = setUp(
    {},
    { batch: () => (clock.time < 500 ? { waitMs: 900 } : undefined) },
  )
  send('x')
  clock.at(500, () => cluster.move(cluster.partition('t'), 1, true))
  await clock.runUntil(5000)
  assert.equal(outcome('x'), 'stored')
  assert.deepEqual(cluster.stored('t'), [['x']])
})

test('leadership moved under a waiting request: what was lost with it is stored by the next leader', async () => {
  const { clock, cluster, send, outcome } = setUp(
    {},
    { batch: () => (clock.time < 500 ? { waitMs: 900 } : undefined) },
  )
  send('x')
  clock.at(500, () => cluster.move(cluster.partition('t'), 1, false))
  await clock.runUntil(5000)
  assert.equal(outcome('x'), 'stored')
  assert.deepEqual(cluster.stored('t'), [['x']])
  assert.equal(cluster.asked.at(-1)?.broker, 1)
})

test('7, then 19 to the deadline: the later refusal does not close the earlier attempt', async () => {
  let asked = 0
  const { clock, cluster, send, answers } = setUp(
    {},
    { batch: () => (asked++ === 0 ? { code: 7, append: true } : { code: 19 }) },
  )
  send('x')
  await clock.runUntil(20_000)
  assert.equal(answers.get('x')?.error?.code, 'deadline_unknown')
  assert.equal(answers.get('x')?.at, TIMEOUT)
  assert.deepEqual(cluster.stored('t'), [['x']])
})

test('19 to the deadline is surely not stored, and never sent again', async () => {
  const { clock, cluster, send, answers } = setUp()
  cluster.partition('t').starved = true
  send('x')
  await clock.runUntil(TIMEOUT)
  assert.equal(answers.get('x')?.error?.code, 'deadline_not_stored')
  assert.match(answers.get('x')?.error?.message ?? '', /19 NOT_ENOUGH_REPLICAS/)
  cluster.partition('t').starved = false
  await clock.runUntil(60_000)
  assert.deepEqual(cluster.stored('t'), [[]])
})

test('6 with a base offset is an attempt that may be stored', async () => {
  const { clock, cluster, send, outcome } = setUp(
    { timeoutMs: 50 },
    inOrder({ code: 6, append: true, offset: true }),
  )
  send('x')
  await clock.runUntil(1000)
  assert.equal(outcome('x'), 'deadline_unknown')
  assert.deepEqual(cluster.stored('t'), [['x']])
})

test('a foreign topic without a leader holds nobody up', async () => {
  const { clock, cluster, send, answers, outcome } = setUp()
  cluster.create('foreign', 1, () => -1)
  send('f', { topic: 'foreign' })
  send('x')
  await clock.runUntil(300)
  assert.equal(outcome('x'), 'stored')
  assert.ok((answers.get('x')?.at ?? Infinity) < 50)
  cluster.partition('foreign').leader = 1
  await clock.runUntil(1000)
  assert.equal(outcome('f'), 'stored')
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

test('a probe that brokers would not recognise is waited for, and nothing that comes later is stored before it', async () => {
  let slow = false
  const { clock, cluster, send, outcome } = setUp({ idempotent: false }, { latency: () => (slow ? 8000 : 1) })
  cluster.partition('t').leader = -1
  send('trips')
  await clock.runUntil(TIMEOUT + 1)
  assert.equal(outcome('trips'), 'deadline_not_stored')
  cluster.partition('t').leader = 0
  await clock.runUntil(12_000)
  slow = true
  send('probe')
  await clock.runUntil(12_010)
  slow = false
  // Its answer is late after two seconds.
  for (let i = 0; i < 8; i++) clock.at(12_500 + i * 500, () => send(`v${i}`))
  await clock.runUntil(19_000)
  assert.equal(outcome('probe'), 'deadline_unknown')
  for (let i = 0; i < 8; i++) assert.equal(outcome(`v${i}`), 'partition_unavailable')
  await clock.runUntil(21_000)
  send('after')
  await clock.runUntil(22_000)
  assert.deepEqual(cluster.stored('t'), [['probe', 'after']])
})

test('a refusal of what brokers would not recognise counts, though another broker was said to lead meanwhile', async () => {
  const { clock, cluster, send, outcome } = setUp(
    { idempotent: false, metadataMaxAgeMs: 100 },
    { batch: () => ({ code: 10 }), latency: () => (clock.time > 10 && clock.time < 20 ? 500 : 1) },
  )
  await clock.runUntil(1)
  send('known')
  await clock.runUntil(15)
  send('x')
  await clock.runUntil(25)
  cluster.metadataAs.set('t', {
    topic: 't',
    code: 0,
    partitions: [{ partition: 0, code: 0, leader: 1, epoch: undefined }],
  })
  await clock.runUntil(3000)
  assert.equal(outcome('x'), 'event_too_large')
  assert.equal(cluster.asked.filter(({ batch }) => batch.records[0]?.value === 'x').length, 1)
})

for (const [answerMs, share] of [
  [3950, 1],
  [6000, 0.9],
  [7900, 0.9],
] as const)
  test(`a broker that takes ${answerMs} ms for each answer: what can make it is stored, the rest refused at once`, async () => {
    let next: number | undefined
    const { clock, cluster, send, answers, outcome } = setUp(
      {},
      {
        request: () => {
          next = answerMs
          return undefined
        },
        latency: () => {
          const latency = next ?? 1
          next = undefined
          return latency
        },
      },
    )
    cluster.create('wide', 3, () => 0)
    for (let i = 0; i < 3000; i++) clock.at(i * 20, () => send(`v${i}`, { topic: 'wide', key: `k${i % 7}` }))
    await clock.runUntil(80_000)
    const from = Math.ceil((answerMs + 2 * TIMEOUT) / 20)
    const outcomes = Array.from({ length: 3000 - from }, (_, i) => outcome(`v${from + i}`))
    const stored = outcomes.filter(code => code === 'stored').length / outcomes.length
    assert.ok(stored >= share * Math.min(1, (TIMEOUT - answerMs) / answerMs), `${stored}`)
    for (const [i, code] of outcomes.entries()) {
      if (code === 'stored') continue
      assert.equal(code, 'partition_unavailable')
      assert.equal(answers.get(`v${from + i}`)?.at, (from + i) * 20)
    }
  })

test('no wait for replicas goes past a deadline', async () => {
  const { clock, cluster, send } = setUp({}, { batch: () => ({ waitMs: 1e6 }) })
  send('x')
  await clock.runUntil(TIMEOUT)
  for (const { time, timeoutMs } of cluster.asked)
    assert.ok(time + timeoutMs <= TIMEOUT + 10, `${time} ${timeoutMs}`)
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

for (const closing of [false, true])
  test(`an answer that came before a timer ran late counts${closing ? ', also at the end' : ''}`, async () => {
    const { clock, cluster, sender, send, outcome, seen } = setUp()
    let read = () => {}
    const connect = cluster.connect.bind(cluster)
    cluster.connect = async (broker, lane) => {
      const link = await connect(broker, lane)
      const arrived = () =>
        new Promise<void>(resolve => {
          read = resolve
        })
      return {
        open: true,
        broken: false,
        produce: async request => {
          const response = await link.produce(request)
          await arrived()
          return response
        },
        close: () => link.close(),
      }
    }
    send('a')
    await clock.runUntil(100)
    assert.deepEqual(cluster.stored('t'), [['a']])
    if (closing) void sender.close(500)
    await clock.stall(closing ? 1000 : 2 * TIMEOUT, read)
    assert.equal(outcome('a'), 'stored')
    assert.equal(seen.late, 0)
    assert.equal(cluster.asked.length, 1)
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

test('one partition backs off while another takes a new epoch: neither disturbs the other', async () => {
  const epochs = new Map<string, Set<number>>()
  const { clock, cluster, send, answers } = setUp(
    { timeoutMs: 2000 },
    {
      batch: (_broker, batch) => {
        const seen = epochs.get(batch.topic) ?? new Set()
        epochs.set(batch.topic, seen.add(batch.identity?.epoch ?? -1))
        // `bumps` appends and never says so until 5 s; `waits` refuses until 1.5 s.
        if (batch.topic === 'bumps' && clock.time < 5000) return { code: 7, append: true }
        if (batch.topic === 'waits' && clock.time < 1500) return { code: 19 }
        return undefined
      },
    },
  )
  cluster.create('bumps', 1, () => 0)
  cluster.create('waits', 1, () => 0)
  for (let i = 0; i < 30; i++)
    clock.at(i * 300, () => {
      send(`b${i}`, { topic: 'bumps' })
      send(`w${i}`, { topic: 'waits' })
    })
  await clock.runUntil(30_000)
  assert.ok((epochs.get('bumps')?.size ?? 0) > 1, 'an epoch was bumped')
  assert.deepEqual([...(epochs.get('waits') ?? [])], [0])
  const values = cluster.stored('bumps').flat()
  assert.equal(new Set(values).size, values.length, 'nothing is stored twice')
  for (let i = 0; i < 30; i++) assert.equal(answers.get(`w${i}`)?.error, undefined)
})

test('a partition that was in vain for a whole timeout refuses at once, lets one event at a time in for one attempt, and heals', async () => {
  const { clock, cluster, send, answers, outcome } = setUp()
  cluster.partition('t').starved = true
  send('first')
  await clock.runUntil(TIMEOUT + 2000)
  assert.equal(outcome('first'), 'deadline_not_stored')
  const asked = cluster.asked.length
  send('probe')
  send('beside')
  await clock.runUntil(TIMEOUT + 2010)
  assert.equal(cluster.asked.length, asked + 1)
  for (const value of ['probe', 'beside']) {
    assert.equal(outcome(value), 'partition_unavailable')
    assert.equal(answers.get(value)?.error?.fate, 'not_stored')
    assert.equal(answers.get(value)?.error?.retriable, true)
  }
  send('too early')
  await clock.runUntil(TIMEOUT + 2020)
  assert.equal(outcome('too early'), 'partition_unavailable')
  assert.equal(cluster.asked.length, asked + 1, 'attempts keep their distance')
  cluster.partition('t').starved = false
  await clock.runUntil(TIMEOUT + 4000)
  for (const value of ['again', 'well']) {
    send(value)
    await clock.runUntil(clock.time + 100)
    assert.equal(outcome(value), 'stored')
  }
  assert.deepEqual(cluster.stored('t'), [['again', 'well']])
})

test('what was accepted before a partition was found stuck waits for its own deadline', async () => {
  const { clock, cluster, send, outcome } = setUp()
  cluster.partition('t').starved = true
  send('first')
  await clock.runUntil(TIMEOUT - 2000)
  send('later')
  await clock.runUntil(TIMEOUT + 1000)
  assert.deepEqual(['first', 'later'].map(outcome), ['deadline_not_stored', undefined])
  cluster.partition('t').starved = false
  await clock.runUntil(TIMEOUT + 3000)
  assert.equal(outcome('later'), 'stored')
})

/** A sender whose cluster is away from 1 s on until `back`: no connection, no metadata. */
function setUpAway(back: number) {
  let clock: FakeClock | undefined
  const away = () => clock !== undefined && clock.time >= 1000 && clock.time < back
  const made = setUp(
    {},
    {
      connect: () => (away() ? 'refused' : undefined),
      request: () => (away() ? 'lost' : undefined),
      metadata: () => (away() ? 'fails' : undefined),
    },
  )
  clock = made.clock
  return made
}

test('while Kafka is away no event waits for it once one has waited in vain, and the first after its return is stored', async () => {
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

test('one event that waited in vain speaks for partitions that were not tried: without a leader, of other topics, unknown', async () => {
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

test('what waited in vain does not speak for a partition whose leader is connected, though nobody answers else', async () => {
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

test('a partition whose events all came with little time is found stuck, too', async () => {
  const { clock, cluster, send, answers, outcome } = setUp()
  cluster.partition('t').starved = true
  for (let i = 0; i < 200; i++) clock.at(i * 100, () => send(`v${i}`, { timeoutMs: 7000 }))
  await clock.runUntil(30_000)
  assert.equal(outcome('v0'), 'deadline_not_stored')
  assert.equal(answers.get('v0')?.at, 7000)
  for (let i = 170; i < 200; i++) {
    assert.equal(outcome(`v${i}`), 'partition_unavailable')
    assert.ok((answers.get(`v${i}`)?.at ?? Infinity) <= i * 100 + 50)
  }
})

test('so is an unknown topic', async () => {
  const { clock, send, outcome } = setUp()
  for (let i = 0; i < 200; i++) clock.at(i * 100, () => send(`v${i}`, { topic: 'none', timeoutMs: 7000 }))
  await clock.runUntil(20_000)
  const refused = Array.from({ length: 40 }, (_, i) => outcome(`v${160 + i}`))
  assert.ok(refused.filter(code => code === 'partition_unavailable').length > 20, String(refused))
})

test('events that leave gaps between them make no partition stuck, for each had less than a timeout', async () => {
  const { clock, cluster, send, outcome } = setUp()
  cluster.partition('t').starved = true
  for (let i = 0; i < 10; i++) clock.at(i * 3000, () => send(`v${i}`, { timeoutMs: 2000 }))
  await clock.runUntil(40_000)
  for (let i = 0; i < 10; i++) assert.equal(outcome(`v${i}`), 'deadline_not_stored')
})

for (const [what, fault, code, recovery] of [
  ['is silent', 'silent', 'deadline_unknown', 5000],
  ['loses its answers', 'unanswered', 'produce_unknown', 5000],
  ['waits for its replicas in vain', { waitMs: 1e6 }, 'deadline_unknown', 7000],
  ['does not know', { code: 1234 }, 'produce_unknown', 5000],
] as const) {
  test(`a Kafka that connects and ${what}: no client waits long for it, and it is seen to be well again`, async () => {
    const back = 60_000
    let clock: FakeClock | undefined
    const away = () => clock !== undefined && clock.time >= 1000 && clock.time < back
    const made = setUp(
      {},
      {
        request: () => (away() && typeof fault === 'string' ? fault : undefined),
        batch: () => (away() && typeof fault === 'object' ? fault : undefined),
      },
    )
    clock = made.clock
    const { send, answers, outcome } = made
    for (let i = 0; i < 4000; i++) made.clock.at(i * 20, () => send(`v${i}`))
    await made.clock.runUntil(100_000)
    let trials = 0
    for (let i = 0; i < 4000; i++) {
      const at = i * 20
      const end = outcome(`v${i}`)
      if (at < 1000 || at > back + recovery) assert.equal(end, 'stored', `at ${at}`)
      if (at <= 1000 + TIMEOUT || at >= back) continue
      const took = (answers.get(`v${i}`)?.at ?? Infinity) - at
      if (end === 'partition_unavailable') assert.equal(took, 0, `at ${at}`)
      // What came within moments of a probe waited for that as long.
      else if (end === 'deadline_not_stored') assert.ok(took <= 100, `at ${at}: ${took}`)
      else {
        trials++
        assert.equal(end, code, `at ${at}`)
        assert.ok(took <= 1000, `at ${at}: ${took}`)
      }
    }
    assert.ok(trials > 3 && trials < 30, `${trials} trials`)
    assert.equal(new Set(made.cluster.stored('t').flat()).size, made.cluster.stored('t').flat().length)
  })
}

test('replicas that need longer than a trial’s client waits are found to be well all the same', async () => {
  const { clock, cluster, send, outcome } = setUp(
    {},
    {
      batch: () => (clock.time < 20_000 ? { code: 19 } : clock.time < 60_000 ? { waitMs: 1500 } : undefined),
    },
  )
  for (let i = 0; i < 500; i++) clock.at(i * 100, () => send(`v${i}`))
  await clock.runUntil(60_000)
  const late = Array.from({ length: 100 }, (_, i) => outcome(`v${350 + i}`))
  assert.ok(
    late.every(code => code === 'stored'),
    String(late),
  )
  assert.equal(new Set(cluster.stored('t').flat()).size, cluster.stored('t').flat().length)
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

test('a topic that is refused fails its own events only', async () => {
  const { clock, send, outcome, cluster } = setUp(
    {},
    { batch: (_b, batch) => (batch.topic === 'no' ? { code: 29 } : undefined) },
  )
  cluster.create('no', 1, () => 0)
  send('n', { topic: 'no' })
  send('x')
  await clock.runUntil(100)
  assert.deepEqual([outcome('n'), outcome('x')], ['topic_refused', 'stored'])
})

test('what does not fit the cluster is said loudly', async () => {
  const { clock, send, outcome, seen } = setUp({}, inOrder({ code: 42 }))
  send('x')
  await clock.runUntil(100)
  assert.equal(outcome('x'), 'kafka_misconfigured')
  assert.equal(seen.complaints.length, 1)
})

test('a client that may not have a producer id fails its events loudly, and asks again for later ones', async () => {
  const { clock, cluster, send, outcome, seen } = setUp({ requiresIdempotence: true })
  const { producerId } = cluster
  cluster.producerId = () => Promise.reject(new KafkaError(31, 'no producer id'))
  send('x')
  await clock.runUntil(100)
  assert.equal(outcome('x'), 'kafka_misconfigured')
  assert.match(seen.complaints[0] ?? '', /CLUSTER_AUTHORIZATION_FAILED/)
  cluster.producerId = producerId
  await clock.runUntil(2000)
  send('y')
  await clock.runUntil(2100)
  assert.equal(outcome('y'), 'stored')
})

test('an event whose request has little time left is answered within it, before those that came earlier', async () => {
  const { clock, cluster, send, answers } = setUp({ timeoutMs: 3000 }, { request: () => 'silent' })
  send('first')
  await clock.runUntil(100)
  send('hurried', { timeoutMs: 200 })
  send('last')
  await clock.runUntil(1000)
  assert.deepEqual(
    ['first', 'hurried', 'last'].map(id => answers.get(id)?.at),
    [undefined, 300, undefined],
  )
  assert.equal(answers.get('hurried')?.error?.code, 'deadline_not_stored')
  await clock.runUntil(10_000)
  assert.deepEqual([answers.get('first')?.at, answers.get('last')?.at], [3000, 3100])
  assert.deepEqual(cluster.stored('t'), [[]])
})

test('an event is answered at its deadline, whatever else is out', async () => {
  const { clock, cluster, send, answers } = setUp({ timeoutMs: 300 }, { request: () => 'silent' })
  send('x')
  await clock.runUntil(250)
  // Accepted while the first is out, and due while it is out still.
  send('y')
  await clock.runUntil(10_000)
  assert.deepEqual([answers.get('x')?.at, answers.get('y')?.at], [300, 550])
  assert.equal(answers.get('y')?.error?.code, 'deadline_not_stored')
  assert.deepEqual(cluster.stored('t'), [[]])
})

test('over a bound events are refused at once, and so is one that is too large', async () => {
  const { clock, send, answers, outcome } = setUp({ maxQueuedMessages: 2, maxRequestBytes: 1000 })
  for (const value of ['a', 'b', 'c', 'x'.repeat(1000)]) send(value)
  await clock.runUntil(0)
  assert.equal(outcome('c'), 'producer_full')
  assert.match(answers.get('x'.repeat(1000))?.error?.message ?? '', /1000 bytes/)
  assert.equal(outcome('x'.repeat(1000)), 'event_too_large')
  await clock.runUntil(100)
  assert.equal(outcome('b'), 'stored')
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

for (const lingerMs of [5, 500, 3000])
  test(`with a linger of ${lingerMs} ms a partition that was stuck takes events again as soon as it is well`, async () => {
    const { clock, cluster, send, outcome } = setUp({ lingerMs }, { latency: () => 20 })
    send('first')
    await clock.runUntil(5000)
    cluster.move(cluster.partition('t'), -1, true)
    send('trips')
    await clock.runUntil(5000 + TIMEOUT)
    assert.equal(outcome('trips'), 'deadline_not_stored')
    cluster.move(cluster.partition('t'), 0, true)
    await clock.runUntil(20_000)
    send('probe')
    clock.at(20_005, () => send('follows'))
    await clock.runUntil(20_200)
    assert.deepEqual(['probe', 'follows'].map(outcome), ['stored', 'stored'])
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

for (const [delivery, settings] of [
  ['hasty', { timeoutMs: 300_000, maxInFlight: { bytes: 1_000_000, messages: 20_000 } }],
  ['guaranteed', { maxQueuedBytes: 1_000_000 }],
] as const)
  for (const [sickness, code] of [
    ['too few replicas', 19],
    ['no leader', 5],
    ['no topic', 3],
    ['replicas that are away', 7],
  ] as const)
    test(`${delivery} events: a flood to topics with ${sickness} leaves room for the others`, async () => {
      const { clock, cluster, send, outcome, sender } = setUp(settings, {
        batch: (_broker, { topic }) => {
          if (!topic.startsWith('sick')) return undefined
          return code === 7 ? { waitMs: 1e6 } : { code }
        },
      })
      for (let i = 0; i < 4 && code !== 3; i++) cluster.create(`sick${i}`, 1, () => (code === 5 ? -1 : 0))
      const padding = 'x'.repeat(10_000)
      for (let i = 0; i < 4000; i++)
        clock.at(i * 10, () => send(`s${i}${padding}`, { topic: `sick${i < 2000 ? 0 : i % 4}` }))
      for (let i = 0; i < 400; i++) clock.at(i * 100, () => send(`w${i}${padding}`))
      await clock.runUntil(8000)
      assert.ok(sender.queuedBytes > 600_000, `all but the reserve may be used: ${sender.queuedBytes}`)
      await clock.runUntil(40_000)
      for (let i = 0; i < 400; i++) assert.equal(outcome(`w${i}${padding}`), 'stored', `w${i}`)
    })

test('beside a flood to a sick topic, one whose replicas need a moment now and then is refused nothing', async () => {
  const { clock, cluster, send, outcome, sender } = setUp(
    { maxQueuedBytes: 3_000_000 },
    {
      batch: (_broker, { topic }) => {
        if (topic === 'sick') return { code: 19 }
        return clock.time > 7000 && clock.time % 2000 < 500 ? { waitMs: 120 } : undefined
      },
    },
  )
  cluster.create('sick', 1, () => 1)
  const padding = 'x'.repeat(1000)
  for (let i = 0; i < 10_000; i++) clock.at(i * 2, () => send(`s${i}${padding}`, { topic: 'sick' }))
  for (let i = 0; i < 1000; i++) clock.at(i * 20, () => send(`w${i}${padding}`))
  await clock.runUntil(8000)
  assert.ok(sender.queuedBytes > 2_200_000, `the flood has what it may have: ${sender.queuedBytes}`)
  await clock.runUntil(40_000)
  for (let i = 0; i < 1000; i++) assert.equal(outcome(`w${i}${padding}`), 'stored', `w${i}`)
})

test('a topic in which events have waited for ten seconds takes no more than an eighth of the room', async () => {
  const { clock, cluster, send, outcome, sender } = setUp({ timeoutMs: 300_000, maxQueuedBytes: 1_000_000 })
  cluster.partition('t').starved = true
  const padding = 'x'.repeat(10_000)
  for (let i = 0; i < 200; i++) clock.at(i * 1000, () => send(`v${i}${padding}`))
  await clock.runUntil(100_000)
  assert.ok(sender.queuedBytes > 100_000 && sender.queuedBytes <= 125_000, `${sender.queuedBytes}`)
  assert.equal(outcome(`v50${padding}`), 'partition_unavailable')
  cluster.partition('t').starved = false
  await clock.runUntil(250_000)
  assert.equal(outcome(`v5${padding}`), 'stored')
  assert.equal(outcome(`v150${padding}`), 'stored')
  assert.equal(sender.queuedBytes, 0)
})

test('what a failover interrupts may use all but the reserve of the room', async () => {
  const { clock, cluster, send, outcome } = setUp({ timeoutMs: 18_900, maxQueuedBytes: 32_000_000 })
  send('first')
  await clock.runUntil(100)
  cluster.move(cluster.partition('t'), -1, true)
  // An array of 4 MiB comes each second.
  const padding = 'x'.repeat(100_000)
  for (let i = 0; i < 5; i++)
    clock.at(1000 + i * 1000, () => {
      for (let j = 0; j < 42; j++) send(`v${i}-${j}${padding}`)
    })
  clock.at(12_000, () => cluster.move(cluster.partition('t'), 1, true))
  await clock.runUntil(30_000)
  for (let i = 0; i < 5; i++)
    for (let j = 0; j < 42; j++) assert.equal(outcome(`v${i}-${j}${padding}`), 'stored', `v${i}-${j}`)
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

test('closing answers all, at the end of its grace at the latest, and takes nothing more', async () => {
  const { clock, cluster, sender, send, answers, outcome } = setUp({ lingerMs: 5000 })
  send('lingers')
  cluster.create('sick', 1, () => -1)
  send('waits', { topic: 'sick' })
  await clock.runUntil(10)
  let closed = -1
  void sender.close(1000).then(() => {
    closed = clock.time
  })
  send('late')
  await clock.runUntil(30_000)
  assert.ok((answers.get('lingers')?.at ?? Infinity) < 50)
  assert.equal(outcome('lingers'), 'stored')
  assert.equal(outcome('waits'), 'deadline_not_stored')
  assert.equal(outcome('late'), 'draining')
  assert.equal(closed, 1010)
})

test('a sender at rest does nothing', async () => {
  const { clock, cluster, send } = setUp()
  send('x')
  await clock.runUntil(290_000)
  const { connections } = cluster
  assert.equal(cluster.metadataRequests.length, 1)
  await clock.runUntil(310_000)
  assert.equal(cluster.metadataRequests.length, 2)
  assert.equal(cluster.connections, connections)
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

test('a flood to a broker that asks for pauses leaves room for the others', async () => {
  const { clock, cluster, send, outcome } = setUp(
    { timeoutMs: 300_000, maxQueuedBytes: 1_000_000 },
    {
      batch: broker => {
        cluster.throttleMs = broker === 0 ? 4000 : 0
        return undefined
      },
    },
  )
  cluster.create('well', 1, () => 1)
  const padding = 'x'.repeat(10_000)
  for (let i = 0; i < 2000; i++) clock.at(i * 10, () => send(`f${i}${padding}`))
  for (let i = 0; i < 200; i++) clock.at(i * 100, () => send(`w${i}${padding}`, { topic: 'well' }))
  await clock.runUntil(20_000)
  const refused = Array.from({ length: 200 }, (_, i) => i).filter(
    i => outcome(`w${i}${padding}`) !== 'stored',
  )
  assert.deepEqual(refused, [])
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
