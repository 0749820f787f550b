import assert from 'node:assert/strict'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { type IncomingMessage, request } from 'node:http'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { startApp } from '../../support/app.js'
import { assertFailure, connect, type Entry, eventually, postBytes, repository } from '../../support/http.js'
import { patched } from '../../support/patched.js'
import { send, testEvent } from '../../support/service.js'

const startDev = (t: TestContext, conf: Record<string, unknown> = {}) =>
  startApp(t, { dev_ui: true, validate_endpoint: true, ...conf })

async function get(
  service: { url: string },
  path: string,
  headers: Record<string, string> = {},
): Promise<Entry> {
  const reply = await send(`${service.url}/_dev/${path}`, { headers })
  assert.equal(reply.status, 200, reply.body)
  assert.equal(reply.headers['access-control-allow-origin'], undefined)
  return reply.json()
}

interface Message {
  id?: string
  event?: string
  data?: Entry
}

/** Server-sent events as they come. */
async function watch(
  t: TestContext,
  service: { url: string },
  query = '',
  headers: Record<string, string> = {},
) {
  const req = request(`${service.url}/_dev/events/live${query}`, { headers, agent: false }).end()
  t.after(() => void req.destroy())
  req.on('error', () => {})
  const [res] = (await once(req, 'response')) as [IncomingMessage]
  assert.equal(res.statusCode, 200)
  assert.equal(res.headers['content-type'], 'text/event-stream; charset=utf-8')
  const messages: Message[] = []
  let text = ''
  res.setEncoding('utf8').on('data', chunk => {
    text += chunk
    const blocks = text.split('\n\n')
    text = blocks.pop() as string
    for (const block of blocks) {
      const fields = Object.fromEntries(block.split('\n').map(line => line.split(/: (.*)/s).slice(0, 2)))
      if (fields.event) messages.push({ ...fields, data: JSON.parse(fields.data) })
    }
  })
  const entries = () => messages.flatMap(({ event, data }) => (event === 'entries' ? data : []))
  return { res, messages, entries, close: () => void req.destroy() }
}

test('what arrived is told: accepted, refused, and what no event could be read of', async t => {
  const service = await startDev(t)
  await service.post([testEvent(), testEvent({ test: 42 })], { headers: { 'x-request-id': 'my-request' } })
  await service.post(testEvent(), { query: '?hasty=true' })
  await service.post({ $schema: '/no/such/1.0.0', meta: { stream: 'a.stream' } })
  await postBytes(service, '{"a":')
  await eventually(async () => assert.equal((await get(service, 'events')).total_seen, 5))
  const { entries, kept, dropped } = await get(service, 'events')
  assert.deepEqual([kept, dropped], [5, 0])
  const [malformed, unknown, hasty, ...first] = entries
  // The refused one is settled before the other is stored.
  const [refused, accepted] = first.reverse()
  const rowOf = ({ seq, outcome, index, delivery, stream, schema_uri }: Entry) =>
    [seq, outcome, index, delivery, stream, schema_uri].join(' ')
  assert.deepEqual([refused, accepted, hasty, unknown, malformed].map(rowOf), [
    '1 refused 1 guaranteed eventgate.test.event /test/event/1.0.0',
    '2 accepted 0 guaranteed eventgate.test.event /test/event/1.0.0',
    '3 accepted 0 hasty eventgate.test.event /test/event/1.0.0',
    '4 refused 0 guaranteed a.stream /no/such/1.0.0',
    '5 refused 0 guaranteed  ',
  ])
  assert.deepEqual([malformed.stream, malformed.schema_uri], [null, null])
  assert.equal(malformed.event, null)
  assert.equal(malformed.error.code, 'body_malformed')
  assert.equal((await get(service, 'events/5')).text, '{"a":')
})

test('an accepted one has what went to the producer, a refused one why and what would pass', async t => {
  const service = await startDev(t)
  await service.post(testEvent(), { headers: { 'x-request-id': 'my-request' } })
  const accepted = await get(service, 'events/1')
  const [produced] = service.produced()
  assert.equal(accepted.request_id, 'my-request')
  assert.deepEqual(accepted.event, testEvent())
  assert.equal(accepted.text, JSON.stringify(testEvent()))
  assert.deepEqual(accepted.produced.event, produced)
  assert.equal(accepted.produced.topic, 'eventgate.test.event')
  assert.equal(accepted.produced.key, null)
  assert.equal(accepted.produced.timestamp, Date.parse((produced as Entry).meta.dt))
  assert.equal(accepted.error, null)

  const wrong = testEvent({ test: 42, test_map: { a: 'x', b: 5 } })
  await service.post(wrong)
  const { error, event } = await get(service, 'events/2')
  assert.deepEqual(
    error.details.map(({ path, keyword, explanation, rule }: Entry) => ({
      path,
      keyword,
      explanation,
      rule,
    })),
    [
      {
        path: '/test',
        keyword: 'type',
        explanation: 'test must be text; it is the number 42',
        rule: 'string',
      },
      {
        path: '/test_map/b',
        keyword: 'type',
        explanation: 'test_map.b must be text; it is the number 5',
        rule: 'string',
      },
    ],
  )
  assert.deepEqual(error.details[0].schema, {
    description: 'Any text.',
    type: 'string',
    default: 'default value',
  })
  assert.equal(error.details[0].suggestion.text, 'set test to "42"')
  assert.equal(error.details[0].suggestion.passes, false)
  const mended = patched(event, error.mended.patch)
  assert.deepEqual(mended, testEvent({ test: '42', test_map: { a: 'x', b: '5' } }))
  assert.equal((await service.post(mended)).status, 201)
})

test('the list has filters, and refuses numbers that are none', async t => {
  const service = await startDev(t)
  for (let i = 0; i < 5; i++) await service.post(testEvent({ test: `number ${i}` }))
  await service.post(testEvent({ test: 42 }))
  const seqs = async (query: string) =>
    (await get(service, `events${query}`)).entries.map(({ seq }: Entry) => seq)
  assert.deepEqual(await seqs('?outcome=accepted&limit=2&before=5'), [4, 3])
  assert.deepEqual(await seqs('?text=NUMBER+3'), [4])
  assert.deepEqual(await seqs('?schema=test/event&code=validation_failed'), [6])
  assert.deepEqual(await seqs('?stream=other'), [])
  for (const query of ['?limit=x', '?limit=0', '?before=-1'])
    assertFailure(await send(`${service.url}/_dev/events${query}`), {
      status: 400,
      invalid: ['query_refused'],
    })
  assertFailure(await send(`${service.url}/_dev/events/99`), { status: 404, invalid: ['entry_not_found'] })
  assertFailure(await send(`${service.url}/_dev/events/x`), { status: 404, invalid: ['entry_not_found'] })
  assertFailure(await send(`${service.url}/_dev/counts`, { method: 'POST' }), { status: 405 })
})

test('one can wait for an event, which may be there already', async t => {
  const service = await startDev(t)
  const wait = (query: string) => send(`${service.url}/_dev/events/wait?${query}`)
  const waiting = wait('stream=eventgate.test.event&outcome=accepted&count=2')
  await service.post(testEvent({ test: 42 }))
  await service.post([testEvent(), testEvent()])
  const { entries } = (await waiting).json()
  assert.equal(entries.length, 2)
  for (const { outcome, produced } of entries) {
    assert.equal(outcome, 'accepted')
    assert.equal(produced.event.test, 'some text')
  }
  assert.equal((await wait('outcome=refused')).json().entries[0].error.details[0].path, '/test')

  const late = await wait('since=3&timeout_ms=1&stream=other')
  const [failure] = assertFailure(late, { status: 408, invalid: ['event_not_seen'] })
  assert.match(failure.context.message, /^0 of 1 events came within 1 ms of stream "other"; nothing arrived$/)
  const [told] = assertFailure(await wait('timeout_ms=1&stream=other'), { status: 408 })
  assert.match(
    told.context.message,
    /refused eventgate\.test\.event \/test\/event\/1\.0\.0: '\.test' should be string/,
  )
})

test('who waits goes away, and who waits when the service ends is told', async t => {
  const service = await startDev(t)
  const left = await connect(t, service.url)
  left.write('GET /_dev/events/wait HTTP/1.1\r\nhost: localhost\r\n\r\n')
  left.socket.destroy()
  const view = await watch(t, service)
  const waiting = send(`${service.url}/_dev/events/wait?timeout_ms=60000`)
  // Those who watch hold the end up no more than those who wait.
  await eventually(async () => assert.equal((await get(service, 'counts')).by_stream.length, 0))
  const ended = once(view.res, 'end')
  view.res.resume()
  await service.stop()
  assertFailure(await waiting, { status: 503, error: ['draining'] })
  await ended
})

test('what arrives is told live, in batches, with what was missed', async t => {
  const service = await startDev(t)
  await service.post(testEvent({ test: 'before' }))
  const view = await watch(t, service)
  const all = await watch(t, service, '?since=0')
  const again = await watch(t, service, '', { 'last-event-id': '0' })
  await service.post([testEvent(), testEvent({ test: 42 })])
  await eventually(() => assert.equal(view.entries().length, 2))
  await eventually(() =>
    assert.deepEqual(
      all.entries().map(({ seq }) => seq),
      [1, 2, 3],
    ),
  )
  await eventually(() => assert.equal(again.entries().length, 3))
  assert.deepEqual(
    view
      .entries()
      .map(({ outcome }) => outcome)
      .sort(),
    ['accepted', 'refused'],
  )
  assert.equal(view.messages.at(-1)?.id, '3')

  assert.equal((await send(`${service.url}/_dev/events`, { method: 'DELETE' })).status, 204)
  await eventually(() => assert.equal(view.messages.at(-1)?.event, 'reset'))
  assert.deepEqual(await get(service, 'events'), { entries: [], total_seen: 3, kept: 0, dropped: 0 })
  await service.post(testEvent())
  await eventually(() => assert.equal(view.entries().at(-1)?.seq, 4))
})

test('who watched the service before it was started again begins anew', async t => {
  const service = await startDev(t)
  await service.post(testEvent())
  const view = await watch(t, service, '', { 'last-event-id': '5000' })
  await eventually(() =>
    assert.deepEqual(
      view.entries().map(({ seq }) => seq),
      [1],
    ),
  )
  assert.equal(view.messages[0]?.event, 'reset')
  const head = await send(`${service.url}/_dev/events/live`, { method: 'HEAD' })
  assert.deepEqual([head.status, head.body], [200, ''])
  const wrong = await send(`${service.url}/_dev/events/live?since=x`)
  assertFailure(wrong, { status: 400, invalid: ['query_refused'] })
})

test('of more than are kept the oldest go, and who watches is told how many it missed', async t => {
  const service = await startDev(t)
  for (let i = 0; i < 3; i++)
    await service.post(Array.from({ length: 500 }, (_, n) => testEvent({ test: `${i} ${n}` })))
  const { kept, dropped, total_seen } = await get(service, 'events?limit=1')
  assert.deepEqual({ kept, dropped, total_seen }, { kept: 1000, dropped: 500, total_seen: 1500 })
  assertFailure(await send(`${service.url}/_dev/events/500`), { status: 404 })
  const view = await watch(t, service, '?since=100')
  await eventually(() => assert.equal(view.entries().length, 1000))
  assert.deepEqual(view.messages[0], { event: 'gap', data: { missed: 400 } })
  assert.ok(view.messages.every(({ data }) => !Array.isArray(data) || data.length <= 200))
  assert.deepEqual((await get(service, 'counts')).by_stream[0].accepted, 1500)
})

test('one who does not read holds nothing but its place', async t => {
  const service = await startDev(t)
  const slow = await connect(t, service.url)
  slow.socket.pause()
  slow.write('GET /_dev/events/live HTTP/1.1\r\nhost: localhost\r\n\r\n')
  const fast = await watch(t, service)
  const long = 'x'.repeat(20_000)
  for (let i = 0; i < 40; i++) await service.post(Array.from({ length: 50 }, () => testEvent({ test: long })))
  await eventually(() => assert.equal(fast.entries().at(-1)?.seq, 2000))
  slow.socket.resume()
  await slow.until(/event: gap\r?\n?/)
  await eventually(() => assert.match(slow.received(), /id: 2000\n/))
})

test('only so many watch at one time', async t => {
  const service = await startDev(t)
  const views = await Promise.all(Array.from({ length: 20 }, () => watch(t, service)))
  assertFailure(await send(`${service.url}/_dev/events/live`), { status: 503, error: ['over_capacity'] })
  views[0]?.close()
  await eventually(async () => void (await watch(t, service, '?timeout_ms=1')))
})

test('large events are kept in part', async t => {
  const service = await startDev(t)
  assert.equal((await service.post(testEvent({ test: 'x'.repeat(200_000) }))).status, 201)
  const { text, cut, event, produced } = await get(service, 'events/1')
  assert.equal(text.length, 65_536)
  assert.deepEqual([cut, event, produced.event], [true, null, null])
})

test('schemas: those that there are, and one with an event made of it', async t => {
  const folder = repository(t, {
    '/my/thing/1.0.0': {
      properties: { $schema: { type: 'string' }, n: { type: 'integer', minimum: 5 } },
      required: ['n'],
    },
    '/my/thing/1.1.0': { description: 'Things.', examples: [{ n: 9 }] },
  })
  writeFileSync(join(folder, 'my/thing/latest.yaml'), '$id: /my/thing/latest\n')
  writeFileSync(join(folder, 'notes.yaml'), 'nothing: of a schema\n')
  const service = await startDev(t, { schema_base_uris: [folder] })
  const { schemas } = await get(service, 'schemas')
  assert.deepEqual(
    schemas.map(({ uri }: Entry) => uri),
    [...['/error/1.0.0', '/error/2.1.0', '/my/thing/1.0.0', '/my/thing/1.1.0', '/test/event/1.0.0']],
  )
  assert.deepEqual(schemas[3], {
    ...{ uri: '/my/thing/1.1.0', title: 'my/thing', description: 'Things.', examples: 1, repository: folder },
  })
  const { uri, schema, examples, sample } = await get(service, 'schemas/my/thing/1.0.0')
  assert.deepEqual({ uri, examples, sample }, { uri: '/my/thing/1.0.0', examples: [], sample: { n: 5 } })
  assert.equal(schema.$id, '/my/thing/1.0.0')
  assert.deepEqual((await get(service, 'schemas/my/thing/1.1.0')).examples, [{ n: 9 }])
  for (const [path, code] of [
    ['no/such', 'schema_not_found'],
    ['..%2f..%2fetc/passwd', 'schema_uri_refused'],
  ] as const)
    assertFailure(await send(`${service.url}/_dev/schemas/${path}`), { status: 400, invalid: [code] })
})

test('a schema that changes is read again', async t => {
  const folder = repository(t, { '/my/thing/1.0.0': { properties: { v: { type: 'string' } } } })
  const service = await startDev(t, { schema_base_uris: [folder], reload_schemas: true })
  const event = { $schema: '/my/thing/1.0.0', meta: { stream: 's' }, v: 1 }
  assert.equal((await service.post(event)).status, 400)
  assert.equal((await service.post({ ...event, $schema: '/my/thing/2.0.0' })).status, 400)
  for (const version of ['1.0.0', '2.0.0'])
    writeFileSync(
      join(folder, `my/thing/${version}.yaml`),
      'type: object\nproperties: {v: {type: integer}}\n',
    )
  assert.equal((await service.post(event)).status, 201)
  assert.equal((await service.post({ ...event, $schema: '/my/thing/2.0.0' })).status, 201)
})

test('an edit of a schema is compared with what it was', async t => {
  const folder = repository(t, { '/my/thing/1.0.0': { properties: { v: { type: 'string', maxLength: 9 } } } })
  const service = await startDev(t, { schema_base_uris: [folder], reload_schemas: true })
  const event = { $schema: '/my/thing/1.0.0', meta: { stream: 's' }, v: 'text' }
  assert.equal((await service.post(event)).status, 201)
  assert.deepEqual((await get(service, 'edits')).edits, [])
  const write = (v: object) =>
    writeFileSync(join(folder, 'my/thing/1.0.0.yaml'), JSON.stringify({ type: 'object', properties: { v } }))
  write({ type: 'string', maxLength: 10 })
  const [harmless] = (await get(service, 'edits')).edits
  assert.deepEqual([harmless.uri, harmless.verdict], ['/my/thing/1.0.0', 'compatible'])
  write({ type: 'integer', maxLength: 10 })
  const [breaking] = (await get(service, 'edits')).edits
  assert.deepEqual(breaking.rule, { path: '.v', keyword: 'type', message: 'should be integer' })
  assert.equal(breaking.verdict, 'breaks')
  assert.equal((await service.post(breaking.event)).status, 400)
})

test('a schema has a sample also after events of it were explained', async t => {
  const required = { required: ['n'], properties: { n: { type: 'integer', minimum: 5 } } }
  const service = await startDev(t, { schema_base_uris: [repository(t, { '/my/thing/1.0.0': required })] })
  await service.post({ $schema: '/my/thing/1.0.0', meta: { stream: 's' }, n: 'x' })
  assert.equal((await get(service, 'events/1')).error.code, 'validation_failed')
  // The time of that search is over then.
  await new Promise(resolve => setTimeout(resolve, 2100))
  assert.ok((await get(service, 'schemas/my/thing/1.0.0')).sample.n >= 5)
})

test('a path that cannot be decoded is the mistake of its client', async t => {
  const service = await startDev(t)
  const reply = await send(`${service.url}/_dev/schemas/t/a/%zz`)
  assertFailure(reply, { status: 400, invalid: ['request_malformed'] })
})

test('what was too large to be kept as a whole is told as the gate told it', async t => {
  const service = await startDev(t)
  await service.post(testEvent({ test: 42, long: 'x'.repeat(70_000) }))
  const { cut, error } = await get(service, 'events/1')
  assert.equal(cut, true)
  assert.deepEqual([error.code, error.details.length], ['validation_failed', 1])
  assert.deepEqual([error.details[0].path, error.details[0].keyword], ['/test', 'type'])
  assert.equal(error.details[0].why_not, 'the event was too large to be kept as a whole')
})

test('of many that are waited for the first hundred are explained', async t => {
  const service = await startDev(t)
  await service.post(Array.from({ length: 120 }, (_, i) => testEvent({ test: i })))
  const { entries } = await get(service, 'events/wait?count=120')
  const explained = entries.filter(({ error }: Entry) => error.mended !== null)
  assert.deepEqual([entries.length, explained.length], [120, 100])
})

test("strangers' pages and names read nothing", async t => {
  const service = await startDev(t, { dev_hosts: ['eventgate.test'] })
  await service.post(testEvent())
  const { port } = new URL(service.url)
  const refused: Record<string, string>[] = [
    { host: `evil.example:${port}` },
    { host: 'localhost.evil.example' },
    { origin: 'https://evil.example' },
    { origin: 'null' },
    { origin: `http://localhost:${Number(port) + 1}`, host: `localhost:${port}` },
    { 'sec-fetch-site': 'cross-site' },
    { 'sec-fetch-site': 'same-site' },
  ]
  const paths = [
    ['GET', 'events'],
    ['GET', 'events/1'],
    ['GET', 'events/live'],
    ['DELETE', 'events'],
    ['GET', 'schemas'],
  ] as const
  for (const headers of refused) {
    for (const [method, path] of paths) {
      const reply = await send(`${service.url}/_dev/${path}`, { method, headers })
      assertFailure(reply, { status: 403, invalid: ['origin_refused'] })
      assert.equal(reply.headers['access-control-allow-origin'], undefined)
    }
  }
  for (const headers of refused) {
    const reply = await postBytes(service, JSON.stringify(testEvent()), { path: '/v1/validate', headers })
    assertFailure(reply, { status: 403, invalid: ['origin_refused'] })
  }
  const preflight = { origin: 'https://evil.example', 'access-control-request-method': 'DELETE' }
  const asked = await send(`${service.url}/_dev/events`, { method: 'OPTIONS', headers: preflight })
  assert.equal(asked.status, 403)
  assert.equal(asked.headers['access-control-allow-methods'], undefined)

  for (const headers of [
    { host: `localhost:${port}` },
    { host: '[::1]:8192' },
    { host: '192.168.1.5' },
    { host: 'eventgate.test' },
    { host: `localhost:${port}`, origin: `http://localhost:${port}`, 'sec-fetch-site': 'same-origin' },
    { 'sec-fetch-site': 'none' },
  ])
    assert.equal((await get(service, 'events', headers as Record<string, string>)).kept, 1)
  // Events may come from anywhere, as ever.
  const reply = await service.post(testEvent(), { headers: { origin: 'https://example.org' } })
  assert.equal(reply.headers['access-control-allow-origin'], '*')
})

test('without dev_ui none of it is there', async t => {
  const service = await startApp(t)
  for (const path of ['_dev/events', '_dev/events/live', '_dev/counts', '_dev/schemas', '_dev/events/wait']) {
    const reply = await send(`${service.url}/${path}`)
    assertFailure(reply, { status: 404, invalid: ['route_not_found'] })
  }
  assertFailure(await postBytes(service, '{}', { path: '/v1/validate' }), {
    status: 404,
    invalid: ['route_not_found'],
  })
})

test('a page that more than this machine can reach is warned of', async t => {
  const open = await startDev(t)
  assert.ok(
    open.log().some(({ msg }) => /^dev_ui is on, and all who can reach any address/.test(String(msg))),
  )
  const closed = await startDev(t, { interface: '127.0.0.1' })
  assert.ok(!closed.log().some(({ msg }) => /dev_ui/.test(String(msg))))
})
