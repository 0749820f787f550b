import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Context, Event, Schema, Stream } from '#src/lib/eventgate.js'
import { makeTransforms, userAgentExpressions } from '#src/lib/steps/transforms.js'

const SCHEMA = { declares: () => true } as unknown as Schema
const OPTED_IN = { settings: { producers: { eventgate: { use_edge_uniques: true } } } } as unknown as Stream
const NOT = { settings: {} } as unknown as Stream
const AWAITING = { enrolled: 'exp', assigned: 'control', subject_id: 'awaiting' }

function contextOf(headers: Record<string, string>): Context {
  return { headers } as unknown as Context
}

/** The event after the transform, or the code with which it is refused. */
function transformed(
  names: string[],
  event: Event,
  stream: Stream,
  headers: Record<string, string>,
): unknown {
  try {
    for (const transform of makeTransforms(names, { userAgentDenylist: ['[Bb]ot'] }))
      transform(event, SCHEMA, stream, contextOf(headers))
    return event
  } catch (error) {
    return (error as { code: string }).code
  }
}

const edge = (event: Event, header?: string, stream = OPTED_IN) =>
  transformed(['processEdgeUniques'], event, stream, header ? { 'x-experiment-enrollments': header } : {})

test('an awaiting subject gets the id of the header', () => {
  const header = 'other=a/1; exp=control/subject/2;'
  assert.deepEqual(edge({ experiment: { ...AWAITING } }, header), {
    experiment: { ...AWAITING, subject_id: 'subject/2' },
  })
})

for (const [what, experiment, header] of [
  ['no header', AWAITING, undefined],
  ['an experiment that the header lacks', { ...AWAITING, enrolled: 'x' }, 'exp=control/1'],
  ['another group', { ...AWAITING, assigned: 'treatment' }, 'exp=control/1'],
  ['a subject of its own', { ...AWAITING, subject_id: 'me' }, 'exp=control/1'],
  ['a header that cannot be read', AWAITING, 'exp=control'],
  ['a header with one experiment twice', AWAITING, 'exp=control/1;exp=control/2'],
] as const)
  test(`an event with ${what} is refused`, () => {
    assert.equal(edge({ experiment: { ...experiment } }, header), 'edge_uniques_refused')
  })

test('an event without an experiment, or of another stream, is left alone', () => {
  for (const event of [{}, { experiment: 5 }, { experiment: [AWAITING] }, { experiment: null }])
    assert.deepEqual(edge({ ...event }), event)
  assert.deepEqual(edge({ experiment: AWAITING }, undefined, NOT), { experiment: AWAITING })
  assert.deepEqual(edge({ experiment: AWAITING }, undefined, {} as Stream), { experiment: AWAITING })
})

test('a denied user agent takes part in no experiment', () => {
  const kitchen = (event: Event, agent: string) =>
    transformed(['testKitchen'], event, NOT, { 'user-agent': agent })
  assert.equal(kitchen({ experiment: {} }, 'Some bot'), 'ua_denied')
  assert.deepEqual(kitchen({ experiment: {} }, 'Browser'), { experiment: {} })
  assert.deepEqual(kitchen({}, 'Some bot'), {})
})

test('transforms run in the order of their names, and enrichment’s own name does nothing', () => {
  const experiment = { ...AWAITING }
  const bot = { 'user-agent': 'bot' }
  const order = (...names: string[]) => transformed(names, { experiment }, OPTED_IN, bot)
  assert.equal(order('processEdgeUniques', 'testKitchen'), 'edge_uniques_refused')
  assert.equal(order('testKitchen', 'processEdgeUniques'), 'ua_denied')
  assert.deepEqual(order('eventgateWikimediaDefaults'), { experiment })
})

test('an entry with doubled backslashes means the same with single ones', () => {
  const expressions = userAgentExpressions(['bot\\\\.example'])
  assert.ok(expressions.some(expression => expression.test('bot.example')))
  assert.ok(!expressions.some(expression => expression.test('botXexample')))
})

test('an entry that is not an expression, or that may be slow, is an error', () => {
  for (const entry of ['(bot', '^(?=x|(a+)+$)']) assert.throws(() => userAgentExpressions([entry]), Error)
})
