import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PROPERTIES, type Property, play, type Report } from './run.js'
import { SCENES } from './scenes.js'

const SEEDS = Array.from({ length: 12 }, (_, index) => index + 1)
/** Seeds of runs that violated a property once. */
const REGRESSIONS = [99, 425, 749, 1128, 1599, 1904, 2454, 2765, 844, 1714, 2775, 33]

function broken({ seed, violations }: Report): string[] {
  return violations.map(({ property, text }) => `npm run simulate -- --seed ${seed}: ${property}: ${text}`)
}

test('two simulated hours of random faults: every answer is true, and partitions that are well are quick', {
  timeout: 600_000,
}, async t => {
  const outcomes = { delivered: 0, not_stored: 0, unknown: 0 }
  let asked = 0
  for (const seed of SEEDS) {
    const report = await play(seed, { minutes: 10 })
    assert.deepEqual(broken(report), [])
    asked += report.asked.isolation
    for (const name of ['delivered', 'not_stored', 'unknown'] as const)
      outcomes[name] += report.outcomes[name]
  }
  t.diagnostic(`${JSON.stringify(outcomes)}; isolation was asked of ${asked} events`)
  // The faults must neither be so rare nor so frequent that nothing was shown.
  for (const [outcome, count] of Object.entries(outcomes)) assert.ok(count > 100, `${outcome}: ${count}`)
  assert.ok(asked > 1000, `${asked}`)
})

test('runs that violated a property once do so no more', { timeout: 600_000 }, async () => {
  for (const seed of REGRESSIONS) assert.deepEqual(broken(await play(seed, { minutes: 10 })), [])
})

test('a run follows from its seed', async () => {
  assert.deepEqual(await play(21, { minutes: 5 }), await play(21, { minutes: 5 }))
})

/** What a broker may do that must not escape the simulation. */
const CRIMES: Partial<Record<Property, (answer: { code: number; baseOffset: number }) => void>> = {
  // It says that it stored what it refused.
  lost: answer => {
    if (answer.code > 0 && answer.baseOffset < 0) answer.code = 0
  },
  // It says that it refused what it stored.
  untrue: answer => {
    if (answer.code === 0) Object.assign(answer, { code: 29, baseOffset: -1 })
  },
}

for (const [property, crime] of Object.entries(CRIMES))
  test(`the simulation notices: ${PROPERTIES[property as Property]}`, async () => {
    const { violations } = await play(4, {
      minutes: 3,
      prepare: cluster => {
        const produce = cluster.produce.bind(cluster)
        cluster.produce = async (broker, request) => {
          const response = await produce(broker, request)
          if (cluster.clock.time > 30_000) response.results.forEach(crime)
          return response
        }
      },
    })
    assert.ok(
      violations.some(violation => violation.property === property),
      JSON.stringify(violations),
    )
  })

for (const { name, play: playScene } of SCENES)
  test(`a scene: ${name}`, async t => {
    for (const { what, figures, holds } of await playScene()) {
      t.diagnostic(`${what}: ${figures}`)
      assert.ok(holds, `${what}: ${figures}`)
    }
  })
