import assert from 'node:assert/strict'
import { test } from 'node:test'
import { GateError } from '#src/lib/errors.js'
import type { Context, Event, Schema, Stream } from '#src/lib/eventgate.js'
import { Field } from '#src/lib/field.js'
import { makeRoute } from '#src/lib/steps/route.js'

const context: Context = {
  requestId: 'r',
  receivedAt: 1_700_000_000_000,
  deadline: Infinity,
  headers: {},
  delivery: 'hasty',
  clientIp: () => undefined,
  textOf: () => '',
}
const schemaWith = (...paths: string[]): Schema => ({
  uri: '/a/1.0.0',
  title: 'a',
  declares: path => paths.includes(path),
  validate: () => {},
})
const streamOf = (...key: [name: string, path: string][]): Stream => ({
  name: 's',
  topic: 'prefix.s',
  key: key.map(([name, path]) => ({ name, field: new Field(path) })),
})
const route = makeRoute('meta.dt')
const keyOf = (event: Event, ...key: [string, string][]) =>
  route(event, schemaWith(), streamOf(...key), context).key

function refusal(run: () => unknown): GateError {
  try {
    run()
  } catch (error) {
    assert.ok(error instanceof GateError)
    return error
  }
  throw new assert.AssertionError({ message: 'it was not refused' })
}

test('the topic and the delivery are those of the stream and the request', () => {
  const stream = streamOf()
  const { topic, delivery, ...rest } = route({}, schemaWith(), stream, context)
  assert.deepEqual([topic, delivery], ['prefix.s', 'hasty'])
  assert.equal(rest.stream, stream)
})

test('a key is a JSON object in the order of the configuration, its values typed', () => {
  const event = {
    page: { id: 7, title: 'ключ "x"' },
    wiki_id: 'enwiki',
    isNew: false,
    none: 0,
    list: [1, 'a'],
  }
  assert.equal(
    keyOf(event, ['wiki_id', 'wiki_id'], ['page_id', 'page.id']),
    '{"wiki_id":"enwiki","page_id":7}',
  )
  assert.equal(
    keyOf(event, ['page_id', 'page.id'], ['wiki_id', 'wiki_id']),
    '{"page_id":7,"wiki_id":"enwiki"}',
  )
  assert.equal(
    keyOf(event, ['t', 'page.title'], ['b', 'isNew'], ['n', 'none'], ['l', 'list'], ['o', 'page']),
    `{"t":"ключ \\"x\\"","b":false,"n":0,"l":[1,"a"],"o":${JSON.stringify(event.page)}}`,
  )
  const pages = { page: [{ id: 5 }, { id: 6 }] }
  assert.equal(keyOf(pages, ['p', 'page.0.id'], ['q', 'page[1].id']), '{"p":5,"q":6}')
  assert.equal(keyOf({ a: '' }, ['a"', 'a']), '{"a\\"":""}')
})

test('a part of a key may stand in a list', () => {
  const event = { page: [{ id: 5 }] }
  assert.equal(keyOf(event, ['p', 'page.0.id']), '{"p":5}')
  assert.equal(keyOf(event, ['p', 'page[0].id']), '{"p":5}')
  for (const path of ['page.id', 'page.1.id', 'page.length'])
    assert.equal(refusal(() => keyOf(event, ['p', path])).code, 'key_field_missing', path)
})

test('names that look like integers keep their place', () => {
  assert.equal(
    keyOf({ a: 1, b: 2, c: 3 }, ['b', 'b'], ['10', 'a'], ['2', 'c'], ['__proto__', 'a']),
    '{"b":2,"10":1,"2":3,"__proto__":1}',
  )
})

test('a value that is missing or null refuses the event, and is named', () => {
  for (const page of [undefined, null, {}, { id: null }, { id: undefined }, 'text', [7]]) {
    const error = refusal(() => keyOf({ wiki: 'a', page }, ['wiki_id', 'wiki'], ['page_id', 'page.id']))
    assert.equal(error.code, 'key_field_missing')
    assert.match(error.message, /'\.page\.id'.*"page_id"/)
  }
  // Not what every object inherits.
  assert.equal(refusal(() => keyOf({}, ['a', 'constructor'])).code, 'key_field_missing')
})

test('a stream without key fields has a null key', () => {
  assert.equal(keyOf({ a: 1 }), null)
  assert.equal(route({ a: 1 }, schemaWith(), { name: 's', topic: 's' }, context).key, null)
})

const timestampOf = (event: Event, schema = schemaWith('meta.dt')) =>
  route(event, schema, streamOf(), context).timestamp

test('the timestamp is that of the time field', () => {
  assert.equal(timestampOf({ meta: { dt: '2026-01-02T03:04:05.006Z' } }), Date.UTC(2026, 0, 2, 3, 4, 5, 6))
  assert.equal(timestampOf({ meta: { dt: '2026-01-02T03:04:05+01:00' } }), Date.UTC(2026, 0, 2, 2, 4, 5))
  assert.equal(timestampOf({ meta: { dt: '1970-01-01T00:00:00Z' } }), 0)
})

test('it is the time of receipt where the event has none, or its schema does not declare it', () => {
  assert.equal(timestampOf({}), context.receivedAt)
  assert.equal(timestampOf({ meta: { dt: '2001-01-01T00:00:00Z' } }, schemaWith()), context.receivedAt)
  assert.equal(timestampOf({ meta: { dt: 'no time' } }, schemaWith()), context.receivedAt)
  const without = makeRoute(undefined)({ meta: { dt: 'x' } }, schemaWith('meta.dt'), streamOf(), context)
  assert.equal(without.timestamp, context.receivedAt)
})

test('an invalid time refuses the event', () => {
  for (const dt of [
    '',
    'yesterday',
    'hello 1',
    '12',
    '2026-13-01T00:00:00Z',
    7,
    null,
    {},
    '1969-12-31T23:59:59Z',
    '2026-02-30T00:00:00Z',
  ]) {
    const error = refusal(() => timestampOf({ meta: { dt } }))
    assert.equal(error.code, 'timestamp_unparsable')
    assert.match(error.message, /'\.meta\.dt'/)
  }
})

test('the refusal of a time gives the reason', () => {
  const reasons: [unknown, RegExp][] = [
    ['2026-02-30T00:00:00Z', /: there is no day 2026-02-30$/],
    ['1969-12-31T23:59:59Z', /: it is before 1970$/],
    ['2026-02-03T25:00:00Z', /: there is no time 25:00:00$/],
    ['2026-02-03T00:00:00Z or so', /: it is not in ISO 8601$/],
    [7, /: it is not text$/],
  ]
  for (const [dt, reason] of reasons)
    assert.match(refusal(() => timestampOf({ meta: { dt } })).message, reason)
})
