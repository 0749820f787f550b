import assert from 'node:assert/strict'
import type { IncomingMessage } from 'node:http'
import { test } from 'node:test'
import { type Span, trace } from '@opentelemetry/api'
import { isTracingAskedFor, Tracing } from '#src/lib/telemetry/tracing.js'

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
  const span = new Proxy({} as Span, {
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
  trace.setGlobalTracerProvider({ getTracer: () => ({ startSpan, startActiveSpan: startSpan }) })
  t.after(() => trace.disable())
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
