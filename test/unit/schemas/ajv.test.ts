import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ValidateFunction } from 'ajv'
import { makeAjv } from '#src/lib/schemas/ajv.js'
import { Effort } from '#src/lib/schemas/effort.js'

function validator(documents: Record<string, Record<string, unknown>>, options = {}) {
  const effort = new Effort({ addsNames: true })
  effort.begin(true)
  return makeAjv(options, new Map(Object.entries(documents)), effort).getSchema('/a') as ValidateFunction
}

test('documents refer to each other by their URIs, whatever their order', () => {
  const validate = validator({
    '/a': { properties: { b: { $ref: '/b#/definitions/text' } } },
    '/b': { definitions: { text: { type: 'string' } } },
  })
  assert.ok(validate({ b: 'text' }))
  assert.ok(!validate({ b: 1 }))
})

test('unknown keywords are ignored, patterns need no u flag, and defaults are filled in', () => {
  const validate = validator({
    '/a': {
      requires: 1,
      properties: { p: { pattern: '^\\-$' }, d: { default: 5 }, r: { $ref: '#', required: ['x'] } },
    },
  })
  const event = { p: '-', r: {} }
  assert.ok(validate(event))
  assert.deepEqual(event, { p: '-', d: 5, r: { d: 5 } })
})

test('it complains in the order of Ajv 6', () => {
  const schema = { type: 'object', additionalProperties: false, required: ['a'], maxProperties: 0 }
  const validate = validator({ '/a': schema }, { allErrors: true })
  assert.ok(!validate({ b: 1 }))
  assert.deepEqual(
    validate.errors?.map(({ keyword }) => keyword),
    ['maxProperties', 'required', 'additionalProperties'],
  )
})

test('a reference that leads nowhere cannot be compiled', () => {
  assert.throws(() => validator({ '/a': { $ref: '/nowhere' } }), /nowhere/)
})
