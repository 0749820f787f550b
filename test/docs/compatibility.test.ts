import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { ROOT } from '../support/service.js'
import { evidenceOf, missing } from './evidence.js'

const rows = readFileSync(join(ROOT, 'docs/compatibility.md'), 'utf8')
  .split('\n')
  .filter(line => line.startsWith('| ') && !line.startsWith('| behaviour '))
  .map(line => line.slice(2, -2).split(' | '))

test('each behaviour says whether it is kept, what it is, and which tests show it', () => {
  assert.ok(rows.length > 80)
  for (const row of rows) {
    const [behaviour = '', judgement, here] = row
    assert.equal(row.length, 3, behaviour)
    assert.match(String(judgement), /^(kept|better|new)$/, behaviour)
    assert.ok(here, behaviour)
  }
  const known = evidenceOf('compatibility.md')
  assert.deepEqual(
    rows.map(([behaviour]) => behaviour),
    known.map(({ promise }) => promise),
    'docs/compatibility.md and test/docs/evidence.yaml differ',
  )
  for (const { promise, tests } of known) assert.ok(tests.length > 0, promise)
})

test('the tests that show what is kept are there, by name', () => {
  assert.deepEqual(missing('compatibility.md'), [])
})
