import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readSettings } from '#src/lib/streams/settings.js'

const read = (settings: Record<string, unknown>) => readSettings(settings)

test('settings that are not there have their defaults', () => {
  const { values, problems } = read({ other: 1 })
  const unset = { schemaTitle: undefined, services: undefined, headers: undefined, spool: undefined }
  assert.deepEqual(values, {
    ...unset,
    key: [],
    quietAfter: undefined,
    streamClass: undefined,
    histograms: false,
  })
  assert.deepEqual(problems, [])
})

test('each setting is read', () => {
  const { values, problems } = read({
    schema_title: 'test/event',
    message_key_fields: { wiki: 'wiki_id', page: 'pages[0].id' },
    destination_event_service: 'main',
    producers: {
      eventgate: { enrich_fields_from_http_headers: { 'meta.id': 'X-ID', agent: false }, spool: false },
    },
  })
  assert.deepEqual(problems, [])
  assert.equal(values.schemaTitle, 'test/event')
  assert.deepEqual(
    values.key?.map(({ name, field }) => [name, field.path]),
    [
      ['wiki', 'wiki_id'],
      ['page', 'pages[0].id'],
    ],
  )
  assert.deepEqual(values.services, ['main'])
  assert.deepEqual(
    values.headers?.map(({ header, field }) => [header, field.path]),
    [['x-id', 'meta.id']],
  )
  assert.equal(values.spool, false)
})

test('an empty list stands for an empty map, and a list of services for several', () => {
  const { values, problems } = read({
    message_key_fields: [],
    producers: [],
    destination_event_service: ['a', 'b'],
  })
  assert.deepEqual([values.key, values.headers, problems], [[], undefined, []])
  assert.deepEqual(values.services, ['a', 'b'])
})

test('what only watches a stream is ignored with a warning where it is wrong', () => {
  const own = (settings: object) => read({ producers: { eventgate: settings } })
  const good = own({ quiet_after: '15m', class: 'jobs', histograms: true })
  assert.deepEqual(
    [good.values.quietAfter, good.values.streamClass, good.values.histograms, good.warnings],
    [900, 'jobs', true, []],
  )
  assert.equal(own({ quiet_after: false }).values.quietAfter, false)
  const bad = own({ quiet_after: 'soon', class: 'a b', histograms: 'yes' })
  assert.deepEqual(bad.problems, [])
  assert.deepEqual(
    [bad.values.quietAfter, bad.values.streamClass, bad.values.histograms],
    [undefined, undefined, false],
  )
  assert.deepEqual(bad.warnings, [
    'quiet_after must be a duration such as 15m, or false, not "soon": it is ignored',
    'class must be a name of at most 40 of A-Z a-z 0-9 _ . -, not "a b": it is ignored',
  ])
})

const WRONG: [Record<string, unknown>, RegExp][] = [
  [{ message_key_fields: 'id' }, /^message_key_fields must be a map of names to texts, not "id"$/],
  [{ message_key_fields: { a: 1 } }, /^message_key_fields must be a map of names to texts/],
  [{ message_key_fields: { a: '' } }, /^message_key_fields must be a map of names to texts/],
  [{ message_key_fields: { 1: 'a', b: 'c' } }, /^message_key_fields has a number as a name/],
  [{ producers: 5 }, /^producers\.eventgate must be a map, not 5$/],
  [{ producers: { eventgate: ['x'] } }, /^producers\.eventgate must be a map/],
  [
    { producers: { eventgate: { enrich_fields_from_http_headers: { a: true } } } },
    /^enrich_fields_from_http_headers must be a map of names to texts/,
  ],
  [{ producers: { eventgate: { spool: 'no' } } }, /^spool must be true or false, not "no"$/],
]

for (const [settings, reason] of WRONG)
  test(`${JSON.stringify(settings)} is a problem`, () => {
    const { problems } = read(settings)
    assert.equal(problems.length, 1)
    assert.match(String(problems[0]), reason)
  })

test('a single field of a key may have a number as its name', () => {
  assert.deepEqual(read({ message_key_fields: { 1: 'a' } }).problems, [])
})
