import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type ErrorRow, EVENT_ERRORS, REQUEST_ERRORS } from '#src/lib/error-codes.js'

const ALL: [code: string, row: ErrorRow][] = Object.entries({ ...EVENT_ERRORS, ...REQUEST_ERRORS })

test('every code has a cause and a remedy, as sentences that fit into a table', () => {
  for (const [code, { cause, remedy }] of ALL)
    for (const text of [cause, remedy]) assert.match(text, /^[A-Z`][^\n|]{8,}[.]$/, code)
})

test('no code is of an event and of a request', () => {
  for (const code of Object.keys(EVENT_ERRORS)) assert.ok(!(code in REQUEST_ERRORS), code)
})

test("mistakes of the client are 4xx and surely not stored, the service's own faults are 5xx", () => {
  for (const [code, { kind, status, fate }] of ALL) {
    assert.ok(kind === 'invalid' ? status >= 400 && status < 500 : [500, 503, 504].includes(status), code)
    assert.equal(fate, status === 504 ? 'unknown' : 'not_stored', code)
    assert.notEqual(status, 410, 'NEL reporters would never come again')
  }
})
