import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Entry, runsOf } from '#src/lib/spool/journal-entries.js'
import type { Place } from '#src/lib/spool/record.js'
import { replay } from '#src/lib/spool/replay.js'
import { Segment } from '#src/lib/spool/segment.js'
import { Units } from '#src/lib/spool/units.js'

const place = (position: number): Place => ({
  topic: 't',
  partition: 0,
  stream: 's',
  delivery: 'guaranteed',
  position,
})
const runs = (...positions: number[]) => runsOf('t', positions.map(place))
const attempt = (id: number, ...positions: number[]): Entry => ({
  kind: 'attempt',
  id,
  partition: 0,
  producerId: 1,
  epoch: 0,
  sequence: id,
  ...runs(...positions),
})
const end = (kind: 'done' | 'forgotten', id: number): Entry => ({ kind, id, topic: 't', partition: 0 })

/** The positions that are done of a segment with 0 to 9, and what is in doubt. */
function play(...entries: Entry[]) {
  const units = new Units()
  const segment = new Segment(0, 0, 10)
  segment.add(units.groupOf(place(0)), 1000, 10)
  const { done, inDoubt, next, removed, expected } = replay(entries, [segment], units)
  const positions = Array.from({ length: 10 }, (_, at) => at).filter(at => done.has(at))
  assert.equal(segment.undone, 10 - positions.length)
  return {
    done: positions,
    inDoubt: inDoubt.map(({ records }) => records.map(({ position }) => position)),
    next,
    removed: [...removed],
    expected: [...expected],
  }
}

test('the last attempt of a partition is in doubt, unless it is done', () => {
  const nothing = { next: 4, removed: [], expected: [] }
  assert.deepEqual(play(attempt(1, 2, 3)), { ...nothing, done: [], inDoubt: [[2, 3]] })
  assert.deepEqual(play(attempt(1, 2, 3), end('done', 1)), { ...nothing, done: [2, 3], inDoubt: [] })
  assert.deepEqual(play(attempt(1, 2, 3), end('forgotten', 1)), { ...nothing, done: [], inDoubt: [] })
})

test('an attempt that was not done before the next one is not stored', () => {
  const { done, inDoubt } = play(attempt(1, 0, 1, 2), attempt(2, 0))
  assert.deepEqual([done, inDoubt], [[], [[0]]])
})

test('the end of another attempt means nothing', () => {
  // As it is if an entry in between was damaged.
  assert.deepEqual(play(attempt(1, 0), end('done', 2)).inDoubt, [[0]])
})

test('a dead letter is done, and its batch was not stored', () => {
  const { done, inDoubt } = play(attempt(1, 0, 1), { kind: 'gone', dead: true, ...runs(1) })
  assert.deepEqual([done, inDoubt], [[1], []])
})

test('segments that must be there, and those that must not', () => {
  const { removed, expected, next } = play(
    { kind: 'begin', next: 3, deadLetters: 0 },
    { kind: 'opened', base: 0 },
    { kind: 'opened', base: 10 },
    { kind: 'removed', base: 0 },
  )
  assert.deepEqual([removed, expected, next], [[0], [10], 11])
})

test('what is done when a journal begins is what it says', () => {
  const units = new Units()
  const segment = new Segment(0, 0, 10)
  const group = units.groupOf(place(0))
  segment.add(group, 1000, 10)
  const state: Entry = {
    kind: 'state',
    base: 0,
    generation: 0,
    done: [[0, Buffer.from([0b110]).toString('base64')]],
    counts: [
      ['t', 0, 's', 'guaranteed', 1],
      ['t', 0, 's', 'guaranteed', 1],
    ],
  }
  const { done } = replay([state], [segment], units)
  assert.deepEqual([done.has(1), done.has(2), done.has(3), segment.undone], [true, true, false, 8])
  const compacted = new Segment(0, 1, 10)
  replay([state], [compacted], units)
  assert.ok(compacted.needsScan, 'it was compacted after that')
})
