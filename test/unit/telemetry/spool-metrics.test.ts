import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Registry } from 'prom-client'
import type { SpoolState } from '#src/lib/spool/observer.js'
import { MetricSet } from '#src/lib/telemetry/metric-set.js'
import { makeSpoolMetrics } from '#src/lib/telemetry/spool-metrics.js'

function makeMetrics(state: Partial<SpoolState> = {}) {
  const registry = new Registry()
  const empty = {
    bytes: 0,
    maxBytes: 1000,
    events: 0,
    oldestAt: undefined,
    streams: new Map<string, number>(),
    deadLetters: 0,
    broken: undefined,
  }
  const counts = makeSpoolMetrics(new MetricSet(registry, {}), () => ({ ...empty, ...state }))
  const samples = async () =>
    Object.fromEntries(
      (await registry.metrics())
        .split('\n')
        .filter(line => line.startsWith('eventgate_spool_'))
        .map(line => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ')))]),
    )
  return { counts, samples }
}

test('every counter starts at zero, and a spool without events has no age', async () => {
  const samples = await makeMetrics().samples()
  for (const delivery of ['guaranteed', 'hasty']) {
    assert.equal(samples[`eventgate_spool_written_total{delivery="${delivery}"}`], 0)
    for (const reason of ['full', 'disk', 'broken'])
      assert.equal(samples[`eventgate_spool_refused_total{delivery="${delivery}",reason="${reason}"}`], 0)
  }
  for (const name of ['drained', 'dead_letters', 'possibly_twice', 'damaged'])
    assert.equal(samples[`eventgate_spool_${name}_total`], 0)
  assert.equal(samples.eventgate_spool_oldest_age_seconds, 0)
  assert.equal(samples.eventgate_spool_broken, 0)
})

test('the state is read when metrics are asked for', async () => {
  const state = { bytes: 7, maxBytes: 70, events: 3, oldestAt: Date.now() - 5000, deadLetters: 2 }
  const samples = await makeMetrics({ ...state, broken: 'read-only' }).samples()
  assert.equal(samples.eventgate_spool_bytes, 7)
  assert.equal(samples.eventgate_spool_limit_bytes, 70)
  assert.equal(samples.eventgate_spool_waiting_events, 3)
  assert.equal(samples.eventgate_spool_dead_letter_events, 2)
  assert.equal(samples.eventgate_spool_broken, 1)
  assert.ok(Number(samples.eventgate_spool_oldest_age_seconds) >= 5)
})

test('a clock that is set back makes no negative age', async () => {
  const samples = await makeMetrics({ oldestAt: Date.now() + 60_000 }).samples()
  assert.equal(samples.eventgate_spool_oldest_age_seconds, 0)
})

test('what happens is counted', async () => {
  const { counts, samples } = makeMetrics()
  counts.spooled('guaranteed', 3)
  counts.spooled('hasty', 2)
  counts.refused('hasty', 'full')
  counts.synced(3)
  counts.drained(4)
  counts.deadLetters(5)
  counts.possiblyTwice(6)
  counts.damaged(7)
  const found = await samples()
  assert.equal(found['eventgate_spool_written_total{delivery="guaranteed"}'], 3)
  assert.equal(found['eventgate_spool_written_total{delivery="hasty"}'], 2)
  assert.equal(found['eventgate_spool_refused_total{delivery="hasty",reason="full"}'], 1)
  assert.equal(found['eventgate_spool_sync_duration_seconds_bucket{le="0.0025"}'], 0)
  assert.equal(found['eventgate_spool_sync_duration_seconds_bucket{le="0.005"}'], 1)
  assert.equal(found.eventgate_spool_drained_total, 4)
  assert.equal(found.eventgate_spool_dead_letters_total, 5)
  assert.equal(found.eventgate_spool_possibly_twice_total, 6)
  assert.equal(found.eventgate_spool_damaged_total, 7)
})
