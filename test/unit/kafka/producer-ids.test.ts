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

test('when the epochs of an id end, another is there before an event needs it', async () => {
  let ids = 0
  const { clock, cluster, send, outcome } = setUp(
    { timeoutMs: 500 },
    { request: () => (clock.time > 5000 && clock.time < 6000 ? 'silent' : undefined) },
  )
  cluster.producerId = async () => {
    if (clock.time > 5000) throw new KafkaError(14, 'no producer id')
    return { producerId: ids++, epoch: 32_767 }
  }
  send('first')
  await clock.runUntil(5100)
  assert.equal(outcome('first'), 'stored')
  send('unknown')
  await clock.runUntil(8000)
  assert.equal(outcome('unknown'), 'deadline_unknown')
  send('next')
  await clock.runUntil(8100)
  assert.equal(outcome('next'), 'stored')
  assert.equal(ids, 2)
})
