import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import {
  assertAccepted,
  assertFailure,
  ONE_ACCEPTED,
  postBytes,
  repository,
  type Stored,
  stored,
} from '../support/http.js'
import { NOT_REAL, type Service, startService, temporary, testEvent, WIKIMEDIA } from '../support/service.js'

// contract 2.1 and the query parameters of 1.1: what the gate fills in. The defaults for meta.dt, meta.id and
// the headers are in contract/event.test.ts.

const text = { type: 'string' }
const meta = {
  type: 'object',
  required: ['dt', 'stream'],
  properties: { dt: text, stream: text, id: text, request_id: text },
  additionalProperties: false,
}
const base = { $schema: text, meta }
const client_ip = { properties: { client_ip: text } }

/** Where `http.client_ip` is declared, in every way there is. */
const DECLARED = {
  '/ip/named/1.0.0': { properties: { ...base, http: { type: 'object', ...client_ip } } },
  '/ip/closed/1.0.0': {
    properties: { ...base, http: { type: 'object', ...client_ip, additionalProperties: false } },
    additionalProperties: false,
  },
  '/ip/map/1.0.0': { properties: { ...base, http: { type: 'object', additionalProperties: text } } },
  '/ip/ref/1.0.0': { properties: { ...base, http: { $ref: '/fragment/http/1.0.0#/properties/http' } } },
  '/ip/local/1.0.0': {
    definitions: { http: { type: 'object', ...client_ip } },
    properties: { ...base, http: { $ref: '#/definitions/http' } },
  },
  '/ip/all/1.0.0': { allOf: [{ $ref: '/fragment/http/1.0.0' }, { properties: base }] },
  '/ip/inner/1.0.0': {
    properties: { ...base, http: { type: 'object', allOf: [{ properties: { method: text } }, client_ip] } },
  },
}
const UNDECLARED = {
  '/ip/not-at-all/1.0.0': { properties: base },
  '/ip/other/1.0.0': { properties: { ...base, http: { type: 'object', properties: { method: text } } } },
  '/ip/no-more/1.0.0': {
    properties: {
      ...base,
      http: { type: 'object', properties: { method: text }, additionalProperties: false },
    },
  },
  '/ip/anything/1.0.0': { properties: { ...base, http: { type: 'object', additionalProperties: true } } },
  '/ip/forbidden/1.0.0': {
    properties: {
      ...base,
      http: {
        type: 'object',
        allOf: [client_ip, { properties: { method: text }, additionalProperties: false }],
      },
    },
  },
  '/ip/as-text/1.0.0': { properties: { ...base, http: text } },
}
const SCHEMAS = {
  ...DECLARED,
  ...UNDECLARED,
  '/fragment/http/1.0.0': { properties: { http: { type: 'object', ...client_ip } } },
  '/analytics/legacy/thing/1.0.0': { properties: { ...base, dt: text } },
  '/analytics/legacy/closed/1.0.0': { properties: base, additionalProperties: false },
  '/analytics/other/1.0.0': { properties: { ...base, dt: text } },
}

const of = (uri: string, more: object = {}) => ({ $schema: uri, meta: { stream: 's' }, ...more })

test('http.client_ip', async t => {
  const service = await startService(t, { schema_base_uris: [repository(t, SCHEMAS)] })
  const ip = async (headers: Record<string, string>) =>
    (await stored(service, of('/ip/named/1.0.0'), headers)).http?.client_ip
  const cases: [what: string, headers: Record<string, string>, ip: string | undefined][] = [
    ['X-Client-IP', { 'X-Client-IP': '198.51.100.7' }, '198.51.100.7'],
    [
      'X-Client-IP before X-Forwarded-For',
      { 'x-client-ip': '198.51.100.7', 'x-forwarded-for': '203.0.113.1' },
      '198.51.100.7',
    ],
    ['the leftmost of X-Forwarded-For', { 'x-forwarded-for': '203.0.113.1, 10.0.0.1' }, '203.0.113.1'],
    ['one of IPv6', { 'x-forwarded-for': '2001:db8::1,10.0.0.1' }, '2001:db8::1'],
    ['the address of the connection', {}, '127.0.0.1'],
    [
      'an X-Client-IP that is no address is passed over',
      { 'x-client-ip': 'unknown', 'x-forwarded-for': '203.0.113.1' },
      '203.0.113.1',
    ],
    [
      'so is what is none in X-Forwarded-For',
      { 'x-client-ip': '', 'x-forwarded-for': '<script>, 203.0.113.1:80' },
      '203.0.113.1',
    ],
    ['the first of several', { 'x-client-ip': '198.51.100.7, 198.51.100.8' }, '198.51.100.7'],
    ["none, not the proxy's", { 'x-forwarded-for': 'unknown, 10.0.0.1' }, undefined],
  ]
  for (const [what, headers, expected] of cases)
    await t.test(what, async () => assert.equal(await ip(headers), expected))

  const headers = { 'x-client-ip': '198.51.100.7' }
  for (const uri of Object.keys(DECLARED)) {
    await t.test(`${uri} declares it`, async () => {
      assert.deepEqual((await stored(service, of(uri), headers)).http, { client_ip: '198.51.100.7' })
    })
  }
  for (const uri of Object.keys(UNDECLARED)) {
    await t.test(`${uri} does not, and is left without`, async () => {
      assert.ok(!('http' in (await stored(service, of(uri), headers))))
    })
  }
  await t.test('what is there stays, beside and in its place', async () => {
    const beside = { http: { method: 'GET' } }
    assert.deepEqual((await stored(service, of('/ip/named/1.0.0', beside), headers)).http, {
      method: 'GET',
      client_ip: '198.51.100.7',
    })
    const own = { http: { client_ip: 'its own' } }
    assert.deepEqual((await stored(service, of('/ip/named/1.0.0', own), headers)).http, own.http)
  })
  await t.test('what stands in its way is left for validation to judge', async () => {
    const event = of('/ip/named/1.0.0', { http: 'text' })
    const [entry] = assertFailure(await service.post(event, { headers }), {
      status: 400,
      invalid: ['validation_failed'],
    })
    assert.deepEqual(entry.event, event)
    assert.equal(entry.context.errorsText, "'.http' should be object")
    assert.equal((await stored(service, of('/ip/as-text/1.0.0', { http: 'text' }), headers)).http, 'text')
  })
})

test('what is filled in never makes a valid event invalid', async t => {
  const http = { type: 'object', required: ['method'], properties: { method: text, ...client_ip.properties } }
  const service = await startService(t, {
    schema_base_uris: [repository(t, { '/optional/1.0.0': { properties: { ...base, http } } })],
    validate_endpoint: true,
  })
  const event = of('/optional/1.0.0')
  assert.ok(!('http' in (await stored(service, event))))
  const whole = await stored(service, { ...event, http: { method: 'GET' } })
  assert.deepEqual(whole.http, { method: 'GET', client_ip: '127.0.0.1' })
  const validated = await postBytes(service, JSON.stringify(event), { path: '/v1/validate' })
  const [result] = validated.json().results
  assert.deepEqual([result.outcome, 'http' in result.event], ['accepted', false])
})

test('headers of a proxy that is not trusted are not believed', async t => {
  const service = await startService(t, {
    schema_base_uris: [repository(t, SCHEMAS)],
    trusted_proxies: ['10.0.0.0/8', '2001:db8::/32'],
  })
  const headers = { 'x-client-ip': '198.51.100.7', 'x-forwarded-for': '203.0.113.1' }
  assert.equal((await stored(service, of('/ip/named/1.0.0'), headers)).http.client_ip, '127.0.0.1')
})

test('dt of legacy schemas', async t => {
  const service = await startService(t, { schema_base_uris: [repository(t, SCHEMAS)] })
  await t.test('is the time of receipt', async () => {
    const event = await stored(service, of('/analytics/legacy/thing/1.0.0'))
    assert.match(event.dt, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
    assert.equal(event.dt, event.meta.dt)
  })
  await t.test("a client's own is kept", async () => {
    const dt = '2001-01-01T00:00:00Z'
    assert.equal((await stored(service, of('/analytics/legacy/thing/1.0.0', { dt }))).dt, dt)
  })
  for (const uri of ['/analytics/legacy/closed/1.0.0', '/analytics/other/1.0.0']) {
    await t.test(`${uri} gets none`, async () => assert.ok(!('dt' in (await stored(service, of(uri))))))
  }
})

test('the query fills in what events lack, and only that', async t => {
  const service = await startService(t, {
    schema_uri_query_param: 'schema_uri',
    stream_query_param: 'stream',
  })
  const query = '?schema_uri=%2Ftest%2Fevent%2F1.0.0&stream=from.query'
  const reply = await service.post([{ test: 'a' }, { meta: { id: 'own' } }, testEvent()], { query })
  assertAccepted(reply, 201, 'All 3 out of 3 events were accepted.')
  const all = service.produced() as Stored[]
  assert.deepEqual(
    all.map(({ $schema, meta }) => [$schema, meta.stream]),
    [
      ['/test/event/1.0.0', 'from.query'],
      ['/test/event/1.0.0', 'from.query'],
      ['/test/event/1.0.0', 'eventgate.test.event'],
    ],
  )
  assert.equal(all[1].meta.id, 'own')

  await t.test('null is filled too, because the event is taken for what the query names', async () => {
    const event = { $schema: null, meta: { stream: null, id: 'nulls' } }
    assertAccepted(await service.post(event, { query }), 201, ONE_ACCEPTED)
    const { $schema, meta } = service.produced().at(-1) as Stored
    assert.deepEqual([$schema, meta.stream, meta.id], ['/test/event/1.0.0', 'from.query', 'nulls'])
    assertFailure(await service.post(event), { status: 400, invalid: ['schema_uri_missing'] })
  })
  await t.test('an event that says nothing of use is not helped', async () => {
    const events = [testEvent({ $schema: 7 }), testEvent({ meta: { stream: 7 } })]
    assertFailure(await service.post(events, { query }), {
      status: 400,
      invalid: ['schema_uri_missing', 'stream_missing'],
    })
  })
  await t.test('said twice, or badly escaped, it is refused', async () => {
    for (const wrong of [`${query}&stream=b`, '?stream=%zz'])
      assertFailure(await service.post({ test: 'a' }, { query: wrong }), { status: 400 })
  })
  await t.test('it means nothing where it is not configured', async () => {
    const plain = await startService(t)
    assertFailure(await plain.post({ test: 'a' }, { query }), { status: 400 })
  })
})

function streams(t: TestContext, settings: object): string {
  const path = join(temporary(t), 'streams.json')
  writeFileSync(path, JSON.stringify(settings))
  return path
}

test('headers that a stream names fill its events', async t => {
  const schema_title = 'rich'
  const service = await startService(t, {
    schema_base_uris: [
      repository(t, {
        '/rich/1.0.0': {
          properties: {
            ...base,
            http: {
              type: 'object',
              properties: { request_headers: { type: 'object', additionalProperties: text } },
            },
          },
          additionalProperties: false,
        },
      }),
    ],
    http_request_headers_to_fields: { 'x-of-service': 'http.request_headers.of-service' },
    stream_config_uri: streams(t, {
      own: {
        schema_title,
        producers: {
          eventgate: {
            enrich_fields_from_http_headers: {
              'http.request_headers.country': 'X-GeoIP-Country',
              'http.request_headers.user-agent': false,
              undeclared: 'x-geoip-country',
            },
          },
        },
      },
      none: { schema_title, producers: { eventgate: { enrich_fields_from_http_headers: [] } } },
      silent: { schema_title, producers: { eventgate: {} } },
      '/^many\\..+/': {
        schema_title,
        producers: { eventgate: { enrich_fields_from_http_headers: { 'meta.request_id': 'x-request-id' } } },
      },
      wrong: {
        schema_title,
        producers: { eventgate: { enrich_fields_from_http_headers: { 'meta.request_id': true } } },
      },
    }),
  })
  const headers = {
    'x-geoip-country': 'NL',
    'x-of-service': 'yes',
    'user-agent': 'tests/1',
    'x-request-id': 'r1',
  }
  const to = async (stream: string, more = {}, http?: object) => {
    const event = { $schema: '/rich/1.0.0', meta: { stream }, ...(http && { http }) }
    const found = await stored(service, event, { ...headers, ...more })
    return [found.meta.request_id, found.http?.request_headers]
  }
  await t.test('those and no others', async () => {
    assert.deepEqual(await to('own'), [undefined, { country: 'NL' }])
  })
  await t.test('cut to 400 characters', async () => {
    const [, found] = await to('own', { 'x-geoip-country': `${'x'.repeat(400)}y` })
    assert.deepEqual(found, { country: 'x'.repeat(400) })
  })
  await t.test("a client's own is kept", async () => {
    const [, found] = await to('own', {}, { request_headers: { country: 'DE' } })
    assert.deepEqual(found, { country: 'DE' })
  })
  await t.test('nothing, if it names nothing', async () => {
    assert.deepEqual(await to('none'), [undefined, undefined])
  })
  await t.test("the service's, where it says nothing", async () => {
    assert.deepEqual(await to('silent'), ['r1', { 'of-service': 'yes', 'user-agent': 'tests/1' }])
  })
  await t.test('of a stream known by a regular expression', async () => {
    assert.deepEqual(await to('many.things'), ['r1', undefined])
  })
  await t.test('what is no header makes the stream one that takes no events', async () => {
    const reply = await service.post({ $schema: '/rich/1.0.0', meta: { stream: 'wrong' } })
    assertFailure(reply, { status: 503, error: ['stream_misconfigured'] })
  })
})

/** A report as a browser sends it: without a schema, a stream, or anything else that EventGate defines. */
const report = (more: object = {}) => ({
  age: 30654,
  type: 'network-error',
  url: 'https://en.wikipedia.org/wiki/Ä|{x}',
  user_agent: 'Mozilla/5.0 (X11; Linux x86_64)',
  body: {
    elapsed_time: 108,
    method: 'GET',
    phase: 'connection',
    protocol: 'http/1.1',
    referrer: '',
    sampling_fraction: 0.05,
    server_ip: '',
    status_code: 0,
    type: 'tcp.refused',
  },
  ...more,
})
const NEL = 'w3c.reportingapi.network_error'
const reported = (service: Service, uri: string, reports: object[], headers = {}) =>
  postBytes(service, JSON.stringify(reports), {
    path: `/v1/events?schema_uri=${uri}&stream=${NEL}`,
    headers: { 'content-type': 'application/reports+json', ...headers },
  })
const NEL_CONF = { schema_uri_query_param: 'schema_uri', stream_query_param: 'stream' }

test('Network Error Logging: reports as browsers send them', async t => {
  const service = await startService(t, {
    ...NEL_CONF,
    schema_base_uris: [
      repository(t, {
        '/nel/1.0.0': {
          properties: {
            ...base,
            age: { type: 'number' },
            type: text,
            url: text,
            user_agent: text,
            body: { type: 'object', properties: { type: text, status_code: { type: 'integer' } } },
            http: { type: 'object', properties: { client_ip: text } },
          },
          additionalProperties: false,
          required: ['$schema', 'meta'],
        },
      }),
    ],
  })
  const two = [report(), report({ age: 0 })]
  const accepted = await reported(service, '/nel/1.0.0', two, { 'x-client-ip': '198.51.100.7' })
  assertAccepted(accepted, 201, 'All 2 out of 2 events were accepted.')
  for (const [n, { $schema, meta, http, ...rest }] of (service.produced() as Stored[]).entries()) {
    assert.deepEqual(rest, two[n])
    assert.deepEqual([$schema, meta.stream, http.client_ip], ['/nel/1.0.0', NEL, '198.51.100.7'])
  }
  const mixed = await reported(service, '/nel/1.0.0', [report({ age: 'old' }), report()])
  const [entry] = assertFailure(mixed, { status: 207, invalid: ['validation_failed'] })
  assert.deepEqual(entry.event, report({ age: 'old' }))
})

const schemas = join(WIKIMEDIA, 'schemas-event-primary')
const configs = join(WIKIMEDIA, 'stream-configs/eventgate-logging-external.json')

test('Network Error Logging as in production', { skip: NOT_REAL }, async t => {
  assert.ok(readFileSync(configs, 'utf8').includes(NEL))
  const service = await startService(t, {
    ...NEL_CONF,
    schema_base_uris: [schemas],
    schema_precache_uris: ['/w3c/reportingapi/network_error/1.0.0'],
    stream_config_uri: configs,
    stream_config_object_path: 'streams',
    destination_event_service: 'eventgate-logging-external',
    transforms: ['eventgateWikimediaDefaults'],
  })
  const reply = await reported(service, '/w3c/reportingapi/network_error/1.0.0', [report()], {
    'user-agent': 'Mozilla/5.0',
    'x-request-id': 'r1',
    'x-client-ip': '198.51.100.7',
    'x-geoip-country': 'NL',
    'x-ja3n': 'j',
  })
  assertAccepted(reply, 201, ONE_ACCEPTED)
  const [{ $schema, meta, http, ...rest }] = service.produced() as Stored[]
  assert.deepEqual(rest, report())
  assert.equal($schema, '/w3c/reportingapi/network_error/1.0.0')
  assert.deepEqual([meta.stream, meta.request_id], [NEL, 'r1'])
  assert.deepEqual(http, {
    client_ip: '198.51.100.7',
    request_headers: { 'user-agent': 'Mozilla/5.0', 'x-geoip-country': 'NL', 'x-ja3n': 'j' },
  })
})
