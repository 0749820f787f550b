import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { Catalog } from '#src/lib/schemas/catalog.js'
import { folder } from '../../support/schemas.js'

const schema = (title: string, more = {}) => JSON.stringify({ title, properties: {}, ...more })

test('schemas of folders are listed by URI, with what a person chooses by', async t => {
  const root = folder(t, {
    'b/1.0.0.yaml': schema('b', { description: 'B', examples: [{}, {}] }),
    'a/1.0.0.json': schema('a'),
    'a/latest.yaml': schema('a'),
    'a/current.yaml': schema('a'),
    'a/notes.txt': 'text',
    '.git/x.yaml': schema('hidden'),
    'node_modules/x/1.0.0.yaml': schema('a package'),
    'package.json': '{"name":"no schema"}',
    'broken.yaml': '{',
  })
  const listed = await new Catalog(JSON.parse).list([pathToFileURL(root).href, 'https://example.org/schemas'])
  assert.deepEqual(
    [...listed.values()].map(({ repository: _, ...rest }) => rest),
    [
      { uri: '/a/1.0.0', title: 'a', description: null, examples: 0 },
      { uri: '/b/1.0.0', title: 'b', description: 'B', examples: 2 },
    ],
  )
})

test('of two folders with the same schema the first wins', async t => {
  const [one, two] = [
    folder(t, { 'a/1': '', 'a/1.yaml': schema('one') }),
    folder(t, { 'a/1.yaml': schema('two') }),
  ]
  const [listed] = (await new Catalog(JSON.parse).list([one, two])).values()
  assert.deepEqual([listed?.title, listed?.repository], ['one', one])
})

test('a file is read again only when it has changed', async t => {
  const root = folder(t, { 'a/1.0.0.yaml': schema('a'), 'b/1.0.0.yaml': schema('b') })
  let parsed = 0
  const catalog = new Catalog(text => {
    parsed++
    return JSON.parse(text)
  })
  await catalog.list([root])
  await catalog.list([root])
  assert.equal(parsed, 2)
  writeFileSync(join(root, 'a/1.0.0.yaml'), schema('another title'))
  assert.equal((await catalog.list([root])).get('/a/1.0.0')?.title, 'another title')
  assert.equal(parsed, 3)
})
