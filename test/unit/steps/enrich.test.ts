import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { GateError } from '#src/lib/errors.js'
import { type Context, type Event, EventGate, type Schema, type Stream } from '#src/lib/eventgate.js'
import { compile } from '#src/lib/schemas/compiler.js'
import { DocumentReader } from '#src/lib/schemas/document.js'
import { type EnrichOptions, makeEnrich, makeTakeBack } from '#src/lib/steps/enrich.js'

const UUID_V4 = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/
const UUID_V5 = /^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/
const DT = '2026-01-02T03:04:05.006Z'

const options: EnrichOptions = {
  schemaUriField: '$schema',
  streamField: 'meta.stream',
  dtField: 'meta.dt',
  idField: 'meta.id',
  overwriteDt: true,
  idFromRequest: false,
  headersToFields: { 'x-request-id': 'meta.request_id', 'User-Agent': 'http.request_headers.user-agent' },
}

const context: Context = {
  requestId: 'request-1',
  receivedAt: Date.parse(DT),
  deadline: Infinity,
  headers: { 'x-request-id': 'request-1', 'user-agent': 'agent/1' },
  schemaUri: '/query/1.0.0',
  stream: 'query.stream',
  delivery: 'guaranteed',
  clientIp: () => undefined,
  textOf: index => `text ${index}`,
}

const text = { type: 'string' }
const FIELDS = {
  $schema: text,
  meta: { properties: { stream: text, dt: text, id: text, request_id: text } },
  http: { properties: { request_headers: { additionalProperties: text } } },
}

function schemaOf(document: object): Schema {
  const reader = new DocumentReader({ allowInsecure: false })
  return compile(reader.read('/test/1.0.0', JSON.stringify(document)), new Map())
}
const schema = schemaOf({ properties: FIELDS, additionalProperties: false })

function enriched(
  event: unknown,
  more: {
    options?: Partial<EnrichOptions>
    context?: Partial<Context>
    schema?: Schema
    stream?: Stream
    index?: number
  } = {},
) {
  const copy = structuredClone(event) as Event
  makeEnrich({ ...options, ...more.options })(
    copy,
    more.schema ?? schema,
    more.stream ?? { name: 's', topic: 's' },
    { ...context, ...more.context },
    more.index ?? 0,
  )
  // biome-ignore lint/suspicious/noExplicitAny: tests look into it freely
  return copy as any
}

test('an event that lacks everything gets it all', () => {
  const event = enriched({ own: 1 })
  assert.match(event.meta.id, UUID_V4)
  assert.deepEqual(event, {
    own: 1,
    $schema: '/query/1.0.0',
    meta: { stream: 'query.stream', dt: DT, id: event.meta.id, request_id: 'request-1' },
    http: { request_headers: { 'user-agent': 'agent/1' } },
  })
  assert.notEqual(enriched({}).meta.id, event.meta.id)
})

test('what an event has is kept, whatever it is, except for its time of receipt', () => {
  const event = {
    $schema: '/own/1',
    meta: { stream: 'own', dt: 'own', id: 'own', request_id: '' },
    http: { request_headers: { 'user-agent': null } },
  }
  assert.deepEqual(enriched(event), { ...event, meta: { ...event.meta, dt: DT } })
  assert.deepEqual(enriched(event, { options: { overwriteDt: false } }), event)
  assert.equal(enriched({ meta: {} }, { options: { overwriteDt: false } }).meta.dt, DT)
})

test('what is not declared is never added', () => {
  for (const closed of [
    {},
    { additionalProperties: false },
    { properties: { meta: { type: 'object' }, http: text } },
    { additionalProperties: true },
  ]) {
    assert.deepEqual(enriched({ meta: { own: 1 } }, { schema: schemaOf(closed) }), { meta: { own: 1 } })
    assert.deepEqual(enriched({}, { schema: schemaOf(closed) }), {})
  }
  // Not even over a value of the client's.
  assert.deepEqual(enriched({ meta: { dt: 'own' } }, { schema: schemaOf({}) }), { meta: { dt: 'own' } })
  const some = enriched({}, { schema: schemaOf({ properties: { meta: { properties: { dt: text } } } }) })
  assert.deepEqual(some, { meta: { dt: DT } })
})

test('a map declares its fields', () => {
  const map = { additionalProperties: text }
  const event = enriched(
    {},
    { schema: schemaOf({ properties: { meta: map, http: { properties: { request_headers: map } } } }) },
  )
  assert.deepEqual(Object.keys(event.meta).sort(), ['dt', 'id', 'request_id', 'stream'])
  assert.equal(event.http.request_headers['user-agent'], 'agent/1')
})

test('what stands in the way is left for validation to judge', () => {
  for (const obstacle of ['text', 5, null, [], true]) {
    const event = { $schema: obstacle ?? '/x/1', meta: obstacle, http: obstacle }
    assert.deepEqual(enriched(event), event)
    const deeper = {
      $schema: '/x/1',
      meta: { stream: 's', dt: DT, id: obstacle, request_id: 'r' },
      http: { request_headers: obstacle },
    }
    assert.deepEqual(enriched(deeper), deeper)
  }
})

test('headers: cut to 400 characters, several as one, none fills nothing', () => {
  const agent = (value: string | string[] | undefined) =>
    enriched({}, { context: { headers: { 'user-agent': value } } }).http?.request_headers['user-agent']
  assert.equal(agent('x'.repeat(400)), 'x'.repeat(400))
  assert.equal(agent(`${'x'.repeat(400)}y`), 'x'.repeat(400))
  assert.equal(agent(['a', 'b']), 'a, b')
  assert.equal(agent(undefined), undefined)
  assert.equal('http' in enriched({}, { context: { headers: {} } }), false)
  // The request's id is there even if it was made here.
  assert.equal(enriched({}, { context: { headers: {}, requestId: 'made' } }).meta.request_id, 'made')
  assert.equal(enriched({}, { context: { requestId: 'r'.repeat(1000) } }).meta.request_id.length, 400)
})

test('query parameters and fields that are not configured fill nothing', () => {
  const bare = enriched({}, { context: { schemaUri: undefined, stream: undefined } })
  assert.deepEqual([bare.$schema, bare.meta.stream], [undefined, undefined])
  const none = { streamField: undefined, dtField: undefined, idField: undefined, headersToFields: {} }
  assert.deepEqual(enriched({}, { options: none, context: { schemaUri: undefined } }), {})
})

test('ids from requests: the same for the same request, index and bytes, and for no other', () => {
  const id = (more: { context?: Partial<Context>; index?: number } = {}) =>
    enriched({}, { options: { idFromRequest: true }, ...more }).meta.id as string
  const first = id()
  assert.match(first, UUID_V5)
  assert.equal(id(), first)
  const others = [
    id({ index: 1 }),
    id({ context: { requestId: 'request-2' } }),
    id({ context: { textOf: () => 'text 0 ' } }),
    id({ context: { requestId: 'request-1\n0' } }),
    id({ index: 1, context: { textOf: () => 'text 0' } }),
  ]
  assert.equal(new Set([first, ...others]).size, 6)
  for (const other of others) assert.match(other, UUID_V5)
  // A request without an id has no copies that could be told.
  const random = [id({ context: { headers: {} } }), id({ context: { headers: {} } })]
  for (const it of random) assert.match(it, UUID_V4)
  assert.notEqual(random[0], random[1])
  assert.equal(enriched({ meta: { id: 'own' } }, { options: { idFromRequest: true } }).meta.id, 'own')
  // The ids are stored, and compared across releases.
  assert.equal(first, 'a60c576d-f19e-5928-b6d2-eff4f70eca05')
})

/** Takes an event to the producer; gives what is stored, or why it is refused, and how often it was validated. */
async function passed(
  document: object,
  event: object,
  more: { headers?: Context['headers']; ip?: string } = {},
) {
  const schema = schemaOf(document)
  const received = JSON.stringify(event)
  let validations = 0
  let stored: Event | undefined
  const gate = new EventGate({
    load: () => undefined,
    schemaFor: () => ({
      ...{ uri: schema.uri, title: schema.title, declares: path => schema.declares(path) },
      validate(event) {
        validations++
        schema.validate(event)
      },
    }),
    streamFor: () => ({ name: 's', topic: 's' }),
    enrich: makeEnrich(options),
    takeBack: makeTakeBack(options),
    route: () => ({ topic: 't', key: null, timestamp: 0, delivery: 'guaranteed' }),
    produce: async event => {
      stored = JSON.parse(JSON.stringify(event))
    },
  })
  const headers = more.headers ?? {}
  const [outcome] = await gate.process([JSON.parse(received)], {
    ...{ ...context, headers, schemaUri: undefined, stream: undefined },
    ...{ clientIp: () => more.ip ?? '198.51.100.7', textOf: () => received },
  })
  const error = outcome && 'error' in outcome ? (outcome.error as GateError).message : undefined
  return { stored, error, validations }
}

const meta = { type: 'object', required: ['dt'], properties: { stream: text, dt: text } }
const client_ip = text

test('what the gate added and the schema refuses is taken back', async () => {
  const cases: [
    what: string,
    document: object,
    event: object,
    http: unknown,
    more?: Parameters<typeof passed>[2],
  ][] = [
    [
      'an object that was made for an address, and lacks what it must have',
      {
        properties: {
          http: { type: 'object', required: ['method'], properties: { method: text, client_ip } },
        },
      },
      {},
      undefined,
    ],
    [
      'one that was made for two fields',
      {
        properties: {
          http: {
            ...{ type: 'object', required: ['method'] },
            properties: { method: text, client_ip, request_headers: { additionalProperties: text } },
          },
        },
      },
      {},
      undefined,
      { headers: { 'user-agent': 'agent/1' } },
    ],
    [
      'an address of a form that the schema does not take',
      {
        properties: {
          http: { properties: { client_ip: { type: 'string', format: 'ipv4', maxLength: 40 } } },
        },
      },
      {},
      undefined,
      { ip: '2001:db8::1' },
    ],
    [
      'the same beside what the client sent',
      { properties: { http: { properties: { method: text, client_ip: { type: 'string', maxLength: 9 } } } } },
      { http: { method: 'GET' } },
      { method: 'GET' },
    ],
    [
      'a header that is too long, and not the address beside it',
      {
        properties: {
          http: {
            properties: {
              client_ip,
              request_headers: { additionalProperties: { type: 'string', maxLength: 5 } },
            },
          },
        },
      },
      {},
      { client_ip: '198.51.100.7' },
      { headers: { 'user-agent': 'agent/1' } },
    ],
    [
      'a field too many',
      { properties: { http: { maxProperties: 1, properties: { method: text, client_ip } } } },
      { http: { method: 'GET' } },
      { method: 'GET' },
    ],
    [
      'a field that demands another',
      {
        properties: {
          http: { dependencies: { client_ip: ['port'] }, properties: { method: text, client_ip } },
        },
      },
      { http: { method: 'GET' } },
      { method: 'GET' },
    ],
    [
      'an object that excludes another',
      {
        properties: { http: { properties: { client_ip } }, app: text },
        oneOf: [{ required: ['http'] }, { required: ['app'] }],
      },
      { app: 'x' },
      undefined,
    ],
    [
      'an object that was made and has a default of its own',
      {
        properties: {
          http: {
            ...{ type: 'object', required: ['method'] },
            properties: { method: text, client_ip, protocol: { type: 'string', default: 'https' } },
          },
        },
      },
      {},
      undefined,
    ],
  ]
  for (const [what, document, event, http, more] of cases) {
    const { properties, ...rest } = document as { properties: object }
    const whole = { ...rest, required: ['meta'], properties: { ...properties, meta } }
    const result = await passed(whole, { ...event, meta: { stream: 's' } }, more)
    assert.deepEqual(
      result,
      {
        stored: { ...event, ...(http ? { http } : {}), meta: { stream: 's', dt: DT } },
        error: undefined,
        validations: 2,
      },
      what,
    )
  }
})

test('an event that passes at once, or is wrong by itself, is validated once', async () => {
  const document = {
    required: ['test'],
    properties: { test: text, meta, http: { required: ['method'], properties: { method: text, client_ip } } },
  }
  const http = { method: 'GET' }
  assert.equal((await passed(document, { test: 'x', meta: {}, http })).validations, 1)
  for (const [event, error] of [
    [{ meta: {}, http }, "'' should have required property 'test'"],
    [{ test: 1, meta: {}, http }, "'.test' should be string"],
    [{ test: 'x', meta: {}, http: { method: 1 } }, "'.http.method' should be string"],
    [{ test: 'x', meta: 5, http }, "'.meta' should be object"],
  ] as const)
    assert.deepEqual(await passed(document, event), { stored: undefined, error, validations: 1 })
})

test('an event that is wrong by itself too is told only what it did itself', async () => {
  const document = {
    properties: {
      ...{ test: text, meta },
      http: { type: 'object', required: ['method'], properties: { method: text, client_ip } },
    },
  }
  const { error, stored } = await passed(document, { test: 1, meta: {} })
  assert.deepEqual([error, stored], ["'.test' should be string", undefined])
  // What the client sent is never taken back.
  const own = await passed(document, { test: 'x', meta: {}, http: {} })
  assert.equal(own.error, "'.http' should have required property 'method'")
  const address = {
    properties: { meta, http: { properties: { client_ip: { type: 'string', maxLength: 5 } } } },
  }
  const sent = await passed(address, { meta: {}, http: { client_ip: 'too long' } })
  assert.equal(sent.error, "'.http.client_ip' should NOT be longer than 5 characters")
})
