import assert from 'node:assert/strict'
import { rmSync } from 'node:fs'
import type { ServerResponse } from 'node:http'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import type { Context } from '#src/lib/eventgate.js'
import { folder, load, refused, remote, repository, serving, YAML } from '../../support/schemas.js'
import { ROOT } from '../../support/service.js'

test('a file repository: by path and by URI, with and without a slash at its end', async t => {
  const root = folder(t, { 'a b%20/title/1.0.0.yaml': YAML })
  const base = join(root, 'a b%20')
  for (const uri of [base, `${base}/`, pathToFileURL(base).href, `${pathToFileURL(base).href}/`]) {
    assert.equal((await load(repository([uri]), '/title/1.0.0')).title, 'a', uri)
  }
})

test('the schemas that ship can be loaded', async () => {
  const schemas = repository([join(ROOT, 'schemas')])
  for (const uri of ['/test/event/1.0.0', '/error/1.0.0', '/error/2.1.0']) {
    const schema = await load(schemas, uri)
    assert.ok(schema.declares('meta.dt') && schema.declares('meta.id') && schema.declares('$schema'), uri)
  }
})

test('a URI is held once, with its leading slash or without', async t => {
  const schemas = repository([folder(t, { 'a/1.0.0.yaml': YAML })])
  const schema = await load(schemas, 'a/1.0.0')
  assert.equal(schema.uri, '/a/1.0.0')
  assert.equal(await load(schemas, '/a/1.0.0'), schema)
  assert.equal(schemas.load(['a/1.0.0']), undefined)
  assert.equal(schemas.size, 1)
})

test('concurrent first uses load a schema once', async t => {
  const far = await remote(t, (_req, res) => void setTimeout(() => res.end(YAML), 50))
  const schemas = repository([far.base])
  await Promise.all(
    Array.from({ length: 50 }, (_, i) => schemas.load([i % 2 ? 'a/1.0.0' : '/a/1.0.0', '/b/1.0.0'])),
  )
  assert.deepEqual(far.asked.sort(), ['/a/1.0.0', '/b/1.0.0'])
  assert.equal(schemas.size, 2)
})

test('a failure is remembered, and forgotten after its time', async t => {
  const far = await remote(t, (_req, res) => void res.writeHead(500).end())
  const schemas = repository([far.base], { failureTtlMs: 150 })
  await refused(schemas, '/a/1.0.0', 'schema_unavailable')
  await refused(schemas, '/a/1.0.0', 'schema_unavailable')
  assert.equal(schemas.load(['/a/1.0.0']), undefined)
  assert.deepEqual(far.asked, ['/a/1.0.0', '/a/1.0.0.yaml'])
  await delay(160)
  far.handle = serving({ '/a/1.0.0': YAML })
  assert.equal((await load(schemas, '/a/1.0.0')).title, 'a')
  assert.equal(far.asked.length, 3)
})

test('failures that are remembered are bounded: the oldest is forgotten', async t => {
  const root = folder(t, {})
  const schemas = repository([root])
  await schemas.load(['/first/1.0.0'])
  assert.equal(schemas.load(['/first/1.0.0']), undefined)
  for (let i = 0; i < 1000; i += 500) await schemas.load(Array.from({ length: 500 }, (_, j) => `/x/${i + j}`))
  assert.equal(schemas.load(['/x/999']), undefined)
  assert.notEqual(schemas.load(['/first/1.0.0']), undefined)
})

test('what was used last is held, up to maxSchemas', async t => {
  const far = await remote(t, (_req, res) => void res.end(YAML))
  const schemas = repository([far.base], { maxSchemas: 3 })
  for (const uri of ['/a', '/b', '/c']) await load(schemas, uri)
  schemas.get('/a')
  await load(schemas, '/d')
  assert.equal(schemas.size, 3)
  for (const uri of ['/a', '/c', '/d']) assert.equal(schemas.load([uri]), undefined, uri)
  far.asked.length = 0
  await load(schemas, '/b')
  assert.deepEqual(far.asked, ['/b'])
})

test('few schemas are loaded at one time, and few wait', { timeout: 30_000 }, async t => {
  let [open, most] = [0, 0]
  const waiting: ServerResponse[] = []
  const far = await remote(t, (_req, res) => {
    most = Math.max(most, ++open)
    waiting.push(res)
  })
  const schemas = repository([far.base], { timeoutMs: 20_000 })
  const loading = schemas.load(Array.from({ length: 1016 }, (_, i) => `/x/${i}`))
  assert.equal(schemas.load(['/one/more']), undefined)
  assert.throws(() => schemas.get('/one/more'), { code: 'schema_unavailable', retriable: true })
  // One that is under way already can be waited for.
  assert.notEqual(schemas.load(['/x/1015']), undefined)
  while (most < 16) await delay(5)
  await delay(50)
  const answering = setInterval(() => {
    for (const res of waiting.splice(0)) {
      open--
      res.writeHead(404).end()
    }
  }, 1)
  t.after(() => clearInterval(answering))
  await loading
  assert.equal(far.asked.length, 2 * 1016)
  assert.equal(most, 16)
  // That there was no room is not remembered.
  far.handle = serving({ '/one/more': YAML })
  assert.equal((await load(schemas, '/one/more')).title, 'a')
})

test('a schema in use survives the outage of its repository', async t => {
  const far = await remote(t, serving({ '/a/1.0.0': YAML }))
  const schemas = repository([far.base], { failureTtlMs: 1 })
  await load(schemas, '/a/1.0.0')
  far.close()
  await delay(5)
  assert.equal(schemas.load(['/a/1.0.0']), undefined)
  assert.equal(schemas.get('/a/1.0.0').title, 'a')
  await refused(schemas, '/b/1.0.0', 'schema_unavailable')
})

test('events are served from memory once their schemas were loaded', async t => {
  const root = folder(t, { 'a/1.0.0.yaml': YAML, 'b/1.0.0.yaml': YAML })
  const schemas = repository([root])
  const context = { schemaUri: '/b/1.0.0' } as Context
  const events = [{ $schema: '/a/1.0.0' }, {}, null, 'text', [], { $schema: 5 }, { $schema: '/c/1.0.0' }]
  await schemas.loadFor(events, context)
  assert.equal(schemas.loadFor(events, context), undefined)
  rmSync(root, { recursive: true })
  assert.equal(schemas.schemaFor({ $schema: 'a/1.0.0' }, context).uri, '/a/1.0.0')
  assert.equal(schemas.schemaFor({}, context).uri, '/b/1.0.0')
  assert.throws(() => schemas.schemaFor({ $schema: 5 }, context), { code: 'schema_uri_missing' })
  assert.throws(() => schemas.schemaFor({ $schema: '/c/1.0.0' }, context), { code: 'schema_not_found' })
  assert.throws(() => schemas.schemaFor({}, {} as Context), {
    code: 'schema_uri_missing',
    message: /'\.\$schema'/,
  })
  // Inherited fields are none.
  assert.throws(() => schemas.schemaFor(Object.create({ $schema: '/a/1.0.0' }), {} as Context), {
    code: 'schema_uri_missing',
  })
})

test('a request has a bounded number of schemas fetched; files do not count, and nobody else is refused for it', async t => {
  const far = await remote(t, (_req, res) => void res.end('{"type":"object"}'))
  const schemas = repository([folder(t, { 'file/1.0.0': 'type: object' }), far.base])
  const lookups = { left: 2 }
  await schemas.load(['/file/1.0.0', '/a/1.0.0'], lookups)
  assert.equal(lookups.left, 1)
  await schemas.load(['/b/1.0.0'], lookups)
  const denied = schemas.load(['/c/1.0.0', '/d/1.0.0'], lookups)
  // Somebody else asks for the same at the same time.
  await Promise.all([denied, schemas.load(['/d/1.0.0'], { left: 1 })])
  assert.deepEqual(
    ['/a', '/b', '/d'].map(name => schemas.get(`${name}/1.0.0`, lookups).uri),
    ['/a/1.0.0', '/b/1.0.0', '/d/1.0.0'],
  )
  assert.throws(() => schemas.get('/c/1.0.0', lookups), { code: 'schema_lookups_exceeded', retriable: true })
  assert.ok(!far.asked.some(url => url.startsWith('/c')))
  // It is not remembered as missing.
  await schemas.load(['/c/1.0.0'], { left: 1 })
  assert.equal(schemas.get('/c/1.0.0').uri, '/c/1.0.0')
})
