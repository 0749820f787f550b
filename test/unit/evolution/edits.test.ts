import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SchemaEdits } from '#src/lib/evolution/edits.js'
import { comparison, sideOf } from '../../fuzz/evolution.js'

const schema = (version: string, document: object) => sideOf(`/a/${version}`, document).schema

test('edits are told the newest first, after files were looked at', async () => {
  let refreshed = 0
  const edits = new SchemaEdits(comparison, { refresh: async () => void refreshed++ })
  edits.changed(schema('1.0.0', { type: 'object' }), schema('1.0.0', { required: ['x'] }))
  edits.changed(schema('2.0.0', { required: ['x'] }), schema('2.0.0', {}))
  const latest = await edits.latest()
  assert.equal(refreshed, 1)
  assert.deepEqual(
    latest.map(({ uri, verdict }) => [uri, verdict]),
    [
      ['/a/2.0.0', 'compatible'],
      ['/a/1.0.0', 'breaks'],
    ],
  )
  assert.ok(latest.every(({ at }) => Math.abs(Date.parse(at) - Date.now()) < 60_000))
})

test('twenty edits are kept, and schemas from elsewhere are none', async () => {
  const edits = new SchemaEdits(comparison, { refresh: async () => {} })
  const foreign = { uri: '/b', title: undefined, declares: () => true, validate() {} }
  edits.changed(foreign, foreign)
  assert.equal((await edits.latest()).length, 0)
  for (let i = 0; i < 25; i++) edits.changed(schema(`${i}.0.0`, {}), schema(`${i}.0.0`, {}))
  const latest = await edits.latest()
  assert.equal(latest.length, 20)
  assert.equal(latest[0]?.uri, '/a/24.0.0')
})
