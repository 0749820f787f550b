import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Room } from '#src/lib/http/room.js'

const limits = { maxBytes: 1024 * 1024, maxEvents: 100, maxRequests: 1 }
const forLong = () => 60_000

test('an answered request makes room for another, though what it brought is held until it leaves', () => {
  const room = new Room(limits)
  const hold = room.enter(0, forLong)
  void hold.grow(60_000)
  hold.arrived()
  void hold.begin(10)
  assert.throws(() => room.enter(0, forLong), { code: 'over_capacity' })
  hold.answered()
  hold.answered()
  assert.deepEqual([room.requests, room.bytes, room.events], [0, 60_000, 10])
  room.enter(0, forLong).leave()
  hold.leave()
  hold.leave()
  assert.deepEqual([room.requests, room.bytes, room.events], [0, 0, 0])
})

test('bytes that are not kept are given back, and none after it has left', () => {
  const room = new Room(limits)
  const hold = room.enter(0, forLong)
  void hold.grow(1000)
  hold.shrink(300)
  assert.equal(room.bytes, 700)
  hold.leave()
  hold.shrink(100)
  assert.equal(room.bytes, 0)
})
