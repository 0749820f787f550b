import assert from 'node:assert/strict'
import { test } from 'node:test'
import { assertFailure, eventually, freePort, samples } from '../support/http.js'
import { startKafka, topicName } from '../support/kafka.js'
import { send, startService, testEvent } from '../support/service.js'

test('Kafka out of reach: ready all the same, unless so configured, and again without any event', async t => {
  const kafka = await startKafka()
  t.after(() => kafka.close())
  const [broker] = kafka.brokers
  assert.ok(broker)
  const metricsPort = await freePort()
  const conf = {
    kafka: { conf: { 'metadata.broker.list': kafka.bootstrap } },
    request_timeout_ms: 1500,
    schema_timeout_ms: 1000,
  }
  const [plain, strict] = await Promise.all([
    startService(t, conf, { metrics: { type: 'prometheus', port: metricsPort } }),
    startService(t, { ...conf, unready_without_kafka_ms: 2000 }),
  ])
  const event = testEvent({ meta: { stream: topicName('health') } })
  const ready = async (service: { url: string }) => (await send(`${service.url}/_info/ready`)).status
  for (const service of [plain, strict]) {
    assert.equal((await service.post(event)).status, 201)
    const { guaranteed, hasty } = (await send(`${service.url}/_info/health`)).json().producers
    assert.equal(guaranteed.brokers[0].state, 'reachable')
    assert.equal(guaranteed.seconds_since_stored, 0)
    assert.deepEqual(guaranteed.idempotence, { active: true })
    // Connections are made before the service is ready.
    assert.equal(hasty.brokers[0].state, 'reachable')
  }
  // From then on idle: what this producer knows of brokers is what was.
  assert.equal((await strict.post(event, { query: '?hasty=true' })).status, 202)
  await eventually(async () => {
    const { hasty } = (await send(`${strict.url}/_info/health`)).json().producers
    assert.notEqual(hasty.seconds_since_stored, undefined)
    assert.equal(hasty.brokers[0].state, 'reachable')
  })

  await broker.kill9()
  for (const service of [plain, strict]) assert.equal((await service.post(event)).status, 503)
  await eventually(async () => assert.equal(await ready(strict), 503))
  const refusal = await send(`${strict.url}/_info/ready`)
  const [entry] = assertFailure(refusal, { status: 503, error: ['not_ready'] })
  assert.match(entry.context.message, /no broker can be reached/)
  assert.equal(await ready(plain), 200)
  const health = (await send(`${plain.url}/_info/health`)).json()
  assert.equal(health.status, 'ready')
  assert.equal(health.producers.guaranteed.brokers[0].state, 'unreachable')
  assert.match(health.producers.guaranteed.brokers[0].problem, /ECONNREFUSED|closed/)
  const down = 'eventgate_kafka_brokers{service="eventgate",delivery="guaranteed",state="unreachable"}'
  assert.equal((await samples(metricsPort)).get(down), 1)

  await broker.restart()
  await eventually(async () => assert.equal(await ready(strict), 200))
  await eventually(async () => assert.equal((await strict.post(event)).status, 201))
})
