import assert from 'node:assert/strict'
import { test } from 'node:test'
import { blocksOf, documentOf, Reader } from './documents.js'

test('schema-ci.md: every command of a schema repository’s CI does what is shown', async t => {
  const reader = await Reader.open(t)
  const blocks = blocksOf(documentOf('schema-ci.md'))
  assert.ok(blocks.length >= 6)
  for (const block of blocks) assert.equal(await reader.read(block), block.text)
})

test('types.md: every command does what is shown, and the programs compile', async t => {
  const reader = await Reader.open(t)
  const click = blocksOf(documentOf('tutorial.md')).find(
    ({ file }) => file === 'schemas/shop/click/1.0.0.yaml',
  )
  assert.ok(click)
  const [install, ...blocks] = blocksOf(documentOf('types.md'))
  assert.match(install?.text ?? '', /^npm install --save-dev /)
  const programs = blocks.filter(({ language }) => language === 'ts')
  assert.equal(programs.length, 2)
  // The programs are there before the compiler is asked.
  for (const block of [click, ...programs, ...blocks]) assert.equal(await reader.read(block), block.text)
})
