import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Unit } from '#src/lib/spool/record.js'
import { type Belonging, Units } from '#src/lib/spool/units.js'

const place = (topic: string, partition: number, stream = topic) =>
  ({ topic, partition, stream, delivery: 'guaranteed' }) as const

function setUp() {
  const drained: string[] = []
  const units = new Units(({ topic, partition }: Unit) => drained.push(`${topic}-${partition}`))
  const add = (place: Belonging, count = 1) => units.add(units.groupOf(place), count)
  const remove = (place: Belonging, count = 1) => units.remove(units.groupOf(place), count)
  return { units, drained, add, remove }
}

test('a partition spools as long as any of its events is undone, and others do not', () => {
  const { units, drained, add, remove } = setUp()
  add(place('a', 0), 2)
  assert.deepEqual(
    [units.phase('a', 0), units.phase('a', 1), units.phase('b', 0)],
    ['spooling', 'none', 'none'],
  )
  assert.equal(units.phase('a', -1), 'spooling', 'an event of unknown partition may be of this one')
  remove(place('a', 0))
  assert.equal(units.phase('a', 0), 'spooling')
  assert.deepEqual(drained, [])
  remove(place('a', 0))
  assert.equal(units.phase('a', 0), 'none')
  assert.equal(units.phase('a', -1), 'none')
  assert.deepEqual(drained, ['a-0'])
})

test('a topic of which an event of unknown partition is undone spools whole', () => {
  const { units, add } = setUp()
  add(place('a', -1))
  assert.deepEqual(
    [units.phase('a', 0), units.phase('a', 7), units.phase('a', -1)],
    Array(3).fill('spooling'),
  )
})

test('a unit that is handed over spools again with its next event, and only if all of it is handed over', () => {
  const { units, add } = setUp()
  add(place('a', 0))
  add(place('a', -1))
  units.handOver({ topic: 'a', partition: 0 })
  assert.equal(units.phase('a', 0), 'spooling', 'the topic spools')
  units.handOver({ topic: 'a', partition: -1 })
  assert.deepEqual([units.phase('a', 0), units.phase('a', -1)], ['handing_over', 'handing_over'])
  add(place('a', 0))
  assert.deepEqual([units.phase('a', 0), units.phase('a', 1)], ['spooling', 'handing_over'])
})

test('events are counted by stream and in all', () => {
  const { units, add, remove } = setUp()
  add(place('a', 0, 's'), 3)
  add(place('b', 1, 's'))
  add(place('b', 1, 't'))
  assert.deepEqual(
    [units.size, units.undone('b', 1), [...units.streams]],
    [
      5,
      2,
      [
        ['s', 4],
        ['t', 1],
      ],
    ],
  )
  remove(place('a', 0, 's'), 3)
  remove(place('b', 1, 't'))
  assert.deepEqual([units.size, [...units.streams]], [1, [['s', 1]]])
})
