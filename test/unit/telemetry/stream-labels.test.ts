import assert from 'node:assert/strict'
import { test } from 'node:test'
import { StreamLabels } from '#src/lib/telemetry/stream-labels.js'

test('a stream is called as it is configured; any other by its own name once it was stored', () => {
  const labels = new StreamLabels()
  const other = { name: 'o', topic: 'o' }
  assert.equal(labels.of(undefined), 'unknown')
  assert.equal(labels.of({ name: 'a.b', topic: 't', configuredAs: '/^a/' }), '/^a/')
  assert.deepEqual([labels.of(other), labels.ofStored(other), labels.of(other)], ['unknown', 'o', 'o'])
})

test('a thousand others have labels of their own', () => {
  const labels = new StreamLabels()
  const streams = Array.from({ length: 1001 }, (_, n) => ({ name: `s${n}`, topic: 't' }))
  const given = streams.map(stream => labels.ofStored(stream))
  assert.deepEqual(given.slice(-2), ['s999', 'unknown'])
  assert.equal(labels.ofStored(streams[0]), 's0')
})
