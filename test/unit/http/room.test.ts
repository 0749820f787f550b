import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Delivery } from '#src/lib/eventgate.js'
import { Admission } from '#src/lib/http/admission.js'
import type { Hold } from '#src/lib/http/hold.js'
import type { RoomLimits } from '#src/lib/http/room.js'

const KIB = 1024
const limits = { maxBytes: 1024 * KIB, maxEvents: 10_000, maxRequests: 100 }
const make = (more: Partial<RoomLimits> = {}) => {
  const room = { ...limits, ...more }
  return new Admission({ guaranteed: room, hasty: room })
}
const full = { code: 'over_capacity', status: 503, retriable: true }
const forLong = () => 60_000

/** A request that announces nothing, with so many bytes whole. */
function whole(admission: Admission, kib: number, delivery: Delivery = 'guaranteed'): Hold {
  const hold = admission.enter(delivery, 0, forLong)
  assert.equal(hold.grow(kib * KIB), undefined)
  hold.arrived()
  return hold
}

/** Whether a promise is settled by now. */
async function isDone(promise: Promise<unknown> | undefined): Promise<boolean> {
  let done = false
  promise?.then(
    () => {
      done = true
    },
    () => {},
  )
  await new Promise(setImmediate)
  return done
}

test('room is held for what has come, not for what is announced', () => {
  const admission = make()
  const holds = Array.from({ length: 50 }, () => admission.enter('guaranteed', 500 * KIB, forLong))
  assert.deepEqual(admission.inFlight('guaranteed'), { bytes: 0, events: 0 })
  for (const hold of holds) assert.equal(hold.grow(1), undefined)
  assert.deepEqual(admission.inFlight('guaranteed'), { bytes: 50, events: 0 })
  for (const hold of holds) hold.leave()
  assert.deepEqual(admission.inFlight('guaranteed'), { bytes: 0, events: 0 })
})

test('what does not fit beside events that are begun is refused at once, at the door or when it comes', () => {
  const admission = make()
  for (let i = 0; i < 8; i++) void whole(admission, 112).begin(1)
  assert.throws(() => admission.enter('guaranteed', 100 * KIB, forLong), full)
  const chunked = admission.enter('guaranteed', 0, forLong)
  assert.throws(() => chunked.grow(100 * KIB), full)
  chunked.leave()
  // Hasty requests have a room of their own.
  void whole(admission, 112, 'hasty').begin(1)
})

test('the last eighth of a room is for small requests', () => {
  const admission = make()
  for (let i = 0; i < 8; i++) void whole(admission, 112).begin(1)
  for (let i = 0; i < 8; i++) void whole(admission, 16).begin(64)
  assert.throws(() => admission.enter('guaranteed', 1, forLong), full)
  const events = make()
  for (let i = 0; i < 4; i++) void whole(events, 1).begin(2000)
  void whole(events, 1).begin(750)
  assert.throws(() => whole(events, 1).begin(65), full)
  void whole(events, 1).begin(64)
})

test('when bodies that are coming fill the room, one goes on, the others pause, and small ones pass', async () => {
  const admission = make()
  const holds = Array.from({ length: 6 }, () => admission.enter('guaranteed', 250 * KIB, forLong))
  const [first, second, third, fourth, fifth] = holds as [Hold, Hold, Hold, Hold, Hold, Hold]
  for (const hold of holds.slice(0, 4)) assert.equal(hold.grow(220 * KIB), undefined)
  // The room is full except for the part of small requests.
  assert.equal(first.grow(30 * KIB), undefined, 'one goes on')
  const pauses = [second.grow(30 * KIB), third.grow(30 * KIB)]
  assert.ok(pauses[0] && pauses[1])
  void whole(admission, 4).begin(1)
  assert.equal(await isDone(pauses[0]), false)
  // The next goes on when the first is there, and all do when there is room.
  first.arrived()
  assert.equal(await isDone(pauses[0]), true)
  assert.equal(await isDone(pauses[1]), false)
  first.leave()
  fourth.leave()
  assert.equal(await isDone(pauses[1]), true)
  assert.equal(fifth.grow(20 * KIB), undefined)
})

test('who pauses longer than it may is refused, and keeps no place', async () => {
  const admission = make()
  for (let i = 0; i < 4; i++) whole(admission, 220)
  const late = admission.enter('guaranteed', 0, () => 20)
  assert.equal(late.grow(10 * KIB), undefined)
  const ahead = late.grow(100 * KIB)
  assert.equal(ahead, undefined)
  const later = admission.enter('guaranteed', 0, () => 20)
  assert.equal(later.grow(10 * KIB), undefined)
  await assert.rejects(later.grow(20 * KIB) as Promise<void>, full)
  // One whose client goes away while it pauses neither.
  const gone = admission.enter('guaranteed', 0, forLong)
  const paused = gone.grow(20 * KIB) as Promise<void>
  gone.leave()
  await assert.rejects(paused, full)
})

test('where small bodies that do not come fill the room, the slowest makes room for the next', () => {
  const admission = make({ maxRequests: 1000 })
  const refused: number[] = []
  for (let i = 0; i < 100; i++) {
    const hold = admission.enter('guaranteed', 0, forLong)
    hold.refused = () => {
      refused.push(i)
      hold.leave()
    }
    void hold.grow(15 * KIB)
  }
  assert.deepEqual(
    refused,
    Array.from({ length: 32 }, (_, i) => i),
  )
  void whole(admission, 1).begin(1)
})

test('small requests have room of their own beside large ones that overrun it', async () => {
  const admission = make()
  const large = [whole(admission, 700), admission.enter('guaranteed', 0, forLong)]
  // The first is whole; the second goes ahead, because bodies that wait for each other would never be whole.
  assert.equal(large[1]?.grow(700 * KIB), undefined)
  assert.ok(admission.inFlight('guaranteed').bytes > limits.maxBytes)
  const small = Array.from({ length: 8 }, () => whole(admission, 16))
  const late = admission.enter('guaranteed', 0, forLong)
  assert.throws(() => late.grow(16 * KIB), full)
  for (const hold of [...large, ...small, late]) hold.leave()
  assert.deepEqual(admission.inFlight('guaranteed'), { bytes: 0, events: 0 })
})

test('a large request is alone, begins while others use no more than half, and keeps no small one out', async () => {
  for (const [kib, events, weight] of [
    [300, 1, 0],
    [100, 2501, 0],
    [100, 1, 300 * KIB],
  ] as const) {
    const admission = make()
    const others = [whole(admission, 200), whole(admission, 200), whole(admission, 200)]
    for (const other of others) assert.equal(other.begin(100), undefined)
    const one = admission.enter('guaranteed', 0, forLong)
    await (one.grow(kib * KIB) ?? undefined)
    one.arrived()
    const begun = one.begin(events, weight)
    assert.equal(await isDone(begun), false)
    void whole(admission, 1).begin(64)
    others[0]?.leave()
    assert.equal(await isDone(begun), true)
    assert.equal(admission.inFlight('guaranteed').events, 264 + events)
    const two = whole(admission, 100).begin(2501)
    assert.equal(await isDone(two), false)
    for (let i = 0; i < 20; i++) void whole(admission, 1).begin(64)
    one.leave()
    assert.equal(await isDone(two), true)
  }
})

test('one alone may be of any size that is let in at all', () => {
  const admission = make()
  void whole(admission, 200).begin(10)
  const hold = admission.enter('guaranteed', 1000 * KIB, forLong)
  for (let i = 0; i < 10; i++) assert.equal(hold.grow(100 * KIB), undefined)
  hold.arrived()
  assert.equal(hold.begin(10_000), undefined)
  void whole(admission, 10).begin(64)
})

test('more events than could ever be held are too many, not too early', () => {
  const refused = { code: 'body_too_large', status: 413, retriable: false }
  assert.throws(() => whole(make(), 1).begin(10_001), refused)
  assert.throws(() => whole(make({ maxEvents: 2 }), 1).begin(3), refused)
})

test('requests have a bound of their own, for each weighs something whatever it holds', () => {
  const admission = make({ maxRequests: 2 })
  const hold = admission.enter('guaranteed', 0, forLong)
  admission.enter('guaranteed', 0, forLong)
  assert.throws(() => admission.enter('guaranteed', 0, forLong), full)
  admission.enter('hasty', 0, forLong)
  hold.leave()
  admission.enter('guaranteed', 0, forLong)
})

test('where a small request did not fit for its events, those that come are refused unread until there is room again', () => {
  const admission = make({ maxEvents: 100 })
  const [one, two] = [whole(admission, 1), whole(admission, 1)]
  void one.begin(60)
  void two.begin(38)
  const third = whole(admission, 1)
  assert.throws(() => third.begin(3), full)
  third.leave()
  assert.throws(() => admission.enter('guaranteed', 1, forLong), full)
  two.leave()
  void whole(admission, 1).begin(3)
})
