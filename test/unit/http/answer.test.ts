import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { CODES, type Code, GateError, type SchemaError } from '#src/lib/errors.js'
import type { Outcome } from '#src/lib/eventgate.js'
import { type Answer, answerTo, refusalAnswer, success } from '#src/lib/http/answer.js'
import { assertFailure } from '../../support/http.js'

const failed = (error: GateError): Outcome => ({
  fate: error.kind === 'invalid' ? 'invalid' : error.fate,
  error,
})
const delivered: Outcome = { fate: 'delivered' }
const spooled: Outcome = { fate: 'spooled' }

/** An answer as a client gets it. */
function reply({ status, reason, body, retryAfter }: Answer) {
  const headers = {
    'content-type': 'application/json; charset=utf-8',
    ...(retryAfter ? { 'retry-after': '1' } : {}),
  }
  return { status, reason, body, headers, json: () => JSON.parse(body) }
}

test('whatever became of the events, the rules of contract 1.2 hold', () => {
  const code = fc.constantFrom<Code>(...CODES)
  const message = fc.string({ minLength: 1, unit: 'binary' })
  const outcome = fc.oneof(
    fc.constant(delivered),
    fc.constant(spooled),
    fc.tuple(code, message).map(([code, message]) => failed(new GateError(code, message))),
  )
  fc.assert(
    fc.property(fc.array(outcome, { minLength: 1, maxLength: 30 }), outcomes => {
      const texts = outcomes.map((_, index) => `{ "n" : ${index} }`)
      const answer = answerTo(outcomes, index => texts[index] as string)
      const total = outcomes.length
      const errors = outcomes.flatMap(outcome => ('error' in outcome ? [outcome.error] : []))
      const invalid = errors.filter(({ kind }) => kind === 'invalid').length
      const errored = errors.filter(({ kind }) => kind === 'error')
      const counts = `(${invalid} invalid and ${errored.length} errored).`

      const onDisk = outcomes.filter(({ fate }) => fate === 'spooled').length
      if (errors.length === 0 && onDisk > 0) {
        assert.deepEqual(answer, {
          status: 202,
          reason: `${total} out of ${total} events were accepted: ${total - onDisk} stored, ${onDisk} spooled.`,
          body: '',
          retryAfter: false,
        })
        return
      }
      if (errors.length === 0) {
        assert.deepEqual(answer, {
          status: 201,
          reason: `All ${total} out of ${total} events were accepted.`,
          body: '',
          retryAfter: false,
        })
        return
      }
      if (errors.length < total) {
        assert.equal(answer.status, 207)
        assert.equal(
          answer.reason,
          `${total - errors.length} out of ${total} events were accepted, but ${errors.length} failed ${counts}`,
        )
      } else if (invalid === total) {
        assert.equal(answer.status, 400)
        assert.equal(answer.reason, `${total} out of ${total} events were invalid and not accepted.`)
      } else {
        // A 503 promises that nothing is stored; a 504 that something may be.
        const isUnknown = errored.some(({ fate }) => fate === 'unknown')
        assert.equal(answer.status === 504, isUnknown)
        assert.equal(answer.status === 503, !isUnknown && errored.every(({ retriable }) => retriable))
        assert.ok([500, 503, 504].includes(answer.status))
        assert.equal(
          answer.reason,
          `${total} out of ${total} events had failures and were not accepted. ${counts}`,
        )
      }
      assert.equal(answer.retryAfter, answer.status === 503)
      const entries = assertFailure(reply(answer), { status: answer.status })
      assert.equal(entries.length, errors.length)
      for (const { index, code, context, retriable } of entries) {
        const { error } = outcomes[index] as { error: GateError }
        assert.equal(code, error.code)
        assert.equal(context.message, error.message)
        assert.equal(retriable, error.retriable)
        assert.equal(answer.body.includes(`"event":${texts[index]},`), error.code !== 'event_too_deep')
      }
    }),
  )
})

test('a request that failed as a whole has one entry, without an event', () => {
  for (const code of CODES) {
    const answer = refusalAnswer(new GateError(code, 'why "so"\n'))
    const [entry, ...more] = assertFailure(reply(answer), { status: answer.status })
    assert.equal(more.length, 0)
    assert.ok(!('event' in entry))
    assert.equal(entry.context.message, 'why "so"\n')
    assert.equal(answer.status >= 500, entry.status === 'error')
    assert.equal(answer.retryAfter, answer.status === 503)
    assert.notEqual(answer.reason, '')
  }
})

test('success', () => {
  assert.equal(success(3, 'guaranteed').reason, 'All 3 out of 3 events were accepted.')
  assert.equal(success(3, 'hasty').reason, '3 events hastily received.')
})

test('what is no object is not shown as an event', () => {
  const error = new GateError('event_number_inexact', 'x')
  for (const text of ['1e400', '[1e400]', '"text"', 'null', '']) {
    const [entry] = assertFailure(reply(answerTo([failed(error)], () => text)), { status: 400 })
    assert.ok(!('event' in entry))
  }
})

test('the errors of very many events do not make a mountain', () => {
  const complaint: SchemaError = {
    keyword: 'type',
    dataPath: '.x'.repeat(60),
    schemaPath: '#/x',
    params: { type: 'string' },
    message: 'should be string',
  }
  const errors = Array.from({ length: 16 }, () => complaint)
  const message = errors.map(({ dataPath, message }) => `'${dataPath}' ${message}`).join(', ')
  const outcome = failed(new GateError('validation_failed', message, { errors, errorsCount: 20 }))
  const answer = answerTo(Array(50_000).fill(outcome), () => '{}')
  const entries = assertFailure(reply(answer), { status: 400 })
  assert.equal(entries.length, 50_000)
  assert.equal(entries[0].context.errors.length, 16)
  for (const { context } of entries)
    assert.ok(context.errorsText.startsWith("'.x.x") && context.errorsCount === 20)
  assert.ok(answer.body.length < 50_000 * 800, `${answer.body.length} characters`)
})
