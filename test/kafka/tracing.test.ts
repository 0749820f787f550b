import assert from 'node:assert/strict'
import { test } from 'node:test'
import { attributesOf, startCollector } from '../support/collector.js'
import { eventually } from '../support/http.js'
import { anyKafka, readTopics, topicName } from '../support/kafka.js'
import { startService, testEvent } from '../support/service.js'

// Kinds of spans.
const SERVER = 2
const PRODUCER = 4

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
