import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import {
  assertAccepted,
  assertAlive,
  assertFailure,
  connect,
  eventually,
  freePort,
  head,
  ONE_ACCEPTED,
  parseAnswer,
  postBytes,
  samples,
} from '../support/http.js'
import { startService, testEvent } from '../support/service.js'

// contract 1.3.

const HASTY = { query: '?hasty=true' }
const path = '/v1/events?hasty=true'

test('hasty events', async t => {
  const port = await freePort()
  const service = await startService(t, {}, { metrics: { type: 'prometheus', port } })

  await t.test('are stored soon after their 202', async () => {
    const events = [testEvent({ test: 'hasty one' }), testEvent({ test: 'hasty two' })]
    assertAccepted(await service.post(events, HASTY), 202, '2 events hastily received.')
    await eventually(() => {
      const found = service.produced().map(event => event.test)
      assert.deepEqual(found, ['hasty one', 'hasty two'])
    })
  })
  await t.test('that are invalid do not change the 202, and are logged and counted', async () => {
    const mistakes = [testEvent({ test: 42 }), { $schema: '/no/such/1.0.0', meta: { stream: 's' } }, 'text']
    const reply = await service.post([...mistakes, testEvent({ test: 'hasty three' })], HASTY)
    assertAccepted(reply, 202, '4 events hastily received.')
    await eventually(() => assert.ok(service.produced().some(event => event.test === 'hasty three')))
    const codes = ['validation_failed', 'schema_not_found', 'event_not_an_object']
    await eventually(() => {
      for (const code of codes) {
        const line = service.log().find(line => line.code === code)
        assert.ok(line, `${code} is not logged`)
        assert.equal(line.delivery, 'hasty')
      }
    })
    const found = await samples(port)
    for (const reason of codes)
      assert.equal(found.get(`eventgate_hasty_events_lost_total{service="eventgate",reason="${reason}"}`), 1)
    const labels = 'service="eventgate",stream="eventgate.test.event",schema_uri="/test/event/1.0.0"'
    assert.equal(found.get(`eventgate_events_produced_total{${labels}}`), 3)
    assert.equal(found.get(`eventgate_validation_errors_total{${labels},error_type="validation_failed"}`), 1)
  })

  const unusable = {
    'malformed JSON': ['{"a":', {}, 400, 'body_malformed'],
    'an empty body': ['', {}, 400, 'body_empty'],
    'a scalar': ['7', {}, 400, 'body_not_events'],
    'an empty array': ['[]', {}, 400, 'body_not_events'],
    'bytes that are not UTF-8': [Buffer.from([0x22, 0xff, 0x22]), {}, 400, 'body_not_utf8'],
    'a content type that is not supported': [
      '{}',
      { 'content-type': 'text/html' },
      415,
      'content_type_unsupported',
    ],
    'a coding that is not supported': [
      '{}',
      { 'content-encoding': 'zstd' },
      415,
      'content_encoding_unsupported',
    ],
    'gzip that is none': ['{}', { 'content-encoding': 'gzip' }, 400, 'body_malformed'],
  } as const
  for (const [name, [body, headers, status, code]] of Object.entries(unusable)) {
    await t.test(`${name} gets the same ${status} as otherwise`, async () => {
      for (const query of ['', '?hasty=true']) {
        const reply = await postBytes(service, body, { path: `/v1/events${query}`, headers })
        assertFailure(reply, { status, invalid: [code] })
      }
      await assertAlive(service)
    })
  }
  await t.test('an array of scalars is of no use either', async () => {
    assertFailure(await service.post([1, 'a', null], HASTY), { status: 400, invalid: ['body_not_events'] })
  })
  assert.equal(await service.stop(), 0)
})

test('a hasty room that is full of bytes refuses at once, and guaranteed requests never notice', async t => {
  const waiting: ServerResponse[] = []
  const registry = createServer((_req, res) => void waiting.push(res)).listen(0)
  t.after(() => void registry.close().closeAllConnections())
  await once(registry, 'listening')
  const { port } = registry.address() as AddressInfo
  const service = await startService(t, {
    schema_base_uris: ['schemas', `http://127.0.0.1:${port}/`],
    schema_timeout_ms: 9000,
    max_body_size: 2000,
    hasty_max_bytes: 2000,
  })
  const slow = { $schema: '/slow/1.0.0.yaml', meta: { stream: 'slow' }, text: 'x'.repeat(1880) }
  assertAccepted(await service.post(slow, HASTY), 202, '1 events hastily received.')
  await eventually(() => assert.equal(waiting.length, 1))
  const before = service.produced().length
  const refused = await service.post(testEvent({ test: 'refused' }), HASTY)
  assertFailure(refused, { status: 503, reason: 'Service Unavailable', error: ['over_capacity'] })
  const chunked = await connect(t, service.url)
  chunked.write(`${head({ 'transfer-encoding': 'chunked' }, { path })}c8\r\n${'{"a":1}'.padEnd(200)}\r\n`)
  await chunked.until(/\r\n\r\n\{.*\}$/)
  assertFailure(parseAnswer(chunked.received()), { status: 503, error: ['over_capacity'] })
  for (let i = 0; i < 20; i++) assertAccepted(await service.post(testEvent()), 201, ONE_ACCEPTED)
  assert.equal(service.produced().length, before + 20, 'what was refused must not be stored')

  for (const res of waiting) res.end('{"title":"slow","type":"object"}')
  await eventually(async () =>
    assertAccepted(await service.post(testEvent(), HASTY), 202, '1 events hastily received.'),
  )
  assert.equal(await service.stop(), 0)
  assert.equal(service.produced().filter(({ $schema }) => $schema === slow.$schema).length, 1)
})

test('a full hasty room, by events, refuses too', async t => {
  const waiting: ServerResponse[] = []
  const registry = createServer((_req, res) => void waiting.push(res)).listen(0)
  t.after(() => void registry.close().closeAllConnections())
  await once(registry, 'listening')
  const { port } = registry.address() as AddressInfo
  const service = await startService(t, {
    schema_base_uris: ['schemas', `http://127.0.0.1:${port}/`],
    hasty_max_events: 2,
    schema_timeout_ms: 9000,
  })
  const slow = { $schema: '/slow/1.0.0.yaml', meta: { stream: 'slow' } }

  assertFailure(await service.post([slow, slow, slow], HASTY), { status: 413, invalid: ['body_too_large'] })
  assertAccepted(await service.post([slow, slow], HASTY), 202, '2 events hastily received.')
  await eventually(() => assert.equal(waiting.length, 1))
  assertFailure(await service.post(testEvent(), HASTY), { status: 503, error: ['over_capacity'] })
  await assertAlive(service)

  for (const res of waiting) res.end('{"title":"slow","type":"object"}')
  await eventually(async () =>
    assertAccepted(
      await service.post(testEvent({ test: 'after' }), HASTY),
      202,
      '1 events hastily received.',
    ),
  )
  assert.equal(await service.stop(), 0)
  assert.equal(service.produced().filter(({ $schema }) => $schema === slow.$schema).length, 2)
  assert.equal(service.produced().filter(({ test }) => test === 'after').length, 1)
})
