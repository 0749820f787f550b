import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type OnDisk, SpoolTarget } from '#src/lib/kafka/spool-target.js'
import { FakeClock, FakeCluster, randomFrom } from '../../support/kafka-fake.js'
import { SETTINGS } from '../../support/kafka-sender.js'

function setUp(faults: ConstructorParameters<typeof FakeCluster>[1] = {}) {
  const clock = new FakeClock()
  const cluster = new FakeCluster(clock, faults)
  cluster.create('t', 2)
  const seen = { possiblyTwice: 0, journaled: [] as string[], answers: new Map<string, string>() }
  const target = new SpoolTarget<OnDisk>(
    SETTINGS,
    cluster,
    clock,
    [],
    async batches => {
      for (const { producerId, epoch, sequence, partition, records } of batches)
        seen.journaled.push(
          `${producerId} ${epoch} ${sequence} ${partition}: ${records.map(({ value }) => value)}`,
        )
    },
    randomFrom(1),
    {
      possiblyTwice: events => {
        seen.possiblyTwice += events
      },
    },
  )
  const onDisk = (value: string, partition = 0, key: string | null = null): OnDisk => ({
    topic: 't',
    partition,
    key: key === null ? null : Buffer.from(key),
    value: Buffer.from(value),
    valueBytes: value.length,
    timestamp: 1,
  })
  const follow = (value: string, outcome: Promise<unknown>) =>
    void outcome.then(
      () => seen.answers.set(value, 'stored'),
      error => seen.answers.set(value, error.code),
    )
  const send = (value: string, partition = 0) => follow(value, target.send(onDisk(value, partition)))
  const resume = (values: readonly string[], sequence: number, partition = 0) => {
    const identity = { producerId: 77, epoch: 3, sequence }
    const outcomes = target.resume(
      { topic: 't', partition, ...identity },
      values.map(value => onDisk(value, -1)),
    )
    for (const [i, outcome] of outcomes.entries()) follow(values[i] as string, outcome)
  }
  return { clock, cluster, target, seen, send, resume, onDisk }
}

/** As an earlier process has stored these. */
function storedBefore({ clock, cluster, seen, resume }: ReturnType<typeof setUp>, values: string[]) {
  const batch = {
    topic: 't',
    partition: 0,
    bare: false,
    identity: { producerId: 77, epoch: 3, sequence: 0 },
    records: values.map(value => ({ key: null, value, valueBytes: value.length, timestamp: 1 })),
  }
  cluster.partition('t').append(batch, cluster.broker(0))
  cluster.commit(cluster.partition('t'))
  void [clock, seen, resume]
}

test('events go where their partition was, under the identity that the journal knows', async () => {
  const { clock, cluster, seen, send } = setUp()
  send('a', 1)
  send('b', 0)
  await clock.runUntil(100)
  assert.deepEqual(cluster.stored('t'), [['b'], ['a']])
  assert.deepEqual(seen.journaled.toSorted(), ['1000 0 0 0: b', '1000 0 0 1: a'])
})

test('a batch in doubt that is stored is done, and what follows has another identity', async () => {
  const world = setUp()
  storedBefore(world, ['a', 'b'])
  world.resume(['a', 'b'], 0)
  world.send('c')
  await world.clock.runUntil(100)
  assert.deepEqual(world.cluster.stored('t')[0], ['a', 'b', 'c'])
  assert.deepEqual(
    [...world.seen.answers],
    [
      ['a', 'stored'],
      ['b', 'stored'],
      ['c', 'stored'],
    ],
  )
  assert.deepEqual(world.seen.journaled, ['77 3 0 0: a,b', '1000 0 0 0: c'])
  assert.equal(world.seen.possiblyTwice, 0)
})

test('a batch in doubt that is not stored is stored first, as it was', async () => {
  const { clock, cluster, seen, send, resume } = setUp()
  resume(['a', 'b'], 0)
  send('c')
  await clock.runUntil(100)
  assert.deepEqual(cluster.stored('t')[0], ['a', 'b', 'c'])
  assert.equal(seen.possiblyTwice, 0)
})

for (const [code, twice, what] of [
  [59, 2, 'brokers do not know the producer any more'],
  [45, 2, 'brokers keep expecting another one'],
  [47, 2, 'brokers know a later epoch'],
] as const)
  test(`a batch in doubt is sent under a fresh identity where ${what} (${code})`, async () => {
    const { clock, cluster, seen, send, resume } = setUp({
      batch: (_broker, { identity }) => (identity?.producerId === 77 ? { code } : undefined),
    })
    resume(['a', 'b'], 9)
    send('c')
    await clock.runUntil(5000)
    assert.deepEqual(cluster.stored('t')[0], ['a', 'b', 'c'])
    assert.equal(seen.possiblyTwice, twice)
    assert.match(seen.journaled.at(-2) ?? '', /^100\d \d 0 0: a,b$/)
  })

test('what a broker refuses is sent under a fresh identity, and not counted, while no attempt may have stored it', async () => {
  const codes = [45, 59, 47]
  const { clock, cluster, seen, send } = setUp({
    batch: () => {
      const code = codes.shift()
      return code === undefined ? undefined : { code }
    },
  })
  send('a')
  await clock.runUntil(5000)
  assert.deepEqual(cluster.stored('t')[0], ['a'])
  assert.equal(new Set(seen.journaled).size, 4)
  assert.equal(seen.possiblyTwice, 0)
})

test('a leader that was replaced and is behind is not believed before others were asked', async () => {
  const answers = [{ code: 45 }, { code: 59 }, { code: 45 }]
  const world = setUp({ batch: () => answers.shift() })
  storedBefore(world, ['a', 'b'])
  world.resume(['a', 'b'], 0)
  await world.clock.runUntil(5000)
  assert.equal(world.cluster.asked.length, 4)
  assert.deepEqual(world.cluster.stored('t')[0], ['a', 'b'])
  assert.equal(world.seen.possiblyTwice, 0)
})

for (const [name, code, times] of [
  ['expects another batch', 45, 5],
  ['finds it corrupt', 2, 3],
] as const)
  test(`what an attempt may have stored is counted where a broker ${name}`, async () => {
    const answers = [
      { code: 7, append: true },
      ...Array.from({ length: times }, () => ({ code, recordErrors: [] })),
    ]
    const { clock, cluster, seen, send } = setUp({ batch: () => answers.shift() })
    send('a')
    await clock.runUntil(5000)
    // As the drain does.
    if (seen.answers.get('a') !== 'stored') send('a')
    await clock.runUntil(10_000)
    assert.deepEqual(cluster.stored('t')[0], ['a', 'a'])
    assert.equal(seen.possiblyTwice, 1)
  })

test('without idempotence what is sent again is counted, unless a broker has refused it', async () => {
  const answers = [{ code: 7, append: true }, { code: 19 }, { code: 20, append: true }]
  const { clock, cluster, seen, send } = setUp({
    batch: (_broker, { identity }) => ((identity?.producerId ?? -1) < 0 ? answers.shift() : undefined),
  })
  cluster.upgrade({ denies: true })
  send('a')
  await clock.runUntil(5000)
  assert.deepEqual(cluster.stored('t')[0], ['a', 'a', 'a'])
  assert.equal(seen.possiblyTwice, 3)
})

test('a batch in doubt of a partition that is gone is sent elsewhere', async () => {
  const { clock, cluster, seen, resume } = setUp()
  resume(['a'], 0, 5)
  await clock.runUntil(100)
  assert.deepEqual(cluster.stored('t').flat(), ['a'])
  assert.equal(seen.possiblyTwice, 1)
})

test('nothing is given up: not for the time it takes, nor for what brokers may change their mind about', async () => {
  const { clock, cluster, seen, send } = setUp({
    batch: () => (clock.time < 40_000 ? { code: clock.time < 20_000 ? 29 : 7, append: false } : undefined),
  })
  send('a')
  send('b')
  await clock.runUntil(30_000)
  assert.equal(seen.answers.size, 0)
  await clock.runUntil(60_000)
  assert.deepEqual(cluster.stored('t')[0], ['a', 'b'])
})

test('nothing is sent where another sender has an open attempt', async () => {
  const { clock, cluster, target, send } = setUp()
  let isSettled = false
  ;(target.live as unknown as { isSettled: () => boolean }[]).push({ isSettled: () => isSettled })
  send('a')
  await clock.runUntil(1000)
  assert.deepEqual(cluster.stored('t')[0], [])
  isSettled = true
  await clock.runUntil(1100)
  assert.deepEqual(cluster.stored('t')[0], ['a'])
})
