import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Delivery } from '#src/lib/eventgate.js'
import { Admission } from '#src/lib/http/admission.js'
import type { Hold } from '#src/lib/http/hold.js'

const KIB = 1024
const limits = { maxBytes: 1024 * KIB, maxEvents: 10_000, maxRequests: 100 }
const make = () => new Admission({ guaranteed: limits, hasty: limits })
const forLong = () => 60_000

test('guaranteed and hasty requests have rooms of their own', () => {
  const small = { maxBytes: 10, maxEvents: 10, maxRequests: 1 }
  const admission = new Admission({ guaranteed: limits, hasty: small })
  assert.equal(admission.room('guaranteed'), limits)
  assert.equal(admission.room('hasty'), small)
  const hold = admission.enter('hasty', 0, forLong)
  assert.throws(() => admission.enter('hasty', 0, forLong), { code: 'over_capacity' })
  void hold.grow(5)
  admission.enter('guaranteed', 0, forLong)
  assert.deepEqual(admission.inFlight('hasty'), { bytes: 5, events: 0 })
  assert.deepEqual(admission.inFlight('guaranteed'), { bytes: 0, events: 0 })
})

test('whatever comes and goes: never far above the room, never below nothing, empty at the end', async () => {
  const step = fc.record({
    delivery: fc.constantFrom<Delivery>('guaranteed', 'hasty'),
    announced: fc.integer({ min: 0, max: 600 * KIB }),
    pieces: fc.array(fc.integer({ min: 1, max: 64 * KIB }), { maxLength: 12 }),
    kept: fc.boolean(),
    events: fc.integer({ min: 0, max: 11_000 }),
    leaves: fc.boolean(),
  })
  await fc.assert(
    fc.asyncProperty(fc.array(step), async steps => {
      const admission = make()
      const inside: Hold[] = []
      const waiting: Promise<unknown>[] = []
      for (const { delivery, announced, pieces, kept, events, leaves } of steps) {
        if (leaves) inside.shift()?.leave()
        let hold: Hold | undefined
        try {
          hold = admission.enter(delivery, announced, forLong)
          const own = hold
          own.refused = () => own.leave()
          let paused: Promise<void> | undefined
          for (const piece of pieces) {
            paused = own.grow(piece)
            if (paused || own.state === 'left') break
          }
          if (paused) waiting.push(paused.catch(() => {}))
          else if (own.state !== 'left') {
            own.arrived()
            const begun = own.begin(events)
            if (begun) waiting.push(begun.catch(() => {}))
          }
          if (kept) inside.push(own)
          else own.leave()
        } catch (error) {
          assert.match((error as { code: string }).code, /^(over_capacity|body_too_large)$/)
          hold?.leave()
        }
        for (const room of ['guaranteed', 'hasty'] as const) {
          const { bytes, events } = admission.inFlight(room)
          assert.ok(bytes >= 0 && bytes <= 2 * limits.maxBytes, `${bytes}`)
          assert.ok(events >= 0 && events <= 2 * limits.maxEvents, `${events}`)
        }
      }
      for (const hold of inside) hold.leave()
      await Promise.all(waiting)
      for (const room of ['guaranteed', 'hasty'] as const)
        assert.deepEqual(admission.inFlight(room), { bytes: 0, events: 0 })
    }),
  )
})
