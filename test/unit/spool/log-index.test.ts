import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Index } from '#src/lib/spool/log-index.js'
import { PositionSet } from '#src/lib/spool/position-set.js'
import type { Place } from '#src/lib/spool/record.js'
import { Segment } from '#src/lib/spool/segment.js'

const place = (position: number, delivery: Place['delivery'] = 'guaranteed'): Place => ({
  topic: 't',
  partition: 0,
  stream: 's',
  delivery,
  position,
})

function setUp() {
  const index = new Index()
  const segments = [new Segment(0, 0, 10), new Segment(11, 0, 20), new Segment(30, 0, 40)]
  for (const segment of segments) {
    segment.add(index.units.groupOf(place(0)), 1000, 5)
    segment.add(index.units.groupOf(place(0, 'hasty')), 500, 5)
  }
  index.adopt(segments, new PositionSet())
  return { index, segments }
}

test('it finds the segment of a position, or the next one', () => {
  const { index, segments } = setUp()
  const found = [0, 9, 10, 11, 20, 30, 39, 40].map(position =>
    segments.indexOf(index.from(position) as Segment),
  )
  assert.deepEqual(found, [0, 0, 1, 1, 2, 2, 2, -1])
})

test('a record is done once, and only if its segment is there', () => {
  const { index, segments } = setUp()
  assert.deepEqual([index.units.size, index.hastyBytes], [30, 1500])
  assert.equal(index.markDone(place(3, 'hasty')), segments[0])
  assert.equal(index.markDone(place(3, 'hasty')), undefined)
  assert.equal(index.markDone(place(25)), undefined)
  assert.deepEqual([index.units.size, index.hastyBytes, segments[0]?.undone], [29, 1400, 9])
})

test('a segment that takes the place of others has what they had left; what it lacks is lost', () => {
  const { index, segments } = setUp()
  const compacted = new Segment(0, 1, 20)
  compacted.add(index.units.groupOf(place(0)), 1000, 8)
  index.replace(segments.slice(0, 2), compacted)
  assert.deepEqual(index.segments, [compacted, segments[2]])
  assert.equal(index.units.size, 18)
  index.replace([compacted], undefined)
  assert.equal(index.units.size, 10)
  assert.equal(index.hastyBytes, 500)
})

test('damaged records count no more', () => {
  const { index, segments } = setUp()
  const counted = new Segment(0, 0, 10)
  counted.add(index.units.groupOf(place(0)), 600, 3)
  index.recount(segments[0] as Segment, counted)
  assert.deepEqual([index.units.size, segments[0]?.undone], [23, 3])
})
