import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import { readKafkaConf } from '#src/lib/kafka/config.js'
import { PARTITIONERS } from '#src/lib/kafka/partitioner.js'
import { KafkaProducer } from '#src/lib/kafka/producer.js'
import { HAS_ZSTD } from '#src/lib/kafka/wire/compression.js'
import { eventually } from '../support/http.js'
import { anyKafka, type KafkaRecord, readTopics, startKafka, topicName } from '../support/kafka.js'
import { ROOT, startService, testEvent } from '../support/service.js'

const eventOf = ({ value }: KafkaRecord) => JSON.parse(String(value))
const kafkaConf = (bootstrap: string, more: object = {}) => ({
  conf: { 'metadata.broker.list': bootstrap, ...more },
})

test('the service and a real broker', async t => {
  const kafka = await anyKafka()
  t.after(() => kafka.close())
  const prefix = `${topicName('gate')}.`
  const options = {
    topic_prefix: prefix,
    max_body_size: '4mb',
    kafka: {
      ...kafkaConf(kafka.bootstrap, { 'message.max.bytes': 100_000 }),
      hasty: { conf: { 'linger.ms': 1000 } },
    },
  }
  const service = await startService(t, options)
  const event = (stream: string, n: number) => testEvent({ meta: { stream }, test: `${n}` })

  await t.test('a 201 is an event in Kafka: value, key, timestamp', async () => {
    const before = Date.now()
    const reply = await service.post(testEvent({ meta: { stream: 'one' }, test: 'ключ\ud83d\ude00' }))
    assert.equal(reply.status, 201, reply.body)
    const [record, ...others] = await readTopics(kafka.bootstrap, [`${prefix}one`])
    assert.deepEqual(others, [])
    assert.ok(record)
    assert.equal(record.key, null)
    assert.deepEqual(record.headers, [])
    const { meta, ...rest } = eventOf(record)
    assert.deepEqual(rest, { $schema: '/test/event/1.0.0', test: 'ключ\ud83d\ude00' })
    assert.equal(meta.stream, 'one')
    assert.match(meta.id, /^[0-9a-f-]{36}$/)
    assert.equal(Date.parse(meta.dt), record.timestamp)
    assert.ok(record.timestamp >= before && record.timestamp <= Date.now())
  })

  await t.test('the events of a stream keep their order, whatever partitions they go to', async () => {
    await kafka.createTopic(`${prefix}ordered`, { partitions: 1 })
    for (let request = 0; request < 5; request++) {
      const events = Array.from({ length: 200 }, (_, i) =>
        event(i % 4 === 0 ? 'between' : 'ordered', request * 200 + i),
      )
      assert.equal((await service.post(events)).reason, 'All 200 out of 200 events were accepted.')
    }
    const records = await readTopics(kafka.bootstrap, [`${prefix}ordered`])
    const numbers = records.map(record => Number(eventOf(record).test))
    assert.equal(numbers.length, 750)
    assert.deepEqual(
      numbers,
      numbers.toSorted((a, b) => a - b),
    )
  })

  await t.test('an event larger than message.max.bytes is refused by itself, with its size', async () => {
    const large = testEvent({ meta: { stream: 'sizes' }, test: 'x'.repeat(200_000) })
    const reply = await service.post([event('sizes', 1), large, event('sizes', 2)])
    assert.equal(reply.status, 207)
    const [entry, ...others] = reply.json().invalid
    assert.deepEqual(others, [])
    assert.equal(entry.code, 'event_too_large')
    assert.equal(entry.index, 1)
    assert.match(entry.context.message, /200\d\d\d bytes.*100000/)
    assert.equal((await readTopics(kafka.bootstrap, [`${prefix}sizes`])).length, 2)
  })

  await t.test('SIGTERM loses nothing that was answered 202, though it lingers', async () => {
    for (let n = 0; n < 40; n++) {
      assert.equal(
        (await service.post([event('hasty', n), event('hasty', n)], { query: '?hasty=true' })).status,
        202,
      )
    }
    assert.equal(await service.stop(), 0)
    const records = await readTopics(kafka.bootstrap, [`${prefix}hasty`])
    assert.equal(new Set(records.map(record => eventOf(record).meta.id)).size, 80)
    assert.equal(records.length, 80)
  })
})

test('without Kafka: 503 that says why, and once it is there, 201', async t => {
  // A port that nobody listens on now, and Kafka's later.
  const holder = createServer().listen(0, '127.0.0.1')
  await once(holder, 'listening')
  const { port } = holder.address() as { port: number }
  holder.close()
  await once(holder, 'close')
  const kafka = kafkaConf(`127.0.0.1:${port}`)
  const service = await startService(t, {
    kafka,
    request_timeout_ms: 1500,
    schema_timeout_ms: 1000,
    shutdown_timeout_ms: 2000,
  })

  const stream = topicName('late')
  const first = await service.post(testEvent({ meta: { stream } }))
  assert.equal(first.status, 503)
  assert.ok(Number(first.headers['retry-after']) >= 1)
  const [entry] = first.json().error
  assert.equal(entry.code, 'deadline_not_stored')
  assert.equal(entry.retriable, true)
  assert.match(entry.context.message, new RegExp(`127\\.0\\.0\\.1:${port}`))
  assert.equal((await service.post(testEvent({ meta: { stream } }), { query: '?hasty' })).status, 202)

  await assert.rejects(startService(t, { kafka: { ...kafka, required_at_start: true } }), /ended with 1/)

  const started = Date.now()
  assert.equal(await service.stop(), 1, 'the exit code says that something was lost')
  assert.ok(Date.now() - started < 4000, 'what cannot be produced does not hold up the end')
  const lost = service
    .log()
    .filter(({ msg, delivery }) => /not_stored/.test(String(msg)) && delivery === 'hasty')
  assert.equal(lost.length, 1, 'and is not lost in silence')
})

test('a wrong property of Kafka’s is told at the start, by its path', async t => {
  const conf = {
    'metadata.broker.list': 'a:1',
    'compresion.codec': 'snappy',
    acks: 'some',
    'statistics.interval.ms': 1000,
  }
  await assert.rejects(startService(t, { kafka: { conf } }), (error: Error) => {
    assert.match(error.message, /ended with 78/)
    assert.match(error.message, /services\[0\]\.conf\.kafka\.conf\['compresion\.codec'\].*compression\.codec/)
    assert.match(error.message, /services\[0\]\.conf\.kafka\.conf\['acks'\]/)
    return true
  })
  const accepted = {
    'metadata.broker.list': '127.0.0.1:1',
    'statistics.interval.ms': 1000,
    'log.connection.close': false,
  }
  const service = await startService(t, { kafka: { conf: accepted } })
  const warnings = service.log().filter(({ level }) => level === 40)
  assert.equal(warnings.length, 2)
  assert.match(String(warnings[0]?.msg), /statistics\.interval\.ms.*no effect/)
})

test('every codec is read back by Java, and keys go where librdkafka puts them', async t => {
  const kafka = await startKafka()
  t.after(() => kafka.close())
  const fixture = JSON.parse(
    readFileSync(join(ROOT, 'test/fixtures/kafka/librdkafka-partitions.json'), 'utf8'),
  )
  const partitions = 12
  const column = fixture.counts.indexOf(partitions)
  const hasZstd = HAS_ZSTD
  for (const codec of ['none', 'gzip', 'snappy', 'lz4', ...(hasZstd ? ['zstd'] : [])]) {
    await t.test(codec, async () => {
      const topic = topicName(codec)
      await kafka.createTopic(topic, { partitions, config: { 'compression.type': 'producer' } })
      const { settings } = readKafkaConf(
        kafkaConf(kafka.bootstrap, { 'compression.codec': codec, 'linger.ms': 20 }),
        {
          requestTimeoutMs: 9000,
        },
      )
      assert.ok(settings)
      const producer = new KafkaProducer(settings.guaranteed)
      const keys: string[] = fixture.keys.map(({ key }: { key: string }) => key)
      const timestamp = 1_600_000_000_000
      const value = (i: number) => ({ i, text: 'the same again and again '.repeat(20) })
      await Promise.all(
        keys.map((key, i) =>
          producer.produce(value(i), { topic, key, timestamp: timestamp + i, delivery: 'guaranteed' }),
        ),
      )
      await producer.close(1000)
      const records = await readTopics(kafka.bootstrap, [topic])
      assert.equal(records.length, keys.length)
      for (const record of records) {
        const { i } = eventOf(record)
        assert.deepEqual(eventOf(record), value(i))
        assert.equal(String(record.key), keys[i])
        assert.equal(record.timestamp, timestamp + i)
        const chosen = fixture.keys[i].consistent_random[column]
        if (chosen !== null) assert.equal(record.partition, chosen, `key ${keys[i]}`)
      }
      const batches = (
        await Promise.all(Array.from({ length: partitions }, (_, p) => kafka.batches(topic, p)))
      ).flat()
      assert.ok(batches.length > 0)
      for (const batch of batches) assert.equal(batch.codec, codec)
    })
  }
})

test('partitioners choose as librdkafka and Java do', () => {
  const fixture = JSON.parse(
    readFileSync(join(ROOT, 'test/fixtures/kafka/librdkafka-partitions.json'), 'utf8'),
  )
  for (const name of ['consistent_random', 'murmur2_random'] as const) {
    for (const entry of fixture.keys) {
      for (const [i, count] of fixture.counts.entries()) {
        const chosen = entry[name][i]
        if (chosen === null || count === 1) continue
        assert.equal(
          PARTITIONERS[name](Buffer.from(entry.key), count),
          chosen,
          `${name} of ${entry.key} in ${count}`,
        )
      }
    }
  }
})

test('SASL_SSL with SCRAM-SHA-512 and a CA of the test’s own', async t => {
  const kafka = await startKafka({ listeners: ['SASL_SSL'], users: { gate: 'a secret' } })
  t.after(() => kafka.close())
  const tls = kafka.tls
  assert.ok(tls)
  const secure = {
    'security.protocol': 'sasl_ssl',
    'ssl.ca.location': tls.caFile,
    'sasl.mechanism': 'SCRAM-SHA-512',
    'sasl.username': 'gate',
  }
  const bootstrap = kafka.bootstrapOf('SASL_SSL')
  const stream = topicName('secure')
  const service = await startService(t, {
    kafka: kafkaConf(bootstrap, { ...secure, 'sasl.password': 'a secret' }),
  })
  const reply = await service.post(testEvent({ meta: { stream } }))
  assert.equal(reply.status, 201, reply.body)
  assert.equal((await readTopics(kafka.bootstrap, [stream])).length, 1)

  const wrong = await startService(t, {
    request_timeout_ms: 2000,
    schema_timeout_ms: 1000,
    kafka: kafkaConf(bootstrap, { ...secure, 'sasl.password': 'a guess' }),
  })
  assert.equal((await wrong.post(testEvent({ meta: { stream } }))).status, 503)
  await eventually(() => assert.ok(wrong.log().some(({ msg }) => /SASL|authentication/i.test(String(msg)))))
  assert.ok(!JSON.stringify(wrong.log()).includes('a guess'))
})
