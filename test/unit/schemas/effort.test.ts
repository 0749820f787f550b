// biome-ignore-all lint/suspicious/noThenProperty: it is a keyword of JSONSchema
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { canonical } from '#src/lib/schemas/effort.js'
import { comparing, ours } from '../../support/ajv6.js'

/** Values that are easily taken for one another, in pairs that are equal and pairs that are not. */
const { value: alike } = fc.letrec(tie => ({
  value: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    fc.constantFrom<unknown>(0, 1, 1.0, 1, 1.5, '', '0', '1', 'true', 'null', '[1]', '{"a":1}', '\ud800'),
    fc.constantFrom<unknown>(true, false, null, [], {}, [[]], [{}], [1], ['1'], [true], [null]),
    fc.array(tie('value'), { maxLength: 3 }),
    fc.dictionary(fc.constantFrom('a', 'b', '', '1', 'a b', '"', '__proto'), tie('value'), {
      ...{ maxKeys: 3, noNullPrototype: true },
    }),
    fc.tuple(tie('value'), tie('value')).map(([a, b]) => ({ a, b })),
    fc.tuple(tie('value'), tie('value')).map(([b, a]) => ({ b, a })),
  ),
}))

test('uniqueItems, large enums and constants: the verdicts and texts of Ajv 6, whatever the order of keys', () => {
  const counts = { refused: 0, taken: 0 }
  const unique = [
    ...[{}, { items: {} }, { items: { type: ['object', 'string'] } }, { items: [{}, {}] }],
    ...[{ items: { type: ['string', 'null'] } }, { items: { type: 'array' } }, { minItems: 1 }],
  ].map(more => comparing({ properties: { v: { uniqueItems: true, ...more } } }))
  fc.assert(
    fc.property(fc.array(fc.oneof(alike, fc.constant(-0)), { maxLength: 12 }), values => {
      for (const compare of unique) counts[compare({ v: values }) > 0 ? 'refused' : 'taken']++
    }),
    { numRuns: 500 },
  )
  const members = fc.uniqueArray(alike, { minLength: 1, maxLength: 40, selector: canonical })
  fc.assert(
    fc.property(members, fc.array(alike, { maxLength: 8 }), ([constant, ...others], values) => {
      const compare = comparing({
        properties: {
          v: { items: { enum: [...others, ...Array.from({ length: 17 }, (_, i) => `member ${i}`)] } },
          w: { items: { const: constant } },
        },
      })
      const all = structuredClone([...values, constant, ...others, 'member 3', 'member 99'])
      counts[compare({ v: all.slice(0, 9), w: all }) > 0 ? 'refused' : 'taken']++
      if (others.length > 0) assert.equal(compare({ v: structuredClone(others), w: [constant] }), 0)
    }),
    { numRuns: 100 },
  )
  assert.ok(counts.refused > 300 && counts.taken > 300, JSON.stringify(counts))
})

test('names that JavaScript gives a meaning do not stop a comparison', () => {
  const judge = ours({
    properties: {
      u: { uniqueItems: true },
      e: { enum: [{ valueOf: 1 }, { constructor: { a: 1 } }] },
      c: { const: { toString: 1, a: 2 } },
    },
  })
  const awkward = () => JSON.parse('[{"valueOf":1},{"toString":"x"},{"constructor":1},{"__proto__":1}]')
  assert.equal(judge({ u: awkward() }).count, 0)
  for (const value of awkward()) assert.equal(judge({ u: [value, structuredClone(value)] }).count, 1)
  assert.equal(judge({ e: { valueOf: 1 }, c: { a: 2, toString: 1 } }).count, 0)
  assert.equal(judge({ e: { constructor: { a: 2 } }, c: { toString: 1 } }).count, 2)
})

test('what would take for ever does not', { timeout: 120_000 }, async t => {
  const objects = (count: number) => Array.from({ length: count }, (_, i) => ({ a: i, b: [i] }))
  await t.test('unique objects', () => {
    const judge = ours({
      properties: { v: { uniqueItems: true, maxItems: 100_000, items: { type: 'object' } } },
    })
    assert.equal(judge({ v: objects(50_000) }).count, 0)
    assert.equal(
      judge({ v: [...objects(50_000), { b: [7], a: 7 }] }).text,
      "'.v' should NOT have duplicate items (items ## 7 and 50000 are identical)",
    )
  })
  await t.test('an item that may be in ten lists of thousands', () => {
    const members = (kind: number) => Array.from({ length: 2000 }, (_, i) => ({ kind, value: String(i) }))
    const judge = ours({
      properties: { v: { items: { anyOf: Array.from({ length: 10 }, (_, i) => ({ enum: members(i) })) } } },
    })
    assert.equal(judge({ v: Array.from({ length: 5000 }, () => ({ value: '1999', kind: 9 })) }).count, 0)
    // A long value is not written out for each list that it may be in.
    assert.ok(judge({ v: [{ kind: 9, value: 'x'.repeat(5_000_000) }, objects(50_000)] }).count > 0)
  })
  await t.test('two ways through each level', () => {
    const child = { $ref: '#/definitions/tree' }
    const way = (op: string) => ({ properties: { a: child, op: { const: op } }, required: ['op'] })
    const judge = ours({
      definitions: { tree: { anyOf: [way('x'), way('y')] } },
      properties: { v: child },
    })
    const nested = (depth: number) =>
      Array.from({ length: depth }).reduce<object>((a, _, i) => ({ a, op: i % 2 ? 'x' : 'y' }), {})
    assert.ok(judge({ v: nested(5) }).count > 0)
    assert.throws(() => judge({ v: nested(100) }), { code: 'schema_insecure' })
    // To find all complaints would take too many steps: the first is told.
    const both = ours({
      definitions: {
        tree: { properties: { a: child }, patternProperties: { '^a': child }, required: ['op', 'b'] },
      },
      properties: { v: child },
    })
    assert.equal(both({ v: nested(60) }).text, "'.v' should have required property 'b'")
  })
})
