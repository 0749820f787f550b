import assert from 'node:assert/strict'
import { test } from 'node:test'
import { backoffMs } from '#src/lib/kafka/backoff.js'

test('each failure doubles the wait, up to the longest', () => {
  const waits = [0, 1, 2, 3, 4].map(failures => backoffMs(failures, 100, 1000))
  assert.deepEqual(waits, [100, 200, 400, 800, 1000])
  assert.equal(backoffMs(1e6, 100, 1000), 1000)
})
