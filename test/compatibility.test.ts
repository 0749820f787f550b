import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { ROOT } from './helpers.js'

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
    assert.match(tests, /^(—|`[\w-]+\.test\.ts: [^`]+`( `[\w-]+\.test\.ts: [^`]+`)*)$/, behaviour)
  }
})

test('the tests that show what is kept are there, by name', () => {
  const missing: string[] = []
  for (const [, , , tests = ''] of rows) {
    for (const [, file = '', name = ''] of tests.matchAll(/`([\w-]+\.test\.ts): ([^`]+)`/g)) {
      const path = join(ROOT, 'test', file)
      const text = existsSync(path) ? readFileSync(path, 'utf8') : ''
      // Whole: between quotes, but for what a template adds.
      const spellings = [`'${name}'`, `"${name}"`, `\`${name}\``, `\`${name}\${`]
      if (!spellings.some(spelling => text.includes(spelling))) missing.push(`${file}: ${name}`)
    }
  }
  assert.deepEqual(missing, [])
})
