import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { GateError } from '#src/lib/errors.js'
import type { Trace } from '#src/lib/eventgate.js'
import { Sender } from '#src/lib/kafka/sender.js'
import { FakeClock, FakeCluster, randomFrom } from '../../support/kafka-fake.js'
import { SETTINGS } from '../../support/kafka-sender.js'

interface Fate {
  key: string | null
  sentAt: number
  deadline: number
  answeredAt: number
  outcome: 'delivered' | 'not_stored' | 'unknown'
  code?: string
  topic: string
}

/** Everything that may go wrong does, as often as `trouble` says, until the faults end. */
function brokenCluster(
  clock: FakeClock,
  random: () => number,
  { trouble, idempotence }: Scenario,
  until: number,
): FakeCluster {
  const plain = idempotence !== 'kept'
  const hits = (chance: number) => clock.time < until && random() < chance * trouble
  const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)] as T
  return new FakeCluster(clock, {
    latency: () => 1 + Math.floor(random() * 10),
    connect: () => (hits(0.2) ? pick(['refused', 'hangs'] as const) : undefined),
    request: () =>
      hits(0.25) ? pick(['lost', 'unanswered', 'zombie', 'silent', 'unanswered'] as const) : undefined,
    metadata: () => (hits(0.2) ? 'fails' : undefined),
    producerId: () => (hits(0.2) ? 'fails' : undefined),
    batch: (_broker, batch) => {
      if (!hits(0.4)) return undefined
      return pick([
        { code: 19 },
        { code: 6 },
        { code: 3 },
        { code: 5 },
        { code: 2 },
        { code: 29 },
        { code: 10 },
        { code: 45 },
        { code: 47 },
        { code: 59 },
        { code: 42 },
        { code: 87 },
        { code: 87, recordErrors: [{ index: Math.floor(random() * batch.records.length), message: 'bad' }] },
        { code: -1 },
        { code: 1234 },
        { code: 7, append: true },
        { code: 7, append: true, offset: true },
        { code: 20, append: true },
        { code: 56, append: true },
        { code: -1, append: true },
        { code: 6, append: true, offset: true },
        { code: 77, append: true },
        { missing: true },
        { code: 3, missing: true },
        { waitMs: Math.floor(random() * 6000) },
        { waitMs: Math.floor(random() * 6000) },
        ...(plain ? [{ code: 31 }, { code: 43 }] : []),
      ])
    },
  })
}

interface Scenario {
  seed: number
  trouble: number
  moves: number
  events: number
  span: number
  partitions: number
  keys: number
  batchMessages: number
  lingerMs: number
  timeoutMs: number
  /** The share of events with a deadline of their own. */
  hurried: number
  /** Which versions brokers are of, and become. */
  kafka: 'new' | 'old' | 'mixed'
  /** Whether brokers let us be idempotent: else events are stored at least once. */
  idempotence: 'kept' | 'refused' | 'taken'
}

async function play(scenario: Scenario) {
  const random = randomFrom(scenario.seed)
  const clock = new FakeClock()
  const until = scenario.span + 5000
  const cluster = brokenCluster(clock, random, scenario, until)
  const { kafka, idempotence } = scenario
  cluster.create('a', scenario.partitions)
  cluster.create('b', 2, undefined, { oldFormat: idempotence === 'taken' })
  if (kafka !== 'new') cluster.upgrade({ produce: 5 })
  if (idempotence === 'refused') cluster.upgrade({ denies: true })
  const settings = {
    ...SETTINGS,
    batchMessages: scenario.batchMessages,
    lingerMs: scenario.lingerMs,
    timeoutMs: scenario.timeoutMs,
  }
  const sender = new Sender(settings, cluster, clock, random)
  const fates: Fate[] = []
  for (let i = 0; i < scenario.events; i++) {
    clock.at(Math.floor((random() * i * scenario.span) / scenario.events), () => {
      const id = fates.length
      const key = random() < 0.2 ? null : `k${Math.floor(random() * scenario.keys)}`
      const topic = random() < 0.8 ? 'a' : 'b'
      // Requests that came slowly have little of their time left.
      const timeoutMs = random() < scenario.hurried ? Math.ceil(random() * settings.timeoutMs) : Infinity
      const deadline = clock.time + Math.min(timeoutMs, settings.timeoutMs)
      const fate: Fate = { key, topic, sentAt: clock.time, deadline, answeredAt: -1, outcome: 'delivered' }
      fates.push(fate)
      const answer = (outcome: Fate['outcome'], code?: string) => {
        assert.equal(fate.answeredAt, -1, 'an event is answered once')
        fate.answeredAt = clock.time
        fate.outcome = outcome
        if (code) fate.code = code
      }
      const trace = { headers: random() < 0.1 ? { h: 'v' } : undefined } as Trace
      sender.send(topic, key ? Buffer.from(key) : null, String(id), 1_700_000_000_000, timeoutMs, trace).then(
        () => answer('delivered'),
        error => {
          assert.ok(error instanceof GateError, String(error))
          answer(error.fate, error.code)
        },
      )
    })
  }
  for (let i = 0; i < scenario.moves; i++) {
    clock.at(Math.floor(random() * until), () => {
      const all = [...cluster.topics.values()].flat()
      const partition = all[Math.floor(random() * all.length)]
      if (!partition) return
      const broker = Math.floor(random() * 3)
      if (kafka === 'mixed') {
        const produce = [5, 7, 8][Math.floor(random() * 3)] as number
        cluster.brokers.set(broker, { ...cluster.brokers.get(broker), produce })
      }
      if (idempotence === 'taken') {
        const denies = random() < 0.5
        cluster.brokers.set(broker, { ...cluster.brokers.get(broker), denies })
      }
      const roll = random()
      if (roll < 0.2) partition.starved = true
      else if (roll < 0.4) cluster.move(partition, -1, random() < 0.5)
      else cluster.move(partition, Math.floor(random() * 3), random() < 0.5)
    })
  }
  clock.at(until, () => {
    for (const partition of [...cluster.topics.values()].flat()) {
      partition.starved = false
      if (partition.leader < 0) cluster.move(partition, 0, false)
    }
  })
  await clock.runUntil(until + 60_000)
  return { fates, cluster, sender, clock }
}

function check(
  { fates, cluster, sender }: Awaited<ReturnType<typeof play>>,
  { idempotence }: Scenario,
): void {
  const copies = new Map<string, number>()
  for (const topic of ['a', 'b'])
    for (const log of cluster.stored(topic))
      for (const value of log) copies.set(value, (copies.get(value) ?? 0) + 1)
  for (const [id, fate] of fates.entries()) {
    const stored = copies.get(String(id)) ?? 0
    const what = `event ${id} (${JSON.stringify(fate)}) is stored ${stored} times`
    assert.notEqual(fate.answeredAt, -1, what)
    assert.ok(fate.answeredAt <= fate.deadline, what)
    assert.ok((cluster.lastSent.get(String(id)) ?? 0) <= fate.answeredAt, `sent after its answer: ${what}`)
    if (fate.outcome === 'delivered') assert.ok(stored >= 1, what)
    if (fate.outcome === 'not_stored') assert.equal(stored, 0, what)
    if (idempotence === 'kept') assert.ok(stored <= 1, what)
  }
  assert.deepEqual(cluster.violations, [])
  // Without an identity nothing keeps a late attempt from landing after what followed it.
  if (idempotence === 'kept') checkOrder(fates, cluster)
  assert.equal(sender.queuedMessages, 0)
  assert.equal(sender.queuedBytes, 0)
}

function checkOrder(fates: readonly Fate[], cluster: FakeCluster): void {
  for (const topic of ['a', 'b'])
    for (const log of cluster.stored(topic)) {
      const latest = new Map<string, number>()
      for (const value of log) {
        const { key, outcome } = fates[Number(value)] as Fate
        if (key === null || outcome !== 'delivered') continue
        assert.ok((latest.get(key) ?? -1) < Number(value), `key ${key}: ${value} after ${latest.get(key)}`)
        latest.set(key, Number(value))
      }
    }
}

test('whatever goes wrong, each event has one outcome, in time, and it is true', {
  timeout: 300_000,
}, async () => {
  const totals = { delivered: 0, not_stored: 0, unknown: 0 }
  await fc.assert(
    fc.asyncProperty(
      fc.record({
        seed: fc.integer(),
        trouble: fc.constantFrom(0.05, 0.2, 0.5, 1),
        moves: fc.integer({ min: 0, max: 12 }),
        events: fc.integer({ min: 1, max: 150 }),
        span: fc.constantFrom(50, 2000, 15_000),
        partitions: fc.integer({ min: 1, max: 6 }),
        keys: fc.integer({ min: 1, max: 8 }),
        batchMessages: fc.constantFrom(1, 3, 10_000),
        lingerMs: fc.constantFrom(0, 10, 100),
        timeoutMs: fc.constantFrom(1500, 4000, 8900, 30_000),
        hurried: fc.constantFrom(0, 0.1, 0.5),
        kafka: fc.constantFrom('new', 'old', 'mixed'),
        idempotence: fc.constantFrom('kept', 'kept', 'refused', 'taken'),
      }),
      async scenario => {
        const played = await play(scenario)
        check(played, scenario)
        for (const { outcome } of played.fates) totals[outcome]++
      },
    ),
    { numRuns: Number(process.env.KAFKA_RUNS ?? 150), includeErrorInReport: true },
  )
  if (process.env.KAFKA_RUNS) console.log(totals)
  // The faults must neither be so rare nor so frequent that nothing was shown.
  for (const [outcome, count] of Object.entries(totals)) assert.ok(count > 100, `${outcome}: ${count}`)
})
