import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Entry } from '#src/lib/dev/entry.js'
import { Tallies } from '#src/lib/dev/tallies.js'
import { entryOf } from '../../support/dev-entry.js'

function tally(entries: readonly Partial<Entry>[]): Tallies {
  const tallies = new Tallies()
  for (const more of entries) tallies.add({ seq: 1, ...entryOf(more) })
  return tallies
}

test('an event is counted for its stream, its schema and its error code', () => {
  const error = { code: 'x', message: '', errors: [] }
  const { by_stream, by_schema, by_code } = tally([
    {},
    { outcome: 'refused', error },
    { outcome: 'failed', error: { ...error, code: 'y' } },
    { outcome: 'unknown', stream: null, schemaUri: null },
  ]).counts(1_000_500)
  const last_at = '1970-01-01T00:16:40.000Z'
  const none = { name: '(none)', accepted: 0, refused: 0, failed: 1, last_at }
  assert.deepEqual(by_stream, [
    { ...none, account: [{ outcome: 'unknown', events: 1 }] },
    {
      ...{ name: 's', accepted: 1, refused: 1, failed: 1, last_at },
      account: [
        { outcome: 'accepted', events: 1 },
        { outcome: 'refused', code: 'x', events: 1 },
        { outcome: 'failed', code: 'y', events: 1 },
      ],
    },
  ])
  assert.deepEqual(by_schema, [none, { name: '/a/b/1.0.0', accepted: 1, refused: 1, failed: 1, last_at }])
  assert.deepEqual(by_code, { x: 1, y: 1 })
})

test('a thousand names are counted, and the others together', () => {
  const { by_stream } = tally(Array.from({ length: 1200 }, (_, i) => ({ stream: `s${i}` }))).counts(0)
  assert.equal(by_stream.length, 1001)
  const others = by_stream.find(({ name }) => name === '(others)')
  assert.equal(others?.accepted, 200)
  assert.deepEqual(others.account, [{ outcome: 'accepted', events: 200 }])
})

test('the timeline has the last two minutes', () => {
  const each = Array.from({ length: 1200 }, (_, i) => ({ receivedAt: 1_000_000 + i * 1000 }))
  const tallies = tally([...each, { outcome: 'refused', receivedAt: 2_199_000 }])
  const { timeline } = tallies.counts(2_199_500)
  assert.equal(timeline.length, 120)
  assert.deepEqual(timeline.at(-1), { at: '1970-01-01T00:36:39.000Z', accepted: 1, refused: 1 })
  assert.deepEqual(tallies.counts(2_319_000).timeline, [])
})
