/**
 * What the producer stores, on the oldest version of Kafka that is supported and on the newest, read back by Kafka's
 * own client. `npm run test:kafka -- --kafka 2.2.2` runs it on another one.
 */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { GateError } from '#src/lib/errors.js'
import { Cluster } from '#src/lib/kafka/cluster.js'
import { readKafkaConf } from '#src/lib/kafka/config.js'
import { KafkaProducer } from '#src/lib/kafka/producer.js'
import { CODECS, HAS_ZSTD } from '#src/lib/kafka/wire/compression.js'
import { javaPartitions, type KafkaCluster, readTopics, startKafka } from '../support/kafka.js'
import { isBefore, NEWEST_KAFKA, OLDEST_KAFKA } from '../support/kafka-jars.js'

const named = process.env.KAFKA_VERSION
const VERSIONS = named ? [named] : [OLDEST_KAFKA, NEWEST_KAFKA]

const warnings: string[] = []
const complaints: string[] = []

function producerFor(t: TestContext, conf: Record<string, unknown>): KafkaProducer {
  const { settings, problems } = readKafkaConf({ conf }, { requestTimeoutMs: 20_000 })
  assert.ok(settings, JSON.stringify(problems))
  warnings.splice(0)
  complaints.splice(0)
  const producer = new KafkaProducer(settings.guaranteed, {
    warn: message => warnings.push(message),
    complain: message => complaints.push(message),
  })
  t.after(() => producer.close(1000))
  return producer
}

const destination = (topic: string, key: string | null, timestamp: number) =>
  ({ topic, key, timestamp, delivery: 'guaranteed' }) as const

for (const version of VERSIONS) {
  test(`Kafka ${version}`, { timeout: 300_000 }, async t => {
    const users = { alice: 'a secret', bob: 'another' }
    const security = isBefore(version, '2.8')
      ? {
          'authorizer.class.name': 'kafka.security.auth.SimpleAclAuthorizer',
          'super.users': 'User:ANONYMOUS;User:alice',
        }
      : {}
    const kafka = await startKafka({
      version,
      listeners: ['SSL', 'SASL_SSL', 'SASL_PLAINTEXT'],
      users,
      properties: { ...security, 'log.retention.check.interval.ms': '500' },
    })
    t.after(() => kafka.close())
    const plaintext = { 'bootstrap.servers': kafka.bootstrap }

    for (const codec of CODECS) {
      const skip = codec === 'zstd' && !HAS_ZSTD && `this Node.js (${process.version}) brings no zstd`
      await t.test(`what is stored is what was sent, with codec ${codec}`, { skip }, t =>
        roundTrip(t, kafka, codec),
      )
    }

    const ssl = { 'security.protocol': 'ssl', 'ssl.ca.pem': kafka.tls?.ca }
    const sasl = (mechanism: string, password: string) => ({
      'sasl.mechanism': mechanism,
      'sasl.username': 'alice',
      'sasl.password': password,
    })
    const ways: [name: string, protocol: 'SSL' | 'SASL_SSL' | 'SASL_PLAINTEXT', conf: object][] = [
      ['TLS', 'SSL', ssl],
      ['SCRAM-SHA-512 over TLS', 'SASL_SSL', { ...ssl, ...sasl('SCRAM-SHA-512', users.alice) }],
      ['SCRAM-SHA-256 over TLS', 'SASL_SSL', { ...ssl, ...sasl('SCRAM-SHA-256', users.alice) }],
      ['PLAIN over TLS', 'SASL_SSL', { ...ssl, ...sasl('PLAIN', users.alice) }],
      ['PLAIN', 'SASL_PLAINTEXT', sasl('PLAIN', users.alice)],
    ]
    await t.test('TLS, SCRAM and PLAIN', async t => {
      await kafka.createTopic('secure')
      for (const [name, protocol, conf] of ways) {
        const producer = producerFor(t, {
          ...conf,
          'bootstrap.servers': kafka.bootstrapOf(protocol),
          'security.protocol': protocol.toLowerCase(),
        })
        await producer.produce({ name }, destination('secure', null, 1_700_000_000_000))
      }
      const records = await readTopics(kafka.bootstrap, ['secure'])
      assert.deepEqual(
        records.map(({ value }) => JSON.parse(String(value)).name),
        ways.map(([name]) => name),
      )
    })

    for (const mechanism of ['SCRAM-SHA-512', 'PLAIN'])
      await t.test(`wrong credentials are told soon, to clients and operators: ${mechanism}`, async t => {
        const wrong = producerFor(t, {
          ...ssl,
          ...sasl(mechanism, 'a wrong one'),
          'bootstrap.servers': kafka.bootstrapOf('SASL_SSL'),
          'security.protocol': 'sasl_ssl',
        })
        await assert.rejects(wrong.reach(), /[Aa]uthentication failed/)
        const start = performance.now()
        await assert.rejects(wrong.produce({ n: 1 }, destination('secure', null, 1_700_000_000_000)), {
          code: 'kafka_misconfigured',
          message: /[Aa]uthentication failed/,
        })
        // Long before its deadline.
        assert.ok(performance.now() - start < 9000)
        assert.match(complaints.join(), /[Aa]uthentication failed/)
      })

    await t.test('a record without a key fails alone on a compacted topic', async t => {
      await kafka.createTopic('compacted', { config: { 'cleanup.policy': 'compact' } })
      const producer = producerFor(t, plaintext)
      const results = await Promise.allSettled(
        Array.from({ length: 8 }, (_, i) =>
          producer.produce({ i }, destination('compacted', i === 5 ? null : `k${i}`, 1_700_000_000_000)),
        ),
      )
      assert.deepEqual(
        results.map(result => (result.status === 'fulfilled' ? '' : (result.reason as GateError).code)),
        ['', '', '', '', '', 'record_refused', '', ''],
      )
      assert.equal((await readTopics(kafka.bootstrap, ['compacted'])).length, 7)
    })

    await t.test('a topic is asked about without making it', async t => {
      const { settings } = readKafkaConf({ conf: plaintext }, { requestTimeoutMs: 9000 })
      assert.ok(settings)
      const cluster = new Cluster(settings.guaranteed.cluster)
      t.after(() => cluster.close())
      const codeOf = async (create: boolean) =>
        (await cluster.control.metadata(['made-when-asked'], create))[0]?.code
      for (let i = 0; i < 3; i++) {
        assert.equal(await codeOf(false), 3)
        await sleep(200)
      }
      await codeOf(true)
      await kafka.leaderOf('made-when-asked', 0)
    })

    await t.test('a topic that collides with another one is refused soon', async t => {
      await kafka.createTopic('colliding.topic')
      const producer = producerFor(t, plaintext)
      const start = performance.now()
      const send = () => producer.produce({}, destination('colliding_topic', null, 1))
      await assert.rejects(send(), { code: 'topic_refused' })
      assert.ok(performance.now() - start < 15_000, 'it took nearly as long as the timeout')
      // Brokers with a ZooKeeper refuse it themselves, and at once.
      if (!isBefore(version, '3.0')) await assert.rejects(send(), { message: /colliding\.topic only/ })
    })

    await t.test('what follows records that retention has taken is stored', async t => {
      await kafka.createTopic('fleeting', { config: { 'segment.ms': '100', 'retention.ms': '100' } })
      const producer = producerFor(t, plaintext)
      for (let i = 0; i < 3; i++) {
        await producer.produce({ i }, destination('fleeting', null, 1_700_000_000_000))
        for (let left = 30; (await readTopics(kafka.bootstrap, ['fleeting'])).length > 0; left--)
          assert.ok(left > 0, 'retention takes nothing')
      }
      assert.deepEqual(complaints, [])
    })

    if (isBefore(version, '3.0')) {
      await t.test(
        'a topic of an old message format is produced to without idempotence and headers',
        async t => {
          await kafka.createTopic('old', { config: { 'message.format.version': '0.10.2' } })
          const producer = producerFor(t, plaintext)
          const trace = {
            headers: { traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' },
          }
          for (const topic of ['old', 'new']) {
            if (topic === 'new') await kafka.createTopic('new')
            for (let i = 0; i < 3; i++)
              await producer.produce({ i }, { ...destination(topic, 'k', 1_700_000_000_000), trace } as never)
          }
          const records = await readTopics(kafka.bootstrap, ['old', 'new'])
          const headers = (topic: string) =>
            records.filter(record => record.topic === topic).map(record => record.headers.length)
          assert.deepEqual(
            [headers('old'), headers('new')],
            [
              [0, 0, 0],
              [1, 1, 1],
            ],
          )
          assert.equal(warnings.length, 1)
          assert.match(warnings[0] ?? '', /^old: its message format is older/)
          assert.equal(producer.state.notIdempotent, undefined)
          assert.ok((await kafka.batches('new', 0)).every(({ producerId }) => producerId >= 0))
        },
      )
    }

    if (isBefore(version, '2.8')) {
      await t.test(
        'with the rights Write and Describe on a topic alone, events are stored without idempotence',
        async t => {
          await kafka.createTopic('allowed')
          await kafka.createTopic('denied')
          await kafka.allowWrites('bob', ['allowed'])
          const bob = {
            'bootstrap.servers': kafka.bootstrapOf('SASL_PLAINTEXT'),
            'security.protocol': 'sasl_plaintext',
            ...sasl('PLAIN', users.bob),
            'sasl.username': 'bob',
          }
          const producer = producerFor(t, bob)
          for (let i = 0; i < 3; i++)
            await producer.produce({ i }, destination('allowed', 'k', 1_700_000_000_000))
          assert.match(producer.state.notIdempotent ?? '', /IdempotentWrite/)
          assert.equal(warnings.length, 1)
          assert.match(warnings[0] ?? '', /IdempotentWrite/)
          await assert.rejects(producer.produce({ i: 3 }, destination('denied', 'k', 1)), {
            code: 'topic_refused',
          })
          assert.ok((await kafka.batches('allowed', 0)).every(({ producerId }) => producerId === -1))
          assert.equal((await readTopics(kafka.bootstrap, ['allowed'])).length, 3)

          const strict = producerFor(t, { ...bob, 'enable.idempotence': true })
          await assert.rejects(strict.produce({ i: 4 }, destination('allowed', 'k', 1)), {
            code: 'kafka_misconfigured',
            message: /IdempotentWrite/,
          })
          assert.match(complaints[0] ?? '', /IdempotentWrite/)
          assert.equal((await readTopics(kafka.bootstrap, ['allowed'])).length, 3)
        },
      )
    }
  })
}

/** Events with and without keys, and with trace headers, through a codec and back. */
async function roundTrip(t: TestContext, kafka: KafkaCluster, codec: string): Promise<void> {
  const topic = `codec.${codec}`
  const partitions = 3
  await kafka.createTopic(topic, { partitions, config: { 'compression.type': 'producer' } })
  const producer = producerFor(t, {
    'bootstrap.servers': kafka.bootstrap,
    'compression.codec': codec,
    partitioner: 'murmur2_random',
    'queue.buffering.max.ms': 20,
  })
  const trace = { headers: { traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' } }
  const events = Array.from({ length: 60 }, (_, i) => ({
    event: { i, text: `größer, ${'x'.repeat(i * 20)}, 😀` },
    key: i % 4 === 3 ? null : `ключ ${i}`,
    timestamp: 1_600_000_000_000 + ((i * 7919) % 60) * 1000,
  }))
  await Promise.all(
    events.map(({ event, key, timestamp }, i) =>
      producer.produce(event, {
        ...destination(topic, key, timestamp),
        ...(i < 30 ? { trace } : {}),
      } as never),
    ),
  )
  assert.deepEqual(complaints, [])
  const records = await readTopics(kafka.bootstrap, [topic])
  const keyed = events.flatMap(({ key }) => (key === null ? [] : key))
  const java = await javaPartitions(keyed, [partitions])
  const partitionOf = new Map(keyed.map((key, i) => [key, java[i]?.[0]]))
  assert.equal(records.length, events.length)
  for (const { partition, timestamp, timestampType, key, value, headers } of records) {
    const { i } = JSON.parse(String(value)) as { i: number }
    const sent = events[i] as (typeof events)[number]
    assert.equal(String(value), JSON.stringify(sent.event))
    assert.equal(key === null ? null : String(key), sent.key)
    assert.deepEqual([timestamp, timestampType], [sent.timestamp, 'CreateTime'])
    if (sent.key !== null) assert.equal(partition, partitionOf.get(sent.key))
    assert.deepEqual(headers, i < 30 ? [['traceparent', Buffer.from(trace.headers.traceparent)]] : [])
  }
  for (let partition = 0; partition < partitions; partition++) {
    for (const batch of await kafka.batches(topic, partition)) {
      const expected = codec === 'zstd' && isBefore(kafka.version, '2.1') ? 'gzip' : codec
      assert.equal(batch.codec, expected)
      assert.ok(batch.producerId >= 0, 'it has an identity')
    }
  }
}
