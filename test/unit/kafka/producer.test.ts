import assert from 'node:assert/strict'
import { test } from 'node:test'
import { GateError } from '#src/lib/errors.js'
import { readKafkaConf } from '#src/lib/kafka/config.js'
import { KafkaProducer } from '#src/lib/kafka/producer.js'
import { HAS_ZSTD } from '#src/lib/kafka/wire/compression.js'
import { ranges, TcpBroker, VERSIONS_OF } from '../../support/kafka-broker.js'
import { producerFor, TO } from '../../support/kafka-producer.js'

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
  assert.ok(took > 900, `${took}`)
})

test('where zstd is configured old brokers get gzip, and else what all get', () => {
  const read = (codec: string) => {
    const conf = { 'bootstrap.servers': '127.0.0.1:1', 'compression.codec': codec }
    return readKafkaConf({ conf }, { requestTimeoutMs: 9000 })
  }
  const lz4 = read('lz4').settings?.guaranteed.cluster
  assert.ok(lz4)
  assert.equal(lz4.encode, lz4.encodeForOld)
  const { settings, problems } = read('zstd')
  const record = { key: null, value: 'x'.repeat(500), valueBytes: 500, timestamp: 1 }
  const identity = { producerId: -1, epoch: -1, sequence: -1 }
  const bits = settings?.guaranteed.cluster.encodeForOld([record], identity).readInt16BE(21)
  if (HAS_ZSTD) assert.equal(bits, 1)
  else assert.match(problems[0]?.message ?? '', /zstd needs Node\.js/)
})

test('a broker that is too old is named with what it speaks: by the events at once, by the log, and by health', async t => {
  const broker = await TcpBroker.start(t)
  broker.versions = VERSIONS_OF['0.11']
  const complaints: string[] = []
  const producer = producerFor(t, broker, {}, { complain: message => complaints.push(message) })
  const reason =
    /127\.0\.0\.1:\d+: the broker speaks Produce 0 to 3 and Metadata 0 to 4, the service Produce 5 to 8 and Metadata 5 to 8: Kafka 1\.0 or newer/
  await producer.probe()
  assert.match(complaints.shift() ?? '', reason)
  await assert.rejects(producer.reach(), reason)
  for (let i = 0; i < 3; i++) {
    const start = performance.now()
    await assert.rejects(producer.produce({ n: 1 }, TO), error => {
      assert.ok(error instanceof GateError)
      assert.equal(error.code, 'kafka_misconfigured')
      assert.match(error.message, reason)
      return true
    })
    assert.ok(performance.now() - start < 4000)
  }
  assert.match(complaints[0] ?? '', reason)
  const [state] = producer.state.brokers
  assert.equal(state?.state, 'unreachable')
  assert.match(state.problem ?? '', reason)

  broker.versions = VERSIONS_OF['1.1']
  await producer.produce({ n: 2 }, TO)
  assert.deepEqual(
    producer.state.brokers.map(({ problem }) => problem),
    producer.state.brokers.map(() => undefined),
  )
})

test('a leader that has become too old fails its events at once, until it is another version again', async t => {
  const broker = await TcpBroker.start(t)
  const producer = producerFor(t, broker)
  await producer.produce({ n: 1 }, TO)
  broker.versions = ranges([0, 2], [0, 9], [0, 2], [0, 1])
  for (const socket of broker.sockets) socket.destroy()
  // The producer has seen it: of what it sends before that it could not know the fate.
  await new Promise(resolve => setTimeout(resolve, 100))
  await assert.rejects(producer.produce({ n: 2 }, TO), {
    code: 'kafka_misconfigured',
    message: /broker 1 is not supported: .*Produce 0 to 2/,
  })
  broker.versions = VERSIONS_OF['2.8']
  for (let left = 30; ; left--) {
    const error = await producer.produce({ n: 3 }, TO).then(
      () => undefined,
      (thrown: Error) => thrown,
    )
    if (!error) break
    assert.ok(left > 0, error.message)
    await new Promise(resolve => setTimeout(resolve, 100))
  }
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
  // The deadline of the producer is 9 s unless it is configured.
  assert.ok(performance.now() - start < 6000)
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
