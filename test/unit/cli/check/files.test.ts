import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { filesAt, findFiles, lineOf } from '#src/cli/check/files.js'
import { UsageError } from '#src/cli/usage.js'
import { folderOf, pageSchema, STREAMS, schemaFolder } from '../../../support/cli.js'

test('schemas, stream configurations and files that cannot be parsed are told apart', t => {
  const { folder } = schemaFolder(t, {
    'jsonschema/page/change/1.2.0.yaml': 'a: [',
    'broken.yaml': 'a: [',
    'package.json': '{"name": "a"}',
    'node_modules/page/change/1.0.0.yaml': pageSchema('1.0.0'),
    '.git/page/change/1.0.0.yaml': pageSchema('1.0.0'),
    'README.md': '# page',
  })
  const { schemas, streams, unreadable } = findFiles([folder], folder)
  assert.deepEqual(schemas.map(({ name, title, version }) => [name, title, version]).sort(), [
    ['jsonschema/page/change/1.0.0.yaml', 'page/change', '1.0.0'],
    ['jsonschema/page/change/1.1.0.yaml', 'page/change', '1.1.0'],
  ])
  for (const { root } of schemas) assert.equal(root, join(folder, 'jsonschema'))
  assert.deepEqual(
    streams.map(({ name, value }) => [name, value]),
    [['streams.yaml', STREAMS]],
  )
  // A file that is named must be readable; others are only if they are named as schemas are.
  assert.deepEqual(
    unreadable.map(({ name }) => name),
    ['jsonschema/page/change/1.2.0.yaml'],
  )
  assert.equal(findFiles([join(folder, 'broken.yaml')], folder).unreadable.length, 1)
})

test('a wrong $id does not move its file', t => {
  const { folder } = schemaFolder(t, {
    'jsonschema/page/change/1.2.0.yaml': { ...pageSchema('1.2.0'), $id: '/change/1.2.0' },
  })
  const { schemas } = findFiles([folder], folder)
  assert.deepEqual(new Set(schemas.map(({ title }) => title)), new Set(['page/change']))
})

test('a path that does not exist is an error', t => {
  assert.throws(() => findFiles([join(folderOf(t, {}), 'no')]), UsageError)
})

test('files of a git revision are in a folder of their own until it is dropped', t => {
  const { folder, write } = schemaFolder(t)
  const git = (...args: string[]) =>
    execFileSync('git', ['-c', 'user.name=a', '-c', 'user.email=a@example.org', '-C', folder, ...args])
  git('init', '-q', '-b', 'main')
  git('add', '.')
  git('commit', '-q', '-m', 'first')
  write('streams.yaml', 'changed: {}')
  const before = process.cwd()
  t.after(() => process.chdir(before))
  process.chdir(folder)
  const { paths, folder: tree, drop } = filesAt('main', ['streams.yaml', 'new'])
  assert.deepEqual(paths, [join(tree, 'streams.yaml')])
  assert.match(readFileSync(join(tree, 'streams.yaml'), 'utf8'), /schema_title: page\/change/)
  drop()
  assert.ok(!existsSync(tree))
  assert.throws(() => filesAt('nowhere', ['.']), /--base nowhere cannot be read/)
  rmSync(join(folder, '.git'), { recursive: true })
  assert.throws(() => filesAt('main', ['.']), UsageError)
})

test('lines are counted from 1', () => {
  assert.equal(lineOf('a\nb\nc', /b/), 2)
  assert.equal(lineOf('a\nb\nc', /d/), 1)
})
