// biome-ignore-all lint/suspicious/noThenProperty: it is a keyword of JSONSchema
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { comparison, sideOf } from '../../fuzz/evolution.js'

type Members = Record<string, unknown>

const NO_PROPERTY = { additionalProperties: false }

/** A schema as they are in production, with one field of each kind. */
const BASE = {
  $schema: 'https://json-schema.org/draft-07/schema#',
  type: 'object',
  required: ['$schema', 'meta', 'wiki'],
  ...NO_PROPERTY,
  properties: {
    $schema: { type: 'string' },
    meta: {
      type: 'object',
      required: ['dt', 'stream'],
      properties: {
        dt: { type: 'string', format: 'date-time', maxLength: 128 },
        id: { type: 'string' },
        stream: { type: 'string', minLength: 1 },
      },
    },
    wiki: { type: 'string', minLength: 1, maxLength: 50 },
    page_id: { type: 'integer', minimum: 0, maximum: 1000 },
    score: { type: 'number', exclusiveMinimum: 0, exclusiveMaximum: 1 },
    step: { type: 'integer', multipleOf: 4 },
    kind: { type: 'string', enum: ['create', 'edit', 'delete'] },
    comment: { type: ['string', 'null'], maxLength: 500 },
    tags: { type: 'array', items: { type: 'string', maxLength: 20 }, minItems: 1, maxItems: 10 },
    flags: { type: 'object', additionalProperties: { type: 'boolean' }, maxProperties: 5 },
    user: { type: 'object', required: ['name'], properties: { name: { type: 'string' } } },
    target: { anyOf: [{ type: 'string', maxLength: 100 }, { type: 'integer' }] },
    code: { type: 'string', pattern: '^[a-z]+$', maxLength: 10 },
    slots: { type: 'object', patternProperties: { '^s_': { type: 'integer' } }, ...NO_PROPERTY },
    either: { oneOf: [{ type: 'string', maxLength: 5 }, { type: 'boolean' }] },
  },
}

type Base = typeof BASE & { properties: Record<string, Members>; [more: string]: unknown }
type Edit = (schema: Base) => unknown

const field =
  (name: string, rules: Members): Edit =>
  schema =>
    Object.assign(schema.properties[name] as Members, rules)
const without =
  (name: string, ...rules: string[]): Edit =>
  schema => {
    for (const rule of rules) delete (schema.properties[name] as Members)[rule]
  }

const BREAKING: Record<string, Edit> = {
  'a required field': schema => schema.required.push('page_id'),
  'a required field in an object': schema => schema.properties.meta.required.push('id2'),
  'a field that is gone from a closed schema': schema => delete (schema.properties as Members).comment,
  'a field of another name': schema => {
    const { comment, ...rest } = schema.properties
    schema.properties = { ...rest, note: comment } as never
  },
  'a type that is gone': field('comment', { type: 'string' }),
  'an integer in place of a number': field('score', { type: 'integer' }),
  'another type': field('wiki', { type: 'integer' }),
  'a value that is gone from an enum': field('kind', { enum: ['create', 'edit'] }),
  'an enum': field('wiki', { enum: ['enwiki'] }),
  'a const': field('wiki', { const: 'enwiki' }),
  'a shorter maxLength': field('wiki', { maxLength: 49 }),
  'a longer minLength': field('wiki', { minLength: 2 }),
  'a pattern': field('wiki', { pattern: '^[a-z]+$' }),
  'a narrower pattern': field('code', { pattern: '^[a-y]+$' }),
  'a format': field('wiki', { format: 'hostname' }),
  'a lower maximum': field('page_id', { maximum: 999 }),
  'a higher minimum': field('page_id', { minimum: 1 }),
  'an exclusive limit': field('page_id', { exclusiveMaximum: 1000 }),
  'a coarser multipleOf': field('step', { multipleOf: 8 }),
  'fewer items': field('tags', { maxItems: 9 }),
  'more items': field('tags', { minItems: 2 }),
  'narrower items': field('tags', { items: { type: 'string', maxLength: 19 } }),
  'unique items': field('tags', { uniqueItems: true }),
  'items that must hold one': field('tags', { contains: { const: 'x' } }),
  'a map of another type': field('flags', { additionalProperties: { type: 'string' } }),
  'a map with fewer names': field('flags', { propertyNames: { maxLength: 3 } }),
  'a smaller map': field('flags', { maxProperties: 4 }),
  'a closed object': field('user', NO_PROPERTY),
  'a new field of an open object': field('user', {
    properties: { name: { type: 'string' }, age: { type: 'integer' } },
  }),
  'a branch that is gone': field('target', { anyOf: [{ type: 'string', maxLength: 100 }] }),
  'a branch too many': field('either', {
    oneOf: [{ type: 'string', maxLength: 5 }, { type: 'boolean' }, { const: true }],
  }),
  'a dependency': schema => Object.assign(schema, { dependencies: { page_id: ['comment'] } }),
  'a condition': schema =>
    Object.assign(schema, {
      if: { properties: { kind: { const: 'edit' } }, required: ['kind'] },
      then: { required: ['page_id'] },
    }),
  'what may not be': field('wiki', { not: { const: 'testwiki' } }),
  'narrower names of a map': field('slots', { patternProperties: { '^s_a': { type: 'integer' } } }),
}

const HARMLESS: Record<string, Edit> = {
  nothing: () => {},
  'an optional field of a closed schema': schema =>
    Object.assign(schema.properties, { extra: { type: 'string' } }),
  'an optional object of a closed schema': schema =>
    Object.assign(schema.properties, { extra: { type: 'object', required: ['a'], properties: { a: {} } } }),
  'other words': schema => Object.assign(schema, { description: 'text', title: 'text', $comment: 'text' }),
  examples: schema => Object.assign(schema, { examples: [{ wiki: 1 }] }),
  'a field that is no longer required': schema => schema.required.splice(schema.required.indexOf('wiki'), 1),
  'one more type': field('comment', { type: ['string', 'null', 'integer'] }),
  'a number in place of an integer': field('page_id', { type: 'number' }),
  'one more value of an enum': field('kind', { enum: ['create', 'edit', 'delete', 'move'] }),
  'the same enum in another order': field('kind', { enum: ['delete', 'edit', 'create'] }),
  'no enum': without('kind', 'enum'),
  'a longer maxLength': field('wiki', { maxLength: 51 }),
  'a shorter minLength': field('wiki', { minLength: 0 }),
  'no pattern': without('code', 'pattern'),
  'no format': schema => delete (schema.properties.meta.properties.dt as Members).format,
  'a higher maximum': field('page_id', { maximum: 1001 }),
  'no limits': without('page_id', 'minimum', 'maximum'),
  'an exclusive limit of whole numbers': schema => {
    const { page_id } = schema.properties
    delete (page_id as Members).maximum
    Object.assign(page_id, { exclusiveMaximum: 1001 })
  },
  'an inclusive limit': schema => {
    delete (schema.properties.score as Members).exclusiveMaximum
    Object.assign(schema.properties.score, { maximum: 1 })
  },
  'a finer multipleOf': field('step', { multipleOf: 2 }),
  'more items may be': field('tags', { maxItems: 11 }),
  'fewer items need be': without('tags', 'minItems'),
  'wider items': field('tags', { items: { type: ['string', 'integer'] } }),
  'a wider map': field('flags', { additionalProperties: { type: ['boolean', 'null'] } }),
  'an open map': field('flags', { additionalProperties: true }),
  'one more branch': field('target', { anyOf: [{ type: 'integer' }, { type: 'string' }, { type: 'null' }] }),
  'branches as types': schema =>
    Object.assign(schema.properties, { target: { type: ['string', 'integer'] } }),
  'a type as branches': schema =>
    Object.assign(schema.properties, { comment: { anyOf: [{ type: 'string' }, { type: 'null' }] } }),
  'a definition in place of a field': schema => {
    Object.assign(schema, { definitions: { wiki: schema.properties.wiki } })
    Object.assign(schema.properties, { wiki: { $ref: '#/definitions/wiki' } })
  },
  'the same in allOf': schema =>
    Object.assign(schema.properties, { wiki: { allOf: [schema.properties.wiki] } }),
  'an open schema': schema => delete (schema as Members).additionalProperties,
  'a field that the gate fills in': schema => schema.properties.meta.required.push('id'),
  'a required field with a default': schema => {
    schema.required.push('retries')
    Object.assign(schema.properties, { retries: { type: 'integer', default: 3 } })
  },
  'a format of the time that the gate fills in': schema =>
    Object.assign(schema.properties.meta.properties.dt, { minLength: 24 }),
  'a condition that always holds': schema =>
    Object.assign(schema, { if: { required: ['wiki'] }, then: { properties: { wiki: { type: 'string' } } } }),
}

function compareWith(edit: Edit) {
  const newer = structuredClone(BASE) as unknown as Base
  edit(newer)
  return comparison.compare(sideOf('/a/1.0.0', BASE), sideOf('/a/1.1.0', newer))
}

for (const [name, edit] of Object.entries(BREAKING)) {
  test(`breaks: ${name}`, () => {
    const verdict = compareWith(edit)
    assert.equal(verdict.verdict, 'breaks', JSON.stringify(verdict))
    if (verdict.verdict !== 'breaks') return
    const newer = structuredClone(BASE) as unknown as Base
    edit(newer)
    assert.equal(comparison.refusal(verdict.event, sideOf('/a/1.0.0', BASE).schema), undefined)
    const refusal = comparison.refusal(verdict.event, sideOf('/a/1.1.0', newer).schema)
    assert.deepEqual([refusal?.dataPath, refusal?.keyword], [verdict.rule.path, verdict.rule.keyword])
    assert.ok(JSON.stringify(verdict.event).length < 2500, `it is small: ${JSON.stringify(verdict.event)}`)
  })
}

for (const [name, edit] of Object.entries(HARMLESS)) {
  test(`compatible: ${name}`, () => {
    assert.deepEqual(compareWith(edit), { verdict: 'compatible' })
  })
}

test('a default is what an event has that lacks the field', () => {
  const field = { retries: { type: 'integer', default: 3 } }
  const older = { type: 'object', required: ['retries'], properties: field }
  const newer = { ...older, properties: { retries: { type: 'integer' } } }
  const compare = (one: object, other: object) =>
    comparison.compare(sideOf('/a/1.0.0', one), sideOf('/a/1.1.0', other)).verdict
  assert.equal(compare(older, newer), 'breaks')
  assert.equal(compare(newer, older), 'compatible')
  assert.equal(
    compare(older, { ...older, properties: { retries: { type: 'integer', default: 4 } } }),
    'compatible',
  )
  assert.equal(
    compare(older, { ...older, properties: { retries: { type: 'integer', default: 'x' } } }),
    'breaks',
  )
})

test('there are enough of both', () => {
  assert.ok(Object.keys(BREAKING).length >= 25)
  assert.ok(Object.keys(HARMLESS).length >= 25)
})

test('a verdict that cannot be found names the keyword', () => {
  const one = { type: 'object', properties: { a: { type: 'string', maxLength: 40, pattern: '^(?:ab)*$' } } }
  const other = {
    type: 'object',
    properties: { a: { type: 'string', maxLength: 40, pattern: '^(?:(?:ab){2})*(?:ab)?$' } },
  }
  const verdict = comparison.compare(sideOf('/a/1.0.0', one), sideOf('/a/1.1.0', other))
  assert.equal(verdict.verdict, 'cannot_tell')
  if (verdict.verdict === 'cannot_tell')
    assert.deepEqual([verdict.rule.path, verdict.rule.keyword], ['.a', 'pattern'])
})
