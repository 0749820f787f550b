import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Member } from '#src/lib/workers/member.js'

const sources = { condition: () => ({ status: 'ready' }), metrics: async () => [] }

test('a process that serves alone is no member', () => {
  assert.equal(Member.join(sources, undefined), undefined)
})

test('a member listens to its primary until it leaves', async () => {
  const listeners = () => [
    process.listenerCount('message'),
    process.listenerCount('uncaughtExceptionMonitor'),
  ]
  const before = listeners()
  const member = Member.join(sources, { number: 1, count: 2 })
  assert.deepEqual(
    listeners(),
    before.map(count => count + 1),
  )
  await member?.leave()
  assert.deepEqual(listeners(), before)
})
