import assert from 'node:assert/strict'
import { test } from 'node:test'
import { growth } from '#src/lib/runtime/gc.js'

const MIB = 1024 * 1024

test('the heap grows in small steps only where it is not bounded within the limit', () => {
  assert.equal(growth(352 * MIB, 300 * MIB), 50)
  assert.equal(growth(259 * MIB, 300 * MIB), 50)
  assert.equal(growth(200 * MIB, 300 * MIB), 300)
  assert.equal(growth(4000 * MIB, undefined), 300)
})
