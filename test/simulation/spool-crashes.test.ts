import assert from 'node:assert/strict'
import { test } from 'node:test'
import { playAll } from '../support/spool-crashes.js'

test('10,000 directories with crashes at random moments and faults of the disk: nothing is lost, nor twice, nor out of order', {
  timeout: 1_200_000,
}, async t => {
  const { violations, summary } = await playAll(1, 10_000)
  t.diagnostic(summary)
  assert.deepEqual(violations, [])
})
