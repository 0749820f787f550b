import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Trace } from '#src/lib/eventgate.js'
import { headersOf } from '#src/lib/kafka/wire/headers.js'
import { encodeHeaders } from '#src/lib/kafka/wire/records.js'

const HEADERS = { traceparent: '00-1-1-01' }

test('the events of a request share the bytes of its headers, and a trace that is not recorded has none', () => {
  const trace = { headers: HEADERS } as unknown as Trace
  const bytes = headersOf(trace)
  assert.ok(bytes?.equals(encodeHeaders(HEADERS)))
  assert.equal(headersOf(trace), bytes)
  assert.notEqual(headersOf({ headers: HEADERS } as unknown as Trace), bytes)
  assert.equal(headersOf({ headers: undefined } as unknown as Trace), undefined)
})
