import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { dirname, join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { type Code, GateError } from '#src/lib/errors.js'
import type { Context, Schema } from '#src/lib/eventgate.js'
import { type SchemaOptions, SchemaRepository } from '#src/lib/schemas/repository.js'
import { ROOT, temporary } from '../../support/service.js'

const YAML = '$schema: https://json-schema.org/draft-07/schema#\ntitle: a\ntype: object\n'

function repository(baseUris: string[], more: Partial<SchemaOptions> = {}): SchemaRepository {
  return new SchemaRepository({
    uriField: '$schema',
    baseUris,
    fileExtension: '.yaml',
    allowInsecure: false,
    allowAbsoluteUris: false,
    maxSchemas: 100,
    failureTtlMs: 60_000,
    timeoutMs: 2000,
    userAgent: 'a test',
    ...more,
  })
}

/** A folder with these files. */
function folder(t: TestContext, files: Record<string, string | Buffer>): string {
  const root = temporary(t)
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), text)
  }
  return root
}

type Handler = (req: IncomingMessage, res: ServerResponse) => void

interface Remote {
  base: string
  /** The paths that were asked for. */
  asked: string[]
  handle: Handler
  close(): void
}

async function remote(t: TestContext, handle: Handler): Promise<Remote> {
  const server = createServer((req, res) => {
    it.asked.push(req.url ?? '')
    it.handle(req, res)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const close = () => {
    server.closeAllConnections()
    server.close()
  }
  t.after(close)
  const it: Remote = {
    base: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked: [],
    handle,
    close,
  }
  return it
}

/** Answers these paths with these texts, all else with 404. */
const serving =
  (files: Record<string, string>): Handler =>
  (req, res) => {
    const text = files[req.url ?? '']
    res.statusCode = text === undefined ? 404 : 200
    res.end(text)
  }

async function load(schemas: SchemaRepository, uri: unknown): Promise<Schema> {
  await schemas.load([uri])
  return schemas.get(uri)
}

async function refused(
  schemas: SchemaRepository,
  uri: unknown,
  code: Code,
  message?: RegExp,
): Promise<GateError> {
  let error: unknown
  try {
    await load(schemas, uri)
  } catch (thrown) {
    error = thrown
  }
  assert.ok(error instanceof GateError, `${String(uri)} is refused`)
  assert.equal(error.code, code, error.message)
  if (message) assert.match(error.message, message)
  return error
}

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

test('a URI is held once, with its leading slash or without', async t => {
  const schemas = repository([folder(t, { 'a/1.0.0.yaml': YAML })])
  const schema = await load(schemas, 'a/1.0.0')
  assert.equal(schema.uri, '/a/1.0.0')
  assert.equal(await load(schemas, '/a/1.0.0'), schema)
  assert.equal(schemas.load(['a/1.0.0']), undefined)
  assert.equal(schemas.size, 1)
})

test('URIs that are refused reach no path and no address', async t => {
  const root = folder(t, { 'secret.yaml': YAML, 'schemas/a/1.0.0.yaml': YAML })
  const far = await remote(t, serving({}))
  const schemas = repository([join(root, 'schemas'), far.base])
  const hostile = [
    ...[
      '../secret',
      '/../secret',
      '/a/../../secret',
      '/a/..',
      '/./a/1.0.0',
      '/..%2fsecret',
      '/%2e%2e/secret',
    ],
    ...[
      '/%252e%252e/secret',
      '..\\secret',
      '/a\\1.0.0',
      '/a/1.0.0\0.yaml',
      '/a\u0000',
      '/',
      '//',
      '//evil.example/x',
    ],
    ...[
      '/a//1.0.0',
      '/a/1.0.0/',
      '/a/1.0.0?x',
      '/a/1.0.0#',
      '#',
      ' /a/1.0.0',
      '/a/1.0.0\n',
      '/ä/1.0.0',
      `/${'a'.repeat(600)}`,
    ],
    ...['file:///etc/passwd', 'ftp://x/y', 'javascript:x', 'HTTP://x/y', 'http:/x', 'data:,{}'],
    ...['http://169.254.169.254/latest', `${far.base}/a/1.0.0`, 'http://json-schema.org/draft-07/schema#'],
    ...[
      'https://json-schema.org/draft-07/schema#',
      'http://json-schema.org/draft-04/schema',
      '/.',
      '/...a/..',
    ],
  ]
  for (const uri of hostile) await refused(schemas, uri, 'schema_uri_refused')
  for (const uri of ['', null, undefined, 1, true, {}, [], ['/a/1.0.0'], { toString: () => '/a/1.0.0' }])
    await refused(schemas, uri, 'schema_uri_missing')
  for (const uri of ['__proto__', 'constructor', '/__proto__', 'toString', 'hasOwnProperty'])
    await refused(schemas, uri, 'schema_not_found')
  assert.ok(
    far.asked.every(path => /^\/(__proto__|constructor|toString|hasOwnProperty)(\.yaml)?$/.test(path)),
    String(far.asked),
  )
  assert.equal((await load(schemas, '/a/1.0.0')).title, 'a')
})

test('absolute URIs, when they are allowed', async t => {
  const far = await remote(
    t,
    serving({ '/a/1.0.0': YAML, '/b': '{"properties": {"x": {"$ref": "a/1.0.0"}}}' }),
  )
  const schemas = repository([], { allowAbsoluteUris: true })
  assert.equal((await load(schemas, `${far.base}/a/1.0.0`)).title, 'a')
  await load(schemas, `${far.base}/b`)
  await refused(schemas, `${far.base}/c`, 'schema_not_found')
  const asked = far.asked.length
  for (const uri of [
    'http://json-schema.org/draft-07/schema#',
    'http://json-schema.org/draft-07/schema',
    `${far.base}/a/1.0.0#/title`,
    'http://[x',
    'file:///etc/passwd',
  ])
    await refused(schemas, uri, 'schema_uri_refused')
  assert.equal(far.asked.length, asked)
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

test('all look-ups of one schema share one timeout, those of what it refers to among them', async t => {
  const far = await remote(t, () => {})
  const silent = await remote(t, () => {})
  const references = Array.from({ length: 50 }, (_, i) => ({ $ref: `/b/${i}` }))
  const root = folder(t, { 'a/1.0.0': JSON.stringify({ allOf: references }) })
  const schemas = repository([far.base, silent.base, root], { timeoutMs: 400 })
  const begun = performance.now()
  await refused(schemas, '/a/1.0.0', 'schema_unavailable')
  // Each of the 204 by itself would take 400 ms.
  assert.ok(performance.now() - begun < 20_000)
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
