import assert from 'node:assert/strict'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { StreamConfigs } from '#src/lib/streams/config-source.js'
import { eventually, freePort, samples } from '../support/http.js'
import { startService, temporary, testEvent } from '../support/service.js'

// contract 4: streams, and what is configured for them.

const SETTINGS = { schema_title: 'test/event' }

function file(t: TestContext, content: unknown): string {
  const path = join(temporary(t), 'streams.json')
  writeFileSync(path, JSON.stringify(content))
  return path
}

/** A stream configuration API that answers what the test makes it answer. */
async function api(t: TestContext, answer: () => unknown) {
  const asked: IncomingMessage[] = []
  const server = createServer((req, res) => {
    asked.push(req)
    const body = answer()
    if (typeof body === 'number') res.writeHead(body).end()
    else res.setHeader('content-type', 'application/json').end(JSON.stringify(body))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  return { asked, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/api?format=json` }
}

const to = (stream: string, more: object = {}) => testEvent({ meta: { stream }, ...more })

test('which streams take which events', async t => {
  const stream_config_uri = file(t, {
    'exact.stream': SETTINGS,
    'other.title': { schema_title: 'other' },
    'no.title': {},
    'php.lists': { ...SETTINGS, message_key_fields: [], producers: [], topic_prefixes: null },
    'bad.key': { ...SETTINGS, message_key_fields: 'wiki' },
    'numbered.key': { ...SETTINGS, message_key_fields: { b: 'test', 10: 'test' } },
    'no.producers': { ...SETTINGS, producers: 'kafka' },
    'bad name!': SETTINGS,
    'twin.name': SETTINGS,
    twin_name: SETTINGS,
    'job.special': { schema_title: 'other' },
    '/^job\\..+/': SETTINGS,
    '/(/': SETTINGS,
  })
  const service = await startService(t, { stream_config_uri, stream_config_min_refresh_ms: 100_000 })
  const cases: [stream: string, status: number, code?: string][] = [
    ['exact.stream', 201],
    ['php.lists', 201],
    ['job.anything', 201],
    ['job.special', 400, 'schema_not_allowed'],
    ['other.title', 400, 'schema_not_allowed'],
    ['no.title', 400, 'schema_not_allowed'],
    ['nowhere', 400, 'stream_not_configured'],
    ['/^job\\..+/', 400, 'stream_name_illegal'],
    ['job.\n', 400, 'stream_name_illegal'],
    ['__proto__', 400, 'stream_not_configured'],
    ['bad.key', 503, 'stream_misconfigured'],
    ['numbered.key', 503, 'stream_misconfigured'],
    ['no.producers', 503, 'stream_misconfigured'],
    ['bad name!', 400, 'stream_name_illegal'],
    ['twin.name', 201],
    ['twin_name', 400, 'stream_name_illegal'],
    ['job_special', 400, 'stream_not_configured'],
    ['job.anything_else', 201],
  ]
  for (const [stream, status, code] of cases) {
    await t.test(`${JSON.stringify(stream)}: ${code ?? status}`, async () => {
      const reply = await service.post(to(stream))
      assert.equal(reply.status, status, reply.body)
      if (code) assert.equal(Object.values<{ code: string }[]>(reply.json()).flat()[0]?.code, code)
    })
  }
  await t.test('an operator is told once of what is wrong', () => {
    const lines = service.log().map(({ msg }) => String(msg))
    assert.equal(
      lines.filter(line => /^stream configuration: .*bad.key.*message_key_fields/.test(line)).length,
      1,
    )
  })
  await t.test('an operator is told which names have no topic', () => {
    const lines = service.log().map(({ msg }) => String(msg))
    for (const name of ['bad name!', 'twin_name'])
      assert.equal(
        lines.filter(line => line.startsWith(`stream configuration: stream "${name}" takes no events`))
          .length,
        1,
      )
  })
  await t.test('an invalid expression is left out, and said so', () => {
    const lines = service.log().map(({ msg }) => String(msg))
    assert.ok(lines.some(line => line.startsWith('stream configuration: ') && line.includes('is left out')))
  })
  await t.test('the configurations in force can be read', async () => {
    const get = async (path: string) => (await (await fetch(`${service.url}${path}`)).json()) as object
    assert.deepEqual(Object.keys(await get('/v1/stream-configs')).length, 13)
    assert.deepEqual(await get('/v1/stream-configs/exact.stream,other.title'), {
      'exact.stream': SETTINGS,
      'other.title': { schema_title: 'other' },
    })
    assert.deepEqual(await get('/v1/stream-configs/exact.stream%7Cjob.x'), {
      'exact.stream': SETTINGS,
      'job.x': SETTINGS,
    })
    assert.deepEqual(await get('/v1/stream-configs/nowhere'), {})
    assert.deepEqual(await get('/v1/stream-configs/__proto__,constructor'), {})
  })
})

test('the configuration of an HTTP API', async t => {
  const streams: Record<string, object> = {
    here: { ...SETTINGS, destination_event_service: 'us' },
    there: { ...SETTINGS, destination_event_service: 'them' },
    anywhere: SETTINGS,
  }
  let answer: unknown = 503
  const { asked, url } = await api(t, () => answer)
  const port = await freePort()
  const starting = startService(
    t,
    {
      stream_config_uri: url,
      stream_config_uri_options: { headers: { Host: 'meta.example.org', 'X-Mine': 'yes' } },
      stream_config_object_path: 'result.streams',
      stream_config_ttl: 0.2,
      destination_event_service: 'us',
      user_agent: 'gate/1',
    },
    { metrics: { type: 'prometheus', port } },
  )
  await eventually(() => assert.ok(asked.length > 0))
  answer = { result: { streams }, warnings: { main: { '*': 'deprecated' } } }
  const service = await starting
  const status = async (stream: string) => (await service.post(to(stream))).status

  await t.test('is tried again at the start', () => assert.ok(asked.length > 1))
  await t.test('is asked with the configured headers, Host among them', () => {
    assert.equal(asked[0]?.headers.host, 'meta.example.org')
    assert.equal(asked[0]?.headers['x-mine'], 'yes')
    assert.equal(asked[0]?.headers['user-agent'], 'gate/1')
  })
  await t.test('keeps the streams of this event service, and those without a service', async () => {
    assert.deepEqual([await status('here'), await status('anywhere'), await status('there')], [201, 201, 400])
  })
  await t.test('its warnings are logged', () => {
    assert.ok(service.log().some(({ msg }) => String(msg).includes('deprecated')))
  })
  await t.test('is fetched again', async () => {
    streams.added = SETTINGS
    await eventually(async () => assert.equal(await status('added'), 201))
  })
  const bad: [name: string, answer: unknown][] = [
    ['an error of its server', 500],
    ['a redirect', 302],
    ['an answer with an error', { error: { code: 'oops', info: 'it broke' }, result: { streams: [] } }],
    ['no streams', { result: { streams: [] } }],
    ['a list', [1]],
    ['another shape', { streams }],
  ]
  for (const [name, failure] of bad) {
    await t.test(`${name}: the last good one stays, and its age grows`, async () => {
      answer = failure
      const before = asked.length
      await eventually(() => assert.ok(asked.length > before + 1))
      assert.equal(await status('here'), 201)
      assert.equal(await status('nowhere'), 503)
      const age = (await samples(port)).get('eventgate_stream_config_age_seconds{service="eventgate"}')
      assert.ok(Number(age) > 0.2, `${age}`)
    })
  }
})

test('lists in the source, as MediaWiki sends them unless it is asked for older forms', async t => {
  let answer: object = {
    result: { streams: { here: SETTINGS } },
    warnings: [{ code: 'deprecation', text: 'this form goes' }],
  }
  const { url, asked } = await api(t, () => answer)
  const service = await startService(t, {
    stream_config_uri: url,
    stream_config_object_path: 'result.streams',
    stream_config_ttl: 0.2,
  })
  const says = (text: string) =>
    assert.ok(
      service.log().some(({ msg }) => String(msg).includes(text)),
      text,
    )
  says('this form goes')
  answer = { errors: [{ code: 'oops', text: 'it broke' }], result: { streams: { here: {} } } }
  const before = asked.length
  await eventually(() => assert.ok(asked.length > before + 1))
  says('it answered with an error: "it broke"')
  assert.equal((await service.post(to('here'))).status, 201)
})

const OPEN = {
  ...{ objectPath: undefined, destination: undefined, topicPrefix: '', retries: 0, ttlMs: 0 },
  ...{ minRefreshMs: 1000, patienceMs: 1000, timeoutMs: 1000, userAgent: 'a test' },
}
const FORMS: [name: string, text: string][] = [
  ['block style', 'my.s:\n  schema_title: test/event\n  message_key_fields: {b: test, a: test}\n'],
  ['flow style', '{my.s: {schema_title: test/event, message_key_fields: {b: test, a: test}}}'],
  ['JSON', '{"my.s":{"schema_title":"test/event","message_key_fields":{"b":"test","a":"test"}}}'],
  [
    'merge keys',
    '_d: &d {schema_title: test/event, message_key_fields: {b: test, a: test}}\nmy.s: {<<: *d}\n',
  ],
]

for (const [name, text] of FORMS) {
  test(`a stream configuration in ${name} is read, behind a byte order mark too, and keeps its order`, async t => {
    for (const mark of ['', '\ufeff']) {
      const stream_config_uri = join(temporary(t), 'streams')
      writeFileSync(stream_config_uri, mark + text)
      const configs = await StreamConfigs.open({ ...OPEN, uri: stream_config_uri }, {})
      t.after(() => configs.close())
      assert.deepEqual(
        configs.table.find('my.s')?.key?.map(({ name }) => name),
        ['b', 'a'],
      )
      assert.equal(configs.table.find('my.s')?.schemaTitle, 'test/event')
    }
  })
}

test('an unknown stream brings the next fetch forward, and strangers cannot cause many', async t => {
  const streams: Record<string, object> = { known: SETTINGS }
  const { asked, url } = await api(t, () => streams)
  const service = await startService(t, { stream_config_uri: url, stream_config_min_refresh_ms: 60_000 })
  streams.added = SETTINGS
  assert.equal((await service.post(to('added'))).status, 201)
  for (let i = 0; i < 20; i++) assert.equal((await service.post(to(`stranger.${i}`))).status, 400)
  assert.equal(asked.length, 2)
})

test('expressions that there was no time to check are checked with the next fetch', async t => {
  const streams: Record<string, object> = { known: SETTINGS }
  const { url } = await api(t, () => streams)
  const service = await startService(t, { stream_config_uri: url, stream_config_ttl: 1 })
  // Each of these costs the detector all that it may do; together more than one fetch has time for.
  const slow = Array.from({ length: 5 }, (_, i) => `(?!y{2${i}})${'(a*)*'.repeat(300)}`)
  for (const pattern of slow) streams[`/${pattern}/`] = SETTINGS
  await eventually(() => {
    const said = service.log().map(({ msg }) => String(msg))
    for (const pattern of slow) {
      const begin = pattern.slice(0, 20)
      assert.ok(
        said.some(line => line.includes(begin) && line.includes('may take very long')),
        begin,
      )
    }
  })
  assert.equal((await service.post(to('known'))).status, 201)
})

test('a slow fetch for an unknown stream costs the events beside it nothing', async t => {
  const streams: Record<string, object> = { known: SETTINGS }
  let slow = false
  const server = createServer((_req, res) => {
    if (!slow) res.end(JSON.stringify(streams))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close().closeAllConnections())
  const service = await startService(t, {
    stream_config_uri: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    request_timeout_ms: 1500,
    schema_timeout_ms: 1000,
  })
  slow = true
  const reply = await service.post([to('known'), to('unknown')])
  assert.equal(reply.status, 207, reply.body)
  assert.equal(reply.json().error[0].code, 'stream_config_unavailable')
})

test('a name that is too long with its prefix is a mistake of its sender', async t => {
  const stream_config_uri = file(t, { '/^job/': SETTINGS })
  const service = await startService(t, { stream_config_uri, topic_prefix: 'eqiad.' })
  assert.equal((await service.post(to(`job${'x'.repeat(240)}`))).status, 201)
  const reply = await service.post(to(`job${'x'.repeat(241)}`))
  assert.equal(reply.status, 400)
  assert.equal(reply.json().invalid[0].code, 'stream_name_illegal')
})

test('without a configuration at the start there is no start', async t => {
  const missing = join(temporary(t), 'nothing.json')
  for (const uri of [missing, file(t, {}), file(t, { error: { code: 'x' } })]) {
    await assert.rejects(
      startService(t, { stream_config_uri: uri, stream_config_retries: 0 }),
      /stream_config_uri .* cannot be used/,
    )
  }
})

test('a stream without a possible topic refuses its own events only, also after a refresh', async t => {
  let streams: Record<string, object> = { a_b: SETTINGS, other: SETTINGS }
  const { url } = await api(t, () => streams)
  const port = await freePort()
  const service = await startService(
    t,
    { stream_config_uri: url, stream_config_ttl: 0.2, topic_prefix: 'p.' },
    { metrics: { type: 'prometheus', port } },
  )
  const refused = async () =>
    (await samples(port)).get('eventgate_stream_config_refused_streams{service="eventgate"}')
  const statuses = async (...names: string[]) =>
    Promise.all(names.map(async name => (await service.post(to(name))).status))
  assert.equal(await refused(), 0)
  assert.deepEqual(await statuses('a_b', 'other'), [201, 201])
  // Before the one that works, and with a name that would be its topic's.
  streams = { 'a.b': SETTINGS, 'no topic': SETTINGS, ...streams, eventlogging_a: SETTINGS }
  await eventually(async () => assert.equal(await refused(), 2))
  assert.deepEqual(
    await statuses('a_b', 'other', 'a.b', 'no topic', 'eventlogging_a'),
    [201, 201, 400, 400, 201],
  )
  const [entry] = (await service.post(to('a.b'))).json().invalid
  assert.equal(entry.code, 'stream_name_illegal')
  assert.match(entry.context.message, /"p\.a\.b" cannot exist beside "p\.a_b"/)
  // Once the other is gone, there is room for it.
  streams = { 'a.b': SETTINGS, other: SETTINGS }
  await eventually(async () => assert.deepEqual(await statuses('a.b', 'other'), [201, 201]))
  assert.equal(await refused(), 0)
})
