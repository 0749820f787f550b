import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, constants, openSync, readSync } from 'node:fs'
import { createServer, type ServerResponse } from 'node:http'
import { type AddressInfo, createServer as createTcpServer } from 'node:net'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
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
import { send, spawnService, startService, temporary, testEvent } from '../support/service.js'

// No request waits past its deadline, and what the answer says of its events stays true; and the end of the
// service is in order.

/** A schema registry that answers when it is told to. */
async function slowRegistry(t: TestContext) {
  const waiting: ServerResponse[] = []
  let isOpen = false
  const answered = '{"type":"object"}'
  const server = createServer((_req, res) => void (isOpen ? res.end(answered) : waiting.push(res))).listen(0)
  t.after(() => void server.close().closeAllConnections())
  await once(server, 'listening')
  const uri = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
  return {
    uri,
    waiting,
    answer: () => {
      isOpen = true
      for (const res of waiting.splice(0)) res.end(answered)
    },
  }
}

const slow = { $schema: '/slow/1.0.0.yaml', meta: { stream: 'slow' } }

test('a schema that does not come in time: 503, and the event never appears', async t => {
  const registry = await slowRegistry(t)
  // Of two repositories that do not answer, the first takes all the time there is.
  const service = await startService(t, {
    schema_base_uris: ['schemas', registry.uri, `${registry.uri}second/`],
    request_timeout_ms: 800,
    schema_timeout_ms: 800,
    schema_failure_ttl_ms: 1,
  })
  const reply = await service.post([slow, testEvent({ test: 'beside it' })])
  const entries = assertFailure(reply, {
    status: 503,
    reason: '2 out of 2 events had failures and were not accepted. (0 invalid and 2 errored).',
    error: ['deadline_not_stored', 'deadline_not_stored'],
  })
  for (const { retriable } of entries) assert.equal(retriable, true)
  await assertAlive(service)
  registry.answer()
  await eventually(async () => assertAccepted(await service.post(slow), 201, ONE_ACCEPTED))
  assert.equal(await service.stop(), 0)
  const found = service.produced().map(({ $schema, test }) => test ?? $schema)
  assert.ok(!found.includes('beside it'), 'it was said to be not stored, and is')
  assert.equal(found.filter(name => name === slow.$schema).length, 1)
})

test('a client that goes away before its answer: the work goes on, and is counted', async t => {
  const registry = await slowRegistry(t)
  const metricsPort = await freePort()
  const service = await startService(
    t,
    { schema_base_uris: ['schemas', registry.uri] },
    { metrics: { type: 'prometheus', port: metricsPort } },
  )
  const body = JSON.stringify([slow, testEvent({ test: 'beside it' })])
  const connection = await connect(t, service.url)
  connection.write(head({ 'content-length': body.length }) + body)
  await eventually(() => assert.ok(registry.waiting.length > 0))
  connection.socket.resetAndDestroy()
  await eventually(async () =>
    assert.equal((await send(`${service.url}/_info/health`)).json().connections.open, 1),
  )
  registry.answer()
  await eventually(() => assert.equal(service.produced().length, 2))
  await eventually(async () => {
    const found = await samples(metricsPort)
    const of = 'service="eventgate"'
    assert.equal(
      found.get(`eventgate_events_produced_total{${of},stream="slow",schema_uri="/slow/1.0.0.yaml"}`),
      1,
    )
    const answered = `express_router_request_duration_seconds_count{${of},path="v1/events",method="POST",status="201"}`
    assert.equal(found.get(answered), 1)
    assert.equal(found.get(`eventgate_in_flight_events{${of},delivery="guaranteed"}`), 0)
  })
})

/** A pipe that nobody reads from until told to. */
function fifo(t: TestContext): { path: string; read(): string } {
  const path = join(temporary(t), 'pipe')
  execFileSync('mkfifo', [path])
  const fd = openSync(path, constants.O_RDWR | constants.O_NONBLOCK)
  t.after(() => closeSync(fd))
  const buffer = Buffer.alloc(1024 * 1024)
  return {
    path,
    read() {
      try {
        return buffer.toString('utf8', 0, readSync(fd, buffer))
      } catch {
        return ''
      }
    },
  }
}

/** A service that writes to a pipe. */
async function serviceTo(t: TestContext, path: string, conf: object) {
  const service = await spawnService(t, temporary(t), {
    services: [{ name: 'eventgate', conf: { port: 0, output_path: path, ...conf } }],
  })
  return { ...service, post: (event: unknown) => postBytes(service, JSON.stringify(event)) }
}

/** More than a pipe holds. */
const LARGE = testEvent({ test: 'x'.repeat(200_000) })

test('an output that does not move: 504, and its fate is unknown', async t => {
  const pipe = fifo(t)
  const service = await serviceTo(t, pipe.path, { request_timeout_ms: 600, schema_timeout_ms: 500 })
  assertAccepted(await service.post(testEvent({ test: 'fits' })), 201, ONE_ACCEPTED)

  const reply = await service.post([LARGE, testEvent({ test: 42 })])
  const entries = assertFailure(reply, {
    status: 504,
    reason: '2 out of 2 events had failures and were not accepted. (1 invalid and 1 errored).',
    invalid: ['validation_failed'],
    error: ['deadline_unknown'],
  })
  assert.equal(entries.find(({ status }) => status === 'error').retriable, false)

  let text = ''
  await eventually(() => {
    text += pipe.read()
    assert.ok(text.endsWith('"}\n') || text.includes('"test":"xxx'), 'it may yet arrive, and does')
    assert.ok(text.length > 200_000)
  })
  assertAccepted(await service.post(testEvent({ test: 'moves again' })), 201, ONE_ACCEPTED)
})

test('SIGTERM finishes what is in flight, and takes nothing new', async t => {
  const registry = await slowRegistry(t)
  const service = await startService(t, {
    schema_base_uris: ['schemas', registry.uri],
    schema_timeout_ms: 8000,
    shutdown_timeout_ms: 10_000,
  })
  const answers = [service.post(slow), service.post([slow, testEvent({ test: 'with it' })])]
  const hasty = await service.post([slow, slow], { query: '?hasty' })
  assert.equal(hasty.status, 202)
  await eventually(() => assert.ok(registry.waiting.length > 0))
  const body = JSON.stringify(testEvent({ test: 'half' }))
  const half = await connect(t, service.url)
  half.write(head({ 'content-length': body.length }) + body.slice(0, 10))
  await assertAlive(service)

  const exit = once(service.process, 'exit')
  service.process.kill('SIGTERM')
  await eventually(async () => {
    await assert.rejects(service.post(testEvent({ test: 'too late' })), { code: 'ECONNREFUSED' })
  })
  half.write(body.slice(10))
  await half.until(/^HTTP\/1\.1 201 /)
  assert.match(half.received(), /\r\nconnection: close\r\n/i)
  registry.answer()
  for (const answer of answers) {
    const { status, headers } = await answer
    assert.equal(status, 201)
    assert.equal(headers.connection, 'close')
  }
  assert.deepEqual(await exit, [0, null])
  const stored = service.produced()
  assert.equal(stored.filter(({ $schema }) => $schema === slow.$schema).length, 4)
  assert.equal(stored.filter(({ test }) => test === 'with it').length, 1)
  assert.equal(stored.filter(({ test }) => test === 'half').length, 1)
})

/** A service in which a request waits for a schema, another one has not come whole, and a hasty one waits, too. */
async function undecided(t: TestContext, conf: object) {
  const registry = await slowRegistry(t)
  const service = await startService(t, {
    schema_base_uris: ['schemas', registry.uri],
    schema_timeout_ms: 8000,
    ...conf,
  })
  assert.equal((await service.post([slow, slow], { query: '?hasty' })).status, 202)
  const answer = service.post([slow, testEvent({ test: 'beside it' }), testEvent({ test: 42 })])
  await eventually(() => assert.ok(registry.waiting.length > 0))
  const half = await connect(t, service.url)
  half.write(`${head({ 'content-length': 100 })}{"half":`)
  await assertAlive(service)
  const exit = once(service.process, 'exit')
  service.process.kill('SIGTERM')
  return { registry, service, answer, half, exit }
}

test('SIGTERM without a grace period: requests are answered truthfully, hasty events go on', async t => {
  const { registry, service, answer, half, exit } = await undecided(t, {})
  // The registry is silent until both have their answers.
  assertFailure(await answer, {
    status: 503,
    error: ['deadline_not_stored', 'deadline_not_stored', 'deadline_not_stored'],
  })
  assertFailure(parseAnswer(await half.closed()), { status: 503, error: ['draining'] })
  assert.equal(service.process.exitCode, null)
  registry.answer()
  // Something was given up.
  assert.deepEqual(await exit, [1, null])
  const stored = service.produced().map(({ $schema, test }) => test ?? $schema)
  assert.ok(!stored.includes('beside it'))
  assert.equal(stored.filter(name => name === slow.$schema).length, 2)
  assert.ok(service.log().some(({ msg }) => String(msg).startsWith('2 requests were undecided')))
})

test('SIGTERM with a long grace period: requests are finished', async t => {
  const { registry, answer, half, exit } = await undecided(t, { shutdown_timeout_ms: 10_000 })
  // Longer than the time that there is if nothing is configured.
  await new Promise(resolve => setTimeout(resolve, 2500))
  registry.answer()
  assert.equal((await answer).status, 207)
  half.write(' '.repeat(100 - '{"half":'.length))
  assertFailure(parseAnswer(await half.closed()), { status: 400, invalid: ['body_malformed'] })
  assert.deepEqual(await exit, [0, null])
})

test('SIGTERM without Kafka and without a grace period: answers are truthful, and the process ends', async t => {
  const { service, metricsPort } = await withoutKafka(t)
  const waiting = service.post([testEvent(), testEvent({ test: 42 })])
  await eventually(async () => {
    const found = await samples(metricsPort)
    assert.equal(found.get('eventgate_in_flight_events{service="eventgate",delivery="guaranteed"}'), 2)
  })
  assert.equal(await service.stop(), 1)
  assertFailure(await waiting, {
    status: 503,
    invalid: ['validation_failed'],
    error: ['deadline_not_stored'],
  })
})

/** A service whose only broker takes connections, and says nothing on them. */
async function withoutKafka(t: TestContext) {
  const broker = createTcpServer(() => {}).listen(0, '127.0.0.1')
  t.after(() => void broker.close())
  await once(broker, 'listening')
  const { port } = broker.address() as AddressInfo
  const metricsPort = await freePort()
  const service = await startService(
    t,
    { kafka: { conf: { 'metadata.broker.list': `127.0.0.1:${port}` } } },
    { metrics: { type: 'prometheus', port: metricsPort } },
  )
  return { service, metricsPort }
}

for (const signal of ['SIGTERM', 'SIGHUP'] as const) {
  test(`${signal} loses nothing that was answered 202`, async t => {
    const service = await startService(t)
    const answers = await Promise.all(
      Array.from({ length: 40 }, (_, n) =>
        service.post(
          Array.from({ length: 100 }, (_, m) => testEvent({ test: `${n} ${m}` })),
          { query: '?hasty=true' },
        ),
      ),
    )
    for (const { status } of answers) assert.equal(status, 202)
    assert.equal(await service.stop(signal), 0)
    assert.equal(new Set(service.produced().map(({ test }) => test)).size, 4000)
  })
}

test('SIGHUP beside another signal does not hurry the end', async t => {
  const registry = await slowRegistry(t)
  const service = await startService(t, {
    schema_base_uris: ['schemas', registry.uri],
    schema_timeout_ms: 8000,
  })
  assert.equal((await service.post(slow, { query: '?hasty' })).status, 202)
  await eventually(() => assert.ok(registry.waiting.length > 0))
  const exit = once(service.process, 'exit')
  for (const signal of ['SIGHUP', 'SIGTERM', 'SIGHUP'] as const) {
    service.process.kill(signal)
    await new Promise(resolve => setTimeout(resolve, 200))
  }
  assert.equal(service.process.exitCode, null)
  registry.answer()
  assert.deepEqual(await exit, [0, null])
  assert.equal(service.produced().length, 1)
})

test('SIGTERM closes idle connections', async t => {
  const service = await startService(t, { shutdown_timeout_ms: 9000 })
  const idle = await connect(t, service.url)
  const body = JSON.stringify(testEvent())
  idle.write(head({ 'content-length': body.length }) + body)
  await idle.until(/^HTTP\/1\.1 201 /)
  assert.equal(await service.stop(), 0)
})

const unfinished = {
  'on which nothing was ever said': '',
  'with half a head': 'POST /v1/eve',
}
for (const [name, bytes] of Object.entries(unfinished)) {
  test(`a connection ${name} does not hold up the end`, async t => {
    const service = await startService(t, { shutdown_timeout_ms: 3000 })
    const connection = await connect(t, service.url)
    connection.write(bytes)
    await assertAlive(service)
    assert.equal(await service.stop(), 0)
  })
}

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  test(`a second signal ends it at once: ${signal}`, async t => {
    const registry = await slowRegistry(t)
    const service = await startService(t, {
      schema_base_uris: ['schemas', registry.uri],
      schema_timeout_ms: 8000,
    })
    assert.equal((await service.post(slow, { query: '?hasty' })).status, 202)
    await eventually(() => assert.ok(registry.waiting.length > 0))
    const exit = once(service.process, 'exit')
    service.process.kill(signal)
    await eventually(() => assert.ok(service.log().some(({ msg }) => String(msg).startsWith(signal))))
    service.process.kill(signal)
    assert.deepEqual(await exit, [1, null])
  })
}

test('the grace period ends it, even while a write hangs', async t => {
  const pipe = fifo(t)
  const service = await serviceTo(t, pipe.path, {
    request_timeout_ms: 600,
    schema_timeout_ms: 500,
    shutdown_timeout_ms: 500,
  })
  assertFailure(await service.post(LARGE), { status: 504, error: ['deadline_unknown'] })
  const exit = once(service.process, 'exit')
  service.process.kill('SIGTERM')
  const hung = new Promise(resolve => setTimeout(resolve, 10_000, 'it hangs').unref())
  const ended = await Promise.race([exit, hung])
  assert.notEqual(ended, 'it hangs')
  // Its client has been told that its fate is unknown: nothing that was answered otherwise is lost.
  assert.deepEqual(ended, [0, null])
})
