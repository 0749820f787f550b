import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { register } from 'prom-client'
import { readYaml } from '#src/lib/yaml.js'
import { blocksOf, documentOf } from '../docs/documents.js'
import { imbalances, type Sheet, samplesOf, sheetsOf, textOf } from '../support/accounts.js'
import { startApp } from '../support/app.js'
import { eventually } from '../support/http.js'
import { temporary, testEvent } from '../support/service.js'

// What the accounts of streams tell of a whole service (docs/accounts.md).

const BLOCKS = blocksOf(documentOf('accounts.md'))

/** What the page shows of a configuration. */
function shown(option: string): object {
  const block = BLOCKS.find(({ text }) => text.startsWith(`${option}:`))
  return readYaml(block?.text ?? '', { maxValues: 1000, maxDepth: 20 }).value as object
}

const scraped = async () => samplesOf(await textOf(register))
const sheets = async () => sheetsOf(await scraped())
const sheet = (received: number, outcomes: Sheet['outcomes']): Sheet => ({ received, inFlight: 0, outcomes })

function streamsFile(t: TestContext, streams: object): string {
  const path = join(temporary(t), 'streams.json')
  writeFileSync(path, JSON.stringify(streams))
  return path
}

const to = (stream: string, more: object = {}) => testEvent({ meta: { stream }, ...more })
const TITLE = { schema_title: 'test/event' }

test('each stream has an account of what came and what became of it, by delivery and kind', async t => {
  const streams = {
    plain: TITLE,
    '/^some[.]/': TITLE,
    other: { schema_title: 'other' },
    errors: { schema_title: 'error' },
    'a.test': TITLE,
  }
  const service = await startApp(t, {
    stream_config_uri: streamsFile(t, streams),
    error_stream: 'errors',
    test_events: [to('a.test')],
  })
  await service.post([to('plain'), to('plain', { test: 42 }), to('some.thing'), to('some.other')])
  await service.post([to('other'), to('nobody'), to('plain', { $schema: '/no/such/1.0.0' }), 'text'])
  await service.post(to('plain'), { query: '?hasty=true' })
  await service.post('{')
  await fetch(`${service.url}/v1/_test/events`)
  await eventually(async () =>
    assert.deepEqual(Object.fromEntries(await sheets()), {
      'plain guaranteed event': sheet(3, {
        delivered: 1,
        'invalid validation_failed': 1,
        'invalid schema_not_found': 1,
      }),
      'plain hasty event': sheet(1, { delivered: 1 }),
      '/^some[.]/ guaranteed event': sheet(2, { delivered: 2 }),
      'other guaranteed event': sheet(1, { 'invalid schema_not_allowed': 1 }),
      'unknown guaranteed event': sheet(2, {
        'invalid stream_not_configured': 1,
        'invalid event_not_an_object': 1,
      }),
      'a.test guaranteed test': sheet(1, { delivered: 1 }),
      'errors hasty error': sheet(1, { delivered: 1 }),
    }),
  )
  const { events } = (await (await fetch(`${service.url}/_info/health`)).json()) as { events: object }
  assert.deepEqual(events, {
    guaranteed: { received: 9, in_flight: 0, delivered: 4, invalid: 5 },
    hasty: { received: 1, in_flight: 0, delivered: 1, invalid: 0 },
    error_events: { received: 1, in_flight: 0, delivered: 1, invalid: 0 },
  })
})

test('what is undecided at the shutdown is in the account as it was answered', async t => {
  const service = await startApp(t, {
    kafka: { conf: { 'metadata.broker.list': '127.0.0.1:9' } },
    producer: 'kafka',
    shutdown_timeout_ms: 500,
  })
  const answers = [
    service.post([testEvent(), testEvent()]),
    service.post(testEvent(), { query: '?hasty=true' }),
  ]
  await eventually(async () => {
    const now = await sheets()
    assert.deepEqual(imbalances(now), [])
    assert.equal(
      [...now.values()].reduce((sum, { inFlight }) => sum + inFlight, 0),
      3,
    )
  })
  await service.stop().catch(() => {})
  const [guaranteed] = await Promise.all(answers)
  assert.equal(guaranteed?.status, 503)
  const after = await sheets()
  assert.deepEqual(imbalances(after), [])
  assert.deepEqual(
    [...after].map(([key, { received, inFlight }]) => [key, received, inFlight]),
    [
      ['unknown guaranteed event', 2, 0],
      ['unknown hasty event', 1, 0],
    ],
  )
})

test('the configuration of the page gives the classes and the silence that it says', async t => {
  const streams = {
    ...shown('my.stream'),
    'mediawiki.job.a': {},
    'mediawiki.page_change.v1': {},
    '/^swift[.]/': {},
  }
  await startApp(t, {
    ...shown('stream_classes'),
    ...shown('quiet_after'),
    stream_config_uri: streamsFile(t, streams),
  })
  const all = await scraped()
  const byStream = (name: string) =>
    Object.fromEntries(
      all.flatMap(sample => (sample.name === name ? [[sample.labels.stream, sample.value]] : [])),
    )
  assert.deepEqual(byStream('eventgate_stream_quiet_after_seconds'), {
    'my.stream': 7200,
    'mediawiki.job.a': 900,
    'mediawiki.page_change.v1': 86_400,
    '/^swift[.]/': 86_400,
  })
  const stored = byStream('eventgate_stream_last_stored_timestamp_seconds')
  assert.deepEqual(new Set(Object.values(stored)), new Set([0]))
})

test('the page names the metrics and labels of the account', async () => {
  const text = documentOf('accounts.md')
  const known = new Set(register.getMetricsAsArray().map(({ name }) => name))
  const named = new Set(text.match(/eventgate_\w+/g))
  assert.deepEqual(
    [...named].filter(name => !known.has(name)),
    [],
  )
  assert.equal(
    [...known].filter(name => /^eventgate_(stream|experiment)_(?!config)/.test(name) && !named.has(name))
      .length,
    0,
  )
})
