import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CODES, cut, FAULTS, GateError, printable, quote } from '#src/lib/errors.js'

test('only a 503 may be retried, and it is surely not stored', () => {
  for (const code of CODES) {
    const { fate, status, retriable } = new GateError(code, 'x')
    assert.equal(retriable, status === 503, code)
    if (retriable) assert.equal(fate, 'not_stored', code)
  }
})

test('faults are the codes that are not mistakes of the client', () => {
  const faults = CODES.filter(code => new GateError(code, 'x').kind === 'error')
  assert.deepEqual(
    FAULTS.map(({ code }) => code),
    faults,
  )
  assert.ok(faults.length > 0 && faults.length < CODES.length)
})

test('what is thrown becomes a GateError: its own stay, others are defects', () => {
  const own = new GateError('body_empty', 'x')
  assert.equal(GateError.from(own), own)
  const cause = new TypeError('no such thing')
  const defect = GateError.from(cause)
  assert.deepEqual([defect.code, defect.cause], ['internal_error', cause])
  assert.match(defect.message, /no such thing/)
  assert.match(GateError.from('a text').message, /a text/)
})

test('an error costs no stack trace, and those of others stay', () => {
  const { stackTraceLimit } = Error
  assert.doesNotMatch(String(new GateError('body_empty', 'x').stack), /\n\s+at /)
  assert.equal(Error.stackTraceLimit, stackTraceLimit)
})

test('messages are bounded, printable, and on one line', () => {
  assert.ok(new GateError('body_empty', 'x'.repeat(100_000)).message.length < 17_000)
  assert.equal(cut('abc', 2), 'ab…')
  assert.equal(cut('abc', 3), 'abc')
  assert.equal(quote('a\n"b"'), '"a\\n\\"b\\""')
  assert.equal(quote('x'.repeat(1000)).length, 100)
  assert.equal(quote(undefined), 'undefined')
  assert.equal(printable('"\u009b\u2028"'), '"\\u009b\\u2028"')
  assert.equal(JSON.parse(printable('"\u009b"')), '\u009b')
})
