import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Counter, Gauge, Registry } from 'prom-client'
import { CheapHistogram } from '#src/lib/telemetry/histogram.js'
import { MetricSet } from '#src/lib/telemetry/metric-set.js'
import { type Told, Totals, tell } from '#src/lib/telemetry/totals.js'
import { ownMetrics } from '../../docs/metrics.js'

/** What a worker tells. */
async function metricsOf({ events = 0, age = 0, open = 0, took = [] as number[] }): Promise<Told> {
  const registers = [new Registry()]
  new Counter({ name: 'events_total', help: 'h', labelNames: ['code'], registers }).inc({ code: 'a' }, events)
  new Gauge({ name: 'age_seconds', help: 'h', registers, aggregator: 'min' }).set(age)
  new Gauge({ name: 'open', help: 'h', registers }).set(open)
  new Gauge({ name: 'start', help: 'h', registers, aggregator: 'omit' }).set(open)
  const histogram = new CheapHistogram(registers[0] as Registry, {
    ...{ name: 'took_seconds', help: 'h', labelNames: [], bounds: [1, 10] },
  })
  for (const seconds of took) histogram.of({}).observe(seconds)
  return tell(registers[0] as Registry)
}

async function samplesOf(totals: Totals): Promise<Record<string, number>> {
  const registers = [new Registry()]
  new Gauge({ name: 'start', help: 'h', registers, aggregator: 'omit' }).set(77)
  let text = ''
  for await (const piece of totals.text(registers[0] as Registry)) text += piece
  return Object.fromEntries(
    text
      .split('\n')
      .filter(line => line !== '' && !line.startsWith('#'))
      .map(line => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ') + 1))]),
  )
}

test('counters and histograms of workers add up, gauges as each says, and what is not for sums is the primary’s', async () => {
  const totals = new Totals()
  totals.set({}, await metricsOf({ events: 2, age: 5, open: 3, took: [0.5, 5] }))
  totals.set({}, await metricsOf({ events: 3, age: 4, open: 1, took: [50] }))
  assert.deepEqual(await samplesOf(totals), {
    start: 77,
    'events_total{code="a"}': 5,
    age_seconds: 4,
    open: 4,
    'took_seconds_bucket{le="1"}': 1,
    'took_seconds_bucket{le="10"}': 2,
    'took_seconds_bucket{le="+Inf"}': 3,
    took_seconds_sum: 55.5,
    took_seconds_count: 3,
  })
})

test('what a worker had counted stays when it is gone, however many follow it', async () => {
  const totals = new Totals()
  const well = {}
  totals.set(well, await metricsOf({ events: 1, age: 1, open: 10 }))
  for (let generation = 1; generation <= 3; generation++) {
    const worker = {}
    totals.set(worker, await metricsOf({ events: 5, open: 7, took: [1] }))
    totals.set(worker, await metricsOf({ events: 10, open: 7, took: [1, 2] }))
    const during = await samplesOf(totals)
    totals.retire(worker)
    totals.retire(worker)
    const after = await samplesOf(totals)
    assert.equal(after['events_total{code="a"}'], 1 + 10 * generation)
    assert.equal(after['events_total{code="a"}'], during['events_total{code="a"}'])
    assert.equal(after.took_seconds_sum, 3 * generation)
    assert.equal(after['took_seconds_bucket{le="1"}'], generation)
    assert.deepEqual([after.open, during.open], [10, 17])
  }
  totals.retire(well)
  assert.equal((await samplesOf(totals))['events_total{code="a"}'], 31)
  assert.equal((await samplesOf(totals)).open, undefined)
})

test('the events that a worker had when it died are of unknown outcome, so that accounts add up', async () => {
  const registry = new Registry()
  const metrics = new MetricSet(registry, { service: 's' })
  const labels = { stream: 'a "b" {c}', kind: 'event' }
  const names = Object.keys(labels)
  metrics.readCounter('eventgate_stream_received_total', 'h', names, () => [[labels, 10]])
  const stored = { ...labels, outcome: 'delivered', code: '' }
  metrics.readCounter('eventgate_stream_events_total', 'h', Object.keys(stored), () => [[stored, 7]])
  metrics.gauge('eventgate_stream_in_flight_events', 'h', names, () => [[labels, 3]])
  const totals = new Totals()
  const worker = {}
  totals.set(worker, await tell(registry))
  totals.retire(worker)
  const of = 'service="s",stream="a \\"b\\" {c}",kind="event"'
  assert.deepEqual(await samplesOf(totals), {
    start: 77,
    [`eventgate_stream_received_total{${of}}`]: 10,
    [`eventgate_stream_events_total{${of},outcome="delivered",code=""}`]: 7,
    [`eventgate_stream_events_total{${of},outcome="unknown",code="produce_unknown"}`]: 3,
  })
})

test('a state, an age or a time is not a sum over workers', () => {
  const gauges = ownMetrics().filter(({ type }) => type === 'gauge') as unknown as Record<string, string>[]
  const wrong = gauges.filter(
    ({ name = '', aggregator }) =>
      /_(up|ready|idempotent|seconds|info|held|brokers|streams)$/.test(name) && aggregator === 'sum',
  )
  // The primary's is not added up.
  assert.deepEqual(
    wrong.map(({ name }) => name),
    ['eventgate_worker_up'],
  )
})
