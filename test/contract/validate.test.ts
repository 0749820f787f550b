import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { startApp } from '../support/app.js'
import { assertFailure, connect, type Entry, head, postBytes, repository } from '../support/http.js'
import { patched } from '../support/patched.js'
import { type Reply, type Running, send, temporary, testEvent } from '../support/service.js'

const start = (t: TestContext, conf: Record<string, unknown> = {}) =>
  startApp(t, { validate_endpoint: true, ...conf })

function ask(
  service: Running,
  body: unknown,
  query = '',
  headers: Record<string, string> = {},
): Promise<Reply> {
  return postBytes(service, JSON.stringify(body), { path: `/v1/validate${query}`, headers })
}

async function results(service: Running, body: unknown, query = ''): Promise<Entry[]> {
  const reply = await ask(service, body, query)
  assert.equal(reply.status, 200, reply.body)
  assert.equal(reply.headers['content-type'], 'application/json; charset=utf-8')
  return reply.json().results
}

/** Why an event is refused. */
async function errorOf(service: Running, event: unknown, query = ''): Promise<Entry> {
  const [result] = await results(service, [event], query)
  assert.equal(result.outcome, 'refused')
  return result.error
}

/** Asserts that an event is refused so, and that what is suggested is accepted when it is sent. */
async function assertMended(service: Running, event: unknown, code: string, path: string): Promise<Entry> {
  const error = await errorOf(service, event)
  assert.equal(error.code, code)
  assert.equal(error.details[0].path, path)
  assert.ok(error.mended, JSON.stringify(error))
  const mended = patched(event, error.mended.patch)
  const reply = await service.post(mended)
  assert.equal(reply.status, 201, `${JSON.stringify(mended)}: ${reply.body}`)
  return mended
}

/** A file of stream configurations. */
function streams(t: TestContext, settings: object): string {
  const file = join(temporary(t), 'streams.yaml')
  writeFileSync(file, JSON.stringify(settings))
  return file
}

test('it says what would become of events, and nothing does', async t => {
  const service = await start(t, { topic_prefix: 'eqiad.' })
  const headers = { 'x-request-id': 'my-request' }
  const reply = await ask(service, [testEvent(), testEvent({ test: 42 }), 5], '', headers)
  const [accepted, refused, none] = reply.json().results
  assert.deepEqual(accepted, {
    ...{
      index: 0,
      outcome: 'accepted',
      stream: 'eventgate.test.event',
      schema_uri: '/test/event/1.0.0',
      error: null,
    },
    ...{ topic: 'eqiad.eventgate.test.event', key: null, timestamp: Date.parse(accepted.event.meta.dt) },
    event: {
      ...testEvent(),
      meta: {
        ...{ stream: 'eventgate.test.event', dt: accepted.event.meta.dt },
        ...{ id: accepted.event.meta.id, request_id: 'my-request' },
      },
    },
  })
  assert.deepEqual([refused.index, refused.outcome, refused.event, refused.topic], [1, 'refused', null, null])
  assert.equal(refused.error.message, "'.test' should be string")
  assert.deepEqual(patched(testEvent({ test: 42 }), refused.error.mended.patch), testEvent({ test: '42' }))
  assert.equal(none.error.code, 'event_not_an_object')
  assert.deepEqual(service.produced(), [])
})

test('hasty or not, it is waited for', async t => {
  const service = await start(t)
  const [result] = await results(service, testEvent(), '?hasty=true')
  assert.equal(result.outcome, 'accepted')
  assert.deepEqual(service.produced(), [])
})

test('a body of no use is answered as by the events route', async t => {
  const service = await start(t, { max_body_size: 1000, max_events_in_flight: 10 })
  const bodies: [body: string | Buffer, headers?: Record<string, string>][] = [
    [''],
    ['{'],
    ['[]'],
    ['5'],
    [Buffer.from([0xff])],
    ['x'.repeat(1001)],
    [JSON.stringify(Array.from({ length: 11 }, () => ({})))],
    ['{}', { 'content-type': 'text/html' }],
    ['{}', { 'content-encoding': 'nonsense' }],
    [gzipSync('x'.repeat(100_000)), { 'content-encoding': 'gzip' }],
  ]
  for (const [body, headers = {}] of bodies) {
    const [asked, posted] = await Promise.all(
      ['/v1/validate', '/v1/events'].map(path => postBytes(service, body, { path, headers })),
    )
    assertFailure(asked as Reply, { status: (posted as Reply).status })
    assert.equal(asked?.body, posted?.body)
  }
  assertFailure(await send(`${service.url}/v1/validate`), { status: 405 })
  assert.equal((await send(`${service.url}/v1/validate`, { method: 'OPTIONS' })).status, 204)
})

test('it takes room that is bounded', async t => {
  const service = await start(t, { max_body_size: 1000, max_bytes_in_flight: 1500 })
  const slow = await connect(t, service.url)
  slow.write(`${head({ 'content-length': 1000 }, { path: '/v1/validate' })}{`)
  slow.write(' '.repeat(900))
  let reply: Reply
  do reply = await ask(service, testEvent({ test: 'x'.repeat(600) }))
  while (reply.status === 200)
  assertFailure(reply, { status: 503, error: ['over_capacity'] })
})

test('of many refused events only a part is explained', async t => {
  const service = await start(t)
  const all = await results(
    service,
    Array.from({ length: 300 }, () => testEvent({ test: 42 })),
  )
  assert.equal(all.filter(({ error }) => error.details.length > 0).length, 100)
  assert.ok(all.every(({ outcome, error }) => outcome === 'refused' && error.code === 'validation_failed'))
})

test("the gate's own refusals: what would pass", async t => {
  const folder = repository(t, {
    '/my/thing/1.0.0': {},
    '/my/thing/1.10.0': {},
    '/my/thing/1.9.0': {},
    '/big/number/1.0.0': { properties: { n: { type: ['string', 'integer'] } } },
    '/odd/1.0.0': { $schema: 'http://json-schema.org/draft-03/schema#' },
    '/unsafe/1.0.0': { properties: { a: { type: 'string', pattern: 'a' } } },
  })
  const service = await start(t, { schema_base_uris: [folder] })
  const meta = { stream: 'my.thing' }

  await t.test('an unknown schema', async () => {
    const names = ['/my/thin/1.0.0', '/my/thing/3.0.0', '/my/thing', 'my/thing/1.0.1']
    for (const $schema of names) {
      const mended = await assertMended(service, { $schema, meta }, 'schema_not_found', '/$schema')
      assert.match(mended.$schema, /^\/my\/thing\/1\.\d+\.0$/)
    }
    const { $schema } = await assertMended(
      service,
      { $schema: '/my/thing', meta },
      'schema_not_found',
      '/$schema',
    )
    assert.equal($schema, '/my/thing/1.10.0')
    const error = await errorOf(service, { $schema: '/nothing/like/it/anywhere/1.0.0', meta })
    assert.equal(error.details[0].suggestion, null)
    assert.match(error.details[0].why_not, /no schema in the repositories/)
  })
  await t.test('an absolute schema', async () => {
    const $schema = 'https://schema.example.org/repositories/my/thing/1.9.0.yaml'
    const mended = await assertMended(service, { $schema, meta }, 'schema_uri_refused', '/$schema')
    assert.equal(mended.$schema, '/my/thing/1.9.0')
  })
  await t.test('no schema', async () => {
    const mended = await assertMended(
      service,
      { meta: { stream: 'my.thing.1.9.0' } },
      'schema_uri_missing',
      '/$schema',
    )
    assert.equal(mended.$schema, '/my/thing/1.9.0')
    await assertMended(service, { $schema: 5, meta }, 'schema_uri_missing', '/$schema')
  })
  await t.test('no stream, or one of no legal name', async () => {
    const $schema = '/my/thing/1.0.0'
    for (const event of [{ $schema }, { $schema, meta: {} }, { $schema, meta: { stream: 5 } }])
      assert.equal(
        (await assertMended(service, event, 'stream_missing', '/meta/stream')).meta.stream,
        'my.thing',
      )
    const mended = await assertMended(
      service,
      { $schema, meta: { stream: 'my thing!' } },
      'stream_name_illegal',
      '/meta/stream',
    )
    assert.equal(mended.meta.stream, 'my_thing_')
  })
  await t.test('more than one thing, one after the other', async () => {
    await assertMended(service, { $schema: '/test/evnt/1.0.0', test: 42 }, 'schema_not_found', '/$schema')
  })
  await t.test('a number that is not kept', async () => {
    const text = '{"$schema":"/big/number/1.0.0","meta":{"stream":"s"},"n":12345678901234567891}'
    const reply = await postBytes(service, text, { path: '/v1/validate' })
    const { error } = reply.json().results[0]
    assert.equal(error.code, 'event_number_inexact')
    assert.deepEqual(error.details[0].suggestion.patch, [
      { op: 'replace', path: '/n', value: '12345678901234567891' },
    ])
    assert.equal(error.details[0].suggestion.passes, true)
    const more =
      '{"$schema":"/big/number/1.0.0","meta":{"stream":"s"},"n":12345678901234567891,"m":[-98765432109876543210, 1e400]}'
    const both = (await postBytes(service, more, { path: '/v1/validate' })).json().results[0].error
    assert.deepEqual(
      both.mended.patch.map(({ path, value }: Entry) => [path, value]),
      [
        ['/n', '12345678901234567891'],
        ['/m/0', '-98765432109876543210'],
        ['/m/1', '1e400'],
      ],
    )
  })
  await t.test('too deep an event and a wrong schema get no suggestion, but a reason', async () => {
    const deep = await postBytes(
      service,
      `{"$schema":"/my/thing/1.0.0","a":${'['.repeat(600)}${']'.repeat(600)}}`,
      {
        path: '/v1/validate',
      },
    )
    const errors: [Entry, string][] = [
      [deep.json().results[0].error, 'event_too_deep'],
      [await errorOf(service, { $schema: '/odd/1.0.0', meta }), 'schema_broken'],
      [await errorOf(service, { $schema: '/unsafe/1.0.0', meta }), 'schema_insecure'],
    ]
    for (const [error, code] of errors) {
      assert.equal(error.code, code)
      const [{ suggestion, why_not }] = error.details
      assert.equal(suggestion, null)
      assert.match(why_not, /has to/)
      assert.equal(error.mended, null)
    }
  })
  await t.test('what is no object', async () => {
    const event = JSON.stringify({ $schema: '/my/thing/1.0.0', meta })
    await assertMended(service, event, 'event_not_an_object', '')
    assert.equal((await errorOf(service, 5)).details[0].suggestion, null)
  })
})

test('streams that are configured: what would pass', async t => {
  const folder = repository(t, { '/my/thing/1.0.0': {}, '/my/thing/1.1.0': {}, '/other/1.0.0': {} })
  const keyed = {
    properties: { id: { type: 'integer' }, meta: { properties: { dt: { type: 'string' } } } },
    examples: [{ id: 7 }],
  }
  const all = repository(t, { '/keyed/1.0.0': keyed })
  const service = await start(t, {
    schema_base_uris: [folder, all],
    overwrite_dt: false,
    stream_config_uri: streams(t, {
      'my.stream': { schema_title: 'my/thing' },
      'another.stream': { schema_title: 'other' },
      'keyed.stream': { schema_title: 'keyed', message_key_fields: { id: 'id' } },
    }),
  })
  const schema = { $schema: '/my/thing/1.0.0' }

  const misspelt = { ...schema, meta: { stream: 'my.strem' } }
  assert.equal(
    (await assertMended(service, misspelt, 'stream_not_configured', '/meta/stream')).meta.stream,
    'my.stream',
  )
  const wrong = { $schema: '/other/1.0.0', meta: { stream: 'my.stream' } }
  assert.equal(
    (await assertMended(service, wrong, 'schema_not_allowed', '/$schema')).$schema,
    '/my/thing/1.1.0',
  )
  const none = { meta: { stream: 'my.stream' } }
  assert.equal(
    (await assertMended(service, none, 'schema_uri_missing', '/$schema')).$schema,
    '/my/thing/1.1.0',
  )
  const where = await assertMended(service, { ...schema, meta: {} }, 'stream_missing', '/meta/stream')
  assert.equal(where.meta.stream, 'my.stream')
  const key = { $schema: '/keyed/1.0.0', meta: { stream: 'keyed.stream' } }
  assert.equal((await assertMended(service, key, 'key_field_missing', '/id')).id, 7)
  const time = { ...key, id: 1, meta: { stream: 'keyed.stream', dt: 'Fri, 02 Jan 2026 03:04:05 GMT' } }
  const mended = await assertMended(service, time, 'timestamp_unparsable', '/meta/dt')
  assert.equal(mended.meta.dt, '2026-01-02T03:04:05.000Z')
})

test('JSON that is nearly JSON is read in development', async t => {
  const service = await startApp(t, { dev_ui: true })
  await postBytes(service, `{'$schema': '/test/event/1.0.0', meta: {stream: 'a.b'}, test: "x",}`)
  await postBytes(service, '{"a": &x [1], "b": *x,}')
  const [bomb, { error }] = await Promise.all(
    [2, 1].map(async seq => (await send(`${service.url}/_dev/events/${seq}`)).json()),
  )
  assert.equal(error.code, 'body_malformed')
  assert.deepEqual(error.mended.patch, [
    { op: 'replace', path: '', value: { $schema: '/test/event/1.0.0', meta: { stream: 'a.b' }, test: 'x' } },
  ])
  assert.equal((await service.post(error.mended.patch[0].value)).status, 201)
  assert.equal(bomb.error.details[0].suggestion, null)
})
