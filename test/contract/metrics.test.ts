import assert from 'node:assert/strict'
import { test } from 'node:test'
import { eventually, freePort, postBytes, samples } from '../support/http.js'
import { send, startService, testEvent } from '../support/service.js'

// contract 7: names and labels that dashboards and alerts are made of, with counts that are true.

const REQUESTS = 'express_router_request_duration_seconds'

test('metrics', async t => {
  const port = await freePort()
  const service = await startService(
    t,
    { test_events: [testEvent()] },
    { metrics: { type: 'prometheus', port, name: 'my-gate' } },
  )
  const { url } = service
  /** Of all samples of a name, those that have these labels, summed. */
  const sum = async (name: string, labels: Record<string, string> = {}) => {
    let total = 0
    for (const [sample, value] of await samples(port)) {
      const matches = Object.entries(labels).every(([label, wanted]) =>
        sample.includes(`${label}="${wanted}"`),
      )
      if (sample.startsWith(`${name}{`) && matches) total += value
    }
    return total
  }
  const requests = (labels: Record<string, string>) => sum(`${REQUESTS}_count`, labels)

  await t.test('events are counted once they are stored', async () => {
    assert.equal(await sum('eventgate_events_produced_total'), 0)
    await service.post([testEvent(), testEvent(), testEvent({ test: 42 })])
    await service.post(testEvent({ meta: { stream: 'another.stream' } }))
    const found = await samples(port)
    const of = (stream: string) =>
      found.get(
        `eventgate_events_produced_total{service="my-gate",stream="${stream}",schema_uri="/test/event/1.0.0"}`,
      )
    assert.equal(of('eventgate.test.event'), 2)
    assert.equal(of('another.stream'), 1)
    assert.equal(await sum('eventgate_events_produced_total'), 3, 'asking changes nothing')
  })
  await t.test('refused events are counted by reason, stream and schema', async () => {
    await service.post(testEvent({ test: 42 }))
    const labels =
      'service="my-gate",stream="eventgate.test.event",schema_uri="/test/event/1.0.0",error_type="validation_failed"'
    assert.equal((await samples(port)).get(`eventgate_validation_errors_total{${labels}}`), 1)
  })
  await t.test('requests are counted with their true status, path and method', async t => {
    const expected: [string, Record<string, string>, () => Promise<unknown>][] = [
      ['201', { path: 'v1/events', method: 'POST' }, () => service.post(testEvent())],
      [
        '201',
        { path: 'v2/events', method: 'POST' },
        () => postBytes(service, JSON.stringify(testEvent()), { path: '/v2/events?hasty=no' }),
      ],
      ['202', { path: 'v1/events', method: 'POST' }, () => service.post(testEvent(), { query: '?hasty' })],
      ['207', { path: 'v1/events', method: 'POST' }, () => service.post([testEvent(), 1])],
      ['400', { path: 'v1/events', method: 'POST' }, () => service.post({})],
      ['400', { path: 'v2/events', method: 'POST' }, () => postBytes(service, '{', { path: '/v2/events' })],
      [
        '413',
        { path: 'v1/events', method: 'POST' },
        () => postBytes(service, Buffer.alloc(11 * 1024 * 1024)),
      ],
      [
        '415',
        { path: 'v1/events', method: 'POST' },
        () => service.post({}, { headers: { 'content-type': 'text/html' } }),
      ],
      ['405', { path: 'v1/events', method: 'GET' }, () => send(`${url}/v1/events`)],
      ['405', { path: 'v1/events', method: 'other' }, () => send(`${url}/v1/events`, { method: 'PROPFIND' })],
      [
        '204',
        { path: 'v1/events', method: 'OPTIONS' },
        () => send(`${url}/v1/events`, { method: 'OPTIONS' }),
      ],
      ['201', { path: 'v1/_test/events', method: 'GET' }, () => send(`${url}/v1/_test/events`)],
      ['200', { path: '_info', method: 'GET' }, () => send(`${url}/_info`)],
      ['200', { path: '_info/version', method: 'GET' }, () => send(`${url}/_info/version`)],
      ['200', { path: 'root', method: 'GET' }, () => send(`${url}/?spec`)],
      ['404', { path: 'root', method: 'GET' }, () => send(url)],
      ['200', { path: 'v1/stream-configs', method: 'GET' }, () => send(`${url}/v1/stream-configs/a,b`)],
      ['404', { path: 'unknown', method: 'GET' }, () => send(`${url}/nowhere`)],
      ['404', { path: 'unknown', method: 'HEAD' }, () => send(`${url}/v1/other`, { method: 'HEAD' })],
    ]
    for (const [status, labels, act] of expected) {
      await t.test(`${labels.method} ${labels.path} ${status}`, async () => {
        const all = { service: 'my-gate', status, ...labels }
        const before = await requests(all)
        const total = await requests({})
        await act()
        await eventually(async () => assert.equal(await requests({}), total + 1))
        assert.equal(await requests(all), before + 1)
      })
    }
  })
  await t.test('the histogram has the buckets that alerts ask for', async () => {
    const buckets = new Set(
      [...(await samples(port)).keys()].flatMap(
        name => new RegExp(`^${REQUESTS}_bucket\\{le="([^"]+)"`).exec(name)?.[1] ?? [],
      ),
    )
    assert.deepEqual([...buckets], ['0.01', '0.05', '0.1', '0.3', '1', '10', '+Inf'])
  })
  await t.test('what clients make up never becomes a label', async () => {
    const made = 'made-up-by-a-client'
    await service.post({ $schema: `/${made}/1.0.0`, meta: { stream: made } })
    await service.post(testEvent({ meta: { stream: made }, test: 42 }))
    await service.post(testEvent({ meta: { stream: `${made}/` } }))
    await send(`${url}/${made}`)
    await send(`${url}/_info/${made}`)
    await send(`${url}/v1/stream-configs/${made}`)
    await service.post(testEvent(), { query: `?hasty=${made}` })
    const labels = { stream: 'unknown', schema_uri: 'unknown', error_type: 'schema_not_found' }
    assert.equal(await sum('eventgate_validation_errors_total', labels), 1)
    for (const name of (await samples(port)).keys()) assert.ok(!name.includes(made), name)
  })
  await t.test('what is in flight is nothing when nothing is', async () => {
    const found = await samples(port)
    for (const unit of ['bytes', 'events']) {
      for (const delivery of ['guaranteed', 'hasty'])
        assert.equal(found.get(`eventgate_in_flight_${unit}{service="my-gate",delivery="${delivery}"}`), 0)
    }
  })
  await t.test('the process is described too', async () => {
    assert.ok(Number((await samples(port)).get('process_resident_memory_bytes')) > 0)
  })
  await t.test('nothing but metrics is served there', async () => {
    assert.equal((await send(`http://127.0.0.1:${port}/v1/events`, { method: 'POST' })).status, 404)
    assert.equal((await send(`http://127.0.0.1:${port}/`)).status, 404)
    const post = await send(`http://127.0.0.1:${port}/metrics`, { method: 'POST' })
    assert.deepEqual([post.status, post.headers.allow], [405, 'GET, HEAD'])
  })
  await t.test('a query and HEAD are taken', async () => {
    assert.match((await send(`http://127.0.0.1:${port}/metrics?x=1`)).body, /^# HELP /)
    const reply = await send(`http://127.0.0.1:${port}/metrics`, { method: 'HEAD' })
    assert.deepEqual([reply.status, reply.body], [200, ''])
    assert.match(String(reply.headers['content-type']), /^text\/plain/)
  })
  await t.test('metrics are not served where events are', async () => {
    assert.equal((await send(`${url}/metrics`)).status, 404)
  })
  await t.test('each promise has its figure, and it is true', async () => {
    const figures = async () => ({
      delivered: await sum('eventgate_events_total', { delivery: 'guaranteed', outcome: 'delivered' }),
      invalid: await sum('eventgate_events_total', { outcome: 'invalid', code: 'schema_not_found' }),
      hasty: await sum('eventgate_events_total', { delivery: 'hasty', outcome: 'delivered', code: '' }),
      lost: await sum('eventgate_hasty_events_lost_total'),
      produced: await sum('eventgate_produce_duration_seconds_count', { outcome: 'delivered' }),
      requests: await sum('eventgate_request_size_events_count'),
      events: await sum('eventgate_request_size_events_sum'),
      bytes: await sum('eventgate_request_size_bytes_sum', { delivery: 'hasty' }),
      refused: await sum('eventgate_requests_refused_total', { code: 'body_not_events' }),
      hits: await sum('eventgate_schema_cache_hits_total'),
      misses: await sum('eventgate_schema_cache_misses_total'),
      failures: await sum('eventgate_schema_load_failures_total', { reason: 'schema_not_found' }),
    })
    const before = await figures()
    await service.post([testEvent(), testEvent(), { $schema: '/not/there/1.0.0', meta: { stream: 'a' } }])
    await service.post(testEvent(), { query: '?hasty' })
    await service.post([])
    const added = {
      ...{ delivered: 2, invalid: 1, hasty: 1, lost: 0, produced: 3, requests: 2, events: 4 },
      ...{ bytes: JSON.stringify(testEvent()).length, refused: 1, hits: 3, misses: 1, failures: 1 },
    }
    await eventually(async () => {
      const after = Object.entries(await figures())
      const differences = after.map(([name, value]) => [name, value - before[name as keyof typeof before]])
      assert.deepEqual(Object.fromEntries(differences), added)
    })
  })
  assert.equal(await service.stop(), 0)
})

test('metrics are served on their own interface, by default on all', async t => {
  const elsewhere = '127.0.0.2'
  for (const [own, isReached] of [
    ['127.0.0.1', false],
    [undefined, true],
  ] as const) {
    const port = await freePort()
    const metrics = { type: 'prometheus', port, ...(own ? { interface: own } : {}) }
    await startService(t, { interface: '127.0.0.1' }, { metrics })
    assert.equal((await send(`http://127.0.0.1:${port}/metrics`)).status, 200)
    const reached = await send(`http://${elsewhere}:${port}/metrics`).then(
      () => true,
      () => false,
    )
    assert.equal(reached, isReached, String(own))
  }
})

test('METRICS_SERVICE_LABEL_ENABLED=false leaves the label to Prometheus', async t => {
  const port = await freePort()
  process.env.METRICS_SERVICE_LABEL_ENABLED = 'false'
  t.after(() => {
    delete process.env.METRICS_SERVICE_LABEL_ENABLED
  })
  const service = await startService(t, {}, { metrics: [{ type: 'prometheus', port }] })
  await service.post([testEvent(), testEvent({ test: 42 })])
  const found = await samples(port)
  assert.equal(
    found.get(
      'eventgate_events_produced_total{stream="eventgate.test.event",schema_uri="/test/event/1.0.0"}',
    ),
    1,
  )
  for (const name of found.keys()) assert.ok(!name.includes('service='), name)
})

test('a failure that repeats is one line, and another with a count', async t => {
  const service = await startService(t)
  for (let i = 0; i < 20; i++) assert.equal((await service.post(testEvent({ test: i }))).status, 400)
  const lines = await eventually(() => {
    const found = service.log().filter(({ code }) => code === 'validation_failed')
    assert.equal(
      found.reduce((sum, { count }) => sum + Number(count ?? 1), 0),
      20,
    )
    return found
  })
  assert.ok(lines.length <= 6, `${lines.length} lines`)
  assert.ok(
    lines.every(line => !JSON.stringify(line).includes('"test":')),
    'no event is in them',
  )
})
