import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { CODES } from '#src/lib/errors.js'
import { generated, generatedOperations, OPERATIONS_PAGE, PAGE } from './errors.js'

test('the tables of docs/errors.md are those of the code: npm run docs makes them', () => {
  const page = readFileSync(PAGE, 'utf8')
  assert.equal(page, generated())
  for (const code of CODES) assert.equal(page.split(`\n| \`${code}\` |`).length, 2, code)
})

test('the codes of docs/operations.md are those of the code: npm run docs makes them', () => {
  const page = readFileSync(OPERATIONS_PAGE, 'utf8')
  assert.equal(page, generatedOperations())
  const [, table = ''] = /<!-- generated: codes -->([\s\S]*?)<!-- end -->/.exec(page) ?? []
  for (const code of CODES) assert.equal(table.split(`\`${code}\``).length, 2, code)
})
