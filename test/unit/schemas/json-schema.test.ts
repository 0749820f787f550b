import assert from 'node:assert/strict'
import { test } from 'node:test'
import { membersOf, namedSchemasFor, schemasFor } from '#src/lib/schemas/json-schema.js'

const [a, x, rest] = [{ type: 'string' }, { minLength: 1 }, { type: 'number' }]
const schema = { properties: { ab: a }, patternProperties: { '^a': x }, additionalProperties: rest }

test('a property is held against its own schema and those of all patterns that its name matches', () => {
  assert.deepEqual(schemasFor(schema, 'ab'), [a, x])
  assert.deepEqual(schemasFor(schema, 'ac'), [x])
  assert.deepEqual(namedSchemasFor(schema, 'ac'), [x])
})

test('only other properties are held against additionalProperties', () => {
  assert.deepEqual(schemasFor(schema, 'b'), [rest])
  assert.deepEqual(namedSchemasFor(schema, 'b'), [])
  assert.deepEqual(schemasFor({ additionalProperties: false }, 'b'), [false])
  assert.deepEqual(schemasFor({}, 'b'), [])
})

test('names that every object inherits are not properties of a schema', () => {
  assert.deepEqual(schemasFor({ properties: {} }, 'constructor'), [])
})

test('a keyword that is no object has no members', () => {
  for (const value of [undefined, null, 'text', 5]) assert.deepEqual(membersOf(value), {})
  assert.equal(membersOf(schema.properties).ab, a)
})
