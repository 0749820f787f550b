// biome-ignore-all lint/suspicious/noThenProperty: it is a keyword of JSONSchema

export const small = { type: 'integer', maximum: 3 }
export const draft04 = { $schema: 'http://json-schema.org/draft-04/schema#' }
export const awkward = [
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
export const CASES: Record<string, [schema: object, ...refused: unknown[]][]> = {
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
