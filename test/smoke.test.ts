import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startService, testEvent } from './helpers.js'

test('an event is stored', async t => {
  const service = await startService(t)
  const reply = await service.post(testEvent())
  assert.equal(reply.status, 201)
  assert.equal(service.produced().length, 1)
  assert.equal(await service.stop(), 0)
})
