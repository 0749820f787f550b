// biome-ignore-all lint/suspicious/noThenProperty: it is a keyword of JSONSchema
import fc from 'fast-check'

/** Objects with a few of these keys, in any order. */
function someOf(values: Record<string, fc.Arbitrary<unknown>>): fc.Arbitrary<object> {
  const entries = Object.entries(values).map(([key, value]) => value.map(value => [key, value] as const))
  return fc
    .uniqueArray(fc.oneof(...entries), { maxLength: 4, selector: ([key]) => key })
    .map(all => Object.fromEntries(all))
}

// Schemas and events of a small world, so that they meet. Integer-like keys are in it: they move.
// Names that every object inherits are left out. Ajv 8 ignores them in an empty object that has `propertyNames`, and
// Ajv 6 takes Object's own constructor for a value of the client.
export const key = fc.constantFrom('a', 'b', 'c', 'd e', "f'", '7')
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
export const { value } = fc.letrec<{ value: unknown }>(tie => ({
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
export const { schema } = fc.letrec<{ schema: object | boolean; object: object }>(tie => {
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

/** A schema, a definition that it may refer to as `#/definitions/d`, and events. */
export const worlds = fc.tuple(
  schema.filter(it => typeof it === 'object'),
  schema.filter(it => !JSON.stringify(it).includes('$ref')),
  fc.array(fc.dictionary(key, value, { maxKeys: 4 }), { minLength: 1, maxLength: 4 }),
)
