import assert from 'node:assert/strict'
import { test } from 'node:test'
import { randomFrom } from '../../support/kafka-fake.js'
import { AFTER_MS, SpoolWorld } from '../../support/spool-world.js'

/** The last one found an order that was wrong. */
const SEEDS = [1, 2, 3, 118]

/** Sends an event each `everyMs` until `until`. */
async function load(
  world: SpoolWorld,
  name: string,
  until: number,
  everyMs = 10,
  keys = ['k'],
): Promise<string[]> {
  const sent: string[] = []
  for (let i = 0; world.clock.time < until; i++) {
    const key = keys[i % keys.length] as string
    const value = `${name} ${key} ${i}`
    world.send(value, name, key)
    sent.push(value)
    await world.runFor(everyMs)
  }
  return sent
}

const byNumber = (one: string, other: string) => Number(one.split(' ')[2]) - Number(other.split(' ')[2])

/** All that was promised is stored once, and in order for each key. */
function assertStored(world: SpoolWorld, topic: string, sent: readonly string[], name = ''): void {
  const stored = world.cluster.stored(topic)
  const all = stored.flat()
  assert.equal(new Set(all).size, all.length, `${name} twice`)
  for (const value of sent)
    if (['stored', 'spooled'].includes(world.how(value) ?? ''))
      assert.ok(all.includes(value), `${name}: ${value} was ${world.how(value)}, and is lost`)
  for (const partition of stored)
    for (const key of new Set(partition.map(value => value.split(' ')[1]))) {
      const values = partition.filter(value => value.split(' ')[1] === key)
      assert.deepEqual(values, values.toSorted(byNumber), `${name}: the order of ${key}`)
    }
}

test('after an outage all is stored once, in order, and new events go to Kafka again', async () => {
  const world = new SpoolWorld()
  await world.start()
  world.cluster.create('t', 3)
  world.outages.push({ from: 2000, until: 30_000 })
  const sent = await load(world, 't', 40_000, 10, ['a', 'b', 'c', 'd', 'e'])
  await world.runFor(10_000)
  assert.equal(world.spool.size, 0)
  assertStored(world, 't', sent)
  const count = (how: string) => sent.filter(value => world.how(value) === how).length
  assert.ok(count('spooled') > 2500)
  // One batch of each partition may have been on its way.
  assert.ok(count('deadline_unknown') <= 3)
  assert.equal(count('stored') + count('spooled') + count('deadline_unknown'), sent.length)
  assert.equal(world.how(sent.at(-1) as string), 'stored')
  assert.equal(world.counts.possiblyTwice, 0)
})

test('a steady stream is handed over soon after the outage', async () => {
  const world = new SpoolWorld()
  await world.start()
  world.cluster.create('t', 1)
  world.outages.push({ from: 1000, until: 10_000 })
  const sent = await load(world, 't', 14_000, 2)
  const firstAfter = sent.find(
    value => world.how(value) === 'stored' && (world.answers.get(value)?.at ?? 0) > 10_000,
  )
  assert.ok(firstAfter !== undefined)
  assert.ok((world.answers.get(firstAfter)?.at ?? 0) < 13_000, `${world.answers.get(firstAfter)?.at}`)
  await world.runFor(8_000)
  assertStored(world, 't', sent)
  assert.equal(world.sender.queuedMessages, 0)
})

test('a partition that is still sick holds up no other', async () => {
  const world = new SpoolWorld()
  await world.start()
  world.cluster.create('sick', 1, () => 1)
  world.cluster.create('well', 1, () => 0)
  world.outages.push({ from: 1000, until: 10_000 }, { from: 1000, until: 60_000, broker: 1 })
  const both = await Promise.all([load(world, 'sick', 1), load(world, 'well', 1)])
  void both
  const sick: string[] = []
  const well: string[] = []
  for (let i = 0; world.clock.time < 20_000; i++) {
    sick.push(`sick k ${i + 10}`)
    well.push(`well k ${i + 10}`)
    world.send(`sick k ${i + 10}`, 'sick', 'k')
    world.send(`well k ${i + 10}`, 'well', 'k')
    await world.runFor(10)
  }
  await world.runFor(2000)
  assert.equal(world.spool.undone('well', 0), 0)
  assert.equal(world.how(well.at(-1) as string), 'stored')
  assert.ok(world.spool.undone('sick', 0) > 1000)
  assert.equal(world.how(sick.at(-1) as string), 'spooled')
  assertStored(world, 'well', well)
  await world.clock.runUntil(75_000)
  assert.equal(world.spool.size, 0)
  assertStored(world, 'sick', sick)
})

test('what is in doubt is settled before anything that came later is drained', async () => {
  let silent = false
  const world = new SpoolWorld({}, { request: () => (silent ? 'silent' : undefined) })
  await world.start()
  world.send('early', 't')
  world.cluster.create('t', 1)
  await world.runFor(500)
  silent = true
  world.send('in doubt')
  await world.runFor(20)
  world.send('later')
  await world.runFor(AFTER_MS + 2000)
  assert.deepEqual([world.how('in doubt'), world.how('later')], [undefined, 'spooled'])
  assert.equal(world.journaled.length, 0)
  silent = false
  await world.runFor(30_000)
  assert.equal(world.spool.size, 0)
  const [log = []] = world.cluster.stored('t')
  assert.equal(log.filter(value => value === 'later').length, 1)
  if (world.how('in doubt') === 'stored') assert.deepEqual(log, ['early', 'in doubt', 'later'])
})

test('nothing is sent that the journal does not know', async () => {
  const world = new SpoolWorld()
  await world.start()
  world.cluster.create('t', 1)
  world.outages.push({ from: 0, until: 3000 })
  world.isJournalSick = true
  world.send('a')
  await world.runFor(15_000)
  assert.equal(world.how('a'), 'spooled')
  assert.deepEqual(world.cluster.stored('t'), [[]])
  world.isJournalSick = false
  await world.runFor(15_000)
  assert.deepEqual(world.cluster.stored('t'), [['a']])
  const [attempt] = world.journaled
  assert.deepEqual([attempt?.topic, attempt?.partition, attempt?.sequence], ['t', 0, 0])
  assert.deepEqual(
    attempt?.records.map(({ stream, topic }) => [stream, topic]),
    [['t', 't']],
  )
})

test('a batch whose answer is lost is sent again in place, and stored once', async () => {
  let losses = 0
  const world = new SpoolWorld(
    {},
    {
      request: (_broker, _lane, { batches }) =>
        batches.length > 0 && losses-- > 0 ? 'unanswered' : undefined,
    },
  )
  await world.start()
  world.cluster.create('t', 1)
  void world.spool.append({
    topic: 't',
    partition: 0,
    key: null,
    value: 'a',
    valueBytes: 1,
    timestamp: 1,
    stream: 's',
    delivery: 'guaranteed',
  })
  losses = 3
  await world.runFor(20_000)
  assert.deepEqual(world.cluster.stored('t'), [['a']])
  assert.deepEqual([world.counts.drained, world.counts.possiblyTwice], [1, 0])
})

test('what a broker refuses for good becomes a dead letter, and what follows is stored', async () => {
  const world = new SpoolWorld()
  await world.start()
  world.cluster.create('t', 1, undefined, { compacted: true })
  world.outages.push({ from: 0, until: 3000 })
  world.send('a', 't', 'k')
  world.send('without a key', 't', null)
  world.send('b', 't', 'k')
  await world.runFor(20_000)
  assert.deepEqual(world.cluster.stored('t'), [['a', 'b']])
  assert.deepEqual(world.counts.dead, ['without a key'])
  assert.equal(world.spool.size, 0)
})

test('over kills and power cuts at any moment all that was promised is stored, once and in order', async () => {
  let restarts = 0
  for (const seed of SEEDS) {
    const random = randomFrom(seed)
    const world = new SpoolWorld(
      {},
      {
        request: () => {
          const isAway = world.outages.some(
            ({ from, until }) => from <= world.clock.time && world.clock.time < until,
          )
          if (isAway) return random() < 0.5 ? 'lost' : 'unanswered'
          return random() < 0.05 ? 'unanswered' : undefined
        },
        latency: () => 1 + 20 * random(),
      },
    )
    world.cluster.create('t', 2)
    await world.start()
    const keys = ['a', 'b', 'c', 'd']
    const sent: string[] = []
    for (let time = 0; time < 40_000; time += 2000 + 8000 * random())
      world.outages.push({ from: time, until: time + 6000 * random() })
    let restartAt = 5000 * random()
    while (world.clock.time < 40_000) {
      const key = keys[sent.length % 4] as string
      const value = `t ${key} ${sent.length}`
      world.send(value, 't', key)
      sent.push(value)
      await world.runFor(100 * random())
      if (world.clock.time < restartAt) continue
      restartAt = world.clock.time + 12_000 * random()
      restarts++
      await world.restart(random() < 0.5 ? 'kill' : 'crash')
    }
    await world.runFor(60_000)
    const name = `seed ${seed}`
    assert.equal(world.spool.size, 0, name)
    assert.deepEqual(world.troubles, [], name)
    assert.equal(world.counts.possiblyTwice, 0, name)
    assertStored(world, 't', sent, name)
  }
  assert.ok(restarts > SEEDS.length)
})

for (const [how, forgets, twice] of [
  ['remembers', false, 0],
  ['has forgotten', true, 3],
] as const)
  test(`a batch that was on its way at a kill is stored once where its broker ${how} it`, async () => {
    let [isAway, isCut] = [false, true]
    const world = new SpoolWorld(
      {},
      {
        request: (_broker, _lane, { batches }) => {
          const last = batches.flatMap(({ records }) => records).some(({ value }) => `${value}` === 't k 5')
          return isAway ? 'lost' : last && isCut ? 'unanswered' : undefined
        },
      },
    )
    // Old brokers know a producer for as long as there is a batch of it.
    if (forgets) world.cluster.upgrade({ produce: 5 })
    world.cluster.create('t', 1)
    await world.start()
    world.send('t k 0', 't', 'k')
    await world.runFor(100)
    isAway = true
    for (let i = 1; i < 6; i++) {
      world.send(`t k ${i}`, 't', 'k')
      await world.runFor(600)
    }
    assert.equal(world.how('t k 3'), 'spooled')
    isAway = false
    for (let i = 0; !world.cluster.stored('t').flat().includes('t k 5'); i++) {
      assert.ok(i < 30_000)
      await world.runFor(1)
    }
    await world.restart('kill')
    isCut = false
    if (forgets) world.cluster.forget(world.cluster.partition('t'))
    await world.runFor(20_000)
    const stored = world.cluster.stored('t').flat()
    assert.equal(world.spool.size, 0)
    assert.equal(world.counts.possiblyTwice, twice)
    assert.equal(stored.length, new Set(stored).size + twice)
    for (let i = 2; i < 6; i++) assert.ok(stored.includes(`t k ${i}`))
  })

test('a drain that ends leaves the rest for the next', async () => {
  const world = new SpoolWorld()
  await world.start()
  world.cluster.create('t', 1)
  world.outages.push({ from: 0, until: 60_000 })
  world.send('a')
  await world.runFor(5000)
  const stopping = world.drain.stop()
  await world.runFor(100)
  await stopping
  const closing = world.target.sender.close(0)
  await world.runFor(100)
  await closing
  assert.equal(world.spool.size, 1)
})
