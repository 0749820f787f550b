import assert from 'node:assert/strict'
import { test } from 'node:test'
import { StreamTable, type TableOptions } from '#src/lib/streams/table.js'

const ONE = { schema_title: 'a' }

function tableOf(answer: unknown, more: Partial<TableOptions> = {}, before?: StreamTable): StreamTable {
  const options = { objectPath: undefined, destination: undefined, topicPrefix: '', ...more }
  return StreamTable.read(JSON.stringify(answer), options, undefined, before)
}

test('a stream is found by its name, or else by the first expression that matches', () => {
  const table = tableOf({ '/^b/': ONE, '/^ba/': { schema_title: 'x' }, bb: { schema_title: 'c' } })
  assert.equal(table.find('bb')?.schemaTitle, 'c')
  const found = table.find('bar')
  assert.deepEqual([found?.schemaTitle, found?.name, found?.configuredAs], ['a', 'bar', '/^b/'])
  assert.equal(table.find('other'), undefined)
  assert.equal(table.find('b ad'), undefined)
  assert.equal(table.size, 3)
})

test('the streams of this service are kept, and those of every service', () => {
  const answer = {
    mine: { ...ONE, destination_event_service: 'me' },
    ours: { ...ONE, destination_event_service: ['you', 'me'] },
    theirs: { ...ONE, destination_event_service: 'you' },
    all: ONE,
  }
  assert.deepEqual(Object.keys(tableOf(answer, { destination: 'me' }).settings), ['mine', 'ours', 'all'])
  assert.equal(tableOf(answer).size, 4)
})

test('a stream with wrong settings or without a legal topic takes no events, and a warning says why', () => {
  const table = tableOf({ wrong: { ...ONE, message_key_fields: 5 }, 'bad name': ONE, good: ONE, list: 1 })
  assert.equal(table.find('wrong')?.problem?.code, 'stream_misconfigured')
  assert.equal(table.find('bad name')?.problem?.code, 'stream_name_illegal')
  assert.equal(table.find('good')?.problem, undefined)
  assert.equal(table.find('list'), undefined)
  assert.equal(table.refused, 2)
  assert.equal(table.warnings.length, 3)
})

test('of two topics that Kafka takes for the same, the stream that works keeps its own', () => {
  const first = tableOf({ 'a.b': ONE })
  const both = { a_b: ONE, 'a.b': ONE }
  assert.equal(tableOf(both).find('a.b')?.problem?.code, 'stream_name_illegal')
  const later = tableOf(both, {}, first)
  assert.equal(later.find('a.b')?.problem, undefined)
  assert.match(String(later.find('a_b')?.problem?.message), /"a_b" cannot exist beside "a\.b"/)
})

test('an expression that cannot be used is left out with a warning', () => {
  const table = tableOf({ '/(/': ONE, a: ONE })
  assert.equal(table.size, 1)
  assert.match(String(table.warnings[0]), /^stream "\/\(\/" is left out/)
  assert.equal(table.isIncomplete, false)
})

const UNUSABLE: [string, unknown, Partial<TableOptions>, RegExp][] = [
  ['a list', [1], {}, /the answer is not a map/],
  ['an error', { error: { info: 'no rights' } }, {}, /answered with an error: "no rights"/],
  [
    'a list of errors',
    { errors: [{ text: 'gone' }] },
    { objectPath: 'streams' },
    /answered with an error: "gone"/,
  ],
  ['no map at the path', { streams: 5 }, { objectPath: 'streams' }, /'\.streams' is not a map of streams/],
  ['no streams', {}, {}, /it has no streams/],
  [
    'no stream of this service',
    { a: { destination_event_service: 'x' } },
    { destination: 'y' },
    /no streams/,
  ],
]

for (const [what, answer, options, reason] of UNUSABLE)
  test(`an answer with ${what} cannot be used`, () => {
    assert.throws(() => tableOf(answer, options), reason)
  })

test('a stream may be named error, and a warning of the source is passed on', () => {
  assert.equal(tableOf({ error: ONE }).find('error')?.schemaTitle, 'a')
  const { warnings } = tableOf({ warnings: { main: 'old' }, streams: { a: ONE } }, { objectPath: 'streams' })
  assert.match(String(warnings[0]), /its source warns: .*old/)
})

test('each name and expression is told with its settings, and one that is ignored is a warning', () => {
  const own = (quiet_after: unknown) => ({ producers: { eventgate: { quiet_after } } })
  const table = tableOf({ plain: {}, own: own('1h'), wrong: own('soon'), '/^by[.]/': own(7) })
  assert.deepEqual(
    [...table.configured()].map(([name, { quietAfter }]) => [name, quietAfter]),
    [
      ['plain', undefined],
      ['own', 3600],
      ['wrong', undefined],
      ['/^by[.]/', undefined],
    ],
  )
  const ignored = table.warnings.filter(warning => warning.includes('quiet_after'))
  assert.equal(ignored.length, 2)
  assert.match(String(ignored[0]), /^stream "wrong": quiet_after must be/)
  assert.equal(table.find('wrong')?.problem, undefined)
})
