import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ByPattern } from '#src/lib/streams/by-pattern.js'

test('the first row that fits counts, and an expression is found by its own text', () => {
  const rows = new ByPattern<number | false>([
    ['a.b', false],
    ['/^a[.]/', 1],
    ['/^x[.](y)?$/', 2],
    ['/./', 3],
  ])
  assert.deepEqual(
    ['a.b', 'a.c', '/^x[.](y)?$/', 'other'].map(name => rows.of(name)),
    [false, 1, 2, 3],
  )
  assert.deepEqual(rows.names, ['a.b'])
  assert.equal(new ByPattern<number>([]).of('a'), undefined)
})

test('an expression that is invalid, or may take very long, is an error', () => {
  assert.throws(() => new ByPattern([['/(/', 1]]), /Invalid regular expression/)
  assert.throws(() => new ByPattern([['/^(a|aa)+(?=b)$/', 1]]), /may take very long/)
})
