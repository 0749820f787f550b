import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Admission, type Ticket } from '#src/lib/admission.js'
import type { Delivery } from '#src/lib/eventgate.js'

const room = { maxBytes: 100, maxEvents: 10, maxRequests: 20 }
const make = () => new Admission({ guaranteed: room, hasty: room })

test('room is taken and given back as a whole', () => {
  const admission = make()
  const ticket = admission.enter('guaranteed', 60)
  assert.deepEqual(admission.inFlight('guaranteed'), { bytes: 60, events: 0 })
  // What was announced comes, and more of it than that.
  ticket.addBytes(50)
  ticket.addBytes(50)
  ticket.addEvents(10)
  assert.deepEqual(admission.inFlight('guaranteed'), { bytes: 100, events: 10 })
  assert.throws(() => admission.enter('guaranteed', 1), {
    code: 'over_capacity',
    status: 503,
    retriable: true,
  })
  ticket.leave()
  assert.deepEqual(admission.inFlight('guaranteed'), { bytes: 0, events: 0 })
  admission.enter('guaranteed', 100)
})

test('neither seat can refuse the other', () => {
  const admission = make()
  admission.enter('hasty', 100).addEvents(10)
  assert.throws(() => admission.enter('hasty', 1), { code: 'over_capacity' })
  admission.enter('guaranteed', 100).addEvents(10)
})

test('what is refused takes nothing', () => {
  const admission = make()
  const ticket = admission.enter('guaranteed', 90)
  ticket.addBytes(90)
  assert.throws(() => ticket.addBytes(11), { code: 'over_capacity' })
  assert.deepEqual(admission.inFlight('guaranteed'), { bytes: 90, events: 0 })
  admission.enter('guaranteed', 10).addEvents(6)
  assert.throws(() => ticket.addEvents(5), { code: 'over_capacity' })
  assert.deepEqual(admission.inFlight('guaranteed'), { bytes: 100, events: 6 })
})

test('more events than could ever be held are too many, not too early', () => {
  const ticket = make().enter('guaranteed', 1)
  assert.throws(() => ticket.addEvents(11), { code: 'body_too_large', status: 413, retriable: false })
})

test('of what is announced, only the beginning holds room before it comes', () => {
  const large = { maxBytes: 1_000_000, maxEvents: 10, maxRequests: 20 }
  const admission = new Admission({ guaranteed: large, hasty: large })
  const tickets = Array.from({ length: 10 }, () => admission.enter('guaranteed', 300_000))
  assert.deepEqual(admission.inFlight('guaranteed'), { bytes: 10 * 65_536, events: 0 })
  assert.throws(() => admission.enter('guaranteed', 344_641), { code: 'over_capacity' })
  const [first, second] = tickets as [Ticket, Ticket]
  first.addBytes(65_536)
  first.addBytes(234_464)
  assert.throws(() => second.addBytes(300_000), { code: 'over_capacity' })
  first.leave()
  second.addBytes(300_000)
  for (const ticket of tickets) ticket.leave()
  assert.deepEqual(admission.inFlight('guaranteed'), { bytes: 0, events: 0 })
})

test('requests have a bound of their own, for each weighs something whatever it holds', () => {
  const few = { ...room, maxRequests: 2 }
  const admission = new Admission({ guaranteed: few, hasty: few })
  const ticket = admission.enter('guaranteed', 0)
  admission.enter('guaranteed', 0)
  assert.throws(() => admission.enter('guaranteed', 0), { code: 'over_capacity' })
  admission.enter('hasty', 0)
  ticket.leave()
  // One that is answered, though its events are not stored yet, is none any more.
  const answered = admission.enter('guaranteed', 60)
  answered.answered()
  answered.answered()
  assert.equal(admission.inFlight('guaranteed').bytes, 60)
  const last = admission.enter('guaranteed', 0)
  assert.throws(() => admission.enter('guaranteed', 0), { code: 'over_capacity' })
  last.leave()
  answered.leave()
  admission.enter('guaranteed', 0)
  assert.throws(() => admission.enter('guaranteed', 0), { code: 'over_capacity' })
})

test('leaving twice gives back once', () => {
  const admission = make()
  const [one, two] = [admission.enter('hasty', 30), admission.enter('hasty', 30)]
  one.leave()
  one.leave()
  assert.deepEqual(admission.inFlight('hasty'), { bytes: 30, events: 0 })
  two.leave()
  assert.deepEqual(admission.inFlight('hasty'), { bytes: 0, events: 0 })
})

test('whatever comes and goes: never above the room, never below nothing, empty at the end', () => {
  const amount = fc.integer({ min: 0, max: 60 })
  const step = fc.record({
    delivery: fc.constantFrom<Delivery>('guaranteed', 'hasty'),
    bytes: amount,
    more: amount,
    events: fc.integer({ min: 0, max: 12 }),
    leaves: fc.boolean(),
  })
  fc.assert(
    fc.property(fc.array(step), steps => {
      const admission = make()
      const inside: Ticket[] = []
      for (const { delivery, bytes, more, events, leaves } of steps) {
        if (leaves) inside.shift()?.leave()
        const before = admission.inFlight(delivery)
        const fits = before.bytes + bytes <= room.maxBytes
        try {
          const ticket = admission.enter(delivery, bytes)
          assert.ok(fits)
          inside.push(ticket)
          ticket.addBytes(more)
          ticket.addEvents(events)
        } catch (error) {
          assert.match((error as { code: string }).code, /^(over_capacity|body_too_large)$/)
        }
        for (const seat of ['guaranteed', 'hasty'] as const) {
          const { bytes, events } = admission.inFlight(seat)
          assert.ok(bytes >= 0 && bytes <= room.maxBytes && events >= 0 && events <= room.maxEvents)
        }
      }
      for (const ticket of inside) ticket.leave()
      for (const seat of ['guaranteed', 'hasty'] as const)
        assert.deepEqual(admission.inFlight(seat), { bytes: 0, events: 0 })
    }),
  )
})

test('where a request did not fit for its events, those that come are refused unread until there is room again', () => {
  const admission = make()
  const [one, two] = [admission.enter('hasty', 1), admission.enter('hasty', 1)]
  one.addEvents(7)
  two.addEvents(2)
  const third = admission.enter('hasty', 1)
  assert.throws(() => third.addEvents(2), { code: 'over_capacity' })
  third.leave()
  assert.throws(() => admission.enter('hasty', 1), { code: 'over_capacity' })
  assert.deepEqual(admission.inFlight('hasty'), { bytes: 2, events: 9 })
  two.leave()
  admission.enter('hasty', 1).addEvents(3)
})

test('one large request that does not fit keeps no small ones out', () => {
  const admission = make()
  admission.enter('guaranteed', 1).addEvents(5)
  assert.throws(() => admission.enter('guaranteed', 1).addEvents(6), { code: 'over_capacity' })
  admission.enter('guaranteed', 1).addEvents(3)
})
