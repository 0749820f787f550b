import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FactReader, follow } from '#src/lib/evolution/facts.js'
import { sideOf } from '../../fuzz/evolution.js'

const definitions = {
  text: { type: 'string' },
  two: { $ref: '#/definitions/text' },
  circle: { $ref: '#/definitions/circle' },
}
const { parts } = sideOf('/facts/1.0.0', { definitions })
const reader = new FactReader(parts)
const ref = (name: string) => ({ $ref: `/facts/1.0.0#/definitions/${name}` })

test('references are followed to their end, and circles end', () => {
  assert.deepEqual(follow(parts, ref('two')), { type: 'string' })
  assert.equal(follow(parts, ref('circle')), true)
  assert.equal(follow(parts, true), true)
})

test('allOf is taken apart, and false leaves no value', () => {
  const schema = { allOf: [ref('text'), { maxLength: 3 }], minLength: 1 }
  assert.deepEqual(reader.of([schema, true]), [{ minLength: 1 }, { type: 'string' }, { maxLength: 3 }])
  assert.equal(reader.of([{}, { allOf: [false] }]), undefined)
  assert.equal(reader.of([schema])?.[0], reader.of([schema])?.[0], 'the same object each time')
})

test('what holds for properties and items', () => {
  const facts = [
    {
      properties: { a: { minimum: 1 }, no: false },
      patternProperties: { '^a': { maximum: 9 }, '^b': { type: 'null' } },
      additionalProperties: false,
      items: [{ type: 'string' }],
      additionalItems: { type: 'number' },
    },
  ]
  assert.deepEqual(reader.forProperty(facts, 'a'), [{ minimum: 1 }, { maximum: 9 }])
  assert.equal(reader.forProperty(facts, 'no'), undefined)
  assert.equal(reader.forProperty(facts, 'other'), undefined)
  assert.deepEqual(reader.forPattern(facts, '^b'), [{ type: 'null' }])
  assert.deepEqual(reader.forOthers(facts, '^b'), [{ type: 'null' }])
  assert.equal(reader.forOthers(facts), undefined)
  assert.deepEqual(reader.forItem(facts, 0), [{ type: 'string' }])
  assert.deepEqual(reader.forItem(facts, 5), [{ type: 'number' }])
})

test('an object is closed if it has neither patterns nor other properties', () => {
  assert.ok(reader.isClosed([{ properties: { a: {} } }, { additionalProperties: false }]))
  assert.ok(!reader.isClosed([{ properties: { a: {} } }]))
  assert.ok(!reader.isClosed([{ additionalProperties: false, patternProperties: { x: {} } }]))
})

test('there is no object that must have what it may not have', () => {
  const types = reader.typesOf([{ type: ['object', 'null'], required: ['a'] }, { properties: { a: false } }])
  assert.deepEqual([...types], ['null'])
  const empty = { properties: { a: { allOf: [{ type: 'string' }, { type: 'null' }] } }, required: ['a'] }
  assert.ok(!reader.typesOf([empty]).has('object'))
})
