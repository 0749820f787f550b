import assert from 'node:assert/strict'
import { test } from 'node:test'
import { describe, isMisfit, KafkaError, Misfit, meaningOf } from '#src/lib/kafka/response-codes.js'

const CODES = Array.from({ length: 200 }, (_, index) => index - 1)
const KNOWN = CODES.filter(code => meaningOf(code).name)

test('only what says that the batch is stored counts as stored', () => {
  assert.deepEqual(
    CODES.filter(code => meaningOf(code).effect === 'stored'),
    [0, 46],
  )
})

test('an attempt stays open where the leader may have the batch, also after a code that nobody knows', () => {
  const open = KNOWN.filter(code => meaningOf(code).effect === 'open')
  assert.deepEqual(open, [-1, 7, 20, 56])
  for (const code of CODES.filter(code => !KNOWN.includes(code))) {
    const { effect, next } = meaningOf(code)
    assert.deepEqual({ code, effect, next }, { code, effect: 'open', next: 'refresh' })
  }
})

test('no error with an offset refuses an attempt: the leader has the batch', () => {
  for (const code of CODES) assert.notEqual(meaningOf(code, 5).effect, 'refused')
  assert.equal(meaningOf(6, 5).next, 'slow_lane')
  assert.equal(meaningOf(7, 5).next, 'wait_longer')
  assert.equal(meaningOf(46, 5).effect, 'stored')
})

test('what an operator must change has an error that says so, for batches and for other questions', () => {
  const misfits = KNOWN.filter(code => meaningOf(code).error === 'kafka_misconfigured')
  assert.deepEqual(misfits, [21, 31, 33, 35, 42, 58])
  for (const code of CODES) assert.equal(isMisfit(new KafkaError(code, 'x')), misfits.includes(code))
  assert.equal(isMisfit(new Misfit(35, 'too old')), true)
  assert.equal(isMisfit(new Error('x')), false)
})

test('a code for a person', () => {
  assert.equal(describe(7), '7 REQUEST_TIMED_OUT')
  assert.equal(describe(1234), '1234')
})
