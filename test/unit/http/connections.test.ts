import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Connections } from '#src/lib/http/connections.js'

test('ages differ, so that connections opened together do not end together', t => {
  let now = 0
  t.mock.method(performance, 'now', () => now)
  const old = (maxAgeMs: number) => {
    const connections = new Connections({ max: 1000, maxAgeMs })
    const sockets = Array.from({ length: 200 }, () => ({}))
    for (const socket of sockets) connections.opened(socket)
    now += 50
    const last = sockets.filter(socket => connections.isLast(socket)).length
    for (const socket of sockets) connections.closed(socket)
    assert.equal(connections.count, 0)
    return last
  }
  assert.equal(old(0), 0)
  assert.equal(old(5000), 0)
  const some = old(50)
  assert.ok(some > 20 && some < 180, `${some} of 200`)
  assert.equal(old(10), 200)
})
