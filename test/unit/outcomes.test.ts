import assert from 'node:assert/strict'
import { test } from 'node:test'
import { GateError } from '#src/lib/errors.js'
import type { Account, Context, Outcome } from '#src/lib/eventgate.js'
import { Outcomes } from '#src/lib/outcomes.js'

const contextOf = (deadline: number) => ({ deadline }) as Context
const delivered: Outcome = { fate: 'delivered' }
const said = (outcome: Outcome) => ('error' in outcome ? outcome.error.code : outcome.fate)

function booked() {
  const answers: string[] = []
  const account: Account = { settle: outcome => void answers.push(said(outcome)) }
  return { answers, account }
}

test('each event is settled once, when its outcome comes, and the request is over with the last', async () => {
  const outcomes = new Outcomes(2, contextOf(Infinity))
  const { answers, account } = booked()
  for (const index of [0, 1]) outcomes.book(index, account)
  outcomes.set(1, { fate: 'invalid', error: new GateError('validation_failed', 'no') })
  assert.deepEqual([answers, outcomes.open], [['validation_failed'], true])
  outcomes.set(0, delivered)
  assert.deepEqual([answers, outcomes.open], [['validation_failed', 'delivered'], false])
  assert.deepEqual((await outcomes.all).map(said), ['delivered', 'validation_failed'])
})

test('at the deadline what was begun is unknown, the rest is not stored, and what comes later moves nothing', async () => {
  const outcomes = new Outcomes(3, contextOf(Date.now() + 60_000))
  const { answers, account } = booked()
  outcomes.begun = 2
  for (const index of [0, 1]) outcomes.book(index, account)
  outcomes.set(0, delivered)
  outcomes.expire()
  outcomes.set(1, delivered)
  outcomes.expire()
  assert.deepEqual(answers, ['delivered', 'deadline_unknown'])
  assert.deepEqual((await outcomes.all).map(said), ['delivered', 'deadline_unknown', 'deadline_not_stored'])
})

test('a request whose deadline is over begins nothing', async () => {
  const outcomes = new Outcomes(1, contextOf(Date.now() - 1))
  assert.equal(outcomes.open, false)
  assert.deepEqual((await outcomes.all).map(said), ['deadline_not_stored'])
})
