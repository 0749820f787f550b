import assert from 'node:assert/strict'
import { test } from 'node:test'
import { GateError } from '#src/lib/errors.js'
import type { Context, Event, Outcome, Schema, Stream } from '#src/lib/eventgate.js'
import { ErrorEvents, type FailedEvent, makeErrorEvent } from '#src/lib/steps/error-events.js'

const OPTIONS = {
  stream: 'errors',
  schemaUri: '/error/2.1.0',
  emitterId: 'gate',
  maxBytes: Infinity,
  maxPending: 3,
}

function contextOf(text: string): Context {
  return {
    requestId: 'r',
    receivedAt: 0,
    deadline: Infinity,
    headers: {},
    delivery: 'guaranteed',
    clientIp: () => undefined,
    textOf: () => text,
  }
}

const failed = (code: 'validation_failed' | 'stream_missing' = 'validation_failed'): Outcome => ({
  fate: 'invalid',
  error: new GateError(code, 'wrong'),
})

/** Error events whose gate remembers what it was given. */
function errorEvents() {
  const processed: Event[][] = []
  const seen = { dropped: 0 }
  const events = new ErrorEvents(OPTIONS, {
    async process(batch) {
      processed.push([...batch])
      return batch.map(() => ({ fate: 'delivered' }))
    },
    schema: async () => undefined,
    dropped: () => {
      seen.dropped++
    },
  })
  return { events, processed, seen }
}

test('failures of one moment become error events in one batch', async () => {
  const { events, processed } = errorEvents()
  events.consider(failed(), contextOf('{"a":1}'), 0)
  events.consider(failed(), contextOf('{"a":2}'), 1)
  await events.idle()
  assert.deepEqual(
    processed.map(batch => batch.map(({ raw_event }) => raw_event)),
    [['{"a":1}', '{"a":2}']],
  )
})

test('other outcomes make none: success, another failure, the stream of error events', async () => {
  const { events, processed } = errorEvents()
  events.consider({ fate: 'delivered' }, contextOf('{}'), 0)
  events.consider(failed('stream_missing'), contextOf('{}'), 0)
  events.consider({ ...failed(), stream: { name: 'errors', topic: 'errors' } as Stream }, contextOf('{}'), 0)
  await events.idle()
  assert.deepEqual(processed, [])
})

test('what exceeds the number or the length of pending error events is dropped', async () => {
  const { events, processed, seen } = errorEvents()
  for (let i = 0; i < 5; i++) events.consider(failed(), contextOf('{}'), 0)
  assert.equal(seen.dropped, 2)
  await events.idle()
  assert.equal(processed.flat().length, 3)
  const long = contextOf('x'.repeat(9 * 1024 * 1024))
  events.consider(failed(), long, 0)
  assert.equal(seen.dropped, 2, 'a single one may be of any length')
  events.consider(failed(), long, 0)
  assert.equal(seen.dropped, 3)
  await events.idle()
  events.consider(failed(), long, 0)
  assert.equal(seen.dropped, 3, 'there is room again')
  await events.idle()
})

const FAILED: FailedEvent = {
  error: new GateError('validation_failed', 'wrong'),
  raw: '{"meta":{"uri":"/page","domain":"a.example","request_id":"own"}}',
  schemaUri: '/a/1.0.0',
  streamName: 's',
  requestId: 'r',
  loggedRequestId: 'r',
}

test('an error event says what failed, and why', () => {
  const event = makeErrorEvent(FAILED, OPTIONS, undefined, 0)
  const { id, ...meta } = event.meta as Event
  assert.match(String(id), /^[0-9a-f-]{36}$/)
  const dt = '1970-01-01T00:00:00.000Z'
  assert.deepEqual(meta, { dt, stream: 'errors', uri: '/page', domain: 'a.example', request_id: 'own' })
  assert.deepEqual(
    { ...event, meta: null },
    {
      $schema: '/error/2.1.0',
      meta: null,
      dt,
      emitter_id: 'gate',
      raw_event: FAILED.raw,
      message: 'wrong',
      errored_schema_uri: '/a/1.0.0',
      errored_stream_name: 's',
      error_type: 'validation_failed',
    },
  )
})

test('it has the fields that its schema declares, and no copied field that its schema refuses', () => {
  const schema = {
    declares: (path: string) => path !== 'error_type' && path !== 'meta.id',
    validate(event: Event) {
      if ((event.meta as Event).domain === 'a.example') throw new Error('no')
    },
  } as unknown as Schema
  const event = makeErrorEvent(FAILED, OPTIONS, schema, 0)
  assert.ok(!('error_type' in event) && !('id' in (event.meta as Event)))
  assert.equal((event.meta as Event).domain, 'unknown')
})

test('an error event fits into a message, whatever the refused event has in it', () => {
  const names = 'ł'.repeat(300_000)
  const raw = JSON.stringify({
    text: '"\\'.repeat(200_000),
    names,
    meta: { uri: `/${names}`, domain: names, request_id: names },
  })
  const failed: FailedEvent = {
    error: new GateError('validation_failed', names),
    raw,
    schemaUri: '/a/1',
    streamName: 's',
    requestId: 'r',
    loggedRequestId: 'r',
  }
  for (const maxBytes of [1_000_000, 100_000, 4000, Infinity]) {
    const options = { stream: 'e', schemaUri: '/error/2.1.0', emitterId: 'gate', maxBytes, maxPending: 5000 }
    const event = makeErrorEvent(failed, options, undefined, Date.now())
    const bytes = Buffer.byteLength(JSON.stringify(event))
    assert.ok(bytes < Math.min(maxBytes, 1_000_000), `${bytes} of ${maxBytes}`)
    assert.equal((event.meta as { uri: string }).uri, 'unknown')
    if (maxBytes > 4000) assert.match(String(event.message), /^łłł/)
  }
})
