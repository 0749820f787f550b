import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Delivery } from '#src/lib/eventgate.js'
import { KeyedAudit, type KeyedBooks, KeyedLoad } from '../reliability/keyed-load.js'
import type { Verdict } from '../reliability/load.js'

type Request = [verdict: Verdict, sentAt: number, answeredAt: number, delivery?: Delivery]

/** What the books say of requests with an event each, all of one stream, when Kafka has these events in this order. */
function books(
  requests: readonly Request[],
  stored: readonly number[],
  killedAt: number[] = [],
  cutAt?: number,
): KeyedBooks {
  const load = new KeyedLoad(['s'])
  for (const [verdict, sentAt, answeredAt, delivery = 'guaranteed'] of requests)
    load.settle(load.begin(delivery, 1, sentAt), answeredAt, 1, [verdict])
  const audit = new KeyedAudit(load)
  for (const n of stored) audit.add(String(n), 'here')
  return audit.balance(killedAt, 100, cutAt)
}

/** What of it is not as it must be. */
const wrong = ({ missing, twice, denied, disordered, foreign, refused, hasty }: KeyedBooks) =>
  Object.entries({ missing, twice, denied, disordered, foreign, refused, lost: hasty.lost })
    .filter(([, count]) => count > 0)
    .map(([name, count]) => `${name} ${count}`)
    .join()

// Events 0 and 1 have the same key, and so have 2 and 3.
test('the books of keys: promises that are kept', () => {
  const kept = books(
    [
      ['spooled', 0, 10],
      ['stored', 20, 30],
      ['unknown', 40, 50],
      ['no_answer', 60, 70],
    ],
    [0, 1, 3],
  )
  assert.equal(wrong(kept), '')
  assert.deepEqual([kept.spooled, kept.unknownAt, kept.unknownStored], [1, [40], 0])
})

test('the books of keys: each promise that is broken', () => {
  assert.equal(wrong(books([['spooled', 0, 10]], [])), 'missing 1')
  assert.equal(wrong(books([['spooled', 0, 10]], [0, 0])), 'twice 1')
  assert.equal(wrong(books([['not_stored', 0, 10]], [0])), 'denied 1,refused 1')
  assert.equal(wrong(books([['stored', 0, 10]], [0, 7])), 'foreign 1')
})

test('the books of keys: the second of a key, sent after the first was answered, is behind it', () => {
  const pair = (sentAt: number, delivery: Delivery = 'guaranteed'): Request[] => [
    ['spooled', 0, 10],
    ['stored', sentAt, 99, delivery],
  ]
  assert.equal(wrong(books(pair(11), [1, 0])), 'disordered 1')
  assert.equal(wrong(books(pair(11), [0, 1])), '')
  assert.equal(wrong(books(pair(9), [1, 0])), '', 'they were sent at the same time')
  assert.equal(wrong(books(pair(11, 'hasty'), [1, 0])), '', 'deliveries have producers of their own')
})

test('the books of keys: a hasty event may be lost shortly before a kill', () => {
  const lost = (sentAt: number) => books([['accepted', sentAt, sentAt + 1, 'hasty']], [], [1000]).hasty
  assert.deepEqual([lost(950).lostByKill, lost(950).lost], [1, 0])
  const cut = (sentAt: number, killedAt: number[]) => {
    const audit = books([['accepted', sentAt, sentAt + 1, 'hasty']], [], killedAt, 500).hasty
    return [audit.inDoubt, audit.lost]
  }
  assert.deepEqual(cut(450, [1000]), [1, 0], 'in doubt at the cut')
  assert.deepEqual(cut(450, []), [0, 1])
  assert.deepEqual(cut(510, [1000]), [0, 1])
  for (const sentAt of [800, 1001]) assert.deepEqual([lost(sentAt).lostByKill, lost(sentAt).lost], [0, 1])
})
