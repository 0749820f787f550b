import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setUp } from '../../support/kafka-sender.js'

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
