import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readKafkaConf } from '#src/lib/kafka/config.js'
import { PropertyReader, PropertyValues } from '#src/lib/kafka/property-reader.js'

const BROKERS = { 'metadata.broker.list': 'a:9093' }

function read(kafka: object) {
  return readKafkaConf(kafka, { requestTimeoutMs: 9000 })
}

test('a list or a map where one value is expected is said once, and as what it is', () => {
  const said = (conf: object) => read({ conf }).problems
  const list = 'must be one text, not a list: join its parts with commas, as in a:9092,b:9092'
  assert.deepEqual(said({ 'metadata.broker.list': ['a:9092', 'b:9092'] }), [
    { path: "kafka.conf['metadata.broker.list']", message: list },
  ])
  assert.deepEqual(said({ 'bootstrap.servers': [] }), [
    { path: "kafka.conf['bootstrap.servers']", message: list },
  ])
  assert.deepEqual(said({ 'metadata.broker.list': { a: 9092 } }), [
    { path: "kafka.conf['metadata.broker.list']", message: 'must be one value, not a map' },
  ])
  assert.deepEqual(said({ 'metadata.broker.list': null }), [
    { path: "kafka.conf['metadata.broker.list']", message: 'has no value' },
  ])
  const secret = said({
    ...BROKERS,
    'security.protocol': 'sasl_plaintext',
    'sasl.mechanisms': 'PLAIN',
    'sasl.username': 'u',
    'sasl.password': ['hunter2'],
  })
  assert.deepEqual(secret, [{ path: "kafka.conf['sasl.password']", message: list }])
})

test('properties without effect are accepted, and said once', () => {
  const { warnings, problems } = read({
    conf: { ...BROKERS, 'statistics.interval.ms': 30_000, 'log.connection.close': false },
    hasty: { conf: { 'producer.poll.interval.ms': 100 } },
  })
  assert.deepEqual(problems, [])
  assert.equal(warnings.length, 3)
})

test('values have their types, or are text; others are refused with what is allowed', () => {
  const reader = new PropertyReader()
  const given = reader.readProperties(
    { retries: '3', 'enable.idempotence': 'F', acks: 'ALL', 'linger.ms': 5 },
    'kafka.conf',
  )
  const values = new PropertyValues(given, reader)
  assert.equal(values.number('retries'), 3)
  assert.equal(values.number('queue.buffering.max.ms'), 5)
  assert.equal(values.number('retry.backoff.ms'), 100)
  assert.equal(values.flag('enable.idempotence'), false)
  assert.equal(values.text('acks'), 'all')
  assert.equal(values.text('sasl.username'), undefined)
  assert.deepEqual(reader.problems, [])
  reader.readProperties({ retries: '', 'enable.idempotence': 'no', acks: 'some', 'client.id': ' ' }, 'k')
  assert.deepEqual(
    reader.problems.map(({ path, message }) => `${path} ${message}`),
    [
      "k['retries'] must be a number from 0 to 2147483647, not ",
      "k['enable.idempotence'] must be true or false, not no",
      "k['acks'] must be one of all, -1, 0, 1, not some",
      "k['client.id'] is empty",
    ],
  )
})

test('a property with a wrong value is not missing as well, and nothing is said twice', () => {
  const reader = new PropertyReader()
  for (let i = 0; i < 2; i++) reader.readProperties({ 'sasl.username': '' }, 'k')
  const values = new PropertyValues(new Map(), reader)
  values.missing('sasl.username', '')
  assert.equal(reader.problems.length, 1)
  values.missing('sasl.password', ', and that is all')
  assert.deepEqual(reader.problems[1], {
    path: "kafka.conf['sasl.password']",
    message: 'is missing, and that is all',
  })
})
