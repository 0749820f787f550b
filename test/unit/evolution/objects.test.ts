import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FactReader } from '#src/lib/evolution/facts.js'
import { FilledPlaces } from '#src/lib/evolution/filling.js'
import { objectGaps } from '#src/lib/evolution/objects.js'
import { sideOf } from '../../fuzz/evolution.js'

/** The keywords that do not follow, and what would have to be proven of properties. */
function rules(older: Record<string, unknown>, newer: Record<string, unknown>) {
  const { parts } = sideOf('/objects/1.0.0', {})
  const reader = new FactReader(parts)
  const filling = { older: {}, newer: {}, both: {}, replaced: {}, schemaUriField: '$schema' }
  const proven: unknown[] = []
  const proof = {
    ...{ reader, filled: new FilledPlaces(filling, parts, parts, reader), newer: parts },
    prove(_facts: unknown, schema: unknown, place: readonly unknown[]) {
      proven.push([place.at(-1), schema])
      return []
    },
    follows: () => false,
  }
  const gaps = objectGaps(proof, [older], newer, [], true).map(({ keyword }) => keyword)
  return { gaps, proven }
}

test('a property is required if it was, or if a default fills it in', () => {
  assert.deepEqual(rules({}, { required: ['a'] }).gaps, ['required'])
  assert.deepEqual(rules({ required: ['a'] }, { required: ['a'] }).gaps, [])
  const filled = { required: ['a'], properties: { a: { type: 'number', default: 1 } } }
  assert.deepEqual(rules({}, filled).gaps, [])
  const wrong = { properties: { a: { type: 'string', default: 1 } } }
  assert.deepEqual(rules({}, wrong).gaps, ['default'])
})

test('each property, pattern and other property is proven in turn', () => {
  const [number, text, nothing] = [{ type: 'number' }, { type: 'string' }, { type: 'null' }]
  const newer = {
    properties: { a: number },
    patternProperties: { '^x': text },
    additionalProperties: nothing,
  }
  const { proven } = rules({ properties: { b: {} }, patternProperties: { '^y': {} } }, newer)
  assert.deepEqual(proven, [
    ['a', number],
    [{ any: 'property', matching: '^y' }, text],
    [{ any: 'property', matching: '^x' }, text],
    ['b', nothing],
    [{ any: 'property', matching: '^y' }, nothing],
    [{ any: 'property' }, nothing],
  ])
})

test('a closed object has no more properties than it names, and no fewer than it requires', () => {
  const closed = { properties: { a: {}, b: {} }, additionalProperties: false, required: ['a'] }
  assert.deepEqual(rules(closed, { maxProperties: 2, minProperties: 1 }).gaps, [])
  assert.deepEqual(rules(closed, { maxProperties: 1, minProperties: 2 }).gaps, [
    'maxProperties',
    'minProperties',
  ])
})

test('a dependency matters only for a property that there may be', () => {
  const newer = { dependencies: { a: ['b'] } }
  assert.deepEqual(rules({}, newer).gaps, ['dependencies'])
  assert.deepEqual(rules({ required: ['b'] }, newer).gaps, [])
  assert.deepEqual(rules({ properties: { a: false } }, newer).gaps, [])
  assert.deepEqual(rules(newer, newer).gaps, [])
})
