import assert from 'node:assert/strict'
import { test } from 'node:test'
import { briefExplanation, detailOf } from '#src/lib/explain/explanation.js'

const NOT_ASKED = 'nobody asked'

test("the schema's errors are told with their place in the event, and why nothing is suggested", () => {
  const error = { keyword: 'type', dataPath: ".a['b.c'][1]", schemaPath: '#/x', message: 'should be string' }
  const refused = { code: 'validation_failed', message: 'wrong', errors: [error] } as const
  const { details, mended } = briefExplanation({ a: { 'b.c': [0, 1] } }, refused, NOT_ASKED)
  assert.equal(mended, null)
  assert.deepEqual(details, [
    {
      path: '/a/b.c/1',
      keyword: 'type',
      message: 'should be string',
      schema_path: '#/x',
      explanation: ".a['b.c'][1] should be string",
      rule: null,
      schema: null,
      suggestion: null,
      why_not: NOT_ASKED,
    },
  ])
})

test("a refusal of the gate's own has its own reason why nothing is suggested, if one is known", () => {
  const whyNot = (code: 'ua_denied' | 'stream_missing') =>
    briefExplanation({}, { code, message: 'no', errors: [] }, NOT_ASKED).details.map(detail => detail.why_not)
  assert.match(String(whyNot('ua_denied')), /user agent/)
  assert.deepEqual(whyNot('stream_missing'), [NOT_ASKED])
})

test('many errors: 16 details', () => {
  const error = { keyword: 'type', dataPath: '', schemaPath: '#', message: 'no' }
  const refused = { code: 'validation_failed', message: 'no', errors: Array(50).fill(error) } as const
  assert.equal(briefExplanation({}, refused, NOT_ASKED).details.length, 16)
})

test('what is not given of a detail is null, except for its path', () => {
  const { path, ...rest } = detailOf({ message: 'm', explanation: 'e', why_not: null })
  assert.equal(path, '')
  assert.deepEqual(
    Object.keys(rest).filter(key => rest[key as 'rule'] === null),
    ['keyword', 'schema_path', 'rule', 'schema', 'suggestion', 'why_not'],
  )
})
