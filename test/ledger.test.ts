import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createLedgerTopics, runLedger, SHORT, table, violations } from '../bench/ledger.js'
import { createNeighbourTopics, measureNeighbours } from '../bench/ledger-neighbours.js'
import { startEventGate } from '../bench/ledger-service.js'
import { startKafka } from './real-kafka.js'

/** Beside it other tests run: a machine that is busy may answer later, but nothing may be untrue. */
test('the ledger: what was answered, against what three brokers of which one is killed and one stopped have', {
  timeout: 300_000,
}, async t => {
  const kafka = await startKafka({ brokers: 3 })
  t.after(() => kafka.close())
  const topics = ['ledger.one', 'ledger.two']
  await createLedgerTopics(kafka, topics)
  await createNeighbourTopics(kafka)
  const deadlineMs = 9000
  const service = await startEventGate(kafka.bootstrap, { request_timeout_ms: deadlineMs })
  t.after(() => service.close())

  const neighbours = await measureNeighbours(kafka, service, { deadlineMs })
  // As a ratio, for the machine is busy; `npm run ledger` asks for 50 ms.
  assert.equal(neighbours.failed, 0)
  assert.ok(neighbours.healthy.p50 < neighbours.held.p50 / 5, 'healthy partitions wait for others')
  t.diagnostic(
    `healthy partitions while a follower of others is stopped: p50 ${neighbours.healthy.p50.toFixed(1)} ms`,
  )
  await kafka.whenInSync(topics)
  const report = await runLedger(kafka, service, {
    ...SHORT,
    deadlineMs,
    topics,
    log: line => t.diagnostic(line),
  })
  t.diagnostic(`\n${table(report)}`)
  assert.deepEqual(violations(report), [])
})
