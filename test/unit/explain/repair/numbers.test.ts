import assert from 'node:assert/strict'
import { test } from 'node:test'
import { numbers } from '#src/lib/explain/repair/numbers.js'

test('a number that satisfies the bounds is among the candidates, the nearest first', () => {
  const first = (schema: Record<string, unknown>, like: number, accepts: (number: number) => boolean) =>
    [...numbers(schema, like)].find(accepts)
  assert.equal(
    first({ maximum: 10 }, 12, number => number <= 10),
    10,
  )
  assert.equal(
    first({ exclusiveMinimum: 3, type: 'integer' }, 3, number => number > 3 && Number.isInteger(number)),
    4,
  )
  assert.equal(
    first({ multipleOf: 0.3, minimum: 1 }, 1, number => number >= 1 && number === 1.2),
    1.2,
  )
  const between = first(
    { exclusiveMinimum: 0.1, exclusiveMaximum: 0.2 },
    5,
    number => number > 0.1 && number < 0.2,
  )
  assert.equal(between?.toFixed(2), '0.15')
})

test('all candidates are finite, and none is a negative zero', () => {
  const all = [...numbers({ minimum: -1, multipleOf: 1e-320 }, -0)]
  assert.ok(all.length > 3)
  for (const number of all) assert.ok(Number.isFinite(number) && !Object.is(number, -0))
})
