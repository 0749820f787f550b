// biome-ignore-all lint/suspicious/noThenProperty: it is a keyword of JSONSchema
import assert from 'node:assert/strict'
import { test } from 'node:test'
import Ajv6 from 'ajv6'
import fc from 'fast-check'
import { GateError } from '#src/lib/errors.js'
import type { Event } from '#src/lib/eventgate.js'
import { Compiler } from '#src/lib/schemas/compile.js'
import { CASES } from './schema-cases.js'

/** What one of the two says of an event, and makes of it. */
interface Verdict {
  event: unknown
  errors: unknown[]
  count: number
  text: string
}

const MAX_ERRORS = 16

type Judge = (value: unknown) => Verdict

const compiler = new Compiler({ allowInsecure: true })

function ours(document: object): Judge {
  const schema = compiler.compile(compiler.read('/test/1.0.0', JSON.stringify(document)), new Map())
  return value => {
    const event = structuredClone(value) as Event
    try {
      schema.validate(event)
    } catch (error) {
      if (!(error instanceof GateError) || error.code !== 'validation_failed') throw error
      return { event, errors: [...error.errors], count: error.errorsCount, text: error.message }
    }
    return { event, errors: [], count: 0, text: '' }
  }
}

/** The original's: Ajv 6 with its default formats, errors joined as the original does. */
const ajv6 = new Ajv6({
  allErrors: true,
  useDefaults: true,
  unknownFormats: 'ignore',
  schemaId: 'auto',
  logger: false,
})
ajv6.addMetaSchema({ id: 'http://json-schema.org/draft-04/schema#', type: 'object' })

function theirs(document: object): Judge {
  const validate = ajv6.compile(structuredClone(document))
  return value => {
    const event = structuredClone(value)
    validate(event)
    const all = validate.errors ?? []
    const errors = all.slice(0, MAX_ERRORS)
    const text = errors.map(({ dataPath, message }) => `'${dataPath}' ${message}`).join(', ')
    return { event, errors, count: all.length, text }
  }
}

/** Gives how many errors both have found. */
function comparing(document: object): (value: unknown) => number {
  const [mine, their] = [ours(document), theirs(document)]
  return value => {
    const [one, other] = [mine(value), their(value)]
    assert.equal(one.text, other.text)
    assert.equal(one.count, other.count)
    assert.deepEqual(one.errors, other.errors)
    assert.deepEqual(one.event, other.event)
    return one.count
  }
}

for (const [keyword, cases] of Object.entries(CASES)) {
  test(`errors of ${keyword} are those of Ajv 6`, () => {
    for (const [schema, ...refused] of cases) {
      const compare = comparing(schema)
      for (const value of refused)
        assert.ok(compare(value) > 0, `${JSON.stringify(schema)} refuses ${JSON.stringify(value)}`)
      compare({ unrelated: 1 })
    }
  })
}

/** Objects with a few of these keys, in any order. */
function someOf(values: Record<string, fc.Arbitrary<unknown>>): fc.Arbitrary<object> {
  const entries = Object.entries(values).map(([key, value]) => value.map(value => [key, value] as const))
  return fc
    .uniqueArray(fc.oneof(...entries), { maxLength: 4, selector: ([key]) => key })
    .map(all => Object.fromEntries(all))
}

// Schemas and events of a small world, so that they meet. Integer-like keys are in it: they move.
// Not in it are names that every object inherits: Ajv 8 does not look at them in an empty object that has
// `propertyNames`, and Ajv 6 takes Object's own constructor for a value of the client's.
const key = fc.constantFrom('a', 'b', 'c', 'd e', "f'", '7')
const scalar = fc.constantFrom<unknown>(
  null,
  true,
  false,
  0,
  1,
  -2,
  2.5,
  7,
  '',
  'a',
  'ab',
  '2020-01-01',
  'abcdef',
)
const { value } = fc.letrec<{ value: unknown }>(tie => ({
  value: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    scalar,
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(key, tie('value'), { maxKeys: 4 }),
  ),
}))
const limit = fc.constantFrom(0, 1, 2, 3)
const number = fc.constantFrom(-2, 0, 1, 2.5, 3)
const types = fc.constantFrom('string', 'number', 'integer', 'boolean', 'null', 'object', 'array')
const { schema } = fc.letrec<{ schema: object | boolean; object: object }>(tie => {
  const map = fc.dictionary(key, tie('schema'), { maxKeys: 4 })
  const some = fc.array(tie('schema'), { minLength: 1, maxLength: 3 })
  const names = fc.uniqueArray(key, { maxLength: 3 })
  return {
    schema: fc.oneof(
      { maxDepth: 4, depthSize: 'small' },
      { weight: 1, arbitrary: fc.boolean() },
      { weight: 1, arbitrary: fc.constant({ $ref: '#/definitions/d' }) },
      { weight: 10, arbitrary: tie('object') },
    ),
    object: someOf({
      type: fc.oneof(types, fc.uniqueArray(types, { minLength: 1, maxLength: 3 })),
      default: scalar,
      enum: fc.uniqueArray(scalar, { minLength: 1, maxLength: 3 }),
      const: scalar,
      maximum: number,
      exclusiveMaximum: number,
      minimum: number,
      exclusiveMinimum: number,
      multipleOf: fc.constantFrom(1, 2, 0.5),
      maxLength: limit,
      minLength: limit,
      pattern: fc.constantFrom('a', '^b', '\\d'),
      format: fc.constantFrom('date', 'uri', 'unknown'),
      items: fc.oneof(tie('schema'), some),
      additionalItems: tie('schema'),
      contains: tie('schema'),
      maxItems: limit,
      minItems: limit,
      uniqueItems: fc.boolean(),
      maxProperties: limit,
      minProperties: limit,
      required: names,
      properties: map,
      patternProperties: fc.dictionary(fc.constantFrom('a', '^[b-d]', '7'), tie('schema'), {
        maxKeys: 2,
      }),
      additionalProperties: tie('schema'),
      propertyNames: tie('schema'),
      dependencies: fc.dictionary(key, fc.oneof(names, tie('schema')), { maxKeys: 2 }),
      allOf: some,
      anyOf: some,
      oneOf: some,
      not: tie('schema'),
      if: tie('schema'),
      then: tie('schema'),
      else: tie('schema'),
      $comment: fc.constant('text'),
      nullable: fc.boolean(),
    }),
  }
})

test('random schemas and events: same verdict, errors, text and defaults as Ajv 6', () => {
  const world = fc.tuple(
    schema.filter(it => typeof it === 'object'),
    schema.filter(it => !JSON.stringify(it).includes('$ref')),
    fc.array(fc.dictionary(key, value, { maxKeys: 4 }), { minLength: 1, maxLength: 4 }),
  )
  let refused = 0
  fc.assert(
    fc.property(world, ([root, definition, events]) => {
      const compare = comparing({ ...(root as object), definitions: { d: definition } })
      for (const event of events) if (compare(event) > 0) refused++
    }),
    { numRuns: 2000 },
  )
  assert.ok(refused > 500, `${refused} were refused`)
})
