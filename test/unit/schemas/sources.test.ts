import assert from 'node:assert/strict'
import { symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import {
  folder,
  type Handler,
  load,
  refused,
  remote,
  repository,
  serving,
  YAML,
} from '../../support/schemas.js'

test('names of files: as written, then with the extension; JSON and YAML by content; links; latest', async t => {
  const root = folder(t, {
    'both/1.0.0': 'title: bare',
    'both/1.0.0.yaml': 'title: extended',
    'json/1.0.0': '{"title": "json"}',
    'json/2.0.0.yaml': '\n {"title": "json in yaml"}',
    'flow/1.0.0.yaml': '{title: flow}',
    'json/3.0.0.json': '{"title": "by its whole name"}',
    'folder/1.0.0/x': '',
    'folder/1.0.0.yaml': 'title: beside a folder',
    'only/folder/x': '',
  })
  symlinkSync('1.0.0.yaml', join(root, 'both/latest'))
  const schemas = repository([root])
  const titles = {
    '/both/1.0.0': 'bare',
    '/both/1.0.0.yaml': 'extended',
    '/both/latest': 'extended',
    '/json/1.0.0': 'json',
    '/json/2.0.0': 'json in yaml',
    '/flow/1.0.0': 'flow',
    '/json/3.0.0.json': 'by its whole name',
    '/folder/1.0.0': 'beside a folder',
  }
  for (const [uri, title] of Object.entries(titles)) {
    const schema = await load(schemas, uri)
    assert.equal(schema.title, title, uri)
    assert.equal(schema.uri, uri)
  }
  await refused(schemas, '/only/folder', 'schema_not_found')
  assert.equal(
    (await load(repository([root], { fileExtension: '.json' }), '/json/3.0.0')).title,
    'by its whole name',
  )
})

test('a link that is written out as the name of its target is followed', async t => {
  const far = await remote(
    t,
    serving({
      '/a/1.0.0': '1.0.0.yaml',
      '/a/1.0.0.yaml': YAML,
      '/a/latest': '1.0.0.yaml\n',
      '/a/2.0.0': '2.0.0.yaml',
      '/a/3': '../secret.yaml',
      '/secret.yaml': YAML,
    }),
  )
  const schemas = repository([far.base])
  assert.equal((await load(schemas, '/a/1.0.0')).title, 'a')
  assert.equal((await load(schemas, '/a/latest')).title, 'a')
  await refused(schemas, '/a/2.0.0', 'schema_not_found')
  await refused(schemas, '/a/3', 'schema_unavailable')
})

test('an HTTP repository: any media type, names without extension', async t => {
  const files = { '/base/a/1.0.0': YAML, '/base/b/1.0.0.yaml': YAML }
  const far = await remote(t, (req, res) => {
    if (req.url === '/base/a/1.0.0') res.setHeader('content-type', 'application/octet-stream')
    serving(files)(req, res)
  })
  for (const base of [`${far.base}/base`, `${far.base}/base/`]) {
    far.asked.length = 0
    const schemas = repository([base])
    await load(schemas, '/a/1.0.0')
    await load(schemas, '/b/1.0.0')
    await refused(schemas, '/c/1.0.0', 'schema_not_found')
    assert.deepEqual(far.asked, [
      '/base/a/1.0.0',
      '/base/b/1.0.0',
      '/base/b/1.0.0.yaml',
      '/base/c/1.0.0',
      '/base/c/1.0.0.yaml',
    ])
  }
})

test('several repositories: the first that has a schema wins, one that does not is passed', async t => {
  const first = await remote(t, serving({ '/a/1.0.0': 'title: first\ntype: object' }))
  const root = folder(t, { 'a/1.0.0': 'title: last', 'b/1.0.0.yaml': 'title: last' })
  const schemas = repository([first.base, '/no/such/folder', root])
  assert.equal((await load(schemas, '/a/1.0.0')).title, 'first')
  assert.equal((await load(schemas, '/b/1.0.0')).title, 'last')
  await refused(schemas, '/c/1.0.0', 'schema_not_found')
})

/** Ways in which a repository cannot be asked. */
const FAILING: Record<string, Handler> = {
  'a 500': (_req, res) => void res.writeHead(500).end(YAML),
  'a 403': (_req, res) => void res.writeHead(403).end(),
  'a redirect': (req, res) =>
    void (req.url === '/elsewhere' ? res.end(YAML) : res.writeHead(302, { location: '/elsewhere' }).end()),
  'more than 1 MiB': (_req, res) => void res.end(`${YAML}# ${'x'.repeat(1024 * 1024)}`),
  'no answer': () => {},
  'an answer without end': (_req, res) => {
    res.write(YAML)
    const drip = setInterval(() => res.write('# more\n'), 20)
    res.on('close', () => clearInterval(drip))
  },
  'a connection cut': req => void req.socket.destroy(),
  'a body cut': (_req, res) => {
    res.writeHead(200, { 'content-length': 1000 }).write(YAML)
    setTimeout(() => res.destroy(), 20)
  },
}

for (const [name, handle] of Object.entries(FAILING)) {
  test(`${name} is not the client's fault, unless a later repository has the schema`, async t => {
    const failing = await remote(t, handle)
    const started = Date.now()
    const schemas = repository([failing.base, folder(t, { 'a/1.0.0.yaml': 'title: later' })], {
      timeoutMs: 300,
      userAgent: 'a test',
    })
    assert.equal((await load(schemas, '/a/1.0.0')).title, 'later')
    const error = await refused(schemas, '/b/1.0.0', 'schema_unavailable')
    assert.ok(error.retriable)
    assert.ok(Date.now() - started < 5000)
    assert.ok(!failing.asked.includes('/elsewhere'))
  })
}

/** What a registry may answer with status 200 that is no schema, or not the one that was asked for. */
const NO_SCHEMAS: Record<string, string> = {
  'an error of an API': '{"error":{"code":"internal_api_error","info":"try again"}}',
  'a code and a message': '{"error_code":40403,"message":"Schema not found"}',
  'a status': '{"message":"Not Found","status":404}',
  'a problem by RFC 7807':
    '{"type":"about:blank","title":"Not Found","status":404,"detail":"no such schema"}',
  'an error with a type': '{"type":"error","title":"test/event"}',
  'a list': '{"items":[{"id":1}],"total":1}',
  'an object of nothing': '{}',
  'a text': 'try again',
  'an array': '[{"type":"object"}]',
  nothing: '',
  'half a document': '{"type": "object", "properties": {"a"',
  'another schema': '{"$id":"/b/1.0.0","title":"b","type":"object"}',
  'another version': '{"$id":"/a/2.0.0","title":"x/a2","type":"object"}',
  'a schema with the title of another': '{"title":"test/event","type":"object"}',
}

test('a remote answer is a schema only if it is one, and the one that was asked for', async t => {
  const far = await remote(t, () => {})
  const root = folder(t, { 'later/1.0.0': 'title: later' })
  for (const [what, text] of Object.entries(NO_SCHEMAS)) {
    const schemas = repository([far.base, root], { failureTtlMs: 0 })
    far.handle = (_req, res) => void res.end(text)
    const error = await refused(schemas, '/a/1.0.0', 'schema_unavailable')
    assert.ok(error.retriable, what)
    assert.equal(schemas.repositories[0]?.state, 'unreachable', what)
    // It is not kept, and hides no other repository's.
    assert.equal((await load(schemas, '/later/1.0.0')).title, 'later', what)
    far.handle = serving({ '/a/1.0.0': YAML })
    await delay(2)
    assert.equal((await load(schemas, '/a/1.0.0')).title, 'a', what)
  }
})

test('a remote answer with any status but 200 is no schema', async t => {
  const far = await remote(t, () => {})
  const schemas = repository([far.base], { failureTtlMs: 0 })
  for (const status of [201, 203, 206, 300, 400, 401, 403, 429, 500, 502, 503]) {
    far.handle = (_req, res) => void res.writeHead(status).end(YAML)
    await refused(schemas, '/a/1.0.0', 'schema_unavailable', new RegExp(String(status)))
    await delay(2)
  }
  for (const status of [404, 410]) {
    far.handle = (_req, res) => void res.writeHead(status).end(YAML)
    await refused(schemas, '/a/1.0.0', 'schema_not_found')
    await delay(2)
  }
})

test('what a remote schema may call itself', async t => {
  const files = {
    '/a/b/1.0.0': { $id: '/a/b/1.0.0' },
    '/a/b/2.0.0': { $id: 'https://schema.example.org/jsonschema/a/b/2.0.0.yaml#', title: 'Anything at all' },
    '/a/b/3.0.0': { $id: '/elsewhere/b/3.0.0', title: 'a/b', type: 'object' },
    '/a/b/latest': { $id: '/a/b/7.1.0' },
    '/a/b/current.yaml': { $id: '/a/b/7.1.0' },
    '/a/b/4.0.0': { $id: 'urn:uuid:0', type: 'object' },
    '/a/b/5.0.0': { title: 'A or b', properties: {} },
    '/a/b/6.0.0': { id: 'b/6.0.0', type: ['object', 'null'] },
    '/a/b/7.0.0': { title: 'a/b' },
    '/a/b/8.0.0': { type: 'objekt' },
    '/a/b/9.0.0': { properties: { x: { pattern: '(a+)+$' } } },
  }
  const texts = Object.entries(files).map(([path, schema]) => [path, JSON.stringify(schema)])
  const far = await remote(t, serving(Object.fromEntries(texts)))
  const schemas = repository([far.base])
  for (const uri of Object.keys(files).slice(0, -2)) await load(schemas, uri.replace('.yaml', ''))
  // It is one, and cannot be used: nothing that a retry would change.
  await refused(schemas, '/a/b/8.0.0', 'schema_broken')
  await refused(schemas, '/a/b/9.0.0', 'schema_insecure')
})

test('a file that calls itself otherwise is taken, with a warning', async t => {
  const warnings: string[] = []
  const root = folder(t, { 'a/b/1.0.0.yaml': '$id: /c/d/1.0.0\ntitle: c/d\ntype: object', 'a/b/2.0.0': '{}' })
  const schemas = repository([root], { warn: message => warnings.push(message) })
  assert.equal((await load(schemas, '/a/b/1.0.0')).title, 'c/d')
  await load(schemas, '/a/b/2.0.0')
  assert.equal(warnings.length, 1)
  assert.match(String(warnings[0]), /^schema \/a\/b\/1\.0\.0 calls itself "\/c\/d\/1\.0\.0" in /)
})

test('a name without an extension that cannot be had is looked up with it, in the time of one', async t => {
  for (const [name, handle] of Object.entries(FAILING)) {
    const far = await remote(t, (req, res) =>
      req.url === '/a/1.0.0.yaml' ? void res.end(YAML) : handle(req, res),
    )
    const begun = Date.now()
    assert.equal((await load(repository([far.base], { timeoutMs: 500 }), '/a/1.0.0')).title, 'a', name)
    assert.ok(Date.now() - begun < 5000, name)
  }
})

test('answers are read to their end, so that connections are used again', async t => {
  const sockets = new Set<unknown>()
  const far = await remote(t, (req, res) => {
    sockets.add(req.socket)
    res.writeHead(404).end('x'.repeat(5000))
  })
  const schemas = repository([far.base])
  for (let i = 0; i < 10; i++) await refused(schemas, `/x/${i}`, 'schema_not_found')
  assert.equal(far.asked.length, 20)
  assert.equal(sockets.size, 1)
})

test("nobody listens: not the client's fault", async t => {
  const far = await remote(t, serving({}))
  far.close()
  await refused(repository([far.base]), '/a/1.0.0', 'schema_unavailable', /ECONNREFUSED/)
  await refused(repository(['http://no-such-host.invalid']), '/a/1.0.0', 'schema_unavailable')
})

test('a file that is too large is unavailable', async t => {
  const root = folder(t, { 'a/1.0.0.yaml': `${YAML}# ${'x'.repeat(1024 * 1024)}` })
  await refused(repository([root]), '/a/1.0.0', 'schema_unavailable', /1048576/)
})

test('a file is waited for: a busy process does not ask a registry for what it has', async t => {
  const far = await remote(t, serving({ '/a/1.0.0': YAML }))
  const schemas = repository([folder(t, { 'a/1.0.0': YAML }), far.base], { timeoutMs: 40 })
  const loading = load(schemas, '/a/1.0.0')
  setImmediate(() => {
    for (const until = performance.now() + 100; performance.now() < until; );
  })
  assert.equal((await loading).title, 'a')
  assert.deepEqual(far.asked, [])
})
