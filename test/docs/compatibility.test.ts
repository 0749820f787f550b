import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { ROOT } from '../support/service.js'
import { hasTest } from '../support/test-names.js'

const rows = readFileSync(join(ROOT, 'docs/compatibility.md'), 'utf8')
  .split('\n')
  .filter(line => line.startsWith('| ') && !line.startsWith('| behaviour '))
  .map(line => line.slice(2, -2).split(' | '))

test('each behaviour says whether it is kept, what it is, and which tests show it', () => {
  assert.ok(rows.length > 80)
  for (const row of rows) {
    const [behaviour = '', judgement, here, tests = ''] = row
    assert.equal(row.length, 4, behaviour)
    assert.match(String(judgement), /^(kept|better|ours)$/, behaviour)
    assert.ok(here, behaviour)
    assert.match(tests, /^(—|`[\w/-]+\.test\.ts: [^`]+`( `[\w/-]+\.test\.ts: [^`]+`)*)$/, behaviour)
  }
})

test('the tests that show what is kept are there, by name', () => {
  const missing: string[] = []
  for (const [, , , tests = ''] of rows) {
    for (const [, file = '', name = ''] of tests.matchAll(/`([\w/-]+\.test\.ts): ([^`]+)`/g)) {
      if (!hasTest(file, name)) missing.push(`${file}: ${name}`)
    }
  }
  assert.deepEqual(missing, [])
})
