import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { eventually } from '../support/http.js'
import { startService, temporary, testEvent } from '../support/service.js'

test("logging.format: ecs writes the Elastic Common Schema's names", async t => {
  const service = await startService(t, {}, { logging: { format: 'ecs', name: 'my-gate' } })
  const headers = { 'x-request-id': 'my-request' }
  assert.equal((await service.post(testEvent({ test: 1 }), { headers })).status, 400)
  const line = await eventually(() => {
    const found = service.log().find(line => line['event.code'] === 'validation_failed')
    assert.ok(found)
    return found
  })
  const { '@timestamp': at, message, 'process.pid': pid, 'host.hostname': host, ...rest } = line
  assert.equal(new Date(String(at)).toISOString(), at)
  assert.match(String(message), /^event invalid: /)
  assert.equal(pid, service.process.pid)
  assert.ok(host)
  assert.deepEqual(rest, {
    'log.level': 'info',
    'ecs.version': '8.10.0',
    'service.name': 'my-gate',
    'event.code': 'validation_failed',
    'http.request.id': 'my-request',
    eventgate: { stream: 'unknown', schema_uri: '/test/event/1.0.0', delivery: 'guaranteed' },
  })
  for (const each of service.log())
    for (const name of ['@timestamp', 'log.level', 'message', 'ecs.version', 'service.name'])
      assert.ok(name in each, `${name} is not in ${JSON.stringify(each)}`)
})

test('every line about a request has its id, which is made if the client sends no id', async t => {
  const service = await startService(t, { error_stream: 'eventgate.error' })
  const refused = [
    () => service.post([], { headers: { 'x-request-id': 'empty' } }),
    () => service.post(testEvent({ test: 1 }), { headers: { 'x-request-id': 'invalid' } }),
    () => service.post([], { query: '?hasty=perhaps' }),
    () => service.post({ $schema: '/nowhere/1.0.0', meta: { stream: 'a' } }, { query: '?hasty' }),
  ]
  for (const send of refused) await send()
  const lines = await eventually(() => {
    const found = service.log().filter(line => line.code !== undefined && line.count === undefined)
    assert.equal(found.length, refused.length)
    return found
  })
  const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/
  assert.deepEqual(
    lines.map(({ code, request_id: id }) => [code, UUID.test(String(id)) ? 'made' : id]),
    [
      ['body_not_events', 'empty'],
      ['validation_failed', 'invalid'],
      ['query_refused', 'made'],
      ['schema_not_found', 'made'],
    ],
  )
})

test("a line about an error event has the id of the refused event's request", async t => {
  const streams = join(temporary(t), 'streams.json')
  writeFileSync(streams, JSON.stringify({ 'eventgate.test.event': { schema_title: 'test/event' } }))
  // It is not configured, so that its events are refused themselves.
  const service = await startService(t, { stream_config_uri: streams, error_stream: 'eventgate.error' })
  await service.post(testEvent({ test: 1 }), { headers: { 'x-request-id': 'told-of' } })
  const line = await eventually(() => {
    const found = service.log().find(({ msg }) => /^error event invalid/.test(String(msg)))
    assert.ok(found)
    return found
  })
  assert.equal(line.request_id, 'told-of')
})
