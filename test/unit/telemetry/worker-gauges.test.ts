import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Registry } from 'prom-client'
import { MetricSet } from '#src/lib/telemetry/metric-set.js'
import { registerWorkerGauges } from '#src/lib/telemetry/worker-gauges.js'

test('each worker has a series that says whether it serves, and how often it was started again', async () => {
  const registry = new Registry()
  registerWorkerGauges(new MetricSet(registry, { service: 's' }), () => [
    { worker: 0, isReady: true, restarts: 0 },
    { worker: 1, isReady: false, restarts: 3 },
  ])
  const lines = (await registry.metrics()).split('\n').filter(line => /^\w/.test(line))
  assert.deepEqual(lines, [
    'eventgate_worker_up{service="s",worker="0"} 1',
    'eventgate_worker_up{service="s",worker="1"} 0',
    'eventgate_worker_restarts_total{service="s",worker="0"} 0',
    'eventgate_worker_restarts_total{service="s",worker="1"} 3',
  ])
})
