// biome-ignore-all lint/suspicious/noThenProperty: it is a keyword of JSONSchema
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { pathOf } from '#src/lib/evolution/gaps.js'
import { Subsumption } from '#src/lib/evolution/subsumption.js'
import { sideOf } from '../../fuzz/evolution.js'

const NO_FILLING = { older: {}, newer: {}, both: {}, replaced: {}, schemaUriField: '$schema' }

/** The keywords that do not follow, with their places. */
function gaps(older: object, newer: object): string[] {
  const [one, other] = [sideOf('/old/1.0.0', older), sideOf('/new/1.0.0', newer)]
  const found = new Subsumption(one.parts, other.parts, NO_FILLING).gaps()
  return found.map(({ place, keyword }) => `${pathOf(place)} ${keyword}`.trim())
}

test('a schema follows from itself, through references and circles', () => {
  const tree = {
    definitions: { tree: { properties: { children: { items: { $ref: '#/definitions/tree' } } } } },
    $ref: '#/definitions/tree',
  }
  const wide = { anyOf: [{ type: 'string' }, { oneOf: [{ minimum: 3 }, { not: { type: 'null' } }] }] }
  for (const schema of [tree, wide, {}, { properties: { a: false } }])
    assert.deepEqual(gaps(schema, schema), [])
})

test('narrower rules do not follow, wider ones do', () => {
  const pairs: [narrow: object, wide: object, gap: string][] = [
    [{ maximum: 5 }, { maximum: 6 }, 'maximum'],
    [{ type: 'integer', exclusiveMaximum: 6 }, { exclusiveMaximum: 7 }, 'exclusiveMaximum'],
    [{ enum: ['a'] }, { enum: ['a', 'b'] }, 'enum'],
    [{ type: 'string' }, { type: ['string', 'null'] }, 'type'],
    [{ items: { maxLength: 1 } }, { items: { maxLength: 2 } }, '[*] maxLength'],
    [{ properties: { a: { minLength: 2 } } }, { properties: { a: { minLength: 1 } } }, '.a minLength'],
  ]
  for (const [narrow, wide, gap] of pairs) {
    assert.deepEqual(gaps(narrow, wide), [], JSON.stringify(wide))
    assert.ok(gaps(wide, narrow).includes(gap), `${JSON.stringify(narrow)}: ${gaps(wide, narrow)}`)
  }
})

test('alternatives are followed one by one', () => {
  const older = { anyOf: [{ maximum: 3, type: 'number' }, { type: 'null' }] }
  assert.deepEqual(gaps(older, { anyOf: [{ type: 'number' }, { type: 'null' }] }), [])
  const conditional = { if: { type: 'string' }, then: { maxLength: 3 }, else: { type: 'null' } }
  assert.deepEqual(gaps(conditional, { type: ['string', 'null'], maxLength: 3 }), [])
})

test('nothing has to follow where no value is possible', () => {
  assert.deepEqual(gaps({ allOf: [{ type: 'string' }, { type: 'null' }] }, { not: {} }), [])
})
