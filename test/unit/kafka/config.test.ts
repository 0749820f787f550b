import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { readKafkaConf } from '#src/lib/kafka/config.js'
import { testAuthority } from '../../support/kafka-certs.js'
import { temporary } from '../../support/service.js'

const BROKERS = { 'metadata.broker.list': 'a:9093, b, [::1]:9094' }

function read(kafka: object, requestTimeoutMs = 9000) {
  return readKafkaConf(kafka, { requestTimeoutMs })
}

/** Settings that have no problem. */
function settings(kafka: object, requestTimeoutMs?: number) {
  const result = read(kafka, requestTimeoutMs)
  assert.deepEqual(result.problems, [])
  assert.ok(result.settings)
  return result.settings
}

test('defaults are the contract’s', () => {
  const { guaranteed, hasty, requiredAtStart } = settings({ conf: BROKERS })
  assert.equal(requiredAtStart, false)
  assert.deepEqual(guaranteed.cluster.bootstrap, [
    { host: 'a', port: 9093 },
    { host: 'b', port: 9092 },
    { host: '::1', port: 9094 },
  ])
  for (const { sender } of [guaranteed, hasty]) {
    assert.equal(sender.acks, -1)
    assert.equal(sender.idempotent, true)
    assert.equal(sender.lingerMs, 0)
    assert.equal(sender.stickyMs, 10)
    assert.equal(sender.maxQueuedBytes, 65_536 * 1024)
  }
  assert.equal(guaranteed.sender.timeoutMs, 8900)
  assert.equal(hasty.sender.timeoutMs, 300_000)
})

test('topic_conf stands over conf, and each producer’s own over both, by any of their names', () => {
  const { guaranteed, hasty } = settings({
    conf: { ...BROKERS, 'linger.ms': 1, 'batch.size': 1000, acks: 'all' },
    topic_conf: { 'queue.buffering.max.ms': 2, 'batch.size': 2000 },
    guaranteed: { conf: { 'batch.size': '3000' } },
    hasty: { conf: { 'linger.ms': 4, 'request.required.acks': 1 } },
  })
  assert.deepEqual([guaranteed.sender.lingerMs, guaranteed.sender.batchBytes], [2, 3000])
  assert.deepEqual([hasty.sender.lingerMs, hasty.sender.batchBytes], [4, 2000])
  assert.deepEqual([hasty.sender.acks, hasty.sender.idempotent], [1, false])
  const sticky = (conf: object) => settings({ conf: { ...BROKERS, ...conf } }).hasty.sender.stickyMs
  assert.equal(sticky({ 'linger.ms': 1000 }), 2000)
  assert.equal(sticky({ 'linger.ms': 1000, 'sticky.partitioning.linger.ms': 0 }), 0)
})

test('all problems are told at once, each once', () => {
  const { problems, settings: none } = read({
    conf: {
      'metadata.broker.list': 'a:99999',
      'compression.codec': 'snapy',
      'queue.buffering.max.msgs': 1,
      'linger-ms': 1,
      'batch.num.messages': 0,
      'transactional.id': 'x',
      'socket.keepalive.enable': 'perhaps',
      'client.id': null,
    },
    topics: {},
    hasty: { conf: { 'linger.ms': 1, 'queue.buffering.max.ms': 2 } },
  })
  assert.equal(none, undefined)
  assert.deepEqual(problems.map(({ path }) => path).sort(), [
    "kafka.conf['batch.num.messages']",
    "kafka.conf['client.id']",
    "kafka.conf['compression.codec']",
    "kafka.conf['linger-ms']",
    "kafka.conf['metadata.broker.list']",
    "kafka.conf['metadata.broker.list']",
    "kafka.conf['queue.buffering.max.msgs']",
    "kafka.conf['socket.keepalive.enable']",
    "kafka.conf['transactional.id']",
    "kafka.hasty.conf['queue.buffering.max.ms']",
    'kafka.topics',
  ])
  assert.match(
    problems.find(({ path }) => path.includes('linger-ms'))?.message ?? '',
    /did you mean linger\.ms\?/,
  )
})

test('no brokers, no Kafka', () => {
  assert.match(read({}).problems[0]?.message ?? '', /missing/)
  assert.match(read({ conf: 'x' }).problems[0]?.message ?? '', /map/)
})

test('acks and idempotence must agree, and a guarantee needs all acks', () => {
  const paths = (kafka: object) =>
    read(kafka)
      .problems.map(({ path, message }) => `${path} ${message}`)
      .join('\n')
  assert.match(paths({ conf: { ...BROKERS, acks: 1 } }), /kafka\.conf\['acks'\] must be all for guaranteed/)
  assert.match(
    paths({ conf: BROKERS, hasty: { conf: { acks: 0, 'enable.idempotence': true } } }),
    /kafka\.hasty\.conf\['enable\.idempotence'\] needs acks all/,
  )
  assert.match(paths({ conf: { ...BROKERS, acks: 2 } }), /must be one of all, -1, 0, 1/)
})

test('topics that brokers create cannot be forbidden here, and nothing is said where they need not be', () => {
  const { problems } = read({ conf: { ...BROKERS, 'allow.auto.create.topics': 'false' } })
  assert.deepEqual(
    problems.map(({ path }) => path),
    ["kafka.conf['allow.auto.create.topics']"],
  )
  assert.match(problems[0]?.message ?? '', /auto\.create\.topics\.enable=false on the brokers/)
  const allowed = read({ conf: { ...BROKERS, 'allow.auto.create.topics': true } })
  assert.deepEqual([allowed.problems, allowed.warnings], [[], []])
})

test('guaranteed events are answered before their request, and a longer timeout is cut, which is said', () => {
  const { settings: cut, warnings } = read({ conf: { ...BROKERS, 'delivery.timeout.ms': 30_000 } }, 4500)
  assert.deepEqual([cut?.guaranteed.sender.timeoutMs, cut?.hasty.sender.timeoutMs], [4400, 30_000])
  assert.match(warnings[0]?.message ?? '', /cut from 30000 to 4400/)
  assert.deepEqual(read({ conf: BROKERS }).warnings, [])
  assert.equal(settings({ conf: { ...BROKERS, 'message.timeout.ms': 100 } }).guaranteed.sender.timeoutMs, 100)
  assert.match(
    read({ conf: { ...BROKERS, 'linger.ms': 9000 } }).problems[0]?.message ?? '',
    /less than message\.timeout\.ms/,
  )
})

test('production’s configuration is understood', t => {
  const ca = join(temporary(t), 'ca.pem')
  writeFileSync(ca, testAuthority().ca)
  const { settings: read, warnings } = readKafkaConf(
    {
      conf: {
        'metadata.broker.list': '127.0.0.1:9093,127.0.0.2:9093,127.0.0.3:9093',
        'compression.codec': 'snappy',
        'message.max.bytes': 4194304,
        'log.connection.close': false,
        'broker.address.family': 'v4',
        'statistics.interval.ms': 30000,
        'ssl.ca.location': ca,
        'ssl.cipher.suites': 'ECDHE-ECDSA-AES256-GCM-SHA384',
        'ssl.curves.list': 'P-256',
        'ssl.sigalgs.list': 'ECDSA+SHA256',
        'security.protocol': 'ssl',
      },
      topic_conf: {},
      hasty: { conf: { 'queue.buffering.max.ms': 1000, 'producer.poll.interval.ms': 100 } },
      guaranteed: { conf: { 'queue.buffering.max.ms': 10, 'producer.poll.interval.ms': 10 } },
    },
    { requestTimeoutMs: 19_000 },
  )
  assert.deepEqual(
    [read?.guaranteed.sender, read?.hasty.sender].map(sender => [
      sender?.lingerMs,
      sender?.maxRequestBytes,
      sender?.requestBytes,
      sender?.batchBytes,
    ]),
    [
      [10, 4194304, 4194304, 1000000],
      [1000, 4194304, 250000, 250000],
    ],
  )
  assert.equal(read?.guaranteed.cluster.family, 4)
  assert.equal(warnings.length, 4)
})
