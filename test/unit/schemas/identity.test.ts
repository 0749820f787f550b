import assert from 'node:assert/strict'
import { test } from 'node:test'
import { looksLikeSchema, otherName } from '#src/lib/schemas/identity.js'

const URI = '/test/event/1.0.0'

test('a keyword, an identity or its title tells a schema', () => {
  const schemas = [
    { type: 'object' },
    { type: 'objekt' },
    { type: ['string', 'null'] },
    { $schema: 'x' },
    { $ref: '/other/1' },
    { properties: {} },
    { additionalProperties: false },
    { anyOf: [{}] },
    { required: ['a'] },
    { enum: [1] },
    { const: null },
    { title: 'test/event' },
  ]
  for (const schema of schemas) assert.ok(looksLikeSchema(URI, schema), JSON.stringify(schema))
})

test('an answer of another kind is not taken for a schema', () => {
  const answers = [
    {},
    { type: 'about:blank', title: 'Not Found', status: 404 },
    { error: { code: 'x' } },
    { items: [], total: 0 },
    { title: 'other/event' },
    { anyOf: [] },
    { properties: null },
  ]
  for (const answer of answers) assert.ok(!looksLikeSchema(URI, answer), JSON.stringify(answer))
})

test('a document may call itself as it is asked for, with a host or from further up', () => {
  const own = [
    {},
    { $id: URI },
    { $id: 'test/event/1.0.0.yaml' },
    { id: 'https://example.org/schemas/primary/test/event/1.0.0#' },
    { title: 'test/event' },
    { title: 'any text' },
    { $id: '/left/over/1.0.0', title: 'test/event' },
  ]
  for (const document of own) assert.equal(otherName(URI, document), undefined, JSON.stringify(document))
  assert.equal(otherName('/test/event/latest', { $id: '/test/event/1.2.0' }), undefined)
})

test('a document that calls itself otherwise says so', () => {
  assert.equal(otherName(URI, { $id: '/test/event/2.0.0' }), '/test/event/2.0.0')
  assert.equal(otherName(URI, { title: 'other/event' }), 'other/event')
  assert.equal(otherName('/test/event/latest', { $id: '/other/1.0.0' }), '/other/1.0.0')
})
