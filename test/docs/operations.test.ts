import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { CODES } from '#src/lib/errors.js'
import { ROOT } from '../support/service.js'
import { hasTest } from '../support/test-names.js'

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
        /^`[\w/-]+\.test\.ts: [^`]+`( `[\w/-]+\.test\.ts: [^`]+`)*$/,
        row.join(' | '),
      )
  })
  test(`the tests that ${page} names are there`, () => {
    const missing: string[] = []
    for (const row of rows) {
      for (const [, file = '', name = ''] of (row.at(-1) ?? '').matchAll(/`([\w/-]+\.test\.ts): ([^`]+)`/g)) {
        if (!hasTest(file, name)) missing.push(`${file}: ${name}`)
      }
    }
    assert.deepEqual(missing, [])
  })
}

test('operations.md says of every code what it means for the event', () => {
  const page = readFileSync(join(ROOT, 'docs/operations.md'), 'utf8')
  for (const code of CODES) assert.ok(page.includes(`\`${code}\``), code)
})

test('a quoted word is no test', () => {
  assert.equal(hasTest('docs/operations.test.ts', 'a quoted word is no test'), true)
  const template = `each promise of \${page} names the test that holds it`
  assert.equal(hasTest('docs/operations.test.ts', template), true)
  assert.equal(hasTest('docs/operations.test.ts', 'docs'), false)
  assert.equal(hasTest('docs/operations.test.ts', 'each promise'), false)
  assert.equal(hasTest('no-such.test.ts', 'a quoted word is no test'), false)
})

/** How node:test is told to leave a test out without a reason, or to take its failure for none. */
const LEFT_OUT = /\b(test|t|it|describe|suite)\.(skip|todo|only)\b|[{,]\s*(skip|todo|only)\s*:\s*(true|['"`])/

test('no test is left out', () => {
  const sources = readdirSync(join(ROOT, 'test'), { recursive: true, encoding: 'utf8' }).filter(file =>
    file.endsWith('.ts'),
  )
  assert.ok(sources.length > 60)
  for (const file of sources) {
    const found = LEFT_OUT.exec(readFileSync(join(ROOT, 'test', file), 'utf8'))
    assert.equal(found?.[0], undefined, file)
  }
  const left = [
    `t.${'skip'}('x')`,
    `{ ${'skip'}: true }`,
    `{ timeout: 1, ${'todo'}: 'x' }`,
    `{ ${'only'}: true }`,
  ]
  for (const text of left) assert.match(text, LEFT_OUT)
})
