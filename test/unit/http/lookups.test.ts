import assert from 'node:assert/strict'
import { test } from 'node:test'
import { HastyLookups, MAX_LOOKUPS } from '#src/lib/http/lookups.js'

test('a hasty request gets more lookups after a second, for half a minute, and not while the service ends', async t => {
  t.mock.timers.enable({ apis: ['Date', 'setTimeout'] })
  const connections = { closing: false }
  const lookups = new HastyLookups(connections)
  lookups.left = -1
  const renewed = lookups.renew()
  t.mock.timers.tick(999)
  assert.equal(lookups.left, -1)
  t.mock.timers.tick(1)
  assert.equal(await renewed, true)
  assert.equal(lookups.left, MAX_LOOKUPS)
  connections.closing = true
  assert.equal(await lookups.renew(), false)
  connections.closing = false
  t.mock.timers.tick(30_000)
  assert.equal(await lookups.renew(), false)
})
