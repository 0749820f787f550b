import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import kafkajs from 'kafkajs'
import { anyKafka, javaPartitions, type Kafka, readTopics, startKafka, topicName } from '../support/kafka.js'

process.env.KAFKAJS_NO_PARTITIONER_WARNING = '1'

function producerOf(
  kafka: Pick<Kafka, 'bootstrap'>,
  more: Partial<kafkajs.KafkaConfig> = {},
): kafkajs.Producer {
  const brokers = kafka.bootstrap.split(',')
  return new kafkajs.Kafka({ brokers, logLevel: kafkajs.logLevel.NOTHING, ...more }).producer()
}

test('what kafkajs writes to one broker, Java reads back', async t => {
  const kafka = await anyKafka()
  t.after(() => kafka.close())
  const topic = topicName('written')
  await kafka.createTopic(topic, { partitions: 3, config: { 'compression.type': 'producer' } })
  const producer = producerOf(kafka)
  await producer.connect()
  t.after(() => producer.disconnect())
  const messages = [
    { partition: 0, key: 'ключ', value: '{"a":1}', timestamp: '1600000000000', headers: { h: 'v' } },
    { partition: 0, key: null, value: Buffer.from([0, 255]), timestamp: '1600000000001' },
    { partition: 2, key: '', value: null, timestamp: '1600000000002' },
  ]
  await producer.send({ topic, messages, compression: kafkajs.CompressionTypes.GZIP })

  const records = await readTopics(kafka.bootstrap, [topic])
  records.sort((a, b) => a.partition - b.partition || a.offset - b.offset)
  const common = { topic, timestampType: 'CreateTime' as const }
  assert.deepEqual(records, [
    {
      ...common,
      partition: 0,
      offset: 0,
      timestamp: 1600000000000,
      key: Buffer.from('ключ'),
      value: Buffer.from('{"a":1}'),
      headers: [['h', Buffer.from('v')]],
    },
    {
      ...common,
      partition: 0,
      offset: 1,
      timestamp: 1600000000001,
      key: null,
      value: Buffer.from([0, 255]),
      headers: [],
    },
    {
      ...common,
      partition: 2,
      offset: 0,
      timestamp: 1600000000002,
      key: Buffer.alloc(0),
      value: null,
      headers: [],
    },
  ])
  await assert.rejects(kafka.createTopic(topic), /it exists already/)
})

test("Java's own choice of partition", async () => {
  // murmur2 of Kafka's UtilsTest: 'foobar' → -790332482, 'abc' → 479470107.
  const counts = [1, 3, 100]
  const expected = [-790332482, 479470107].map(hash => counts.map(count => (hash & 0x7fffffff) % count))
  assert.deepEqual(await javaPartitions(['foobar', Buffer.from('abc')], counts), expected)
})

test("Java's choice is librdkafka's murmur2_random, as recorded", async () => {
  const fixture = new URL('../../../test/fixtures/kafka/librdkafka-partitions.json', import.meta.url)
  const recorded = JSON.parse(readFileSync(fixture, 'utf8')) as {
    counts: number[]
    keys: { key: string; murmur2_random: number[] }[]
  }
  assert.ok(recorded.keys.length > 150)
  const keys = recorded.keys.map(row => row.key)
  assert.deepEqual(
    await javaPartitions(keys, recorded.counts),
    recorded.keys.map(row => row.murmur2_random),
  )
})

test('TLS and SASL listeners: SCRAM and PLAIN, with an authority of our own', async t => {
  const kafka = await startKafka({ listeners: ['SSL', 'SASL_SSL'], users: { alice: 'alice-secret' } })
  t.after(() => kafka.close())
  await kafka.createTopic('secret')
  const ssl = { ca: [kafka.tls?.ca ?? ''] }
  const say = async (value: string, protocol: 'SSL' | 'SASL_SSL', sasl?: kafkajs.SASLOptions) => {
    const more = { ssl, retry: { retries: 0 }, ...(sasl && { sasl }) }
    const producer = producerOf({ bootstrap: kafka.bootstrapOf(protocol) }, more)
    try {
      await producer.connect()
      await producer.send({ topic: 'secret', messages: [{ value }] })
    } finally {
      await producer.disconnect()
    }
  }
  await say('ssl', 'SSL')
  const alice = { username: 'alice', password: 'alice-secret' }
  await say('512', 'SASL_SSL', { mechanism: 'scram-sha-512', ...alice })
  await say('256', 'SASL_SSL', { mechanism: 'scram-sha-256', ...alice })
  await say('plain', 'SASL_SSL', { mechanism: 'plain', ...alice })
  await assert.rejects(say('no', 'SASL_SSL', { mechanism: 'plain', ...alice, password: 'wrong' }))

  // Java agrees about the certificates, host name and all.
  const records = await readTopics(kafka.bootstrapOf('SASL_SSL'), ['secret'], {
    config: {
      'security.protocol': 'SASL_SSL',
      'ssl.truststore.type': 'PEM',
      'ssl.truststore.location': kafka.tls?.caFile ?? '',
      'sasl.mechanism': 'SCRAM-SHA-512',
      'sasl.jaas.config':
        'org.apache.kafka.common.security.scram.ScramLoginModule required username="alice" password="alice-secret";',
    },
  })
  assert.deepEqual(
    records.map(record => String(record.value)),
    ['ssl', '512', '256', 'plain'],
  )
})

test('three brokers: a leader is killed and started again, another is stopped and continued', async t => {
  const kafka = await startKafka({ brokers: 3 })
  t.after(() => kafka.close())
  const folder = dirname(kafka.broker(1).files.logDir)
  await kafka.createTopic('events', {
    assignment: [
      [1, 2, 3],
      [2, 3, 1],
      [3, 1, 2],
    ],
  })
  assert.deepEqual(
    (await kafka.partitionsOf('events')).map(p => p.leader),
    [1, 2, 3],
  )
  const producer = producerOf(kafka)
  await producer.connect()
  t.after(() => producer.disconnect())
  const write = async (value: string) => {
    // Not in one `send`: on a retry it forgets the partitions of a broker that has answered, and says all is well.
    for (const partition of [0, 1, 2]) {
      await producer.send({ topic: 'events', messages: [{ partition, value }] })
    }
  }
  await write('before')

  const victim = kafka.broker(await kafka.leaderOf('events', 0))
  await victim.kill9()
  assert.equal(victim.state, 'dead')
  while ((await kafka.leaderOf('events', 0)) === victim.nodeId) await sleep(100)
  await victim.restart()
  await kafka.whenInSync(['events'])

  const other = kafka.broker(2)
  other.stop()
  assert.equal(other.state, 'stopped')
  await sleep(200)
  other.cont()
  await kafka.whenInSync(['events'])
  await write('after')

  const records = await readTopics(kafka.bootstrap, ['events'])
  const values = records.map(record => `${record.partition} ${record.value}`).sort()
  assert.deepEqual(values, ['0 after', '0 before', '1 after', '1 before', '2 after', '2 before'])
  const batches = await kafka.batches('events', 0)
  assert.deepEqual(
    batches.map(({ baseOffset, records, codec }) => ({ baseOffset, records, codec })),
    [
      { baseOffset: 0, records: 1, codec: 'none' },
      { baseOffset: 1, records: 1, codec: 'none' },
    ],
  )
  await kafka.close()
  assert.equal(existsSync(folder), false)
})

test('a test process that is killed leaves no broker behind', async () => {
  const module = new URL('../support/kafka.js', import.meta.url).href
  const script = `import { startKafka } from ${JSON.stringify(module)}
    const kafka = await startKafka()
    const [broker] = kafka.brokers
    broker.stop()
    console.log(JSON.stringify({ pid: broker.pid, logDir: broker.files.logDir }))
    setInterval(() => {}, 1000)`
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [line] = await once(createInterface({ input: child.stdout }), 'line')
  const { pid, logDir } = JSON.parse(line) as { pid: number; logDir: string }
  assert.ok(existsSync(logDir))
  child.kill('SIGKILL')
  const alive = () => {
    try {
      return process.kill(pid, 0)
    } catch {
      return false
    }
  }
  for (let i = 0; i < 100 && (alive() || existsSync(logDir)); i++) await sleep(50)
  assert.equal(alive(), false)
  assert.equal(existsSync(logDir), false)
})
