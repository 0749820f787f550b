import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runFuzz, Tally } from './fuzz.js'
import { unreached } from './table.js'
import { KAFKA_CODES, makeTrouble } from './trouble.js'

/** `npm run fuzz` sends thirty times as many, and asks a broker for the other codes. */
test('hostile requests: every one is answered or ended in order, every code is reached, nothing is left behind', {
  timeout: 300_000,
}, async t => {
  const seed = 6
  const trouble = new Tally()
  const [report] = await Promise.all([runFuzz({ seed, count: 3000 }), makeTrouble(trouble)])
  t.diagnostic(
    `seed ${seed}: ${report.tally.answers} answers, RSS ${report.rss.warm} to ${report.rss.after} MB`,
  )
  assert.deepEqual(report.tally.broken, [])
  assert.deepEqual(trouble.broken, [])
  assert.deepEqual(
    unreached(report.tally, trouble).sort(),
    [...KAFKA_CODES].sort(),
    'no answer had these codes: make one in trouble.ts, or name a code that takes a broker in KAFKA_CODES',
  )
})
