import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { SenderSettings } from '#src/lib/kafka/sender.js'
import { FakeOverflow, SYNC_MS } from '../../support/kafka-overflow.js'
import { setUp, setUpAway, TIMEOUT } from '../../support/kafka-sender.js'

const OPTED_OUT = { origin: { spool: false } }

/** A sender with an overflow. From 1 s on its cluster is away, until `back`. */
function setUpSpill(back = Infinity, more: Partial<SenderSettings> = {}) {
  const overflow = new FakeOverflow()
  const world = setUpAway(back, { overflow, holds: overflow.holds, ...more })
  overflow.clock = world.clock
  return { ...world, overflow }
}

type World = ReturnType<typeof setUpSpill>

/** Stores an event while all is well, then loses the connection. */
async function loseCluster({ clock, send, outcome }: World): Promise<void> {
  send('early')
  await clock.runUntil(1000)
  assert.equal(outcome('early'), 'stored')
  send('in doubt')
  await clock.runUntil(1010)
}

test('what waits for Kafka is spilled after its time, in order; what comes later at once', async () => {
  const world = setUpSpill()
  const { clock, send, outcome, overflow, answers } = world
  await loseCluster(world)
  send('a')
  await clock.runUntil(1500)
  send('b')
  await clock.runUntil(2009)
  assert.deepEqual([outcome('a'), outcome('b')], [undefined, undefined])
  await clock.runUntil(2010 + SYNC_MS)
  assert.deepEqual([outcome('a'), outcome('b')], ['spooled', 'spooled'])
  await clock.runUntil(3000)
  send('c')
  await clock.runUntil(3500)
  assert.equal(answers.get('c')?.at, 3000 + SYNC_MS)
  assert.deepEqual(overflow.taken.get('t-0'), ['a', 'b', 'c'])
  // An attempt is open: nobody knows whether it is stored, so it must not be stored again.
  await clock.runUntil(1000 + TIMEOUT)
  assert.equal(outcome('in doubt'), 'deadline_unknown')
  assert.deepEqual(overflow.taken.get('t-0'), ['a', 'b', 'c'])
})

test('without an outage nothing is spilled', async () => {
  const { clock, send, outcome, overflow } = setUpSpill()
  for (let i = 0; i < 50; i++) {
    send(`${i}`)
    await clock.runUntil(clock.time + 10)
  }
  for (let i = 0; i < 50; i++) assert.equal(outcome(`${i}`), 'stored')
  assert.equal(overflow.size, 0)
})

test('an event whose stream has opted out waits until its deadline, and is refused', async () => {
  const world = setUpSpill()
  const { clock, send, outcome, overflow } = world
  await loseCluster(world)
  send('out', OPTED_OUT)
  send('in')
  await clock.runUntil(5000)
  assert.deepEqual([outcome('out'), outcome('in')], [undefined, 'spooled'])
  await clock.runUntil(1010 + TIMEOUT)
  assert.equal(outcome('out'), 'deadline_not_stored')
  send('late', OPTED_OUT)
  await clock.runUntil(clock.time + 10)
  assert.equal(outcome('late'), 'partition_unavailable')
  assert.deepEqual(overflow.taken.get('t-0'), ['in'])
})

test('what waits already goes before what makes its partition spool', async () => {
  const world = setUpSpill()
  const { clock, send, overflow } = world
  await loseCluster(world)
  send('a')
  await clock.runUntil(1100)
  // As another sender would, that shares the overflow.
  overflow.taken.set('t-0', [])
  send('b')
  await clock.runUntil(1200)
  assert.deepEqual(overflow.taken.get('t-0'), ['a', 'b'])
})

test('one sick partition spills alone', async () => {
  const overflow = new FakeOverflow()
  const sick = (broker: number) => overflow.clock.time >= 1000 && broker === 1
  const { clock, cluster, send, outcome, ...rest } = setUp(
    { overflow, holds: overflow.holds },
    {
      connect: broker => (sick(broker) ? 'refused' : undefined),
      request: broker => (sick(broker) ? 'lost' : undefined),
    },
  )
  overflow.clock = clock
  cluster.create('two', 2)
  const keys = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']
  for (const key of keys) send(`warm ${key}`, { topic: 'two', key })
  await clock.runUntil(1000)
  for (let i = 0; i < 300; i++) {
    for (const key of keys) send(`${key}${i}`, { topic: 'two', key })
    await clock.runUntil(clock.time + 10)
  }
  await clock.runUntil(clock.time + TIMEOUT)
  const [well = [], ill = []] = cluster.stored('two')
  const isWell = (key: string) => well.includes(`warm ${key}`)
  assert.ok(keys.some(isWell) && !keys.every(isWell))
  assert.deepEqual([...overflow.taken.keys()], ['two-1'])
  for (const key of keys) {
    const waits: number[] = []
    for (let i = 0; i < 300; i++) {
      const value = `${key}${i}`
      if (isWell(key)) assert.equal(outcome(value), 'stored')
      else assert.match(outcome(value) ?? '', /^(spooled|deadline_unknown)$/)
      waits.push((rest.answers.get(value)?.at ?? Infinity) - 1000 - 10 * i)
    }
    if (isWell(key)) assert.ok(Math.max(...waits) < 50)
  }
  assert.ok(ill.every(value => value.startsWith('warm')))
})

test('while a partition is handed over its events are held, and go to Kafka when it is drained', async () => {
  const world = setUpSpill(3000)
  const { clock, cluster, send, sender, outcome, overflow } = world
  await loseCluster(world)
  send('a')
  await clock.runUntil(1000 + TIMEOUT + 100)
  assert.deepEqual(overflow.taken.get('t-0'), ['a'])
  const before = cluster.stored('t')
  sender.recover('t', 0)
  overflow.handingOver.add('t-0')
  send('b')
  send('c')
  await clock.runUntil(clock.time + 500)
  assert.deepEqual([outcome('b'), cluster.stored('t')], [undefined, before])
  overflow.drained('t-0')
  await clock.runUntil(clock.time + 100)
  assert.deepEqual([outcome('b'), outcome('c')], ['stored', 'stored'])
  assert.deepEqual(cluster.stored('t')[0]?.slice(-2), ['b', 'c'])
  send('d')
  await clock.runUntil(clock.time + 10)
  assert.equal(outcome('d'), 'stored')
  assert.equal(overflow.size, 0)
})

test('a hand-over that takes long is given up: what was held is spilled', async () => {
  const world = setUpSpill(3000)
  const { clock, send, sender, overflow } = world
  await loseCluster(world)
  send('a')
  await clock.runUntil(1000 + TIMEOUT + 100)
  sender.recover('t', 0)
  overflow.handingOver.add('t-0')
  send('b')
  await clock.runUntil(clock.time + 500)
  send('c')
  await clock.runUntil(clock.time + 600)
  assert.deepEqual(overflow.taken.get('t-0'), ['a', 'b', 'c'])
  assert.equal(overflow.phase('t', 0), 'spooling')
})

test('no event of a client is the probe of a breaker: it is spilled, until the partition recovers', async () => {
  const world = setUpSpill(12_000)
  const { clock, send, sender, outcome, overflow } = world
  await loseCluster(world)
  await clock.runUntil(15_000)
  assert.equal(outcome('in doubt'), 'deadline_unknown')
  send('a')
  await clock.runUntil(15_100)
  assert.equal(outcome('a'), 'spooled')
  overflow.drained('t-0')
  sender.recover('t', 0)
  send('b')
  await clock.runUntil(15_200)
  assert.equal(outcome('b'), 'stored')
})

test('events whose topic is not known yet are spilled, too', async () => {
  const { clock, send, outcome, overflow } = setUpSpill()
  await clock.runUntil(2000)
  send('a', { topic: 'new' })
  send('b', { topic: 'new' })
  await clock.runUntil(2999)
  assert.equal(outcome('a'), undefined)
  await clock.runUntil(3010)
  send('c', { topic: 'new' })
  await clock.runUntil(3020)
  assert.deepEqual([outcome('a'), outcome('b'), outcome('c')], ['spooled', 'spooled', 'spooled'])
  assert.deepEqual(overflow.taken.get('new--1'), ['a', 'b', 'c'])
})

test('an event that has waited for its topic joins the others of its partition that are spooled', async () => {
  const { clock, send, outcome, overflow } = setUpSpill(1900)
  await clock.runUntil(2000)
  overflow.taken.set('t-0', [])
  overflow.phase = (topic, partition) => (`${topic}-${partition}` === 't-0' ? 'spooling' : 'none')
  send('a')
  await clock.runUntil(2100)
  assert.equal(outcome('a'), 'spooled')
  assert.deepEqual(overflow.taken.get('t-0'), ['a'])
})

test('what a full overflow leaves fares as without it', async () => {
  const world = setUpSpill()
  const { clock, send, outcome, overflow } = world
  overflow.isFull = true
  await loseCluster(world)
  send('a')
  await clock.runUntil(5000)
  assert.equal(outcome('a'), undefined)
  await clock.runUntil(1010 + TIMEOUT)
  assert.equal(outcome('a'), 'deadline_not_stored')
  send('b')
  await clock.runUntil(clock.time + 10)
  assert.equal(outcome('b'), 'partition_unavailable')
  overflow.isFull = false
  send('c')
  await clock.runUntil(clock.time + 10)
  assert.equal(outcome('c'), 'spooled')
})

test('an event without much time is spilled before its deadline', async () => {
  const world = setUpSpill()
  const { clock, send, outcome } = world
  await loseCluster(world)
  send('a', { timeoutMs: 600 })
  await clock.runUntil(1620)
  assert.equal(outcome('a'), 'spooled')
})

test('a full queue spills', async () => {
  const world = setUpSpill(Infinity, { maxQueuedMessages: 3 })
  const { clock, send, outcome, overflow } = world
  await loseCluster(world)
  send('a')
  send('b')
  send('c')
  await clock.runUntil(1020)
  assert.deepEqual([outcome('a'), outcome('b'), outcome('c')], ['spooled', 'spooled', 'spooled'])
  assert.deepEqual(overflow.taken.get('t-0'), ['a', 'b', 'c'])
})

test('events that nobody waits for stay while others of their partition are stored', async () => {
  const overflow = new FakeOverflow()
  overflow.isPatient = true
  const { clock, send, outcome } = setUp(
    { overflow, holds: overflow.holds, batchMessages: 1, timeoutMs: 60_000 },
    { batch: () => ({ waitMs: 40 }) },
  )
  overflow.clock = clock
  for (let i = 0; i < 60; i++) send(`${i}`)
  await clock.runUntil(5000)
  for (let i = 0; i < 60; i++) assert.equal(outcome(`${i}`), 'stored')
  assert.equal(overflow.size, 0)
})

test('what is left when the sender closes is spilled, except what is in doubt', async () => {
  const world = setUpSpill()
  const { clock, send, outcome, sender } = world
  await loseCluster(world)
  send('a')
  const closed = sender.close(100)
  await clock.runUntil(1200)
  await closed
  assert.deepEqual([outcome('a'), outcome('in doubt')], ['spooled', 'produce_unknown'])
})
