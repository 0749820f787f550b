import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Budget } from '#src/lib/explain/repair/budget.js'

test('a budget is 1,000 validations, of which a compilation takes ten', () => {
  const budget = new Budget(Infinity)
  for (let i = 0; i < 99; i++) budget.compiled()
  for (let i = 0; i < 9; i++) budget.validated()
  assert.ok(!budget.isExhausted)
  budget.validated()
  assert.ok(budget.isExhausted)
})

test('time ends a search, and so does a validation that gave up', () => {
  assert.ok(new Budget(performance.now() - 1).isExhausted)
  const budget = new Budget(Infinity)
  budget.gaveUp()
  assert.ok(budget.isExhausted)
})
