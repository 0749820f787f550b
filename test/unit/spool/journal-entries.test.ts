import assert from 'node:assert/strict'
import { test } from 'node:test'
import { placesOf, runsOf } from '#src/lib/spool/journal-entries.js'
import type { Place } from '#src/lib/spool/record.js'

const place = (position: number, partition = 0): Place => ({
  topic: 't',
  partition,
  stream: 's',
  delivery: 'guaranteed',
  position,
})

test('places come back in their order', () => {
  const places = [place(5), place(6), place(7), place(3), place(4, -1), place(9, -1), place(8), place(8)]
  const runs = JSON.parse(JSON.stringify(runsOf('t', places)))
  assert.deepEqual(placesOf(runs), places)
})

test('neighbours are written as one', () => {
  assert.deepEqual(
    runsOf(
      't',
      Array.from({ length: 1000 }, (_, i) => place(50 + i)),
    ).runs,
    [[0, 's', 'guaranteed', [50, 1000]]],
  )
})
