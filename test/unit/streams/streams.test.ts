import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Context, Event, Schema } from '#src/lib/eventgate.js'
import type { StreamConfigs } from '#src/lib/streams/config-source.js'
import { type StreamOptions, Streams } from '#src/lib/streams/streams.js'
import { StreamTable } from '#src/lib/streams/table.js'

const SCHEMA = { uri: '/test/event/1.0.0', title: 'test/event' } as Schema

/** The configuration of one stream; `fetches` counts the early ones. */
function configsOf(more: Partial<StreamConfigs> = {}) {
  const text = JSON.stringify({
    known: { schema_title: 'test/event' },
    untitled: {},
    broken: { schema_title: 'test/event', message_key_fields: 5 },
  })
  const options = { objectPath: undefined, destination: undefined, topicPrefix: 'p.' }
  const table = StreamTable.read(text, options)
  const counted = { fetches: 0 }
  const refreshEarly = () => {
    counted.fetches++
    return Promise.resolve()
  }
  const configs = { table, failure: undefined, refreshing: false, refreshEarly, ...more } as StreamConfigs
  return { configs, counted }
}

function streamsOf(more: Partial<StreamOptions> = {}): Streams {
  return new Streams({ streamField: 'meta.stream', topicPrefix: 'p.', ...more })
}

const named = (stream: unknown): Event => ({ meta: { stream } })
const context = (stream?: string) => ({ stream }) as Context
const code = (streams: Streams, event: Event, schema = SCHEMA) => {
  try {
    return streams.streamFor(event, schema, context()).topic
  } catch (error) {
    return (error as { code: string }).code
  }
}

test('without a configuration any legal name is a stream', () => {
  const streams = streamsOf()
  assert.deepEqual(streams.streamFor(named('s'), SCHEMA, context()), { name: 's', topic: 'p.s' })
  assert.deepEqual(streams.streamFor({}, SCHEMA, context('q')), { name: 'q', topic: 'p.q' })
  assert.equal(code(streams, named('a b')), 'stream_name_illegal')
  for (const name of [undefined, '', 5]) assert.equal(code(streams, named(name)), 'stream_missing')
})

test('streams may be named after schemas', () => {
  const streams = streamsOf({ streamField: undefined })
  assert.equal(streams.streamFor(named('x'), SCHEMA, context()).name, 'test_event_1.0.0')
  assert.equal(streams.streamFor(named('x'), SCHEMA, context('q')).name, 'q')
})

test('a configured stream takes events of its schema', () => {
  const streams = streamsOf({ configs: configsOf().configs })
  assert.equal(code(streams, named('known')), 'p.known')
  assert.equal(code(streams, named('known'), { ...SCHEMA, title: 'other' }), 'schema_not_allowed')
  assert.equal(code(streams, named('untitled')), 'schema_not_allowed')
  assert.equal(code(streams, named('broken')), 'stream_misconfigured')
  assert.equal(code(streams, named('a b')), 'stream_name_illegal')
})

test('an unknown stream is the client’s mistake only if the configuration is current', () => {
  const refused = (more: Partial<StreamConfigs>) =>
    code(streamsOf({ configs: configsOf(more).configs }), named('unknown'))
  assert.equal(refused({}), 'stream_not_configured')
  assert.equal(refused({ failure: 'no answer' }), 'stream_config_unavailable')
  assert.equal(refused({ refreshing: true }), 'stream_config_unavailable')
})

test('an event of an unknown stream brings the configuration early, others do not', async () => {
  const { configs, counted } = configsOf()
  const streams = streamsOf({ configs })
  assert.equal(streams.loadFor([named('known'), named('a b'), {}, null, 5], context()), undefined)
  assert.equal(counted.fetches, 0)
  await streams.loadFor([named('known'), named('unknown')], context())
  await streams.loadFor([{}], context('unknown'))
  assert.equal(counted.fetches, 2)
})
