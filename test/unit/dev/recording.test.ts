import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Recorder } from '#src/lib/dev/recorder.js'
import { Recording } from '#src/lib/dev/recording.js'
import { GateError } from '#src/lib/errors.js'
import type { Context, Outcome, Schema, Stream } from '#src/lib/eventgate.js'

const options = { schemaUriField: '$schema', streamField: 'meta.stream' }

function record(outcome: Outcome, text: string, more: Partial<Context> = {}) {
  const recorder = new Recorder()
  const context: Context = {
    requestId: 'r',
    receivedAt: 1000,
    deadline: Infinity,
    headers: { 'user-agent': 'a' },
    delivery: 'hasty',
    clientIp: () => '10.0.0.1',
    textOf: () => text,
    ...more,
  }
  new Recording(recorder, options).outcome(outcome, context, 3)
  return recorder.get(1)
}

test('an accepted event is recorded with what went to the producer', () => {
  const schema = { uri: '/a/1.0.0' } as Schema
  const stream = { name: 's', topic: 't' } as Stream
  const destination = { topic: 't', key: '{}', timestamp: 5, delivery: 'hasty' } as const
  const sent = { event: { a: 1, b: 2 }, destination }
  const entry = record({ fate: 'delivered', schema, stream, sent }, '{"a":1}')
  assert.deepEqual(entry, {
    seq: 1,
    receivedAt: 1000,
    requestId: 'r',
    index: 3,
    delivery: 'hasty',
    outcome: 'accepted',
    stream: 's',
    schemaUri: '/a/1.0.0',
    text: '{"a":1}',
    cut: false,
    produced: { topic: 't', key: '{}', timestamp: 5, text: '{"a":1,"b":2}' },
    error: null,
    request: { headers: { 'user-agent': 'a' }, clientIp: '10.0.0.1' },
    query: { schemaUri: undefined, stream: undefined },
  })
})

test('a refused event has the stream and schema that it names, or else those of the query', () => {
  const error = new GateError('schema_not_found', 'no')
  const invalid: Outcome = { fate: 'invalid', error }
  const named = record(invalid, '{"$schema":"/own","meta":{"stream":"mine"}}', {
    stream: 'q',
    schemaUri: '/q',
  })
  assert.deepEqual([named?.outcome, named?.stream, named?.schemaUri], ['refused', 'mine', '/own'])
  assert.deepEqual(named?.error, { code: 'schema_not_found', message: 'no', errors: [] })
  const unnamed = record(invalid, '{"$schema":1}', { stream: 'q', schemaUri: '/q' })
  assert.deepEqual([unnamed?.stream, unnamed?.schemaUri], ['q', '/q'])
  const nothing = record(invalid, '[]')
  assert.deepEqual([nothing?.stream, nothing?.schemaUri], [null, null])
})

test('of a long event the beginning is kept', () => {
  const entry = record({ fate: 'invalid', error: new GateError('schema_not_found', 'x') }, 'y'.repeat(70_000))
  assert.deepEqual([entry?.text.length, entry?.cut], [65_536, true])
})

test('a request that was refused as a whole is recorded with what was read of it', () => {
  const recorder = new Recorder()
  const request = { requestId: 'r', receivedAt: 1, headers: {}, clientIp: undefined, query: { stream: 'q' } }
  for (const [code, bytes] of [
    ['body_malformed', Buffer.from('{"a":')],
    ['over_capacity', undefined],
  ] as const)
    new Recording(recorder, options).refusedRequest(new GateError(code, 'm'), {
      ...request,
      delivery: 'guaranteed',
      bytes,
    })
  assert.deepEqual(
    recorder.after(0, 2).map(({ outcome, text, error, query }) => [outcome, text, error?.code, query.stream]),
    [
      ['refused', '{"a":', 'body_malformed', 'q'],
      ['failed', '', 'over_capacity', 'q'],
    ],
  )
})
