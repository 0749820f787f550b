import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Experiments } from '#src/lib/telemetry/experiments.js'

test('events are counted by experiment and instrument, whatever clients write there', () => {
  const counted = new Experiments()
  const events = [
    { experiment: { enrolled: 'e' }, instrument_name: 'i' },
    { experiment: { enrolled: 'e' }, instrument_name: 'i' },
    { experiment: { enrolled: 'e' } },
    { instrument_name: 'i', experiment: 'e' },
    { experiment: { enrolled: 7 }, instrument_name: ['i'] },
    {},
    { experiment: { enrolled: 'x'.repeat(5000) } },
  ]
  for (const event of events) counted.count(event)
  assert.deepEqual(
    [...counted],
    [
      ['e', 'i', 2],
      ['e', '', 1],
      ['', 'i', 1],
      ['x'.repeat(100), '', 1],
    ],
  )
})

test('clients cannot make up labels for ever', () => {
  const counted = new Experiments()
  for (let n = 0; n < 3000; n++) counted.count({ experiment: { enrolled: `e${n}` }, instrument_name: 'i' })
  counted.count({ experiment: { enrolled: 'e0' }, instrument_name: 'i' })
  const all = [...counted]
  assert.equal(all.length, 1001)
  assert.deepEqual(all[0], ['e0', 'i', 2])
  assert.deepEqual(all.at(-1), ['other', 'other', 2000])
})
