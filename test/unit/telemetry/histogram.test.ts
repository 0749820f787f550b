import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Histogram, Registry } from 'prom-client'
import { CheapHistogram } from '#src/lib/telemetry/histogram.js'

test('a cheap histogram says what one of prom-client does', async () => {
  const observation = fc.tuple(fc.constantFrom('a', 'b"c'), fc.double({ min: 0, max: 20, noNaN: true }))
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(fc.double({ min: 0.001, max: 10, noNaN: true }), { minLength: 1, maxLength: 8 }),
      fc.array(observation, { minLength: 1, maxLength: 50 }),
      async (unsorted, observations) => {
        const bounds = unsorted.toSorted((a, b) => a - b)
        const [ours, theirs] = [new Registry(), new Registry()]
        const description = { name: 'h', help: 'What it is', labelNames: ['service', 'x'] }
        const cheap = new CheapHistogram(ours, { ...description, bounds })
        const full = new Histogram({ ...description, buckets: bounds, registers: [theirs] })
        for (const [x, value] of [...observations, ['a', bounds[0] as number] as const]) {
          cheap.of({ service: 's', x }).observe(value)
          full.observe({ service: 's', x }, value)
        }
        assert.equal(await ours.metrics(), await theirs.metrics())
      },
    ),
    { numRuns: 100 },
  )
})
