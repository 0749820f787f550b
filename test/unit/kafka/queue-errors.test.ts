import assert from 'node:assert/strict'
import { test } from 'node:test'
import { queueError } from '#src/lib/kafka/queue-errors.js'

test('an error says where, what became of the event, and why; its fate follows from its code', () => {
  const error = queueError('deadline_not_stored', { toString: () => 't-3' }, '19 NOT_ENOUGH_REPLICAS')
  assert.equal(error.message, 't-3: not produced in time: the event is not stored (19 NOT_ENOUGH_REPLICAS)')
  assert.equal(error.fate, 'not_stored')
  assert.equal(queueError('deadline_unknown', 't-3', '').fate, 'unknown')
  assert.equal(queueError('produce_unknown', 't-3', '').fate, 'unknown')
})
