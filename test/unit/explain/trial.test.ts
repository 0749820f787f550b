import assert from 'node:assert/strict'
import { test } from 'node:test'
import { GateError } from '#src/lib/errors.js'
import type { Event, Steps } from '#src/lib/eventgate.js'
import { tryEvent, tryLoaded } from '#src/lib/explain/trial.js'

const schema = { uri: '/s/1.0.0', title: 's', declares: () => true, validate() {} }
const stream = { name: 's', topic: 's' }

function steps(more: Partial<Steps>, passed: string[] = []): Steps {
  const pass = <Value>(name: string, value: Value): Value => {
    passed.push(name)
    return value
  }
  return {
    load: async () => pass('load', undefined),
    schemaFor: () => pass('schema', schema),
    streamFor: () => pass('stream', stream),
    enrich: event => void Object.assign(event, pass('enrich', { dt: 'now' })),
    route: () => pass('route', { topic: 's', key: null, timestamp: 0, delivery: 'guaranteed' as const }),
    produce: () => assert.fail('a trial produces nothing'),
    ...more,
  }
}

const refused = { event: {}, text: '{}', context: {} as never, index: 0 }

test('an event passes all steps but the produce, and stays as it is', async () => {
  const passed: string[] = []
  const event = { a: 1 }
  const trial = await tryEvent(steps({}, passed), event, refused)
  assert.deepEqual(passed, ['load', 'schema', 'stream', 'enrich', 'route'])
  assert.deepEqual(trial, { schema, stream, enriched: { a: 1, dt: 'now' } })
  assert.deepEqual(event, { a: 1 })
})

test('defaults of the schema are not among what the gate fills in', () => {
  const validate = (event: Event) => void Object.assign(event, { filled: true })
  const trial = tryLoaded(steps({ schemaFor: () => ({ ...schema, validate }) }), {}, refused.context, 0)
  assert.deepEqual(trial.enriched, { dt: 'now' })
})

test('a trial ends at the step that refuses, with what is known by then', () => {
  const wrong = new GateError('stream_missing', 'no stream')
  const streamFor = () => {
    throw wrong
  }
  const trial = tryLoaded(steps({ streamFor }), { a: 1 }, refused.context, 0)
  assert.deepEqual(trial, { schema, enriched: { a: 1 }, error: wrong })
})

test('what the gate filled in and the schema refuses is taken back', () => {
  const validate = (event: Event) => {
    if ('dt' in event) throw new GateError('validation_failed', 'no dt')
  }
  const takeBack = (event: Event) => delete event.dt
  const trial = tryLoaded(
    steps({ schemaFor: () => ({ ...schema, validate }), takeBack }),
    {},
    refused.context,
    0,
  )
  assert.deepEqual([trial.error, trial.enriched], [undefined, {}])
})

test('what is not an object passes nothing', async () => {
  for (const event of [undefined, null, 5, 'text', []]) {
    const { error } = await tryEvent(steps({ load: () => assert.fail() }), event, refused)
    assert.equal(error?.code, 'event_not_an_object')
  }
})
