import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Event } from '#src/lib/eventgate.js'
import { Field } from '#src/lib/field.js'

test('a field is got where it is, and nowhere else', () => {
  const event: Event = { a: { b: { c: 1 }, n: null, l: [1], m: [0, { x: 2 }, []] }, text: 'x', 'a.b': 2 }
  const values: [string, unknown][] = [
    ['a.b.c', 1],
    ['a.b', { c: 1 }],
    ['a.n', null],
    ['a.n.x', undefined],
    ['a.l.0', 1],
    ['a.l[0]', 1],
    ['a.l.1', undefined],
    ['a.l.0.x', undefined],
    ['a.l.push', undefined],
    ['a.m.1.x', 2],
    ['a.m[1].x', 2],
    ['a.m.2.length', undefined],
    ['a.m[01].x', undefined],
    ['a.l.length', undefined],
    ['text.length', undefined],
    ['text', 'x'],
    ['missing', undefined],
    ['missing.x', undefined],
    ['toString', undefined],
    ['a.constructor', undefined],
    ['constructor.name', undefined],
    ['__proto__', undefined],
  ]
  for (const [path, value] of values) assert.deepEqual(new Field(path).get(event), value, path)
  assert.equal(new Field('constructor.name').get(JSON.parse('{"constructor":{"name":"own"}}')), 'own')
})

test('a field is set, with the objects it stands in; what is in its way is left alone', () => {
  const after = (event: unknown, path: string) => {
    new Field(path).set(event as Event, 'set')
    return event
  }
  assert.deepEqual(after({}, 'a'), { a: 'set' })
  assert.deepEqual(after({}, 'a.b.c'), { a: { b: { c: 'set' } } })
  assert.deepEqual(after({ a: { x: 1, b: 2 } }, 'a.b'), { a: { x: 1, b: 'set' } })
  for (const obstacle of ['text', 5, null, true, [], [{}]])
    assert.deepEqual(after({ a: obstacle }, 'a.b.c'), { a: obstacle })
  assert.deepEqual(after({ a: { b: 'text' } }, 'a.b.c'), { a: { b: 'text' } })
  assert.deepEqual(JSON.stringify(after({}, 'constructor.name')), '{"constructor":{"name":"set"}}')
})
