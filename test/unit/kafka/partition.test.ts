import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Partition, type PartitionListener } from '#src/lib/kafka/partition.js'
import { QueueRoom, Share } from '#src/lib/kafka/share.js'
import type { FakeClock } from '../../support/kafka-fake.js'
import { eventOf, inOrder, SETTINGS, setUp, TIMEOUT } from '../../support/kafka-sender.js'

/** A partition led by broker 0, whose sequence has an id unless it is plain. */
function setUpPartition(plain = false) {
  const outcomes = new Map<string, string>()
  const listener: PartitionListener = {
    settle: (record, error) => {
      record.settled = true
      outcomes.set(`${record.value}`, error?.code ?? 'stored')
    },
    refresh: () => {},
    tripped: () => {},
    observer: {},
    deny: () => false,
  }
  const share = new Share(new QueueRoom(1e6, 1e6), { bytes: 0, messages: 0 })
  const format = { plain: false, bare: false }
  const partition = new Partition('t', 0, SETTINGS, listener, share, { plain }, format)
  partition.moved(0)
  partition.queue.sequence.identify({ producerId: 7, epoch: 0, issue: 0 })
  return { partition, outcomes }
}

function answer(code: number) {
  return { topic: 't', partition: 0, code, baseOffset: -1, recordErrors: [], message: null }
}

/** A partition with a request that is out, whose event was given up, and with a probe that waits behind it. */
function setUpProbe() {
  const made = setUpPartition()
  const { partition } = made
  partition.append(eventOf('given up', 0), 0)
  const request = { sentAt: 0 }
  const batch = partition.take(request, 0)
  partition.expire(TIMEOUT)
  assert.ok(partition.rejects)
  partition.breaker.reachable()
  partition.append(eventOf('probe', TIMEOUT), TIMEOUT)
  return { ...made, batch, request }
}

test('a probe that is refused ends, because its client need not wait', () => {
  const { partition, outcomes } = setUpProbe()
  const request = { sentAt: TIMEOUT }
  partition.answered(partition.take(request, TIMEOUT), request, answer(19), TIMEOUT + 1, 40, false)
  assert.equal(outcomes.get('probe'), 'partition_unavailable')
})

test('a probe that was overtaken by a success is sent again like any event', () => {
  const { partition, outcomes, batch, request: first } = setUpProbe()
  partition.answered(batch, first, answer(0), TIMEOUT + 1, 40, false)
  assert.ok(!partition.rejects)
  const second = { sentAt: TIMEOUT + 2 }
  const probe = partition.take(second, TIMEOUT + 2)
  partition.answered(probe, second, answer(19), TIMEOUT + 3, 40, false)
  assert.equal(outcomes.get('probe'), undefined)
  const third = { sentAt: TIMEOUT + 200 }
  assert.equal(partition.take(third, TIMEOUT + 200), probe)
  partition.answered(probe, third, answer(0), TIMEOUT + 201, 40, false)
  assert.equal(outcomes.get('probe'), 'stored')
})

test('where answers take long, more time is given to what comes beside a probe, up to the time of the probe', () => {
  for (const [tookMs, youngMs] of [
    [10, 100],
    [60, 240],
    [900, 1000],
  ] as const) {
    const { partition } = setUpPartition()
    for (const sentAt of [0, 1000]) {
      const request = { sentAt }
      partition.append(eventOf('x', sentAt), sentAt)
      partition.answered(partition.take(request, sentAt), request, answer(0), sentAt + tookMs, 40, false)
    }
    partition.breaker.trip()
    partition.breaker.reachable()
    partition.append(eventOf('probe', 5000), 5000)
    partition.take({ sentAt: 5000 }, 5000)
    assert.equal(partition.youngUntil, 5000 + youngMs)
  }
})

test('what came beside a probe that was stored has its own time again', () => {
  const { partition } = setUpProbe()
  const request = { sentAt: TIMEOUT }
  const probe = partition.take(request, TIMEOUT)
  // It came earlier, and had to wait for its topic to be known.
  const deadline = TIMEOUT + 5000
  partition.append({ ...eventOf('beside', TIMEOUT + 50), deadline }, TIMEOUT + 50)
  assert.equal(partition.queue.deadline, TIMEOUT + 100)
  partition.answered(probe, request, answer(0), TIMEOUT + 60, 40, false)
  assert.equal(partition.queue.deadline, deadline)
})

test('what waits in line for longer than it should does not keep up, whatever holds it back', () => {
  const { partition } = setUpPartition()
  assert.ok(partition.keepsUp(0))
  partition.append(eventOf('x', 0), 0)
  assert.ok(partition.keepsUp(400))
  assert.ok(!partition.keepsUp(1000))
  const request = { sentAt: 1000 }
  partition.answered(partition.take(request, 1000), request, answer(0), 1010, 40, false)
  assert.ok(partition.keepsUp(1010))
})

test('what the old leader refused after another was found is sent to that at once', () => {
  const { partition } = setUpPartition(true)
  partition.append(eventOf('x', 0), 0)
  const first = { sentAt: 0 }
  const batch = partition.take(first, 0)
  partition.moved(1)
  partition.answered(batch, first, answer(6), 10, 40, false)
  assert.equal(partition.queue.readyAt(false, partition.notBefore), 0)
  const second = { sentAt: 10 }
  partition.answered(partition.take(second, 10), second, answer(6), 20, 40, false)
  assert.ok(partition.notBefore > 20)
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

test('a partition that timed out refuses at once, lets one event at a time in for one attempt, and heals', async () => {
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
