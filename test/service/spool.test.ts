import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { eventually } from '../support/http.js'
import { type Service, send, startService, temporary, testEvent } from '../support/service.js'

/** Nothing listens there. */
const AWAY = '127.0.0.1:1'

test('without Kafka events are spooled, and each way to end tells the truth', {
  timeout: 120_000,
}, async t => {
  const folder = temporary(t)
  const streams = { in: {}, out: { producers: { eventgate: { spool: false } } } }
  const table = Object.entries(streams).map(([stream, more]) => [
    stream,
    { stream, schema_title: 'test/event', ...more },
  ])
  writeFileSync(join(folder, 'streams.json'), JSON.stringify(Object.fromEntries(table)))
  const start = (persistent: boolean) =>
    startService(t, {
      kafka: { conf: { 'metadata.broker.list': AWAY } },
      spool: { directory: join(folder, 'spool'), max_bytes: '256mb', after_ms: 100, persistent },
      stream_config_uri: join(folder, 'streams.json'),
      request_timeout_ms: 4000,
      schema_timeout_ms: 1000,
      shutdown_timeout_ms: 4000,
    })
  const to = (stream: string) => testEvent({ meta: { stream } })
  const waiting = async (service: Service) =>
    (await send(`${service.url}/_info/health`)).json().spool.waiting.events

  const first = await start(true)
  await t.test('a request says how many of its events are on disk', async () => {
    const { status, reason, body } = await first.post([to('in'), to('in'), to('in')])
    assert.deepEqual([status, body], [202, ''])
    assert.equal(reason, '3 out of 3 events were accepted: 0 stored, 3 spooled.')
  })
  await t.test('a stream that has opted out is refused, and only that', async () => {
    const { status, reason, json } = await first.post([to('in'), to('out')])
    assert.equal(status, 207)
    assert.equal(reason, '1 out of 2 events were accepted, but 1 failed (0 invalid and 1 errored).')
    assert.deepEqual(
      json().error.map(({ index }: { index: number }) => index),
      [1],
    )
  })
  await t.test('hasty events are spooled, too', async () => {
    assert.equal((await first.post(to('in'), { query: '?hasty=true' })).status, 202)
    await eventually(async () => assert.equal(await waiting(first), 5))
  })
  await t.test('a spool that outlives the process is left to the next one', async () => {
    assert.equal(await first.stop(), 0)
  })
  const second = await start(false)
  await t.test('one that does not is lost with it, and the exit code says so', async () => {
    await eventually(async () => assert.equal(await waiting(second), 5))
    assert.equal(await second.stop(), 1)
    assert.ok(second.log().some(({ msg }) => /^5 events are left in the spool/.test(String(msg))))
  })
})
