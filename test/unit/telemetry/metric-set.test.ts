import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Registry } from 'prom-client'
import { MetricSet, PairCounter, serviceLabel } from '#src/lib/telemetry/metric-set.js'

async function samplesOf(registry: Registry): Promise<string[]> {
  return (await registry.metrics()).split('\n').filter(line => line !== '' && !line.startsWith('#'))
}

test('each metric has the labels of the service and its own', async () => {
  const registry = new Registry()
  const metrics = new MetricSet(registry, { service: 's' })
  const pushed = metrics.counter('pushed_total', 'Pushed', ['a'])
  pushed.inc({ a: '1' }, 0)
  pushed.inc({ a: '2' })
  pushed.inc({ a: '2' }, 2)
  metrics.histogram('seconds', 'Took', ['a'], [1]).of({ a: 'x' }).observe(0.5)
  let state = 5
  metrics.readCounter('read_total', 'Read', [], () => [[{}, state]])
  metrics.gauge('state', 'State', ['b'], () => [[{ b: 'y' }, state]])
  assert.deepEqual(await samplesOf(registry), [
    'pushed_total{service="s",a="1"} 0',
    'pushed_total{service="s",a="2"} 3',
    'seconds_bucket{le="1",service="s",a="x"} 1',
    'seconds_bucket{le="+Inf",service="s",a="x"} 1',
    'seconds_sum{service="s",a="x"} 0.5',
    'seconds_count{service="s",a="x"} 1',
    'read_total{service="s"} 5',
    'state{service="s",b="y"} 5',
  ])
  state = 7
  const later = await samplesOf(registry)
  assert.ok(
    later.includes('read_total{service="s"} 7') && later.includes('state{service="s",b="y"} 7'),
    'read anew',
  )
})

test('a pair counter counts by both labels', () => {
  const counter = new PairCounter()
  counter.inc('a', 'x')
  counter.inc('a', 'x', 2)
  counter.inc('b', 'x')
  counter.inc('b', 'y', 0)
  assert.deepEqual(
    [...counter],
    [
      ['a', 'x', 3],
      ['b', 'x', 1],
      ['b', 'y', 0],
    ],
  )
})

test('the label `service` is the name of the metrics, else of the service, unless Prometheus adds one', t => {
  t.after(() => {
    delete process.env.METRICS_SERVICE_LABEL_ENABLED
  })
  assert.equal(serviceLabel([{ name: 'my-metrics' }], 'my-gate'), 'my-metrics')
  assert.equal(serviceLabel(undefined, 'my-gate'), 'my-gate')
  process.env.METRICS_SERVICE_LABEL_ENABLED = 'false'
  assert.equal(serviceLabel([{ name: 'my-metrics' }], 'my-gate'), null)
})
