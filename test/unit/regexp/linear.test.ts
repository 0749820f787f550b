import assert from 'node:assert/strict'
import { test } from 'node:test'
import { guarded, isLinear } from '#src/lib/regexp/linear.js'

test('an expression that would backtrack for ever ends', { timeout: 20_000 }, () => {
  const text = `${'a'.repeat(100_000)}!`
  for (const pattern of ['^(a+)+$', '^(a|a)*$', '(.*)*$!']) guarded(pattern).test(text)
  assert.equal(guarded('^(a+)+$').test(text), false)
})

test('what the linear engine cannot run is told', () => {
  for (const pattern of ['^(a+)+$', 'a{1,16}', '[a-z]*', '']) assert.ok(isLinear(pattern), pattern)
  for (const pattern of ['(?=a)b', '(?<!a)b', '(a)\\1', 'a{17}']) assert.ok(!isLinear(pattern), pattern)
})

test('an invalid expression throws', () => {
  assert.throws(() => guarded('('), SyntaxError)
})
