import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { generated, ownMetrics, PAGE } from './metrics.js'

const page = readFileSync(PAGE, 'utf8')

test('the tables of docs/metrics.md are those of the code: npm run docs makes them', () => {
  assert.equal(page, generated())
  assert.equal(page.match(/<!-- generated: /g)?.length, 2)
})

test('every metric is named, and described, by the rules of Prometheus', () => {
  const metrics = ownMetrics()
  assert.ok(metrics.length > 30)
  for (const { name, type, help } of metrics) {
    assert.match(name, /^(eventgate|express_router)(_[a-z]+)+$/)
    assert.equal(name.endsWith('_total'), type === 'counter', name)
    if (type === 'histogram') assert.match(name, /_(seconds|bytes|events)$/, name)
    assert.match(help, /^[A-Z][^|]+[^.|]$/, name)
  }
})
