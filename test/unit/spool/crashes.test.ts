import assert from 'node:assert/strict'
import { test } from 'node:test'
import { playAll } from '../../support/spool-crashes.js'

test('100 directories with crashes at random moments and faults of the disk: nothing is lost, nor twice, nor out of order', async t => {
  const { violations, summary } = await playAll(1, 100)
  t.diagnostic(summary)
  assert.deepEqual(violations, [])
})
