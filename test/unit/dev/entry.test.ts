import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Entry } from '#src/lib/dev/entry.js'
import { OUTCOMES, weightOf } from '#src/lib/dev/entry.js'
import { entryOf } from '../../support/dev-entry.js'

test('each fate has a name of its own, except that what is on disk is accepted too', () => {
  const { spooled, ...others } = OUTCOMES
  assert.equal(spooled, others.delivered)
  assert.equal(new Set(Object.values(others)).size, Object.keys(others).length)
})

const weight = (more: Partial<Entry> = {}) => weightOf({ seq: 1, ...entryOf(more) })

test('an entry weighs two bytes for each character that it keeps, wherever it is', () => {
  const long = 'x'.repeat(1000)
  const parts: Partial<Entry>[] = [
    { text: `{}${long}` },
    { produced: { topic: '', key: null, timestamp: 0, text: long } },
    { produced: { topic: '', key: long, timestamp: 0, text: '' } },
    { request: { headers: { '': long }, clientIp: undefined } },
    { error: { code: '', message: long, errors: [] } },
    { query: { schemaUri: long } },
    { query: { stream: long } },
  ]
  for (const part of parts) assert.equal(weight(part), weight() + 2000, JSON.stringify(part).slice(0, 40))
  const error = { keyword: '', dataPath: long, schemaPath: long, message: long }
  assert.ok(weight({ error: { code: '', message: '', errors: [error] } }) >= weight() + 6000)
})
