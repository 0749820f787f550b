import assert from 'node:assert/strict'
import { test } from 'node:test'
import { at, pointerOf, pointerSteps, type Step, stepsOf } from '#src/lib/json-pointer.js'

test('a pointer escapes the names of its steps, and gives them back', () => {
  assert.equal(pointerOf([]), '')
  assert.equal(pointerOf(['a/b', 'c~d', 0, '']), '/a~1b/c~0d/0/')
  assert.deepEqual(pointerSteps('/a~1b/c~0d/0/'), ['a/b', 'c~d', '0', ''])
  assert.deepEqual(pointerSteps('/~01'), ['~1'])
})

const PATHS: [path: string, value: unknown, expected: Step[]][] = [
  ['', {}, []],
  ['.a.b', { a: { b: 1 } }, ['a', 'b']],
  ['.tags[1].x', { tags: [0, { x: 1 }] }, ['tags', 1, 'x']],
  ["['a key']", { 'a key': 1 }, ['a key']],
  ["['it's'].b", { "it's": { b: 1 } }, ["it's", 'b']],
  ["['a']['b']", { a: { b: 1 } }, ['a', 'b']],
  ["['a']['b']", { "a']['b": 1 }, ["a']['b"]],
  ["['a\\nb']", { 'a\nb': 1 }, ['a\nb']],
  ['.a.b', { 'a.b': 1 }, ['a.b']],
  // Steps that the value lacks are read from the path alone.
  ['.a.b[0]', {}, ['a', 'b', 0]],
  ["['x y'].z", null, ['x y', 'z']],
  ['.tags[5]', { tags: [1] }, ['tags', 5]],
]

for (const [path, value, expected] of PATHS)
  test(`the steps of ${path} in ${JSON.stringify(value)}`, () => {
    assert.deepEqual(stepsOf(path, value), expected)
  })

test('the value at some steps; undefined without a value', () => {
  const value = { a: [{ b: null }] }
  assert.equal(at(value, []), value)
  assert.equal(at(value, ['a', 0, 'b']), null)
  for (const steps of [['a', 1], ['a', 0, 'b', 'c'], ['toString'], ['a', 0, '__proto__']])
    assert.equal(at(value, steps), undefined)
})
