import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FactReader } from '#src/lib/evolution/facts.js'
import { FilledPlaces, type Filling } from '#src/lib/evolution/filling.js'
import { sideOf } from '../../fuzz/evolution.js'

const { parts } = sideOf('/filling/1.0.0', {})

function places(filling: Partial<Filling>): FilledPlaces {
  const all = { older: {}, newer: {}, both: {}, replaced: {}, schemaUriField: '$schema', ...filling }
  return new FilledPlaces(all, parts, parts, new FactReader(parts))
}

test('the gate fills in values, and the objects around them', () => {
  const filled = places({ newer: { 'meta.dt': ['now', 'then'], 'meta.id': ['x'] } })
  assert.deepEqual(filled.filledAt('newer', ['meta', 'dt']), ['now', 'then'])
  assert.deepEqual(filled.filledAt('newer', ['meta']), [
    { dt: 'now', id: 'x' },
    { dt: 'then', id: 'x' },
  ])
  assert.equal(filled.filledAt('older', ['meta']), undefined)
  assert.equal(filled.filledAt('newer', ['metadata']), undefined)
  assert.ok(filled.fillsBelow(['meta']) && filled.fillsBelow([]) && !filled.fillsBelow(['other']))
})

test('a place is plain if neither the gate nor a default changes it', () => {
  const filled = places({ newer: { 'meta.dt': ['now'] } })
  assert.ok(filled.isPlain([{}], {}, ['other']))
  assert.ok(!filled.isPlain([{}], {}, ['meta']))
  assert.ok(!filled.isPlain([{ properties: { a: { default: 1 } } }], {}, ['other']))
  assert.ok(!filled.isPlain([{ anyOf: [{ required: ['$schema'] }] }], {}, []), 'it judges the version')
})

test('what a default or the gate fills in need not be in the event as it came', () => {
  const facts = [{ required: ['a', 'b', 'c'], properties: { b: { default: 1 }, c: { type: 'string' } } }]
  assert.deepEqual([...places({}).rawRequired(facts, [])], ['a', 'c'])
  assert.deepEqual([...places({ older: { c: ['text'] } }).rawRequired(facts, [])], ['a'])
  assert.deepEqual([...places({ older: { c: [5] } }).rawRequired(facts, [])], ['a', 'c'], 'it is taken back')
  assert.deepEqual([...places({ both: { d: ['x'] } }).rawRequired(facts, [])], ['a', 'c', 'd'])
})

test('values satisfy all that the newer schema says of a property', () => {
  const newer = { properties: { a: { type: 'string' } }, patternProperties: { '^a': { maxLength: 3 } } }
  assert.ok(places({}).allSatisfy(['abc', 'x'], newer, 'a'))
  assert.ok(!places({}).allSatisfy(['abc', 'abcd'], newer, 'a'))
})
