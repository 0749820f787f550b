import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { assertAccepted, assertFailure, postBytes, repository, type Stored, stored } from '../support/http.js'
import { startService, testEvent } from '../support/service.js'

// contract 2: what the gate fills in, and what it leaves as it was.

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/
const ISO = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/

const text = { type: 'string' }
const full = {
  properties: {
    $schema: text,
    meta: { type: 'object', properties: { stream: text, dt: text, id: text, request_id: text } },
    http: { type: 'object', properties: { request_headers: { type: 'object', additionalProperties: text } } },
    referer: text,
  },
}
const SCHEMAS = {
  '/full/1.0.0': full,
  // Declares nothing that is filled in but what names it.
  '/bare/1.0.0': {
    properties: {
      $schema: text,
      meta: { type: 'object', properties: { stream: text }, additionalProperties: false },
    },
    additionalProperties: false,
  },
  '/named/1.0.0': {
    properties: {
      ...full.properties,
      http: {
        type: 'object',
        properties: { request_headers: { type: 'object', properties: { 'user-agent': text } } },
      },
    },
  },
  '/closed/1.0.0': {
    properties: {
      ...full.properties,
      http: { type: 'object', properties: { method: text }, additionalProperties: false },
    },
  },
  '/any/1.0.0': { properties: { $schema: text, meta: { type: 'object', properties: { stream: text } } } },
}

test('what is filled in', async t => {
  const service = await startService(t, {
    schema_base_uris: [repository(t, SCHEMAS)],
    http_request_headers_to_fields: { Referer: 'referer' },
  })
  const event = (schema: string, meta: object = {}, more: object = {}) => ({
    $schema: `/${schema}/1.0.0`,
    meta: { stream: 's', ...meta },
    ...more,
  })

  await t.test('meta.dt is the time of receipt', async () => {
    const before = Date.now()
    const { meta } = await stored(service, event('full'))
    assert.match(meta.dt, ISO)
    assert.ok(Date.parse(meta.dt) >= before && Date.parse(meta.dt) <= Date.now())
  })
  await t.test("a client's meta.dt is overwritten", async () => {
    const { meta } = await stored(service, event('full', { dt: '2001-01-01T00:00:00Z' }))
    assert.ok(Date.parse(meta.dt) > Date.parse('2020-01-01'))
  })
  await t.test('a meta.dt of any other type is overwritten too', async () => {
    assert.match((await stored(service, event('full', { dt: null }))).meta.dt, ISO)
  })
  await t.test('meta.id is made, each one new', async () => {
    const reply = await service.post([event('full'), event('full')])
    assert.equal(reply.status, 201)
    const [one, two] = service
      .produced()
      .slice(-2)
      .map(event => (event.meta as { id: string }).id)
    assert.match(String(one), UUID)
    assert.match(String(two), UUID)
    assert.notEqual(one, two)
  })
  await t.test("a client's meta.id is kept", async () => {
    assert.equal((await stored(service, event('full', { id: 'its own' }))).meta.id, 'its own')
    assert.equal((await stored(service, event('full', { id: '' }))).meta.id, '')
  })
  await t.test('an x-request-id becomes meta.request_id', async () => {
    assert.equal((await stored(service, event('full'), { 'X-Request-Id': 'abc' })).meta.request_id, 'abc')
  })
  await t.test("a client's meta.request_id is kept", async () => {
    const { meta } = await stored(service, event('full', { request_id: 'its own' }), {
      'x-request-id': 'abc',
    })
    assert.equal(meta.request_id, 'its own')
  })
  await t.test('a request without x-request-id gets one id for all its events', async () => {
    const ids: unknown[] = []
    for (let i = 0; i < 2; i++) {
      assert.equal((await service.post([event('full'), event('full')])).status, 201)
      ids.push(
        ...service
          .produced()
          .slice(-2)
          .map(event => (event.meta as { request_id: string }).request_id),
      )
    }
    for (const id of ids) assert.match(String(id), UUID)
    assert.equal(ids[0], ids[1])
    assert.notEqual(ids[1], ids[2])
  })
  await t.test('a made request id is the one that is logged', async () => {
    const reply = await service.post([event('full'), { ...event('full'), referer: 1 }])
    assertFailure(reply, { status: 207, invalid: ['validation_failed'] })
    const id = (service.produced().at(-1) as Stored).meta.request_id
    assert.ok(service.log().some(line => line.code === 'validation_failed' && line.request_id === id))
  })
  await t.test('a user-agent goes into a map', async () => {
    const { http } = await stored(service, event('full'), { 'user-agent': 'tests/1' })
    assert.deepEqual(http, { request_headers: { 'user-agent': 'tests/1' } })
  })
  await t.test('a user-agent goes where it is declared by name', async () => {
    const { http } = await stored(service, event('named', {}, { http: { method: 'POST' } }), {
      'user-agent': 'tests/1',
    })
    assert.deepEqual(http, { method: 'POST', request_headers: { 'user-agent': 'tests/1' } })
  })
  await t.test('a header of the configuration goes to its field', async () => {
    assert.equal(
      (await stored(service, event('full'), { referer: 'https://a.example/' })).referer,
      'https://a.example/',
    )
  })
  await t.test('a header that the request has not got fills nothing', async () => {
    const found = await stored(service, event('full'))
    assert.ok(!('referer' in found))
    assert.ok(!('http' in found), 'no empty objects are left behind')
  })
  await t.test('a header is cut to 400 characters', async () => {
    const { http } = await stored(service, event('full'), { 'user-agent': 'u'.repeat(500) })
    assert.equal(http.request_headers['user-agent'], 'u'.repeat(400))
  })
  await t.test("a client's own field is kept", async () => {
    const http = { request_headers: { 'user-agent': 'its own' } }
    assert.deepEqual(
      (await stored(service, event('full', {}, { http }), { 'user-agent': 'tests/1' })).http,
      http,
    )
  })
  for (const http of ['text', 7, null, ['a']]) {
    await t.test(
      `${JSON.stringify(http)} in the way of a header is left for validation to judge`,
      async () => {
        const body = event('full', {}, { http })
        const reply = await service.post(body, { headers: { 'user-agent': 'tests/1' } })
        const [entry] = assertFailure(reply, { status: 400, invalid: ['validation_failed'] })
        assert.deepEqual(entry.event, body)
        assert.match(entry.context.errorsText, /^'\.http' should be object/)
      },
    )
  }
  await t.test('an entry shows the event without what was filled in', async () => {
    const body = event('full', {}, { referer: 1 })
    const [entry] = assertFailure(await service.post(body, { headers: { 'user-agent': 'x' } }), {
      status: 400,
    })
    assert.deepEqual(entry.event, body)
  })
  const headers = { 'user-agent': 'tests/1', 'x-request-id': 'abc', referer: 'https://a.example/' }
  await t.test('nothing is added that the schema does not declare', async () => {
    assert.deepEqual(await stored(service, event('bare'), headers), event('bare'))
    assert.deepEqual(await stored(service, event('any'), headers), event('any'))
    const closed = await stored(service, event('closed'), headers)
    assert.ok(!('http' in closed))
  })
  await t.test('the spelling of $schema is kept', async () => {
    for (const $schema of ['full/1.0.0', '/full/1.0.0']) {
      assert.equal((await stored(service, { $schema, meta: { stream: 's' } })).$schema, $schema)
    }
  })
  assert.equal(await service.stop(), 0)
})

test('overwrite_dt: false', async t => {
  const service = await startService(t, { overwrite_dt: false })
  const meta = { stream: 's' }
  const dt = '2001-01-01T00:00:00Z'
  assert.equal((await stored(service, testEvent({ meta: { ...meta, dt } }))).meta.dt, dt)
  assert.match((await stored(service, testEvent({ meta }))).meta.dt, ISO)
  const refused = await service.post(testEvent({ meta: { ...meta, dt: 'yesterday' } }))
  assertFailure(refused, { status: 400, invalid: ['validation_failed'] })
})

test('id_from_request: true', async t => {
  const service = await startService(t, { id_from_request: true })
  const ids = async (headers: Record<string, string>, ...tests: string[]) => {
    const reply = await service.post(
      tests.map(test => testEvent({ test })),
      { headers },
    )
    assert.equal(reply.status, 201)
    return service
      .produced()
      .slice(-tests.length)
      .map(event => (event as Stored).meta.id as string)
  }
  const first = await ids({ 'x-request-id': 'r1' }, 'a', 'a')
  for (const id of first) assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab]/)
  assert.notEqual(first[0], first[1], 'the same event twice in a request is two events')
  assert.deepEqual(
    await ids({ 'x-request-id': 'r1' }, 'a', 'a'),
    first,
    "a proxy's second try makes the same ids",
  )
  assert.notDeepEqual(await ids({ 'x-request-id': 'r2' }, 'a', 'a'), first)
  assert.notDeepEqual(await ids({ 'x-request-id': 'r1' }, 'b', 'b'), first)
  assert.notDeepEqual(
    await ids({}, 'a'),
    await ids({}, 'a'),
    'without a request id there is nothing to make one from',
  )
})

test('the rest of an event is never changed', async t => {
  const service = await startService(t, { schema_base_uris: [repository(t, SCHEMAS)] })
  const number = fc.oneof(
    fc.double({ noNaN: true, noDefaultInfinity: true }).filter(n => Math.abs(n) < Number.MAX_SAFE_INTEGER),
    fc.maxSafeInteger(),
  )
  const key = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.constantFrom(
      '__proto__',
      'constructor',
      'prototype',
      'toJSON',
      'hasOwnProperty',
      'length',
      '',
      '0',
      'dt',
      'id',
      'stream',
    ),
  )
  const { value } = fc.letrec(tie => ({
    value: fc.oneof(
      { maxDepth: 5, depthSize: 'small' },
      fc.constant(null),
      fc.boolean(),
      number,
      fc.string({ unit: 'binary' }),
      fc.string(),
      fc.array(tie('value'), { maxLength: 5 }),
      fc.array(fc.tuple(key, tie('value')), { maxLength: 5 }).map(entries => Object.fromEntries(entries)),
    ),
  }))
  const object = fc.array(fc.tuple(key, value), { maxLength: 8 }).map(entries => Object.fromEntries(entries))
  await fc.assert(
    fc.asyncProperty(
      fc.array(object, { minLength: 1, maxLength: 50 }),
      fc.constantFrom(undefined, 1),
      async (objects, indent) => {
        // Sent as it was made by JSON, so that a key such as __proto__ is one.
        const events = objects.map(fields => ({
          $schema: '/any/1.0.0',
          ...fields,
          meta: { ...asObject(fields.meta), stream: 's' },
        }))
        const body = JSON.stringify(events, undefined, indent)
        const before = service.produced().length
        const reply = await postBytes(service, body)
        assertAccepted(reply, 201, `All ${events.length} out of ${events.length} events were accepted.`)
        assert.deepEqual(service.produced().slice(before), JSON.parse(body))
      },
    ),
    { numRuns: 60 },
  )
})

function asObject(value: unknown): object {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : {}
}
