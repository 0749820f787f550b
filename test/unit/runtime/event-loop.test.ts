import assert from 'node:assert/strict'
import { test } from 'node:test'
import { yieldToEventLoop } from '#src/lib/runtime/event-loop.js'

test('what waits for the event loop runs before the caller goes on, which a resolved promise does not allow', async () => {
  const seen: string[] = []
  setImmediate(() => seen.push('immediate'))
  await Promise.resolve()
  assert.deepEqual(seen, [])
  await yieldToEventLoop()
  assert.deepEqual(seen, ['immediate'])
})
