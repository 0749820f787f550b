import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { CODES } from '#src/lib/errors.js'
import { ROOT } from './helpers.js'

/** The rows of a page's tables of promises, which are those whose last column says what shows them. */
function rowsOf(page: string): string[][] {
  const tables = readFileSync(join(ROOT, 'docs', page), 'utf8').split(/\n(?!\|)/)
  return tables
    .map(table => table.split('\n').filter(line => line.startsWith('| ') || line.startsWith('|-')))
    .filter(([head = '']) => head.endsWith(' | shown by |'))
    .flatMap(lines => lines.slice(2).map(line => line.slice(2, -2).split(' | ')))
}

const PAGES = { 'operations.md': 70, 'SECURITY.md': 28 }

for (const [page, least] of Object.entries(PAGES)) {
  const rows = rowsOf(page)
  test(`each promise of ${page} names the test that holds it`, () => {
    assert.ok(rows.length >= least, `${rows.length} promises`)
    for (const row of rows)
      assert.match(
        row.at(-1) ?? '',
        /^`[\w-]+\.test\.ts: [^`]+`( `[\w-]+\.test\.ts: [^`]+`)*$/,
        row.join(' | '),
      )
  })
  test(`the tests that ${page} names are there`, () => {
    const missing: string[] = []
    for (const row of rows) {
      for (const [, file = '', name = ''] of (row.at(-1) ?? '').matchAll(/`([\w-]+\.test\.ts): ([^`]+)`/g)) {
        const path = join(ROOT, 'test', file)
        const text = existsSync(path) ? readFileSync(path, 'utf8') : ''
        // Whole: between quotes, but for what a template adds.
        const spellings = [`'${name}'`, `"${name}"`, `\`${name}\``, `\`${name}\${`]
        if (!spellings.some(spelling => text.includes(spelling))) missing.push(`${file}: ${name}`)
      }
    }
    assert.deepEqual(missing, [])
  })
}

test('operations.md says of every code what it means for the event', () => {
  const page = readFileSync(join(ROOT, 'docs/operations.md'), 'utf8')
  for (const code of CODES) assert.ok(page.includes(`\`${code}\``), code)
})
