import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { eventually, freePort, samples } from '../support/http.js'
import { type Service, startService, temporary, testEvent } from '../support/service.js'

// contract 6: an event for each one that fails validation.

const refused = (more: object = {}) => testEvent({ meta: { stream: 's', domain: 'd.org' }, test: 1, ...more })

async function errorEvents(service: Service, count: number): Promise<Record<string, unknown>[]> {
  return eventually(() => {
    const found = service.produced().filter(event => String(event.$schema).startsWith('/error/'))
    assert.equal(found.length, count)
    return found
  })
}

test('an event that fails validation makes one complete error event', async t => {
  const service = await startService(t, { error_stream: 'gate.error', user_agent: 'gate/1' })
  const event = refused({ big: 20210223205005000 })
  const reply = await service.post([testEvent(), event], { headers: { 'x-request-id': 'r1' } })
  assert.equal(reply.status, 207)
  const [error] = await errorEvents(service, 1)
  const { meta, dt, raw_event, ...rest } = error as {
    meta: Record<string, string>
    dt: string
    raw_event: string
  }
  assert.deepEqual(rest, {
    $schema: '/error/2.1.0',
    emitter_id: 'gate/1',
    message: "'.test' should be string",
    errored_schema_uri: '/test/event/1.0.0',
    errored_stream_name: 's',
    error_type: 'validation_failed',
  })
  assert.equal(raw_event, JSON.stringify(event))
  const { id, dt: metaDt, ...others } = meta
  assert.deepEqual(others, { stream: 'gate.error', uri: 'unknown', domain: 'd.org', request_id: 'r1' })
  assert.match(String(id), /^[0-9a-f-]{36}$/)
  assert.ok(Date.parse(dt) > 0 && Date.parse(String(metaDt)) > 0)
})

test('a hasty one does too', async t => {
  const service = await startService(t, { error_stream: 'gate.error' })
  assert.equal((await service.post(refused(), { query: '?hasty=true' })).status, 202)
  await errorEvents(service, 1)
})

test('what the refused event says of itself may be the reason of its refusal', async t => {
  const service = await startService(t, { error_stream: 'gate.error' })
  const event = testEvent({ meta: { stream: 's', uri: 'not a\\uri %', domain: '', request_id: 7 } })
  assert.equal((await service.post(event)).status, 400)
  const [{ meta } = {}] = (await errorEvents(service, 1)) as { meta?: Record<string, string> }[]
  assert.deepEqual([meta?.uri, meta?.domain, meta?.request_id], ['unknown', 'unknown', 'unknown'])
})

test('the schema for older readers', async t => {
  const service = await startService(t, { error_stream: 'gate.error', error_schema_uri: '/error/1.0.0' })
  await service.post(refused())
  const [error] = await errorEvents(service, 1)
  assert.equal(error?.$schema, '/error/1.0.0')
  assert.ok(!('error_type' in (error as object)) && !('dt' in (error as object)))
})

test('no error event is made for another failure, or without an error stream', async t => {
  const without = await startService(t)
  assert.equal((await without.post(refused())).status, 400)
  const service = await startService(t, { error_stream: 'gate.error' })
  const events = [testEvent({ $schema: '/nowhere/1.0.0' }), testEvent({ meta: {} }), 7]
  assert.equal((await service.post(events)).status, 400)
  // One that is wanted comes after what is not.
  await service.post(refused())
  await errorEvents(service, 1)
  assert.deepEqual(without.produced(), [])
})

test('an error event that fails makes no other, and is counted', async t => {
  const stream_config_uri = join(temporary(t), 'streams.json')
  writeFileSync(
    stream_config_uri,
    JSON.stringify({ s: { schema_title: 'test/event' }, e: { schema_title: 'x' } }),
  )
  const port = await freePort()
  const service = await startService(
    t,
    { error_stream: 'e', stream_config_uri },
    { metrics: { type: 'prometheus', port } },
  )
  for (let i = 0; i < 3; i++) assert.equal((await service.post(refused())).status, 400)
  await eventually(async () => {
    const lost = (await samples(port)).get(
      'eventgate_error_events_lost_total{service="eventgate",reason="schema_not_allowed"}',
    )
    assert.equal(lost, 3)
  })
  assert.deepEqual(service.produced(), [])
})

test('clients may post to the error stream, where failures are like those of other events', async t => {
  const service = await startService(t, { error_stream: 'gate.error' })
  const event = { $schema: '/error/2.1.0', meta: { stream: 'gate.error' }, message: 1 }
  assert.equal((await service.post(event)).status, 400)
  await new Promise(resolve => setTimeout(resolve, 100))
  assert.deepEqual(await errorEvents(service, 0), [])
})

test('a flood is bounded and what is dropped is counted; SIGTERM loses nothing that was accepted', async t => {
  const port = await freePort()
  const service = await startService(
    t,
    { error_stream: 'gate.error' },
    { metrics: { type: 'prometheus', port } },
  )
  const flood = Array.from({ length: 6000 }, () => refused())
  assert.equal((await service.post(flood, { query: '?hasty=true' })).status, 202)
  const dropped = await eventually(async () => {
    const all = await samples(port)
    const lost = all.get('eventgate_error_events_lost_total{service="eventgate",reason="error_events_full"}')
    const produced = all.get(
      'eventgate_events_produced_total{service="eventgate",stream="gate.error",schema_uri="/error/2.1.0"}',
    )
    assert.equal((lost ?? 0) + (produced ?? 0), 6000)
    return lost ?? 0
  })
  assert.equal((await service.post(refused())).status, 400)
  assert.equal(await service.stop(), 0)
  await errorEvents(service, 6001 - dropped)
})
