import assert from 'node:assert/strict'
import { test } from 'node:test'
import { envOf, readSelf } from '#src/lib/workers/self.js'

test('a worker knows its number and how many there are, and a process that serves alone knows neither', () => {
  assert.deepEqual(readSelf(envOf({ number: 3, count: 4 })), { number: 3, count: 4 })
  assert.equal(readSelf({}), undefined)
  assert.equal(readSelf({ EVENTGATE_WORKER: '1' }), undefined)
})
