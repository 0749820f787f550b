import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { ROOT } from '../support/service.js'
import { hasTest } from '../support/test-names.js'
import { evidence, evidenceOf, generated, missing, PAGE, promisesOf } from './evidence.js'

/** Pages, the sections of each that promise nothing, and how many promises it has at least. */
const PAGES: Record<string, { noPromises: string[]; least: number }> = {
  'operations.md': {
    noPromises: [
      ...['What became of an event', 'Sizing', 'Memory', 'Rolling out', 'From one pod to hundreds'],
      'One Kafka cluster per region',
    ],
    least: 100,
  },
  'SECURITY.md': {
    noPromises: ['Who sends what', 'Regular expressions', 'Costly keywords', 'What is not defended'],
    least: 40,
  },
}

for (const [page, { noPromises, least }] of Object.entries(PAGES)) {
  test(`each promise of ${page} names the test that holds it`, () => {
    const promises = promisesOf(page)
    for (const section of noPromises) assert.ok(promises.delete(section), section)
    const known = evidence()[page] ?? {}
    assert.deepEqual([...promises.keys()], Object.keys(known))
    for (const [section, texts] of promises) {
      assert.deepEqual(texts, Object.keys(known[section] ?? {}), `${page} and test/docs/evidence.yaml differ`)
    }
    assert.ok(evidenceOf(page).length >= least)
    for (const { promise, tests } of evidenceOf(page)) assert.ok(tests.length > 0, promise)
  })
  test(`the tests that ${page} names are there`, () => {
    assert.deepEqual(missing(page), [])
  })
}

test('docs/evidence.md is that of test/docs/evidence.yaml: npm run docs makes it', () => {
  assert.equal(readFileSync(PAGE, 'utf8'), generated())
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
