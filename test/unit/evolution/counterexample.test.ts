import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Event } from '#src/lib/eventgate.js'
import { CounterexampleSearch } from '#src/lib/evolution/counterexample.js'
import { Subsumption } from '#src/lib/evolution/subsumption.js'
import { sideOf } from '../../fuzz/evolution.js'

const NO_FILLING = { older: {}, newer: {}, both: {}, replaced: {}, schemaUriField: '$schema' }

function search(older: object, newer: object, until = Infinity, examples: Event[] = []) {
  const [one, other] = [sideOf('/old/1.0.0', older).parts, sideOf('/new/1.0.0', newer).parts]
  const judge = {
    older: (event: Event) => one.complaints(event).length === 0,
    newer: (event: Event) => other.complaints(event).length === 0,
  }
  const gaps = new Subsumption(one, other, NO_FILLING).gaps()
  return new CounterexampleSearch(one, other, judge, until).find(gaps, examples)
}

test('the event found is the smallest: what the break does not need is left out', () => {
  const older = { properties: { a: { type: 'string' }, b: { type: 'number' } }, required: ['a'] }
  const newer = { ...older, properties: { ...older.properties, a: { type: 'string', maxLength: 3 } } }
  const found = search(older, newer, Infinity, [{ a: 'x', b: 1 }])
  assert.deepEqual(Object.keys(found ?? {}), ['a'])
  assert.ok(String(found?.a).length > 3)
})

test('a value is found deep within lists and maps', () => {
  const of = (type: string) => ({
    properties: { a: { type: 'array', items: { additionalProperties: { type } } } },
  })
  const found = search(of('number'), of('integer')) as { a: Record<string, number>[] }
  const [value] = Object.values(found.a[0] ?? {})
  assert.ok(typeof value === 'number' && !Number.isInteger(value))
})

test('no event is found if all stay valid, or if there is no time', () => {
  assert.equal(search({ type: 'object' }, { type: 'object' }), undefined)
  assert.equal(
    search({}, { required: ['a'], properties: { a: { const: 'x' } } }, performance.now() - 1),
    undefined,
  )
})
