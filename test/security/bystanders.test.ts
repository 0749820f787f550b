import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runBystanders } from '../fuzz/bystanders.js'

/** Of each kind one; `npm run fuzz -- --bystanders` runs all of them, for longer, and looks at the time as well. */
const ATTACKS = [
  'an inexact number and five million others, gzip, hasty',
  '50,000 empty events, their answer read at once',
  '17 and 40 requests in one write',
  'long names in paths of errors, wide characters',
  'an error event that would be larger than a message',
  'a registry that says sorry with status 200',
  'unique anything, 2,000 in each of 100 events',
  '#2: ',
]

test('no bystander is refused or lost beside hostile clients, and the service survives', {
  timeout: 300_000,
}, async t => {
  for (const only of ATTACKS) {
    await t.test(only, async t => {
      const rows = await runBystanders({ seed: 6, generated: 3, only, seconds: 2 })
      assert.equal(rows.length, 1)
      for (const { report, peak, broken } of rows) {
        const { guaranteed, hasty, info } = report
        t.diagnostic(
          `slowest ${[guaranteed, hasty, info].map(({ slowest }) => slowest.toFixed(0))} ms, ${peak} MiB`,
        )
        assert.deepEqual(broken, [])
      }
    })
  }
})
