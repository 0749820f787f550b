import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { PositionSet } from '#src/lib/spool/position-set.js'

test('it is a set', () => {
  const position = fc.nat(20_000)
  const step = fc.oneof(
    fc.record({ kind: fc.constant('add' as const), position }),
    fc.record({ kind: fc.constant('delete' as const), position }),
    fc.record({ kind: fc.constant('deleteRange' as const), position, length: fc.nat(9000) }),
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), fc.array(position), (steps, asked) => {
      const set = new PositionSet()
      const model = new Set<number>()
      for (const one of steps)
        if (one.kind === 'add') {
          assert.equal(set.add(one.position), !model.has(one.position))
          model.add(one.position)
        } else if (one.kind === 'delete') {
          set.delete(one.position)
          model.delete(one.position)
        } else {
          set.deleteRange(one.position, one.position + one.length)
          for (const at of model) if (at >= one.position && at < one.position + one.length) model.delete(at)
        }
      for (const at of [...asked, ...model]) assert.equal(set.has(at), model.has(at))
    }),
  )
})

test('what is written down of a range is all of it', () => {
  const set = new PositionSet()
  for (const position of [0, 1, 4095, 4096, 9000, 2 ** 40]) set.add(position)
  const copy = new PositionSet()
  copy.import(JSON.parse(JSON.stringify(set.export(1, 5000))))
  copy.add(2)
  copy.import(set.export(2 ** 40, 2 ** 40 + 1))
  assert.deepEqual(
    [0, 1, 2, 3, 4095, 4096, 9000, 2 ** 40].map(position => copy.has(position)),
    [true, true, true, false, true, true, false, true],
  )
})
