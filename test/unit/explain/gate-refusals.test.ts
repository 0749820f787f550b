import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Code, GateError } from '#src/lib/errors.js'
import { fixesFor, type Known, type Refused } from '#src/lib/explain/gate-refusals.js'

const URIS = ['/shop/click/1.0.0', '/shop/click/1.10.0', '/shop/click/1.9.0', '/shop/view/1.0.0']
const known: Known = {
  schemas: {
    list: async () =>
      URIS.map(uri => ({ uri, title: null, description: null, examples: 0, repository: 'r' })),
  },
  streams: () => ({
    'shop.click': { schema_title: 'shop/click' },
    'shop.view': { schema_title: 'shop/view' },
  }),
  schemaUriField: '$schema',
  streamField: 'meta.stream',
  dtField: 'meta.dt',
  readEvent: text => JSON.parse(text),
}

const triesFor = (code: Code, event: unknown, more: Partial<Refused> = {}) =>
  fixesFor(
    {
      ...{ event, code, text: JSON.stringify(event), message: '', schema: undefined, stream: undefined },
      context: { receivedAt: Date.parse('2026-01-02T03:04:05Z') } as never,
      until: Infinity,
      ...more,
    },
    known,
  )

test('a schema is looked up by what its URI looks like, the newest version first', async () => {
  const { steps, tries } = await triesFor('schema_not_found', { $schema: 'shop/clik/1.0.0' })
  assert.deepEqual(steps, ['$schema'])
  assert.deepEqual(tries[0], { $schema: '/shop/click/1.0.0' })
  const [newest] = (await triesFor('schema_not_found', { $schema: '/shop/click/2' })).tries
  assert.deepEqual(newest, { $schema: '/shop/click/1.10.0' })
})

test('an event without a schema gets that of its stream', async () => {
  const event = { meta: { stream: 'shop.view' } }
  const { tries } = await triesFor('schema_uri_missing', event)
  assert.deepEqual(tries[0], { ...event, $schema: '/shop/view/1.0.0' })
})

test('a misspelt stream is the one that is configured', async () => {
  const { steps, tries } = await triesFor('stream_not_configured', { meta: { stream: 'shop.clicks' } })
  assert.deepEqual(steps, ['meta', 'stream'])
  assert.deepEqual(tries, [{ meta: { stream: 'shop.click' } }])
})

test('a time in another form, or the time of receipt', async () => {
  const { tries } = await triesFor('timestamp_unparsable', { meta: { dt: 1_700_000_000 } })
  assert.deepEqual(tries, [
    { meta: { dt: '2023-11-14T22:13:20.000Z' } },
    { meta: { dt: '2026-01-02T03:04:05.000Z' } },
    { meta: {} },
  ])
})

test('a number that cannot be kept becomes a text', async () => {
  const text = '{"a":{"n":12345678901234567890}}'
  const message = `'.a.n' is "12345678901234567890", which a double cannot hold`
  const { steps, tries } = await triesFor('event_number_inexact', JSON.parse(text), { text, message })
  assert.deepEqual(steps, ['a', 'n'])
  assert.deepEqual(tries, [{ a: { n: '12345678901234567890' } }])
  const refuses = { ...known, readEvent: () => new GateError('event_number_inexact', 'another one') }
  const refused = { event: {}, text, message, code: 'event_number_inexact' } as Refused
  assert.deepEqual((await fixesFor(refused, refuses)).tries, [])
})

test('an object is found in a list, in a text and in what is nearly JSON', async () => {
  assert.deepEqual((await triesFor('event_not_an_object', [{ a: 1 }])).tries, [{ a: 1 }])
  assert.deepEqual((await triesFor('event_not_an_object', '{"a":1}')).tries, [{ a: 1 }])
  assert.deepEqual((await triesFor('event_not_an_object', 5)).tries, [])
  const { tries } = await triesFor('body_malformed', undefined, { text: "{a: 'x', b: 1,}" })
  assert.deepEqual(tries, [{ a: 'x', b: 1 }])
})

test('there is no guess for what no change of the event would help', async () => {
  assert.deepEqual(await triesFor('schema_broken', {}), { steps: [], tries: [] })
})
