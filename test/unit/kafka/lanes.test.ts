import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Lanes, Pace } from '#src/lib/kafka/lanes.js'
import { FakeClock, FakeCluster } from '../../support/kafka-fake.js'
import { SETTINGS } from '../../support/kafka-sender.js'

test('a partition that is found to be slow waits longer each time, up to eight seconds', () => {
  const pace = new Pace()
  const waits = Array.from({ length: 5 }, () => {
    pace.slowDown(0, false)
    return pace.waitMs
  })
  assert.deepEqual(waits, [1000, 2000, 4000, 8000, 8000])
})

test('three quick first attempts bring a partition back to the fast lane, and a second attempt does not count', () => {
  const pace = new Pace()
  pace.slowDown(0, false)
  for (const isFirstAttempt of [true, true, false, true, true]) pace.stored(1, 10, 40, isFirstAttempt)
  assert.ok(pace.isSlow)
  pace.stored(1, 10, 40, true)
  assert.ok(!pace.isSlow)
})

test('each ten seconds without news halve the wait, also if nobody asked meanwhile', () => {
  const pace = new Pace()
  for (let i = 0; i < 4; i++) pace.slowDown(1000, false)
  pace.forgive(10_999)
  assert.equal(pace.waitMs, 8000)
  pace.forgive(11_000)
  assert.equal(pace.waitMs, 4000)
  pace.forgive(31_000)
  assert.equal(pace.waitMs, 1000)
  pace.forgive(41_000)
  assert.ok(!pace.isSlow)
})

test('a pause that a broker asks for is kept for a minute at most, and never cut short by a shorter one', () => {
  const clock = new FakeClock()
  const lanes = new Lanes(1, new FakeCluster(clock, {}), clock, SETTINGS)
  lanes.throttle(5000, 0)
  lanes.throttle(100, 0)
  assert.equal(lanes.throttledUntil, 5000)
  lanes.throttle(2 ** 31 - 1, 0)
  assert.equal(lanes.throttledUntil, 60_000)
})
