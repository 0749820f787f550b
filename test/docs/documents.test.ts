import assert from 'node:assert/strict'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { load } from 'js-yaml'
import { readConf } from '#src/lib/config/config.js'
import { readConfigFile } from '#src/lib/config/file.js'
import { StreamConfigs } from '#src/lib/streams/config-source.js'
import { ROOT, temporary } from '../support/service.js'
import { blocksOf, documentOf, Reader } from './documents.js'

const DOCUMENTS = readdirSync(join(ROOT, 'docs')).filter(file => file.endsWith('.md'))

/** Which test does what a document's blocks say. */
const READ_BY: Record<string, string> = {
  'tutorial.md': 'docs/documents.test.ts',
  'how-to.md': 'docs/documents.test.ts',
  'configuration.md': 'docs/documents.test.ts',
  'accounts.md': 'contract/accounts.test.ts',
  'library.md': 'unit/index.test.ts',
  'schema-ci.md': 'docs/schema-documents.test.ts',
  'types.md': 'docs/schema-documents.test.ts',
  'browsers.md': 'page/documents.test.ts',
  'playwright.md': 'page/documents.test.ts',
  // How the modules call each other, and where they are: nothing to be run.
  'architecture.md': 'architecture.test.ts',
  'migration.md': 'docs/documents.test.ts',
  'runbook.md': 'docs/alerts.test.ts',
  'spool.md': 'docs/documents.test.ts',
}

test('every document with blocks has a test that reads it', () => {
  const withBlocks = DOCUMENTS.filter(name => blocksOf(documentOf(name)).length > 0)
  assert.deepEqual(withBlocks.sort(), Object.keys(READ_BY).sort())
  for (const [name, file] of Object.entries(READ_BY)) {
    const text = readFileSync(join(ROOT, 'test', file), 'utf8')
    assert.ok(text.includes(name) || name === 'architecture.md', `${file} says nothing of ${name}`)
  }
})

test('the tutorial, and what goes on where it ends: every command does what is shown', async t => {
  const reader = await Reader.open(t)
  for (const name of ['tutorial.md', 'how-to.md']) {
    const blocks = blocksOf(documentOf(name))
    assert.ok(blocks.length >= 7, name)
    for (const block of blocks) assert.equal(await reader.read(block), block.text, name)
  }
})

test('the arguments with which the image is built are those of the Dockerfile', () => {
  const [{ text = '' } = {}, ...others] = blocksOf(documentOf('migration.md'))
  assert.deepEqual(others, [])
  const given = [...text.matchAll(/--build-arg (\w+)=/g)].map(([, name]) => name)
  const known: readonly string[] =
    readFileSync(join(ROOT, 'Dockerfile'), 'utf8').match(/(?<=^ARG )\w+/gm) ?? []
  assert.deepEqual(given, ['SCHEMAS', 'SCHEMAS_AT', 'CA', 'CA_AT'])
  for (const name of given) assert.ok(known.includes(String(name)), name)
})

test('configurations that are shown are read as such', async t => {
  const [file = '', streams = '', kafka = '', ...others] = blocksOf(documentOf('configuration.md')).map(
    ({ text }) => text,
  )
  assert.deepEqual(others, [])
  assert.equal(readConf(readConfigFile(file, {}).services[0]?.conf ?? {}).port, 8192)
  assert.ok(readConf(load(kafka) as Record<string, unknown>).kafka)
  const uri = join(temporary(t), 'streams.yaml')
  writeFileSync(uri, streams)
  const configs = await StreamConfigs.open({
    ...{ uri, objectPath: undefined, destination: undefined },
    ...{ topicPrefix: '', retries: 0, ttlMs: 0, minRefreshMs: 0, patienceMs: 1, timeoutMs: 1000 },
    userAgent: 'a test',
  })
  t.after(() => configs.close())
  for (const [name, title] of Object.entries({ 'my.first.stream': 'test/event', 'jobs.a': 'job' })) {
    const found = configs.table.find(name)
    assert.deepEqual([found?.problem, found?.schemaTitle], [undefined, title])
  }
})

test('the spool that is shown has its defaults', () => {
  const [block] = blocksOf(documentOf('spool.md'))
  const kafka = { conf: { 'metadata.broker.list': 'a:1' } }
  const shown = load(String(block?.text)) as { spool: { directory: string } }
  const { directory } = shown.spool
  assert.deepEqual(readConf({ kafka, ...shown }).spool, readConf({ kafka, spool: { directory } }).spool)
})

test('the index has every document', () => {
  const index = documentOf('README.md')
  for (const name of DOCUMENTS) {
    if (name !== 'README.md') assert.ok(index.includes(`](${name})`), name)
  }
})

test('a heading that a link names is there', () => {
  const headings = (text: string) =>
    [...text.matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) =>
      heading
        .toLowerCase()
        .replace(/[^\w\- ]/g, '')
        .replaceAll(' ', '-'),
    )
  let links = 0
  for (const document of DOCUMENTS) {
    for (const [, target = '', heading = ''] of documentOf(document).matchAll(/\]\(([\w.-]*)#([^)]+)\)/g)) {
      links++
      const name = target === '' ? document : target
      assert.ok(headings(documentOf(name)).includes(heading), `${document} links to ${name}#${heading}`)
    }
  }
  assert.ok(links > 10)
})
