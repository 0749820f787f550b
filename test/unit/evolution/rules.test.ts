import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  admits,
  coversBooleans,
  defaultsOf,
  finite,
  isMultiple,
  isSame,
  isSameRule,
  itemOf,
  limitsOf,
  namesOf,
  patternsOf,
  standsAlone,
  typesOf,
} from '#src/lib/evolution/rules.js'

test('rules are the same whatever the order of keys, unless they refer to something', () => {
  assert.ok(isSame({ a: [1, { b: 2, c: 3 }] }, { a: [1, { c: 3, b: 2 }] }))
  assert.ok(!isSame([1, 2], [2, 1]) && !isSame({ a: undefined }, {}) && !isSame(1, '1'))
  assert.ok(isSameRule({ type: 'string' }, { type: 'string' }))
  assert.ok(!isSameRule({ $ref: '#/a' }, { $ref: '#/a' }), 'it may mean another document')
  assert.ok(!standsAlone(undefined))
})

test('number is integer or fraction', () => {
  assert.ok(
    admits('number', 'integer') && admits(['string', 'number'], 'fraction') && admits(undefined, 'null'),
  )
  assert.ok(!admits('integer', 'fraction') && !admits(['string'], 'object'))
  assert.deepEqual([...typesOf([{ type: ['number', 'string'] }, { type: ['integer', 'null'] }])], ['integer'])
  assert.deepEqual([...typesOf([{ enum: [1, null] }])], ['null', 'integer'])
})

test('listed values are all that there are, unless one has parts', () => {
  assert.deepEqual(finite([{}, { enum: [1, 'x'] }]), [1, 'x'])
  assert.deepEqual(finite([{ const: null }]), [null])
  assert.equal(finite([{ enum: [1, {}] }]), undefined)
  assert.ok(coversBooleans([true, false, null], new Set(['boolean', 'null'])))
  assert.ok(!coversBooleans([true], new Set(['boolean'])) && !coversBooleans(['x'], new Set(['string'])))
})

test('the narrowest limits count, and those of whole numbers go to the next one', () => {
  const { minimum, maximum, below, above, maxLength, minLength } = limitsOf(
    [
      { minimum: 0.5, maxLength: 9 },
      { exclusiveMaximum: 7, maximum: 9, maxLength: 5 },
    ],
    new Set(['integer']),
  )
  assert.deepEqual([minimum, maximum, below > 6 && below < 7, maxLength, minLength], [1, 6, true, 5, 0])
  assert.ok(above < 1 && above > 0)
  const fractions = limitsOf([{ maximum: 7 }, { exclusiveMinimum: 1 }], new Set(['fraction']))
  assert.ok(fractions.below > 7 && fractions.below < 7.001)
  assert.equal(fractions.above, 1)
})

test('a multiple of 6 is one of 3, and every integer is one of 1', () => {
  const number = new Set(['integer', 'fraction'] as const)
  assert.ok(isMultiple([{ multipleOf: 6 }], number, 3))
  assert.ok(isMultiple([{ multipleOf: 0.1 }], number, 0.1))
  assert.ok(isMultiple([], new Set(['integer']), 1))
  assert.ok(!isMultiple([{ multipleOf: 3 }], number, 6) && !isMultiple([{ multipleOf: 0.2 }], number, 0.1))
})

test('items of a tuple have schemas of their own, and further ones that of additionalItems', () => {
  const tuple = [{ type: 'string' }, false]
  assert.equal(itemOf(tuple, { type: 'null' }, 0), tuple[0])
  assert.deepEqual(itemOf(tuple, { type: 'null' }, 2), { type: 'null' })
  assert.equal(itemOf(tuple, undefined, Infinity), true)
  assert.equal(itemOf(undefined, false, 0), true)
})

test('names, patterns and defaults are those of all schemas that hold', () => {
  const facts = [
    { properties: { a: { default: 1 }, b: true }, patternProperties: { '^x': {} } },
    { properties: { a: {}, c: {} }, patternProperties: { '^x': {}, '^y': {} } },
  ]
  assert.deepEqual(namesOf(facts), ['a', 'b', 'c'])
  assert.deepEqual(patternsOf(facts), ['^x', '^y'])
  assert.deepEqual([...defaultsOf(facts)], [['a', 1]])
})
