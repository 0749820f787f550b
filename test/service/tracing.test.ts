import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { type Span as OtelSpan, trace as otel } from '@opentelemetry/api'
import { isTracingAskedFor, Tracing } from '#src/lib/telemetry/tracing.js'
import { eventually } from '../support/http.js'
import { anyKafka, readTopics, topicName } from '../support/kafka.js'
import { ROOT, startService, temporary, testEvent } from '../support/service.js'

/** A span as OTLP has it in JSON. */
interface Span {
  traceId: string
  spanId: string
  parentSpanId?: string
  name: string
  kind: number
  attributes: { key: string; value: Record<string, unknown> }[]
  links?: { traceId: string; spanId: string }[]
  status: { code?: number; message?: string }
}

const SERVER = 2
const PRODUCER = 4

/** A collector of OTLP over HTTP, and the variables that send spans to it. */
async function startCollector(t: TestContext) {
  const spans: Span[] = []
  const services = new Set<unknown>()
  const server = createServer(async (req, res) => {
    const chunks: Buffer[] = []
    for await (const chunk of req) chunks.push(chunk)
    assert.equal(req.url, '/v1/traces')
    for (const { resource, scopeSpans } of JSON.parse(Buffer.concat(chunks).toString()).resourceSpans) {
      services.add(attributesOf(resource)['service.name'])
      for (const scope of scopeSpans) spans.push(...scope.spans)
    }
    res.setHeader('content-type', 'application/json')
    res.end('{}')
  }).listen(0, '127.0.0.1')
  t.after(() => {
    server.close()
    server.closeAllConnections()
  })
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const variables = {
    OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}`,
    OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
    OTEL_BSP_SCHEDULE_DELAY: '100',
  }
  Object.assign(process.env, variables)
  t.after(() => {
    for (const name of Object.keys(variables)) delete process.env[name]
  })
  return { spans, services }
}

function attributesOf({ attributes }: Pick<Span, 'attributes'>): Record<string, unknown> {
  return Object.fromEntries(
    attributes.map(({ key, value }) => {
      const [plain] = Object.values(value)
      return [key, 'intValue' in value ? Number(plain) : plain]
    }),
  )
}

test('traces, with a real Kafka and what the SDK exports', async t => {
  const kafka = await anyKafka()
  t.after(() => kafka.close())
  const { spans, services } = await startCollector(t)
  const prefix = `${topicName('traced')}.`
  const service = await startService(t, {
    topic_prefix: prefix,
    kafka: { conf: { 'metadata.broker.list': kafka.bootstrap } },
  })
  const trace = (digit: string) => digit.repeat(32)
  const post = (
    stream: string,
    traceparent: string,
    more: Record<string, string> = {},
    test: unknown = 'x',
  ) =>
    service.post([testEvent({ meta: { stream }, test }), testEvent({ meta: { stream } })], {
      query: '?some=thing',
      headers: { traceparent, ...more },
    })
  const serverSpan = (traceId: string) =>
    eventually(() => {
      const span = spans.find(span => span.traceId === traceId && span.kind === SERVER)
      assert.ok(span, `no span of ${traceId} yet`)
      return span
    })
  const headersOf = async (topic: string) =>
    (await readTopics(kafka.bootstrap, [prefix + topic])).map(({ headers }) =>
      headers.map(([name, value]) => [name, String(value)]),
    )

  await t.test('a request continues the trace that it comes with', async () => {
    const headers = {
      tracestate: 'vendor=value',
      baggage: 'key=value',
      'x-request-id': 'my-request',
      'user-agent': 'my-agent',
    }
    const reply = await post('recorded', `00-${trace('a')}-${'b'.repeat(16)}-01`, headers)
    assert.equal(reply.status, 201, reply.body)
    const span = await serverSpan(trace('a'))
    assert.equal(span.name, 'POST /v1/events')
    assert.equal(span.parentSpanId, 'b'.repeat(16))
    const attributes = attributesOf(span)
    assert.deepEqual(
      Object.fromEntries(Object.entries(attributes).filter(([name]) => name !== 'network.peer.address')),
      {
        'http.request.method': 'POST',
        'http.route': '/v1/events',
        'http.response.status_code': 201,
        'http.request.header.x-request-id': { values: [{ stringValue: 'my-request' }] },
        'network.protocol.version': '1.1',
        'url.scheme': 'http',
        'url.path': '/v1/events',
        'url.query': 'some=thing',
        'user_agent.original': 'my-agent',
      },
    )
    assert.deepEqual([...services], ['eventgate'])
  })

  await t.test('its events in Kafka hand it on, without the baggage', async () => {
    const { spanId } = await serverSpan(trace('a'))
    const headers = [
      ['traceparent', `00-${trace('a')}-${spanId}-01`],
      ['tracestate', 'vendor=value'],
    ]
    assert.deepEqual(await headersOf('recorded'), [headers, headers])
  })

  await t.test('the produce requests that carry them are linked to it', async () => {
    const { spanId } = await serverSpan(trace('a'))
    const produced = await eventually(() => {
      const found = spans.filter(span => span.kind === PRODUCER && span.traceId === trace('a'))
      const events = found.map(span => Number(attributesOf(span)['messaging.batch.message_count']))
      assert.equal(
        events.reduce((sum, count) => sum + count, 0),
        2,
      )
      return found
    })
    for (const span of produced) {
      assert.equal(span.name, `send ${prefix}recorded`)
      assert.equal(span.parentSpanId, spanId)
      assert.deepEqual(
        span.links?.map(({ traceId, spanId }) => [traceId, spanId]),
        [[trace('a'), spanId]],
      )
      const attributes = attributesOf(span)
      assert.equal(attributes['messaging.system'], 'kafka')
      assert.equal(attributes['messaging.destination.name'], `${prefix}recorded`)
      assert.equal(attributes['eventgate.delivery'], 'guaranteed')
      assert.equal(span.status.code ?? 0, 0)
    }
  })

  await t.test('a trace that is not recorded leaves nothing, but in the log', async () => {
    const reply = await post('unrecorded', `00-${trace('c')}-${'b'.repeat(16)}-00`, {}, 1)
    assert.equal(reply.status, 207)
    assert.deepEqual(await headersOf('unrecorded'), [[]])
    const [line] = service.log().filter(({ code }) => code === 'validation_failed')
    assert.equal(line?.trace_id, trace('c'))
    assert.match(String(line?.span_id), /^[0-9a-f]{16}$/)
    // One that comes after it is exported after it.
    await post('recorded', `00-${trace('d')}-${'b'.repeat(16)}-01`)
    await serverSpan(trace('d'))
    assert.ok(spans.every(span => span.traceId !== trace('c')))
  })

  await t.test('a request without a trace begins one', async () => {
    await service.post(testEvent({ meta: { stream: 'alone' } }))
    const [headers] = await headersOf('alone')
    const [, traceId, spanId] = /^00-(\w{32})-(\w{16})-01$/.exec(headers?.[0]?.[1] ?? '') ?? []
    const span = await serverSpan(String(traceId))
    assert.equal(span.spanId, spanId)
    assert.equal(span.parentSpanId ?? '', '')
  })

  await t.test('a 4xx is no error of the span', async () => {
    await service.post({}, { headers: { traceparent: `00-${trace('e')}-${'b'.repeat(16)}-01` } })
    const span = await serverSpan(trace('e'))
    assert.equal(attributesOf(span)['http.response.status_code'], 400)
    assert.equal(span.status.code ?? 0, 0)
  })

  await t.test('what is not exported yet is, at the end', async () => {
    const before = spans.length
    process.env.OTEL_BSP_SCHEDULE_DELAY = '60000'
    const patient = await startService(t)
    await patient.post(testEvent(), { headers: { traceparent: `00-${trace('f')}-${'b'.repeat(16)}-01` } })
    assert.equal(await patient.stop(), 0)
    assert.ok(spans.slice(before).some(span => span.traceId === trace('f')))
  })
})

test('a 5xx is an error of the span', async t => {
  const { spans } = await startCollector(t)
  // A port that nothing listens on.
  const service = await startService(t, {
    request_timeout_ms: 500,
    schema_timeout_ms: 300,
    kafka: { conf: { 'metadata.broker.list': '127.0.0.1:1' } },
  })
  // Which of the two deadlines comes first is not what this is about.
  const { status } = await service.post(testEvent())
  assert.ok(status === 503 || status === 504)
  const span = await eventually(() => {
    assert.ok(spans[0])
    return spans[0]
  })
  assert.equal(attributesOf(span)['http.response.status_code'], status)
  assert.equal(attributesOf(span)['error.type'], String(status))
  assert.equal(span.status.code, 2)
})

test('a collector that is not there holds up neither requests nor the end', async t => {
  await startCollector(t)
  process.env.OTEL_EXPORTER_OTLP_ENDPOINT = 'http://127.0.0.1:1'
  const service = await startService(t)
  assert.equal((await service.post(testEvent())).status, 201)
  assert.equal(await service.stop(), 0)
})

test('without the SDK, asking for traces is a wrong configuration', t => {
  const folder = temporary(t)
  cpSync(join(ROOT, 'dist'), join(folder, 'dist'), { recursive: true })
  cpSync(join(ROOT, 'package.json'), join(folder, 'package.json'))
  cpSync(join(ROOT, 'schemas'), join(folder, 'schemas'), { recursive: true })
  mkdirSync(join(folder, 'node_modules/@opentelemetry'), { recursive: true })
  const link = (name: string) =>
    symlinkSync(join(ROOT, 'node_modules', name), join(folder, 'node_modules', name))
  for (const name of readdirSync(join(ROOT, 'node_modules')))
    if (name !== '@opentelemetry' && !name.startsWith('.')) link(name)
  link('@opentelemetry/api')
  writeFileSync(
    join(folder, 'config.yaml'),
    'services: [{name: eventgate, conf: {port: 0, producer: memory}}]',
  )
  const { status, stderr } = spawnSync(process.execPath, ['dist/server.js'], {
    cwd: folder,
    env: { ...process.env, OTEL_TRACES_EXPORTER: 'otlp' },
    encoding: 'utf8',
    timeout: 60_000,
  })
  assert.equal(status, 78)
  assert.match(stderr, /^eventgate: traces are asked for .*npm install @opentelemetry\/sdk-node/)
})

test('what asks for traces', () => {
  const asks = (env: Record<string, string>) => isTracingAskedFor(env)
  assert.ok(!asks({}))
  assert.ok(!asks({ OTEL_SERVICE_NAME: 'x', OTEL_TRACES_EXPORTER: '', OTEL_EXPORTER_OTLP_ENDPOINT: '' }))
  assert.ok(asks({ OTEL_TRACES_EXPORTER: 'otlp' }))
  assert.ok(asks({ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector:4318' }))
  assert.ok(asks({ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://collector:4318' }))
  assert.ok(!asks({ OTEL_TRACES_EXPORTER: 'none', OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector:4318' }))
  assert.ok(!asks({ OTEL_TRACES_EXPORTER: 'otlp', OTEL_SDK_DISABLED: 'TRUE' }))
})

test('an SDK whose spans throw changes nothing for requests and events', t => {
  const identity = { traceId: 'a'.repeat(32), spanId: 'b'.repeat(16), traceFlags: 1 }
  const asked: string[] = []
  const span = new Proxy({} as OtelSpan, {
    get: (_span, name) => () => {
      if (name === 'spanContext') return identity
      asked.push(String(name))
      throw new Error(`${String(name)} is broken`)
    },
  })
  let starts = true
  const startSpan = () => {
    if (starts) return span
    throw new Error('startSpan is broken')
  }
  otel.setGlobalTracerProvider({ getTracer: () => ({ startSpan, startActiveSpan: startSpan }) })
  t.after(() => otel.disable())
  const tracing = Tracing.open('1.0.0')
  assert.ok(tracing)
  const req = { method: 'POST', url: '/v1/events', headers: {}, socket: {}, httpVersion: '1.1' }
  const request = tracing.request(req as IncomingMessage, 'v1/events', 'id')
  assert.ok(request)
  const batches = [{ topic: 't', partition: 0, records: [{ trace: { ...identity, headers: {} } }] }]
  tracing.ofKafka('guaranteed').begin(batches)?.('it failed')
  request.answered(503)
  request.end()
  assert.deepEqual(asked, ['setStatus', 'setAttribute', 'end'])
  starts = false
  assert.equal(tracing.request(req as IncomingMessage, 'v1/events', 'id'), undefined)
  assert.equal(tracing.ofKafka('guaranteed').begin(batches), undefined)
})
