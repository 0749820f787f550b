import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Parsing } from '#src/lib/parsing.js'

test('what fits goes in at once, and the others in the order of their coming', async () => {
  const parsing = new Parsing(100)
  const order: string[] = []
  assert.equal(parsing.enter(60, 1000), undefined)
  assert.equal(parsing.enter(40, 1000), undefined)
  const large = parsing.enter(90, 1000)?.then(() => order.push('large'))
  // It would fit before the large one, and would keep it out for ever if it were let in.
  parsing.leave(40)
  const small = parsing.enter(10, 1000)?.then(() => order.push('small'))
  assert.ok(large && small)
  parsing.leave(60)
  await Promise.all([large, small])
  assert.deepEqual(order, ['large', 'small'])
})

test('one alone is let in, however large', async () => {
  const parsing = new Parsing(100)
  assert.equal(parsing.enter(500, 1000), undefined)
  const next = parsing.enter(1, 1000)
  assert.ok(next)
  parsing.leave(500)
  await next
})

test('who waits too long is refused, and holds nobody up', async () => {
  const parsing = new Parsing(100)
  assert.equal(parsing.enter(60, 1000), undefined)
  const large = parsing.enter(90, 20) as Promise<void>
  const small = parsing.enter(40, 10_000)
  await assert.rejects(large, { code: 'over_capacity', status: 503, retriable: true })
  await small
  parsing.leave(60)
  parsing.leave(40)
  assert.equal(parsing.enter(100, 1000), undefined)
})
