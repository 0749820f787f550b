import assert from 'node:assert/strict'
import { test } from 'node:test'
import { GateError } from '#src/lib/errors.js'
import { Distribution } from '#src/lib/telemetry/histogram.js'
import { StreamAccount } from '#src/lib/telemetry/stream-account.js'
import { contextFor } from '../../support/accounts.js'

function account() {
  const made = new StreamAccount('s', 'default')
  made.skew = new Distribution([1])
  made.storeSeconds = { guaranteed: new Distribution([1]), hasty: new Distribution([1]) }
  return made
}

test('an event is in flight until it is settled, by code where there is one', () => {
  const context = contextFor()
  const book = account().book(context)
  for (let n = 0; n < 4; n++) book.begin()
  assert.deepEqual([book.received, book.inFlight], [4, 4])
  book.settle({ fate: 'delivered' }, context)
  book.settle({ fate: 'invalid', error: new GateError('schema_not_found', 'no') }, context)
  book.settle({ fate: 'unknown', error: new GateError('deadline_unknown', 'no') }, context)
  assert.deepEqual([book.received, book.inFlight], [4, 1])
  const told: unknown[] = []
  book.eachOutcome(({ labels }, events) => told.push([labels.outcome, labels.code, events]))
  assert.deepEqual(told, [
    ['delivered', '', 1],
    ['invalid', 'validation_failed', 0],
    ['invalid', 'schema_not_found', 1],
    ['unknown', 'deadline_unknown', 1],
  ])
})

test('deliveries and kinds have a book each', () => {
  const made = account()
  const hasty = contextFor({ delivery: 'hasty' })
  assert.equal(made.book(hasty), made.book(hasty))
  made.book(contextFor({ kind: 'error', delivery: 'hasty' }))
  assert.deepEqual(
    made.books.filter(Boolean).map(book => book?.labels.labels),
    [
      { stream: 's', stream_class: 'default', delivery: 'hasty', kind: 'event' },
      { stream: 's', stream_class: 'default', delivery: 'hasty', kind: 'error' },
    ],
  )
})

test('when it was last stored is when an event was, and no other', () => {
  const made = account()
  const context = contextFor()
  const book = made.book(context).begin()
  book.settle({ fate: 'not_stored', error: new GateError('produce_failed', 'no') }, context)
  assert.equal(made.storedAt, 0)
  const before = Date.now()
  book.settle({ fate: 'delivered' }, context)
  assert.ok(made.storedAt >= before)
})
