import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { carryOver, diff, GONE, put } from '#src/lib/explain/json-patch.js'
import { at, pointerOf, stepsOf } from '#src/lib/json-pointer.js'
import { patched } from '../../support/patched.js'

const key = fc.constantFrom('a', 'b', '', '0', 'a/b', '~', '~1', "it's", 'a.b', 'é', '__proto__')
const { value } = fc.letrec<{ value: unknown }>(tie => ({
  value: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    fc.constantFrom<unknown>(null, true, 0, 1, '', 'a'),
    fc.array(tie('value'), { maxLength: 5 }),
    fc.dictionary(
      key.filter(name => name !== '__proto__'),
      tie('value'),
      { maxKeys: 4 },
    ),
  ),
}))

/** As JSON is read: dictionaries of fast-check have no prototype. */
const json = value.map(made => JSON.parse(JSON.stringify(made)))

test('a patch made of one value and another makes the other of the one', () => {
  fc.assert(
    fc.property(json, json, (from, to) => {
      assert.deepEqual(patched(from, diff(from, to)), to)
    }),
    { numRuns: 3000 },
  )
})

test('a patch says no more than what is different', () => {
  assert.deepEqual(diff({ a: 1, b: [1, 2, 3] }, { a: 1, b: [1, 3] }), [{ op: 'remove', path: '/b/1' }])
  assert.deepEqual(diff({ a: { b: 1 } }, { a: { b: '1' } }), [{ op: 'replace', path: '/a/b', value: '1' }])
  assert.deepEqual(diff({}, { 'a/b~': 1 }), [{ op: 'add', path: '/a~1b~0', value: 1 }])
  assert.deepEqual(diff([1], [1]), [])
})

test('a long list costs time in proportion to its length', () => {
  const many = Array.from({ length: 100_000 }, (_, i) => i)
  assert.equal(diff(many, many.slice(1)).length, 1)
  assert.equal(diff(many, []).length, many.length)
})

test('put leaves what it is given as it was, and makes what is missing', () => {
  const before = { a: [1, { b: 2 }] }
  assert.deepEqual(put(before, ['a', 1, 'b'], 3), { a: [1, { b: 3 }] })
  assert.deepEqual(put(before, ['a', 0], GONE), { a: [{ b: 2 }] })
  assert.deepEqual(put(before, ['c', 'd'], 1), { a: [1, { b: 2 }], c: { d: 1 } })
  assert.deepEqual(before, { a: [1, { b: 2 }] })
})

test('what was filled in need not be sent', () => {
  const received = { meta: { stream: 's' }, v: 1 }
  const seen = { meta: { stream: 's', dt: 'now' }, v: 1, d: 'default' }
  assert.deepEqual(carryOver(received, seen, { ...seen, v: '1' }), { meta: { stream: 's' }, v: '1' })
  assert.deepEqual(carryOver(received, seen, { ...seen, d: 'x' }), { ...received, d: 'x' })
  const { v: _, ...without } = seen
  assert.deepEqual(carryOver(received, seen, without), { meta: { stream: 's' } })
})

test('paths in the form of Ajv 6 are found in the value that they are about', () => {
  const names = ['a', 'a b', "it's", "']['", 'a.b', '\n', '0', '']
  for (const name of names) {
    for (const written of [`['${name}']`, `.${name}`]) {
      const value = { x: [{ [name]: { y: 1 } }] }
      const steps = stepsOf(`.x[0]${written}.y`, value)
      assert.deepEqual(steps, ['x', 0, name, 'y'], written)
      assert.equal(at(value, steps), 1)
    }
  }
  assert.deepEqual(stepsOf(".meta['a key'][3]", {}), ['meta', 'a key', 3])
  assert.equal(pointerOf(['a/b', '~', 0]), '/a~1b/~0/0')
})
