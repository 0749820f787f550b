import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { test } from 'node:test'
import { KAFKAJS_VERSION } from '#src/lib/kafka/kafkajs.js'
import { ranges, TcpBroker } from '../../support/kafka-broker.js'
import { producerFor } from '../../support/kafka-producer.js'

const require = createRequire(import.meta.url)

test('kafkajs is the version that kafkajs.ts was written for', () => {
  const { version } = require('kafkajs/package.json') as { version: string }
  assert.equal(version, KAFKAJS_VERSION, 'read its src/network, src/broker and src/loggers before raising it')
})

test('a broker that is too new is told from one that is too old', async t => {
  const broker = await TcpBroker.start(t)
  broker.versions = ranges([9, 14], [9, 14], [0, 4], [0, 6])
  await assert.rejects(producerFor(t, broker).reach(), /speaks Produce 9 to 14 .*too new for this version/)
})

test('a broker that hangs up may expect TLS, or be older than the question', async t => {
  const broker = await TcpBroker.start(t)
  broker.hangsUp = true
  await assert.rejects(
    producerFor(t, broker).reach(),
    /does the broker expect TLS or SASL\? See security\.protocol\. Or is it older than Kafka 0\.10\?/,
  )
})
