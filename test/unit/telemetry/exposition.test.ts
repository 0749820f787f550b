import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Counter, Gauge, Histogram, Registry } from 'prom-client'
import { MetricSet } from '#src/lib/telemetry/metric-set.js'
import { textOf } from '../../support/accounts.js'

const lines = (text: string) => text.split('\n').filter(line => line !== '')

test('what is written is what the registry itself would write', async () => {
  const registry = new Registry()
  const registers = [registry]
  const counter = new Counter({
    ...{ name: 'c_total', help: 'Counts \\ and\nmore', labelNames: ['a'], registers },
  })
  counter.inc({ a: 'quote " slash \\ line \n end' }, 2)
  new Gauge({ ...{ name: 'g', help: 'Plain', registers } }).set(-1.5)
  new Gauge({ ...{ name: 'infinite', help: 'Large', registers } }).set(Infinity)
  new Histogram({ ...{ name: 'h', help: 'Spread', labelNames: ['a'], buckets: [1, 2], registers } }).observe(
    { a: 'x' },
    1.5,
  )
  new MetricSet(registry, { service: 's' }).gauge('read', 'Read', ['b'], () => [[{ b: 'y' }, 3]])
  const written = await textOf(registry)
  assert.deepEqual(lines(written), lines(await registry.metrics()))
})

test('what is read together is read before the first line, and other work has its turn between lines', async () => {
  const registry = new Registry()
  const metrics = new MetricSet(registry, {})
  let value = 0
  const many = () => Array.from({ length: 10_000 }, (_, n) => [{ n: String(n) }, value] as const)
  metrics.gauge('first', 'First', ['n'], many, 'sum', true)
  metrics.gauge('second', 'Second', ['n'], many, 'sum', true)
  let turns = 0
  const writing = textOf(registry)
  const next = () => {
    value++
    turns++
    if (turns < 1000) setImmediate(next)
  }
  next()
  const written = lines(await writing).filter(line => !line.startsWith('#'))
  const seen = turns
  turns = Infinity
  assert.equal(written.length, 20_000)
  assert.deepEqual(new Set(written.map(line => line.split(' ')[1])), new Set(['0']))
  assert.ok(seen > 10, `${seen} turns`)
})
