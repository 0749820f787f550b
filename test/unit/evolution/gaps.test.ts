import assert from 'node:assert/strict'
import { test } from 'node:test'
import { dottedOf, pathOf } from '#src/lib/evolution/gaps.js'

test('a place of plain names has a dotted path', () => {
  assert.equal(dottedOf(['meta', 'dt']), 'meta.dt')
  assert.equal(dottedOf([]), '')
  for (const place of [['a.b'], ['a', 0], [{ any: 'property' }]] as const)
    assert.equal(dottedOf(place), undefined)
})

test('a place is written as people write it', () => {
  assert.equal(pathOf(['a', 0, { any: 'item' }, { any: 'property', matching: '^x' }]), '.a[0][*].*')
  assert.equal(pathOf([]), '')
})
