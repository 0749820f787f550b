import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Delivery } from '#src/lib/eventgate.js'
import { RealDisk } from '#src/lib/spool/real-disk.js'
import { KeyedAudit, type KeyedBooks, KeyedLoad } from '../reliability/keyed-load.js'
import type { Verdict } from '../reliability/load.js'
import { run } from '../reliability/spool.js'
import { eventgateAsync } from '../support/cli.js'
import { anyKafka, readRecords, topicName } from '../support/kafka.js'
import { temporary } from '../support/service.js'
import { fillSpool } from '../support/spool-directory.js'

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

test('a spool whose process is gone is drained, each partition in its order', async t => {
  const kafka = await anyKafka()
  t.after(() => kafka.close())
  const [page, other] = [topicName('page'), topicName('new')]
  await kafka.createTopic(page, { partitions: 2 })
  await kafka.createTopic(other)
  const folder = temporary(t)
  const directory = join(folder, 'spool')
  const close = await fillSpool(new RealDisk(directory), { page, other, isOpen: true })
  const config = join(folder, 'config.yaml')
  const conf = { kafka: { conf: { 'metadata.broker.list': kafka.bootstrap } } }
  writeFileSync(config, JSON.stringify({ services: [{ name: 'e', conf }] }))
  const drain = () => eventgateAsync(['spool', 'drain', directory, '-c', config])

  const held = await drain()
  assert.equal(held.status, 2)
  assert.match(held.stderr, /is used by another process: end that first/)
  await close()
  const { status, stdout, stderr } = await drain()
  assert.equal(status, 0, stderr)
  assert.match(stdout, /^5 events are in Kafka, 0 of them possibly twice; 0 are dead letters; 0 wait\n$/)
  const stored: string[] = []
  for await (const { topic, partition, value } of readRecords(kafka.bootstrap, [page, other]))
    stored.push(`${topic === page ? 'page' : 'new'} ${partition} ${value}`)
  assert.deepEqual(stored.toSorted(), ['new 0 6', 'page 0 1', 'page 0 2', 'page 0 3', 'page 1 5'])
  const first = stored.filter(record => record.startsWith('page 0'))
  assert.deepEqual(first, ['page 0 1', 'page 0 2', 'page 0 3'])
  assert.match((await drain()).stdout, /^0 events are in Kafka/)
})

test('without Kafka, and with a gate that is killed, every promise is kept', async t => {
  const options = {
    short: true,
    healthyS: 3,
    outageS: 12,
    killEveryS: 5,
    afterS: 2,
    guaranteed: 200,
    hasty: 100,
  }
  const { text, broken } = await run(line => t.diagnostic(line), options)
  assert.deepEqual(broken, [], text)
})
