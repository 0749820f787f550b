import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import jsonSchemaDiff from 'json-schema-diff'
import { comparePairs, comparison, sideOf } from '../fuzz/evolution.js'

type Members = Record<string, unknown>

const { diffSchemas } = jsonSchemaDiff

test('generated pairs: what is compatible is never contradicted, and what breaks is shown', () => {
  const result = comparePairs({ pairs: 200, events: 100, seed: 20261127 })
  assert.equal(result.pairs, 200)
  assert.ok(result.compatible > 80 && result.accepted > 2000, JSON.stringify(result))
})

/** Schemas of the keywords that json-schema-diff knows. */
const known: fc.Arbitrary<Members> = fc.letrec<{ schema: Members }>(tie => ({
  schema: fc.oneof(
    { maxDepth: 2 },
    fc.constantFrom<Members>(
      { type: 'string' },
      { type: ['string', 'null'] },
      { type: 'integer' },
      { type: 'boolean' },
    ),
    fc
      .record({
        properties: fc.dictionary(fc.constantFrom('a', 'b', 'c'), tie('schema'), { maxKeys: 3 }),
        required: fc.uniqueArray(fc.constantFrom('a', 'b', 'c'), { maxLength: 2 }),
        additionalProperties: fc.boolean(),
      })
      .map(rules => ({ type: 'object', ...rules })),
  ),
})).schema

test('a second opinion: json-schema-diff sees it alike, for the keywords that it knows', async () => {
  const pairs = fc
    .sample(fc.tuple(known, known), { numRuns: 400, seed: 1 })
    .filter(([a, b]) => a.type === 'object' && b.type === 'object')
  let breaks = 0
  for (const [older, newer] of pairs) {
    const { verdict } = comparison.compare(sideOf('/a/1.0.0', older), sideOf('/a/1.1.0', newer))
    const { removalsFound } = await diffSchemas({ sourceSchema: older, destinationSchema: newer })
    // It takes an integer for another type than number, and knows no gate; neither is in these schemas.
    assert.equal(verdict, removalsFound ? 'breaks' : 'compatible', JSON.stringify({ older, newer }))
    if (removalsFound) breaks++
  }
  assert.ok(breaks > 20 && breaks < pairs.length, `${breaks} of ${pairs.length}`)
})
