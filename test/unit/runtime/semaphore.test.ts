import assert from 'node:assert/strict'
import { test } from 'node:test'
import { WeightedSemaphore } from '#src/lib/runtime/semaphore.js'

test('what fits goes in at once, and the others in the order of their coming', async () => {
  const semaphore = new WeightedSemaphore(100)
  const order: string[] = []
  assert.equal(semaphore.acquire(60, 1000), undefined)
  assert.equal(semaphore.acquire(40, 1000), undefined)
  const large = semaphore.acquire(90, 1000)?.then(() => order.push('large'))
  // It would fit before the large one, and would keep it out for ever if it were let in.
  semaphore.release(40)
  const small = semaphore.acquire(10, 1000)?.then(() => order.push('small'))
  assert.ok(large && small)
  semaphore.release(60)
  await Promise.all([large, small])
  assert.deepEqual(order, ['large', 'small'])
})

test('one alone is let in, however large', async () => {
  const semaphore = new WeightedSemaphore(100)
  assert.equal(semaphore.acquire(500, 1000), undefined)
  const next = semaphore.acquire(1, 1000)
  assert.ok(next)
  semaphore.release(500)
  await next
})

test('who waits too long is refused, and holds nobody up', async () => {
  const semaphore = new WeightedSemaphore(100)
  assert.equal(semaphore.acquire(60, 1000), undefined)
  const large = semaphore.acquire(90, 20) as Promise<void>
  const small = semaphore.acquire(40, 10_000)
  await assert.rejects(large, { code: 'over_capacity', status: 503, retriable: true })
  await small
  semaphore.release(60)
  semaphore.release(40)
  assert.equal(semaphore.acquire(100, 1000), undefined)
})
