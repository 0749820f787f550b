import assert from 'node:assert/strict'
import { test } from 'node:test'
import { mutations, placesOf, wrongValues } from '#src/lib/evolution/wrong-values.js'

test('one of the values breaks the rule', () => {
  const among = (keyword: string, rule: unknown, current: unknown, isWrong: (value: never) => boolean) =>
    assert.ok(
      [...wrongValues(keyword, rule, current, [])].some(isWrong as (value: unknown) => boolean),
      keyword,
    )
  among('maxLength', 3, 'abc', (value: string) => value.length === 4)
  among('minLength', 3, 'abc', (value: string) => value.length < 3)
  among('maximum', 10, 5, (value: number) => value > 10)
  among('multipleOf', 4, 8, (value: number) => value % 4 !== 0)
  among('required', 'a', { a: 1, b: 2 }, (value: object) => !('a' in value) && 'b' in value)
  among('maxItems', 2, [1], (value: unknown[]) => value.length > 2)
  among('minItems', 2, [1, 2], (value: unknown[]) => value.length < 2)
  among('uniqueItems', true, [1, 2], ([a, b]: unknown[]) => a === b)
  among('maxProperties', 1, {}, (value: object) => Object.keys(value).length > 1)
  among('dependencies', { a: ['b'] }, { b: 1 }, (value: object) => 'a' in value && !('b' in value))
  among('not', { properties: { a: { const: 7 } } }, {}, (value: unknown) => value === 7)
})

test("the older schema's own values come first", () => {
  const [first] = wrongValues('enum', ['a'], 'a', [{ enum: ['b', 'a'] }])
  assert.equal(first, 'b')
})

test('places are all parts of a value, the outer ones first', () => {
  assert.deepEqual(placesOf({ a: [1, 2], b: 3 }), [['a'], ['b'], ['a', 1], ['a', 0]])
  assert.deepEqual(placesOf({ a: { b: 1 } }, 1), [['a']])
})

test('mutations remove and replace each part, and leave the event as it is', () => {
  const event = { a: { b: 1 } }
  const texts = new Set([...mutations(event)].map(value => JSON.stringify(value)))
  for (const text of ['{}', '{"a":{}}', '{"a":null}', '{"a":{"b":"text"}}', '{"a":{"b":1,"x":"text"}}'])
    assert.ok(texts.has(text), text)
  assert.deepEqual(event, { a: { b: 1 } })
})
