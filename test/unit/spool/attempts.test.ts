import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Attempts } from '#src/lib/spool/attempts.js'
import type { Journal } from '#src/lib/spool/journal.js'
import type { Entry } from '#src/lib/spool/journal-entries.js'
import type { Attempt, Place } from '#src/lib/spool/record.js'

const place = (position: number): Place => ({
  topic: 't',
  partition: 0,
  stream: 's',
  delivery: 'guaranteed',
  position,
})
const attempt = (sequence: number, ...positions: number[]): Attempt => ({
  topic: 't',
  partition: 0,
  producerId: 1,
  epoch: 0,
  sequence,
  records: positions.map(place),
})

function setUp(inDoubt: Attempt[] = []) {
  const entries: Entry[] = []
  const journal = {
    note: (entry: Entry) => entries.push(entry),
    write: async (entry: Entry, synced: () => void) => {
      entries.push(entry)
      synced()
    },
  } as unknown as Journal
  return { attempts: new Attempts(journal, inDoubt), kinds: () => entries.splice(0).map(({ kind }) => kind) }
}

test('an attempt is journaled once, and its end when all its records are done', async () => {
  const { attempts, kinds } = setUp()
  await attempts.begin([attempt(0, 1, 2)])
  await attempts.begin([attempt(0, 1, 2)])
  assert.deepEqual(kinds(), ['attempt'])
  assert.equal(attempts.done(place(1)), true)
  assert.deepEqual(kinds(), [])
  assert.equal(attempts.done(place(2)), true)
  assert.deepEqual(kinds(), ['done'])
  assert.equal(attempts.done(place(3)), false, 'it is part of none')
  assert.deepEqual(attempts.entries, [])
})

test('an attempt in doubt ends with another one that has its records: brokers do not recognise it', async () => {
  const doubtful = attempt(9, 1, 2)
  const { attempts, kinds } = setUp([doubtful])
  await assert.rejects(attempts.begin([attempt(0, 3)]), /goes first/)
  await attempts.begin([doubtful])
  assert.deepEqual([kinds(), attempts.inDoubt], [[], [doubtful]])
  await attempts.begin([{ ...attempt(0, 1, 2, 3), epoch: 1 }])
  assert.deepEqual([kinds(), attempts.inDoubt], [['attempt'], []])

  // Its partition is gone: its records are sent to another one.
  const moved = setUp([doubtful])
  await moved.attempts.begin([{ ...attempt(0, 1, 2), partition: 5 }])
  assert.deepEqual([moved.kinds(), moved.attempts.inDoubt], [['forgotten', 'attempt'], []])
})

test('without an identity it is the same attempt only if it has the same records', async () => {
  const { attempts, kinds } = setUp()
  const plain = (...positions: number[]) => ({ ...attempt(-1, ...positions), producerId: -1, epoch: -1 })
  await attempts.begin([plain(1, 2)])
  await attempts.begin([plain(1, 2)])
  await attempts.begin([plain(3, 4)])
  assert.deepEqual(kinds(), ['attempt', 'attempt'])
})

test('the next attempt of a partition takes the place of one that was not stored', async () => {
  const { attempts, kinds } = setUp()
  await attempts.begin([attempt(0, 1, 2)])
  await attempts.begin([attempt(1, 1)])
  assert.equal(attempts.entries.length, 1)
  assert.equal(attempts.done(place(2)), false)
  attempts.done(place(1))
  assert.deepEqual(kinds(), ['attempt', 'attempt', 'done'])
})

test('one in doubt is told until it is settled, and goes first', async () => {
  const [one, two] = [attempt(0, 1), { ...attempt(0, 2), partition: 1 }]
  const { attempts, kinds } = setUp([one, two])
  assert.deepEqual(attempts.inDoubt, [one, two])
  await assert.rejects(attempts.begin([attempt(5, 3)]), /the attempt in doubt of t\/0 goes first/)
  await attempts.begin([one])
  assert.deepEqual(kinds(), [])
  attempts.done(place(1))
  assert.deepEqual(attempts.inDoubt, [two])
  attempts.forget(two)
  attempts.forget(two)
  assert.deepEqual(attempts.inDoubt, [])
  assert.deepEqual(kinds(), ['done', 'forgotten'])
})

test('a record that is refused ends its attempt', async () => {
  const { attempts } = setUp()
  await attempts.begin([attempt(0, 1, 2)])
  attempts.refused(place(1))
  assert.deepEqual(attempts.entries, [])
})
