import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { GateError } from '#src/lib/errors.js'
import { readKafkaConf } from '#src/lib/kafka/conf.js'
import { KafkaProducer } from '#src/lib/kafka/producer.js'
import type { SenderObserver } from '#src/lib/kafka/sender.js'
import { TcpBroker } from './kafka-broker.js'

function producerFor(
  t: TestContext,
  broker: TcpBroker,
  conf: object = {},
  observer: SenderObserver = {},
): KafkaProducer {
  const { settings, problems } = readKafkaConf(
    { conf: { 'bootstrap.servers': `127.0.0.1:${broker.port}`, ...conf } },
    { requestTimeoutMs: 9000 },
  )
  assert.ok(settings, JSON.stringify(problems))
  const producer = new KafkaProducer(settings.guaranteed, observer)
  t.after(() => producer.close(0))
  return producer
}

const TO = { topic: 'a.topic', key: 'k', timestamp: 1_700_000_000_000, delivery: 'guaranteed' } as const

test('an event reaches a broker as JSON, and is acknowledged', async t => {
  const broker = await TcpBroker.start(t)
  const producer = producerFor(t, broker)
  await producer.reach()
  await producer.produce({ text: 'größer' }, TO)
  assert.equal(broker.produced.length, 1)
  assert.ok(broker.produced[0]?.includes('{"text":"größer"}'))
  const { queued, brokers, msSinceStored } = producer.state
  assert.deepEqual(queued, { events: 0, bytes: 0 })
  assert.ok(msSinceStored !== undefined && msSinceStored < 10_000)
  assert.ok(brokers.length > 0 && brokers.every(({ state }) => state === 'reachable'))
})

test('a broker that hangs up gets the same batch again, on another connection', async t => {
  const broker = await TcpBroker.start(t)
  const troubles: string[] = []
  const producer = producerFor(t, broker, {}, { trouble: message => troubles.push(message) })
  broker.deeds.push('hangs up', 'hangs up')
  await producer.produce({ n: 1 }, TO)
  assert.equal(broker.produced.length, 3)
  const records = broker.produced.map(body => body.subarray(body.indexOf('a.topic')))
  assert.ok(records[1]?.equals(records[0] as Buffer) && records[2]?.equals(records[0] as Buffer))
  assert.equal(troubles.length, 2)
  assert.match(troubles[0] ?? '', /^broker 1: /)
})

test('a broker that says nothing any more is left, and the event arrives all the same', async t => {
  const broker = await TcpBroker.start(t)
  const producer = producerFor(t, broker)
  broker.deeds.push('is silent')
  const start = performance.now()
  await producer.produce({ n: 1 }, TO)
  const took = performance.now() - start
  assert.ok(took > 2900 && took < 5000, `${took}`)
})

test('a broker of Produce version 7 is spoken to in it', async t => {
  const broker = await TcpBroker.start(t)
  broker.versions = broker.versions.map(([key = 0, min = 0, max = 0]) => [key, min, key === 0 ? 7 : max])
  await producerFor(t, broker).produce({ n: 1 }, TO)
})

test('a broker that is too old for us says so in the error', async t => {
  const broker = await TcpBroker.start(t)
  broker.versions = broker.versions.map(([key = 0, min = 0, max = 0]) => [key, min, key === 0 ? 2 : max])
  const producer = producerFor(t, broker, { 'message.timeout.ms': 300 })
  await assert.rejects(producer.produce({ n: 1 }, TO), error => {
    assert.ok(error instanceof GateError)
    assert.equal(error.code, 'deadline_not_stored')
    assert.match(error.message, /speaks none of the versions 8, 7/)
    return true
  })
})

test('without a broker an event is surely not stored, at its deadline', async t => {
  const broker = await TcpBroker.start(t)
  const producer = producerFor(t, broker, { 'bootstrap.servers': '127.0.0.1:1', 'message.timeout.ms': 300 })
  await assert.rejects(producer.reach(), /ECONNREFUSED/)
  const start = performance.now()
  await assert.rejects(producer.produce({ n: 1 }, TO), {
    code: 'deadline_not_stored',
    message: /ECONNREFUSED/,
  })
  assert.ok(performance.now() - start < 600)
})

test('probes that overlap are one, and none ends another', async t => {
  const broker = await TcpBroker.start(t)
  const producer = producerFor(t, broker)
  const [first, second] = [producer.probe(), producer.probe()]
  await first
  const later = producer.probe()
  await second
  assert.equal(producer.probe(), later)
  await later
  assert.notEqual(producer.probe(), later)
})

test('a probe asks one broker after the other, until all are known to be away', async t => {
  const broker = await TcpBroker.start(t)
  const producer = producerFor(t, broker, { 'bootstrap.servers': '127.0.0.1:1,127.0.0.1:2,127.0.0.1:3' })
  await producer.probe()
  assert.deepEqual(
    producer.state.brokers.map(({ state }) => state),
    ['unreachable', 'unreachable', 'unreachable'],
  )
})

test('acks 0 waits for no answer', async t => {
  const broker = await TcpBroker.start(t)
  const { settings } = readKafkaConf(
    { conf: { 'bootstrap.servers': `127.0.0.1:${broker.port}` }, hasty: { conf: { acks: 0 } } },
    { requestTimeoutMs: 9000 },
  )
  assert.ok(settings)
  const producer = new KafkaProducer(settings.hasty)
  t.after(() => producer.close(0))
  broker.deeds.push('is silent')
  await producer.produce({ n: 1 }, { ...TO, delivery: 'hasty' })
})

test('closing leaves no connection and no timer', async t => {
  const broker = await TcpBroker.start(t)
  const producer = producerFor(t, broker)
  await producer.produce({ n: 1 }, TO)
  await producer.close(1000)
  await new Promise(resolve => setTimeout(resolve, 50))
  assert.deepEqual(
    broker.sockets.map(socket => socket.destroyed || socket.readableEnded),
    broker.sockets.map(() => true),
  )
  assert.ok(!process.getActiveResourcesInfo().includes('Timeout'), String(process.getActiveResourcesInfo()))
  await assert.rejects(producer.produce({ n: 1 }, TO), { code: 'draining' })
})
