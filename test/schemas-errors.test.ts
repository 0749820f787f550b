// biome-ignore-all lint/suspicious/noThenProperty: it is a keyword of JSONSchema
import assert from 'node:assert/strict'
import { test } from 'node:test'
import Ajv6 from 'ajv6'
import fc from 'fast-check'
import { GateError } from '#src/lib/errors.js'
import type { Event } from '#src/lib/eventgate.js'
import { Compiler } from '#src/lib/schemas/compile.js'

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

const small = { type: 'integer', maximum: 3 }
const draft04 = { $schema: 'http://json-schema.org/draft-04/schema#' }
const awkward = [
  'a b',
  "it's",
  '"',
  '\\',
  '\n\r\t\f',
  'a.b',
  '',
  '1',
  '01',
  'é',
  '💩',
  '\u2028',
  '\0',
  '$x',
  '_',
  '~/%',
  "']['",
  '["a"]',
  '`$x`',
]

/** Keyword → schemas with events that they refuse. Every keyword of draft-07 that can refuse anything is here. */
const CASES: Record<string, [schema: object, ...refused: unknown[]][]> = {
  type: [
    [{ properties: { v: { type: 'string' } } }, { v: 1 }, { v: null }, { v: [] }],
    [{ properties: { v: { type: ['string'] } } }, { v: 1 }],
    [{ properties: { v: { type: ['string', 'null'] } } }, { v: 1 }, { v: {} }],
    [{ properties: { v: { type: ['object', 'array', 'integer', 'number'] } } }, { v: 'x' }, { v: null }],
    [{ properties: { v: { type: 'integer' } } }, { v: 1.5 }],
    [{ properties: { v: { type: 'boolean' }, w: { type: 'null' } } }, { v: 0, w: 0 }],
    [{ properties: { v: { type: 'object', maxLength: 1, properties: { a: small } } } }, { v: 'text' }],
    [{ properties: { v: { type: 'array', const: 1, minimum: 5 } } }, { v: 2 }],
  ],
  enum: [[{ properties: { v: { enum: ['a', 1, { b: [null] }] } } }, { v: 'b' }, { v: { b: [] } }]],
  const: [
    [{ properties: { v: { const: 'a' } } }, { v: 'b' }],
    [{ properties: { v: { const: { a: [1] } } } }, { v: { a: [2] } }],
  ],
  multipleOf: [[{ properties: { v: { multipleOf: 0.25 } } }, { v: 0.3 }]],
  maximum: [
    [{ properties: { v: { maximum: 3 } } }, { v: 4 }],
    [{ properties: { v: { maximum: 3, exclusiveMaximum: 3 } } }, { v: 3 }, { v: 4 }],
    [{ properties: { v: { maximum: 3, exclusiveMaximum: 2 } } }, { v: 2 }, { v: 4 }],
    [{ properties: { v: { maximum: 3, exclusiveMaximum: 4 } } }, { v: 4 }],
  ],
  exclusiveMaximum: [
    [{ properties: { v: { exclusiveMaximum: 3 } } }, { v: 3 }],
    [{ properties: { v: { exclusiveMaximum: 0, minimum: 5, multipleOf: 7 } } }, { v: 2 }],
    [{ ...draft04, properties: { v: { maximum: 3, exclusiveMaximum: true } } }, { v: 3 }],
    [{ ...draft04, properties: { v: { maximum: 3, exclusiveMaximum: false } } }, { v: 4 }],
  ],
  minimum: [
    [{ properties: { v: { minimum: -1.5 } } }, { v: -2 }],
    [{ properties: { v: { minimum: 3, exclusiveMinimum: 3 } } }, { v: 3 }],
    [{ properties: { v: { minimum: 3, exclusiveMinimum: 4 } } }, { v: 1 }],
    [{ properties: { v: { minimum: 3, exclusiveMinimum: 2 } } }, { v: 1 }],
  ],
  exclusiveMinimum: [
    [{ properties: { v: { exclusiveMinimum: 3 } } }, { v: 3 }],
    [{ ...draft04, properties: { v: { minimum: 3, exclusiveMinimum: true } } }, { v: 3 }],
  ],
  maxLength: [[{ properties: { v: { maxLength: 2 } } }, { v: 'abc' }, { v: '💩💩💩' }]],
  minLength: [[{ properties: { v: { minLength: 2 } } }, { v: '💩' }, { v: '' }]],
  pattern: [
    [{ properties: { v: { pattern: '^a\\d"\'$' } } }, { v: 'x' }],
    [{ properties: { v: { pattern: '^[\\w.-]+\\/$', minLength: 9, format: 'date' } } }, { v: '!' }],
  ],
  format: [
    'date',
    'time',
    'date-time',
    'uri',
    'uri-reference',
    'uri-template',
    'url',
    'email',
    'hostname',
    'ipv4',
    'ipv6',
    'regex',
    'uuid',
    'json-pointer',
    'json-pointer-uri-fragment',
    'relative-json-pointer',
  ].map(format => [{ properties: { v: { format } } }, { v: '\\ (' }]),
  maxItems: [[{ properties: { v: { maxItems: 1 } } }, { v: [1, 2] }]],
  minItems: [[{ properties: { v: { minItems: 1 } } }, { v: [] }]],
  uniqueItems: [
    [{ properties: { v: { uniqueItems: true } } }, { v: [1, { a: 1 }, 3, { a: 1 }, 1] }],
    [
      { properties: { v: { uniqueItems: true, items: { type: 'string' } } } },
      { v: ['a', 'b', 'a', 'b'] },
      { v: ['a', 1, 1, 'a'] },
    ],
    [
      { properties: { v: { uniqueItems: true, items: { type: ['string', 'integer'] } } } },
      { v: [1, '1', 1] },
    ],
  ],
  items: [
    [{ properties: { v: { items: small } } }, { v: [1, 'x', 9, 3.5] }],
    [{ properties: { v: { items: [small, { type: 'string' }] } } }, { v: [9, 9] }],
    [
      { properties: { v: { items: { items: { properties: { 'a b': small } } } } } },
      { v: [[], [{ 'a b': 9 }]] },
    ],
  ],
  additionalItems: [
    [{ properties: { v: { items: [small], additionalItems: false } } }, { v: [9, 9] }],
    [{ properties: { v: { items: [small], additionalItems: { type: 'string' } } } }, { v: [9, 9, 'x', 8] }],
  ],
  contains: [
    [{ properties: { v: { items: { contains: { const: 1 } } } } }, { v: [[1], []] }],
    [{ additionalProperties: { contains: { contains: { const: 1 } } } }, { a: [[1]], b: [[]], c: [] }],
    [{ properties: { v: { contains: { const: 1 } } } }, { v: [] }, { v: [2, 3] }],
    [
      { properties: { v: { contains: true, items: small, uniqueItems: true } } },
      { v: [] },
      { v: ['x', 'x'] },
    ],
  ],
  maxProperties: [[{ maxProperties: 1 }, { a: 1, b: 2 }]],
  minProperties: [[{ minProperties: 1 }, {}]],
  required: [
    [{ required: ['a', 'b'] }, {}, { b: 1 }],
    [
      {
        required: ['z', 'c', 'b', 'a', 'd'],
        properties: { a: small, b: {}, c: { type: 'string' }, d: { description: 'none' } },
      },
      {},
      { c: 1 },
    ],
    [{ required: ['a', 'b'], properties: { a: { type: 'string', default: 'x' }, b: false } }, {}],
    [{ required: ['c', 't'], properties: { c: { $comment: 'a rule to Ajv 6' }, t: { then: false } } }, {}],
    [{ required: awkward, properties: { 'a.b': small } }, {}],
    [
      { allOf: [{ required: ['a'], properties: { a: small } }], required: ['a'], properties: { a: small } },
      {},
    ],
  ],
  properties: [
    [{ properties: { b: small, a: small } }, { a: 9, b: 9 }],
    [{ properties: { a: { properties: { b: { properties: { c: small } } } } } }, { a: { b: { c: 9 } } }],
    [
      { properties: Object.fromEntries(awkward.map(key => [key, small])) },
      Object.fromEntries(awkward.slice(0, 10).map(key => [key, 9])),
      Object.fromEntries(awkward.slice(10).map(key => [key, 9])),
    ],
    [{ properties: { a: false, b: true } }, { a: 1, b: 2 }],
  ],
  patternProperties: [
    [{ patternProperties: { '^a': small, b$: { type: 'string' } } }, { x: 1, ab: 9, b: 1 }],
    [{ patternProperties: { '': small } }, Object.fromEntries(awkward.slice(0, 10).map(key => [key, 9]))],
  ],
  additionalProperties: [
    [
      { additionalProperties: false, properties: { a: small } },
      { z: 1, a: 9, b: 2 },
    ],
    [
      { additionalProperties: false, patternProperties: { '^x': small } },
      { x: 9, y: 9 },
    ],
    [
      { additionalProperties: small },
      Object.fromEntries(awkward.slice(0, 10).map(key => [key, 9])),
      Object.fromEntries(awkward.slice(10).map(key => [key, 9])),
    ],
    [
      {
        additionalProperties: false,
        properties: Object.fromEntries([...'abcdefghij'].map(key => [key, small])),
      },
      { a: 9, z: 1 },
    ],
    [
      { additionalProperties: { additionalProperties: { type: 'string' } } },
      { a: { 'b c': 1 }, "d'": { e: 1 } },
    ],
  ],
  dependencies: [
    [{ dependencies: { a: ['b'], c: ['d', "e'", 'f'] } }, { a: 1, c: 1, f: 1 }],
    [
      { dependencies: { "it's": ['x y'], a: { properties: { b: small }, required: ['b', 'c'] }, z: false } },
      { "it's": 1, a: 1, b: 9, z: 1 },
    ],
  ],
  propertyNames: [
    [{ propertyNames: { maxLength: 2, pattern: '^a' } }, { abc: 1, bbbb: 2, a: 1 }],
    [{ propertyNames: false }, { a: 1 }],
    [
      { propertyNames: { enum: ['a'] }, additionalProperties: false },
      Object.fromEntries(awkward.slice(0, 7).map(key => [key, 9])),
    ],
  ],
  if: [
    [
      { if: { required: ['a'] }, then: { properties: { a: small } }, else: { required: ['b'] } },
      { a: 9 },
      {},
    ],
    [{ if: { required: ['a'] }, then: { properties: { a: small } } }, { a: 9 }],
    [{ if: { required: ['a'] }, else: { required: ['b'] } }, {}],
    [{ if: true, then: false }, {}],
  ],
  allOf: [
    [{ allOf: [{ properties: { a: small } }, { required: ['b'] }, {}, true] }, { a: 9 }],
    [{ allOf: [false] }, {}],
  ],
  anyOf: [
    [{ anyOf: [{ properties: { a: small }, required: ['b'] }, { required: ['c'] }] }, { a: 9 }],
    [
      { properties: { v: { anyOf: [{ type: 'string' }, { type: 'array', items: { type: 'string' } }] } } },
      { v: [1] },
    ],
  ],
  oneOf: [
    [
      { oneOf: [{ required: ['a'] }, { required: ['b'] }, { required: ['c'] }] },
      {},
      { a: 1, b: 1 },
      { b: 1, c: 1 },
    ],
    [{ oneOf: [true, {}] }, {}],
  ],
  not: [
    [{ not: { required: ['a'] } }, { a: 1 }],
    [{ not: {} }, {}],
    [{ properties: { v: { not: { type: 'string', maxLength: 3 } } } }, { v: 'x' }],
  ],
  $ref: [
    [
      {
        definitions: { s: small },
        properties: { v: { $ref: '#/definitions/s' }, w: { items: { $ref: '#/definitions/s' } } },
      },
      { v: 9, w: [9] },
    ],
    [
      {
        definitions: { 'a b/c~%': { properties: { x: { $ref: '#/definitions/s' } } }, s: small },
        properties: { v: { $ref: '#/definitions/a%20b~1c~0%25' } },
      },
      { v: { x: 9 } },
    ],
    [{ properties: { child: { $ref: '#' }, n: small } }, { child: { child: { n: 9 } }, n: 8 }],
    [{ definitions: { s: { $id: '#anchor', ...small } }, properties: { v: { $ref: '#anchor' } } }, { v: 9 }],
    // What stands beside a reference means nothing.
    [
      {
        definitions: { s: small },
        properties: {
          v: { $ref: '#/definitions/s', type: 'string', minLength: 3 },
          w: { $ref: '#/definitions/s', type: ['string'] },
        },
      },
      { v: 9, w: 9 },
    ],
    [
      {
        definitions: { a: { properties: { n: small, again: { $ref: '#/definitions/a' } } } },
        properties: { v: { $ref: '#/definitions/a' } },
      },
      { v: { n: 9, again: { n: 9 } } },
    ],
  ],
  'boolean schemas': [
    [{ properties: { v: false, w: { items: false }, x: { contains: false } } }, { v: 1, w: [1, 2], x: [1] }],
  ],
  'more than one keyword': [
    [
      {
        type: 'object',
        additionalProperties: false,
        maxProperties: 1,
        required: ['a', 'q', 'b'],
        dependencies: { a: ['y'] },
        propertyNames: { maxLength: 1 },
        properties: {
          b: { type: 'string' },
          a: {
            ...small,
            not: {},
            enum: [1],
            const: 2,
            anyOf: [false],
            oneOf: [false],
            allOf: [false],
            if: true,
            then: false,
          },
        },
        patternProperties: { a: small },
      },
      { a: 9, cc: 1 },
    ],
    [
      {
        properties: {
          v: {
            maxItems: 0,
            items: [false],
            additionalItems: { type: 'string' },
            contains: false,
            uniqueItems: true,
            enum: [1],
          },
        },
      },
      { v: [1, 1] },
    ],
    // `nullable` and `$async` are of later drafts and of Ajv itself: to Ajv 6, unknown, or not for schemas of others.
    [{ properties: { v: { type: 'string', nullable: true } } }, { v: null }],
    [{ properties: { id: { type: 'string' }, $id: { type: 'string' } } }, { id: 1, $id: 2 }],
  ],
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
