import assert from 'node:assert/strict'
import { once } from 'node:events'
import { Agent, request } from 'node:http'
import { type TestContext, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import {
  assertFailure,
  connect,
  eventually,
  freePort,
  head,
  parseAnswer,
  parseAnswers,
  repository,
  samples,
} from '../support/http.js'
import { send, startService, testEvent } from '../support/service.js'

// What probes ask, how connections end, and what is told of the service's state.

const good = JSON.stringify(testEvent())
const whole = head({ 'content-length': good.length }) + good

test('a service that is well', async t => {
  const metricsPort = await freePort()
  const service = await startService(
    t,
    { schema_base_uris: ['/no/such/folder'], max_connections: 77 },
    { metrics: { type: 'prometheus', port: metricsPort } },
  )
  for (const path of ['live', 'startup', 'ready']) {
    await t.test(`/_info/${path} is 200`, async () => {
      const reply = await send(`${service.url}/_info/${path}`)
      assert.equal(reply.status, 200)
      assert.match(reply.body, /^\{"status":"(ok|ready)"\}$/)
    })
  }
  await t.test('/_info/health tells all that is known', async () => {
    assert.equal((await service.post(testEvent())).status, 201)
    const reply = await send(`${service.url}/_info/health`)
    assert.equal(reply.status, 200)
    assert.equal(reply.headers['cache-control'], 'no-store')
    const { status, connections, in_flight, events, producers, schemas, ...rest } = reply.json()
    assert.equal(status, 'ready')
    assert.deepEqual(connections, { open: 1, bound: 77 })
    const empty = { bytes: 0, events: 0 }
    assert.deepEqual(in_flight, {
      guaranteed: { ...empty, bounds: { bytes: 32 * 1024 ** 2, events: 50_000 } },
      hasty: { ...empty, bounds: { bytes: 16 * 1024 ** 2, events: 20_000 } },
    })
    assert.deepEqual(events, { guaranteed: { received: 1, in_flight: 0, delivered: 1, invalid: 0 } })
    assert.match(producers.guaranteed.name, /^file /)
    assert.equal(schemas.held, 1)
    const [missing, shipped, ...others] = schemas.repositories
    assert.deepEqual(missing, { address: '/no/such/folder', state: 'reachable' })
    assert.match(shipped.address, /schemas$/)
    assert.deepEqual(others, [])
    assert.deepEqual(Object.keys(rest), ['uptime_seconds'])
  })
  await t.test('metrics tell it too', async () => {
    const found = await samples(metricsPort)
    const value = (name: string) => found.get(name)
    assert.equal(value('eventgate_ready{service="eventgate"}'), 1)
    assert.equal(value('eventgate_connections_limit{service="eventgate"}'), 77)
    assert.equal(value('eventgate_in_flight_limit_events{service="eventgate",delivery="hasty"}'), 20_000)
    assert.equal(value('eventgate_schemas_held{service="eventgate"}'), 1)
    const up = 'eventgate_schema_repository_up{service="eventgate",repository="/no/such/folder"}'
    assert.equal(value(up), 1)
  })
})

test('a registry that cannot be asked is seen', async t => {
  const metricsPort = await freePort()
  const dead = `http://127.0.0.1:${await freePort()}/`
  const service = await startService(
    t,
    { schema_base_uris: [dead] },
    { metrics: { type: 'prometheus', port: metricsPort } },
  )
  assertFailure(await service.post(testEvent({ $schema: '/of/no/repository/1.0.0' })), {
    status: 503,
    error: ['schema_unavailable'],
  })
  const [first] = (await send(`${service.url}/_info/health`)).json().schemas.repositories
  assert.equal(first.state, 'unreachable')
  assert.match(first.problem, /ECONNREFUSED/)
  const up = `eventgate_schema_repository_up{service="eventgate",repository="${dead}"}`
  assert.equal((await samples(metricsPort)).get(up), 0)
  assert.equal((await send(`${service.url}/_info/ready`)).status, 200)
})

/** A schema that comes from the operator's repository only after a while is what keeps a request in flight. */
async function busyService(t: Parameters<typeof startService>[0]) {
  const { createServer } = await import('node:http')
  const registry = createServer(() => {}).listen(0, '127.0.0.1')
  t.after(() => {
    registry.closeAllConnections()
    registry.close()
  })
  await new Promise(resolve => registry.once('listening', resolve))
  const { port } = registry.address() as { port: number }
  return startService(t, {
    schema_base_uris: [repository(t, {}), `http://127.0.0.1:${port}/`],
    schema_timeout_ms: 2000,
    shutdown_timeout_ms: 8000,
  })
}

test('SIGTERM: no longer ready, and an idle connection still gets one last answer', async t => {
  const service = await busyService(t)
  const [busy, probe, idle, ...unused] = await Promise.all(
    Array.from({ length: 5 }, () => connect(t, service.url)),
  )
  assert.ok(busy && probe && idle)
  for (const connection of [probe, idle, ...unused]) {
    connection.write(whole)
    await connection.until(/^HTTP\/1\.1 201 /)
  }
  const slow = JSON.stringify(testEvent({ $schema: '/slow/1.0.0' }))
  busy.write(head({ 'content-length': slow.length }) + slow)
  await eventually(async () => {
    assert.equal((await send(`${service.url}/_info/health`)).json().in_flight.guaranteed.events, 1)
  })
  const ended = service.stop()
  await eventually(() => assert.ok(service.log().some(({ msg }) => String(msg).startsWith('SIGTERM'))))
  await assert.rejects(send(`${service.url}/_info/ready`), { code: 'ECONNREFUSED' })

  probe.write('GET /_info/ready HTTP/1.1\r\nhost: x\r\n\r\n')
  const [, ready] = parseAnswers(await probe.closed())
  assert.ok(ready)
  assertFailure(ready, { status: 503, error: ['draining'] })
  assert.equal(ready.headers.connection, 'close')

  idle.write(whole)
  const [, last, ...more] = parseAnswers(await idle.closed())
  assert.equal(last?.status, 201)
  assert.equal(last?.headers.connection, 'close')
  assert.deepEqual(more, [])

  for (const connection of unused) assert.equal(parseAnswer(await connection.closed()).status, 201)
  assertFailure(parseAnswer(await busy.closed()), { status: 503, error: ['schema_unavailable'] })
  assert.equal(await ended, 0)
})

/** One connection that has had an answer, then SIGTERM; after `before` another request comes on it, and is the last. */
async function requestAfterSigterm(t: TestContext, before: (url: string) => Promise<void>): Promise<void> {
  const service = await startService(t, { shutdown_timeout_ms: 10_000 })
  const idle = await connect(t, service.url)
  idle.write(whole)
  await idle.until(/^HTTP\/1\.1 201 /)
  const ended = service.stop()
  await eventually(() => assert.ok(service.log().some(({ msg }) => String(msg).startsWith('SIGTERM'))))
  await before(service.url)
  idle.write(whole)
  const [, last] = parseAnswers(await idle.closed())
  assert.equal(last?.status, 201)
  assert.equal(last?.headers.connection, 'close')
  assert.equal(await ended, 0)
}

test('SIGTERM while nothing is in flight: a request that arrives on an idle connection is answered', t =>
  requestAfterSigterm(t, url => assert.rejects(send(`${url}/_info/ready`), { code: 'ECONNREFUSED' })))

test('SIGTERM: an idle connection is left for longer than a second or two, for the proxy in front to close it', t =>
  requestAfterSigterm(t, () => delay(2500)))

test('SIGTERM: connections that are not accepted yet are answered', async t => {
  const service = await startService(t)
  service.process.kill('SIGSTOP')
  const waiting = await Promise.all(Array.from({ length: 50 }, () => connect(t, service.url)))
  for (const connection of waiting) connection.write(whole)
  service.process.kill('SIGTERM')
  const exit = once(service.process, 'exit')
  service.process.kill('SIGCONT')
  for (const connection of waiting) assert.equal(parseAnswer(await connection.closed()).status, 201)
  assert.deepEqual(await exit, [0, null])
})

test('one connection too many: its events get 503, probes are answered, and it is closed', async t => {
  const service = await startService(t, { max_connections: 3 })
  const inside = await Promise.all(Array.from({ length: 3 }, () => connect(t, service.url)))
  await delay(50)
  const excess = await connect(t, service.url)
  excess.write(whole)
  const answer = parseAnswer(await excess.closed())
  const [entry] = assertFailure(answer, { status: 503, error: ['over_capacity'] })
  assert.match(entry.context.message, /3 connections/)
  assert.equal(answer.headers.connection, 'close')
  assert.ok(Number(answer.headers['retry-after']) >= 1)
  assert.equal((await send(`${service.url}/_info/live`)).status, 200)
  for (const connection of inside) {
    connection.write(whole)
    assert.match(await connection.until(/^HTTP\/1\.1 201 /), /connection: keep-alive/i)
  }
  // Room for one more.
  inside[0]?.socket.destroy()
  await eventually(async () => {
    const connection = await connect(t, service.url)
    connection.write(whole)
    assert.match(await connection.until(/^HTTP\/1\.1 \d+ /), /^HTTP\/1\.1 201 /)
    connection.socket.destroy()
  })
})

test('an old connection is closed with an answer', async t => {
  const service = await startService(t, { connection_max_age_ms: 1000 })
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  t.after(() => agent.destroy())
  const ask = () =>
    new Promise<string | undefined>((resolve, reject) => {
      const req = request(`${service.url}/_info`, { agent }, res => {
        res.resume().on('end', () => resolve(res.headers.connection))
      })
      req.on('error', reject).end()
    })
  assert.equal(await ask(), 'keep-alive')
  await delay(1300)
  assert.equal(await ask(), 'close')
  assert.equal(await ask(), 'keep-alive')
})
