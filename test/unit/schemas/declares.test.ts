import assert from 'node:assert/strict'
import { test } from 'node:test'
import { declares } from '#src/lib/schemas/declares.js'
import type { JsonSchema } from '#src/lib/schemas/json-schema.js'

const text = { type: 'string' }
const map = { type: 'object', additionalProperties: text }
const OTHERS: Record<string, JsonSchema> = {
  '/other/1': {
    properties: { o: text },
    definitions: {
      d: { properties: { deep: text } },
      up: { $ref: '/root/1#/definitions/own' },
      'a/b~c': { properties: { p: text } },
      here: { $ref: '#/definitions/d' },
      x: { $id: '#anchor', properties: { n: text } },
    },
  },
  '/chain/1': { $ref: '/chain/2' },
  '/chain/2': { allOf: [{ $ref: '/other/1' }] },
}

/** What a schema declares, and what not. */
const CASES: [name: string, schema: JsonSchema, yes: string[], no: string[]][] = [
  ['nothing', {}, [], ['a', 'a.b']],
  [
    'fields',
    { properties: { a: { properties: { b: text } }, c: true, f: false } },
    ['a', 'a.b', 'c'],
    ['b', 'f', 'a.c', 'a.b.c', 'c.d', 'toString', 'a.constructor', '__proto__'],
  ],
  [
    'closed',
    {
      properties: { a: { properties: { b: text }, additionalProperties: false } },
      additionalProperties: false,
    },
    ['a', 'a.b'],
    ['b', 'a.c'],
  ],
  [
    'open: what it does not know is not declared',
    { properties: { a: { additionalProperties: true } }, additionalProperties: true },
    ['a'],
    ['b', 'a.b'],
  ],
  [
    'maps',
    { properties: { m: map, any: { additionalProperties: {} }, n: { additionalProperties: map } } },
    ['m.x', 'm.user-agent', 'any.x', 'n.x.y'],
    ['m.x.y', 'any.x.y'],
  ],
  [
    'a map with named fields',
    { properties: { m: { properties: { a: { properties: { b: text } } }, additionalProperties: text } } },
    ['m.a', 'm.a.b', 'm.x'],
    ['m.a.c', 'm.x.b'],
  ],
  [
    'patterns',
    {
      patternProperties: { '^x_': { properties: { a: text } }, '^no': false, y: text },
      additionalProperties: false,
      properties: { now: text },
    },
    ['x_1', 'x_1.a', 'y', 'x_y.a'],
    ['z', 'x_1.b', 'no', 'now'],
  ],
  [
    'local references',
    {
      properties: { a: { $ref: '#/definitions/d' } },
      definitions: { d: { properties: { b: { $ref: '#/definitions/e' } } }, e: { properties: { c: text } } },
    },
    ['a.b', 'a.b.c'],
    ['a.c'],
  ],
  [
    'what stands beside a reference means nothing',
    {
      properties: { a: { $ref: '#/definitions/d', properties: { x: text }, additionalProperties: map } },
      definitions: { d: { properties: { b: text } } },
    },
    ['a.b'],
    ['a.x', 'a.z'],
  ],
  [
    'references to other documents',
    {
      properties: {
        a: { $ref: '/other/1' },
        b: { $ref: '/other/1#/definitions/here' },
        c: { $ref: '/other/1#/definitions/up' },
        d: { $ref: '/other/1#/definitions/a~1b~0c' },
        e: { $ref: '/other/1#anchor' },
        f: { $ref: '/other/1#/definitions/a%7E1b~0c' },
      },
      definitions: { own: { properties: { mine: text } } },
    },
    ['a.o', 'b.deep', 'c.mine', 'd.p', 'e.n', 'f.p'],
    ['a.deep', 'b.o', 'c.deep', 'e.o'],
  ],
  ['chains of references', { $ref: '/chain/1' }, ['o'], ['deep']],
  [
    'references to nothing',
    { properties: { a: { $ref: '/none/1' }, b: { $ref: '#/definitions/none/x' }, c: { $ref: '#none' } } },
    ['a', 'b', 'c'],
    ['a.x', 'b.x', 'c.x', 'c.a'],
  ],
  [
    'circles',
    {
      properties: { a: { $ref: '#' }, b: { $ref: '#/definitions/x' } },
      definitions: { x: { $ref: '#/definitions/y' }, y: { $ref: '#/definitions/x' } },
    },
    ['a.a.a.b'],
    ['b.c', 'a.c'],
  ],
  [
    'allOf',
    {
      allOf: [
        { properties: { a: { properties: { x: text } } } },
        { properties: { a: { properties: { y: text } }, b: text } },
      ],
      properties: { c: text },
    },
    ['a.x', 'a.y', 'b', 'c'],
    ['d', 'a.z'],
  ],
  [
    'allOf, of which one is closed',
    { allOf: [{ properties: { a: text }, additionalProperties: false }, { properties: { b: text } }] },
    ['a'],
    ['b', 'c'],
  ],
  [
    'allOf beside a map',
    { properties: { m: { allOf: [map, { properties: { a: text }, additionalProperties: false }] } } },
    ['m.a'],
    ['m.b'],
  ],
  [
    'fields of what is no object',
    { properties: { a: { type: 'array', items: { properties: { b: text } } } } },
    ['a'],
    ['a.b', 'a.0', 'a.items'],
  ],
]

for (const [name, schema, yes, no] of CASES) {
  test(`declared: ${name}`, () => {
    const documents = (uri: string) => (uri === '/root/1' ? schema : OTHERS[uri])
    for (const path of yes) assert.equal(declares(schema, documents, path), true, path)
    for (const path of no) assert.equal(declares(schema, documents, path), false, path)
  })
}
