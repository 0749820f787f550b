import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readConf } from '#src/lib/config/config.js'
import { assertRefused } from '../../../support/config.js'

const broker = { 'metadata.broker.list': 'a:1' }

test('without a producer it is Kafka if that is configured, else a file', () => {
  assert.equal(readConf({}).producer, 'file')
  assert.equal(readConf({ kafka: { conf: broker } }).producer, 'kafka')
  assert.equal(readConf({ kafka: { conf: broker }, producer: 'memory' }).producer, 'memory')
})

test('properties of Kafka that can never work are refused', () => {
  assertRefused([
    [
      { kafka: { conf: { 'metadata.broker.list': ['a:9092', 'b:9092'] } } },
      "kafka.conf['metadata.broker.list']",
      /must be one text, not a list/,
    ],
    [
      { kafka: { conf: { ...broker, 'client.id': ['a'] } } },
      "kafka.conf['client.id']",
      /must be one text, not a list/,
    ],
    [
      { kafka: { conf: { ...broker, acks: { all: true } } } },
      "kafka.conf['acks']",
      /must be one value, not a map/,
    ],
    [{ kafka: [] }, 'kafka', /must be an object/],
  ])
})
