import assert from 'node:assert/strict'
import { test } from 'node:test'
import { KafkaError } from '#src/lib/kafka/response-codes.js'
import { setUp } from '../../support/kafka-sender.js'

test('a client that may not have a producer id fails its events loudly, and asks again for later ones', async () => {
  const { clock, cluster, send, outcome, seen } = setUp({ requiresIdempotence: true })
  const { producerId } = cluster
  cluster.producerId = () => Promise.reject(new KafkaError(31, 'no producer id'))
  send('x')
  await clock.runUntil(100)
  assert.equal(outcome('x'), 'kafka_misconfigured')
  assert.match(seen.complaints[0] ?? '', /CLUSTER_AUTHORIZATION_FAILED/)
  cluster.producerId = producerId
  await clock.runUntil(2000)
  send('y')
  await clock.runUntil(2100)
  assert.equal(outcome('y'), 'stored')
})
