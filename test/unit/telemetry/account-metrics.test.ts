import assert from 'node:assert/strict'
import { test } from 'node:test'
import { contextFor, keep } from '../../support/accounts.js'

test('all metrics of accounts are there from the start, and those of streams come with their streams', async () => {
  const { registry } = keep()
  const names = registry.getMetricsAsArray().map(({ name }) => name)
  assert.deepEqual(
    names.filter(name => !/^eventgate_(stream|experiment)_/.test(name)),
    [],
  )
  assert.equal(names.length, 11)
  const text = await registry.metrics()
  assert.deepEqual(text.match(/^[^#\n].*$/gm), null)
})

test('experiments are counted if the transform is on', async () => {
  const stream = { name: 's', topic: 's', configuredAs: 's' }
  const event = { experiment: { enrolled: 'e' } }

  for (const countsExperiments of [false, true]) {
    const { accounts, samples } = keep({ countsExperiments })
    accounts.open(event, stream, contextFor())
    accounts.open(event, stream, contextFor({ kind: 'test' }))
    accounts.openRefused(event, stream, contextFor())
    const counted = await samples('eventgate_experiment_events_total')
    assert.deepEqual(
      counted.map(({ labels, value }) => [labels, value]),
      countsExperiments ? [[{ experiment: 'e', instrument: '' }, 1]] : [],
    )
  }
})
