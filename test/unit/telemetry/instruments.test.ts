import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Registry } from 'prom-client'
import { FAULTS } from '#src/lib/errors.js'
import { DELIVERIES } from '#src/lib/eventgate.js'
import { makeInstruments } from '#src/lib/telemetry/instruments.js'
import { MetricSet } from '#src/lib/telemetry/metric-set.js'

test('what can go wrong has a series before it does, so that its first occurrence is an increase', async () => {
  const registry = new Registry()
  makeInstruments(new MetricSet(registry, {}))
  const lines = new Set((await registry.metrics()).split('\n'))
  for (const { code, fate } of FAULTS) {
    for (const delivery of DELIVERIES)
      assert.ok(
        lines.has(`eventgate_events_total{delivery="${delivery}",outcome="${fate}",code="${code}"} 0`),
        code,
      )
    assert.ok(lines.has(`eventgate_requests_refused_total{code="${code}"} 0`), code)
    assert.ok(lines.has(`eventgate_hasty_events_lost_total{reason="${code}"} 0`), code)
    assert.ok(lines.has(`eventgate_error_events_lost_total{reason="${code}"} 0`), code)
  }
  assert.ok(lines.has('eventgate_stream_config_failures_total 0'))
})
