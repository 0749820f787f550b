import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { createRequire } from 'node:module'
import type { AddressInfo } from 'node:net'
import { dirname, join } from 'node:path'
import { type TestContext, test } from 'node:test'
import Ajv6 from 'ajv6'
import { GateError } from '#src/lib/errors.js'
import type { Event } from '#src/lib/eventgate.js'
import { compile as compileDocument } from '#src/lib/schemas/compiler.js'
import { DocumentReader } from '#src/lib/schemas/document.js'
import { SchemaRepository } from '#src/lib/schemas/repository.js'
import { temporary } from '../../support/service.js'

const require = createRequire(import.meta.url)

type Json = Record<string, unknown>

interface Case {
  what: string
  schema: Json
  valid: unknown[]
  invalid: unknown[]
  /** Whether Ajv 6 gets it wrong. */
  isWrongInAjv6?: true
}

const text = { type: 'string', maxLength: 3 }
const number = { type: 'integer' }

/** Kinds of documents that name their own parts, each with events that its schema takes and refuses. */
const CASES: Case[] = [
  {
    what: 'an identity without a host, relative to that of the document',
    schema: {
      $id: 'http://example.org/shop/order',
      properties: { item: { $ref: 'item' } },
      definitions: { item: { $id: 'item', ...text } },
    },
    valid: [{ item: 'ab' }, {}],
    invalid: [{ item: 'abcd' }, { item: 1 }],
  },
  {
    what: 'an absolute path',
    schema: {
      $id: 'http://example.org/shop/order',
      definitions: { a: { $id: 'http://example.org/items/book', ...number } },
      allOf: [{ properties: { n: { $ref: '/items/book' } } }],
    },
    valid: [{ n: 1 }],
    invalid: [{ n: 'a' }],
  },
  {
    what: 'two schemas that refer to each other',
    schema: {
      $id: 'http://example.org/tree',
      required: ['nodes'],
      properties: { nodes: { type: 'array', items: { $ref: 'node' } } },
      definitions: {
        node: {
          $id: 'http://example.org/node',
          required: ['value'],
          properties: { value: { type: 'number' }, below: { $ref: 'tree' } },
        },
      },
    },
    valid: [{ nodes: [{ value: 1, below: { nodes: [{ value: 2 }] } }] }],
    invalid: [
      { nodes: [{ value: 1, below: { nodes: [{ value: 'x' }] } }] },
      { nodes: [{ value: 1, below: {} }] },
    ],
  },
  {
    what: 'an identity is relative to the nearest around it',
    schema: {
      $id: 'http://example.org/a',
      definitions: {
        x: { $id: 'http://example.org/b/c', not: { not: { $id: 'd', ...number } } },
        y: { properties: { n: { $ref: 'http://example.org/b/d' } } },
      },
      allOf: [{ $ref: '#/definitions/y' }],
    },
    valid: [{ n: 1 }],
    invalid: [{ n: 'x' }],
  },
  {
    what: 'an anchor of the document and of a part with an identity, by the same name',
    schema: {
      $id: 'http://example.org/root',
      properties: {
        far: { $ref: 'http://example.org/nested#it' },
        near: { $ref: 'http://example.org/root#it' },
      },
      definitions: {
        a: { $id: 'nested', definitions: { b: { $id: '#it', ...text } } },
        c: { $id: '#it', ...number },
      },
    },
    valid: [{ far: 'ab', near: 1 }],
    invalid: [{ far: 1 }, { near: 'ab' }],
  },
  {
    what: 'a URN, whole, by pointer and by anchor',
    schema: {
      $id: 'urn:uuid:00000000-0000-4000-8000-000000000001',
      properties: {
        self: { $ref: 'urn:uuid:00000000-0000-4000-8000-000000000001' },
        part: { $ref: 'urn:uuid:00000000-0000-4000-8000-000000000001#/definitions/n' },
        named: { $ref: 'urn:uuid:00000000-0000-4000-8000-000000000001#t' },
      },
      definitions: { n: number, t: { $id: '#t', ...text } },
    },
    valid: [{ part: 1, named: 'ab', self: { part: 2 } }],
    invalid: [{ self: { part: 'x' } }, { named: 'abcd' }, { part: 'x' }],
  },
  {
    what: 'a pointer into a part with an identity',
    schema: {
      $id: 'http://example.org/root',
      properties: { n: { $ref: 'part#/definitions/a%25b~1c' } },
      definitions: { p: { $id: 'part', definitions: { 'a%b/c': number } } },
    },
    valid: [{ n: 1 }],
    invalid: [{ n: 'x' }],
  },
  {
    what: 'an identity beside a reference changes nothing',
    schema: {
      $id: 'http://example.org/root/',
      properties: { n: { $id: 'http://example.org/other/', $ref: 'n' } },
      definitions: {
        a: { $id: 'http://example.org/root/n', ...number },
        b: { $id: 'http://example.org/other/n', ...text },
      },
    },
    valid: [{ n: 1 }],
    invalid: [{ n: 'ab' }],
    isWrongInAjv6: true,
  },
  {
    what: 'a branch of a condition that has an identity',
    schema: {
      $id: 'http://example.org/root',
      properties: { n: { $ref: 'http://example.org/if' } },
      // biome-ignore lint/suspicious/noThenProperty: it is a keyword of JSONSchema
      allOf: [{ if: { $id: 'http://example.org/if', ...number }, then: {} }],
    },
    valid: [{ n: 1 }],
    invalid: [{ n: 'ab' }],
  },
  {
    what: 'what only looks like an identity: a value, a name',
    schema: {
      $id: 'http://example.org/root',
      properties: {
        $id: { type: 'string' },
        v: { enum: [{ $id: 'http://example.org/x', type: 'string' }] },
        w: { $ref: 'http://example.org/x' },
      },
      definitions: { x: { $id: 'http://example.org/x', ...number } },
    },
    valid: [{ $id: 'text', v: { $id: 'http://example.org/x', type: 'string' }, w: 1 }],
    invalid: [{ $id: 1 }, { v: 'text' }, { w: 'text' }],
  },
  {
    what: 'a meta-schema, whose defaults are not those of an event',
    schema: { properties: { s: { $ref: 'http://json-schema.org/draft-07/schema#' } } },
    valid: [{ s: {} }, { s: { items: {} } }, { s: true }],
    invalid: [{ s: { minLength: -1 } }, { s: { type: 'nothing' } }],
  },
  {
    what: 'the meta-schema of draft-04, which fills itself in without end',
    schema: {
      $schema: 'http://json-schema.org/draft-04/schema#',
      properties: { s: { $ref: 'http://json-schema.org/draft-04/schema#' } },
    },
    valid: [{ s: {} }, { s: { items: {} } }],
    invalid: [{ s: { minLength: -1 } }, { s: { type: 'nothing' } }],
  },
  {
    what: 'a field that is called __proto__',
    schema: {
      type: 'object',
      properties: JSON.parse('{"__proto__": {"type": "integer"}, "a": {"type": "integer"}}'),
      additionalProperties: false,
    },
    valid: [JSON.parse('{"__proto__": 1, "a": 1}'), {}],
    invalid: [JSON.parse('{"__proto__": "x"}'), { a: 'x' }, { b: 1 }],
    isWrongInAjv6: true,
  },
]

/** A schema that no repository has; of others it may refer to meta-schemas only. */
function compile(schema: Json) {
  const reader = new DocumentReader({ allowInsecure: true })
  const root = reader.read('/suite/1', JSON.stringify(schema))
  const references = root.references.map(uri => [uri, reader.metaSchema(uri)] as const)
  for (const [uri, document] of references) assert.ok(document, `it refers to ${uri}`)
  return compileDocument(root, new Map(references as [string, NonNullable<(typeof references)[0][1]>][]))
}

function isValid(schema: { validate(event: Event): void }, event: unknown): boolean {
  try {
    schema.validate(JSON.parse(JSON.stringify(event)))
    return true
  } catch (error) {
    assert.ok(error instanceof GateError)
    assert.equal(error.code, 'validation_failed', error.message)
    return false
  }
}

for (const { what, schema, valid, invalid, isWrongInAjv6 } of CASES) {
  test(`documents that name their own parts: ${what}`, () => {
    const compiled = compile(schema)
    for (const event of valid) assert.equal(isValid(compiled, event), true, JSON.stringify(event))
    for (const event of invalid) assert.equal(isValid(compiled, event), false, JSON.stringify(event))
    const verdicts = [...valid.map(() => true), ...invalid.map(() => false)]
    const ofAjv6 = verdictsOfAjv6(schema, [...valid, ...invalid])
    if (isWrongInAjv6) assert.notDeepEqual(ofAjv6, verdicts)
    else assert.deepEqual(ofAjv6, verdicts)
  })
}

function verdictsOfAjv6(schema: Json, events: unknown[]): boolean[] {
  const isDraft04 = String(schema.$schema).includes('draft-04')
  const ajv = new Ajv6({ schemaId: isDraft04 ? 'auto' : '$id', useDefaults: true, logger: false })
  if (isDraft04) ajv.addMetaSchema(require('ajv6/lib/refs/json-schema-draft-04.json'))
  const validate = ajv.compile(schema)
  return events.map(event => validate(JSON.parse(JSON.stringify(event))) as boolean)
}

test('defaults of a meta-schema are not written into an event', () => {
  const event = { s: { type: 'object' } } as unknown as Event
  compile(CASES.find(({ what }) => what.startsWith('a meta-schema'))?.schema as Json).validate(event)
  assert.deepEqual(event, { s: { type: 'object' } })
})

test('left-over and duplicate identities change nothing', async t => {
  const left = (type: string, more: Json = {}) => ({ $id: '/b/1', type, ...more })
  const files = {
    // There is such a document, and it is meant.
    'a/1': {
      properties: { copy: left('string'), real: { $ref: '/b/1' }, hash: { $ref: '/b/1#/definitions/n' } },
    },
    'b/1': { $id: '/b/1', type: 'integer', definitions: { n: { type: 'boolean' } } },
    // No such document: only one part can be meant.
    'a/2': { properties: { copy: { $id: '/c/1', type: 'string' }, real: { $ref: '/c/1' } } },
    // No such document, and two parts could be meant.
    'a/3': { properties: { one: { $id: '/c/1' }, two: { $id: '/c/1' }, real: { $ref: '/c/1' } } },
    // Its own is the document.
    'a/4': {
      $id: '/a/4',
      properties: { copy: { $id: '/a/4', type: 'string' }, real: { $ref: '/a/4' } },
      minProperties: 1,
    },
    // What a pointer means in the whole document goes first, then what it means in its part.
    'a/5': {
      definitions: { d: { type: 'integer' } },
      properties: {
        a: {
          $id: '/x/1',
          definitions: { d: { type: 'string' } },
          properties: { v: { $ref: '#/definitions/d' } },
        },
        b: {
          $id: '/x/2',
          definitions: { e: { type: 'string' } },
          properties: { v: { $ref: '#/definitions/e' } },
        },
      },
    },
    // Anchors of the same name in two left-overs.
    'a/6': {
      properties: {
        a: {
          $id: '/x/1',
          properties: { v: { $ref: '#it' } },
          definitions: { d: { $id: '#it', type: 'integer' } },
        },
        b: {
          $id: '/x/2',
          properties: { v: { $ref: '#it' } },
          definitions: { d: { $id: '#it', type: 'string' } },
        },
      },
    },
    // The identity of another version.
    'a/7': { $id: '/b/1', properties: { v: { $ref: '/b/1' } } },
    // What tools that write a schema out leave behind: a pointer for an identity, twice.
    'a/9': { properties: { a: { $id: '#/nope', type: 'integer' }, b: { $id: '#/nope', type: 'string' } } },
    // What is no URI, or has no host.
    'a/8': {
      properties: {
        a: { $id: 'http://[x', type: 'string' },
        b: { $id: 'urn:x' },
        c: { $id: '//' },
        d: { $id: 5 },
      },
    },
  }
  const schemas = repository(t, files)
  const verdict = async (uri: string, event: object) => {
    await schemas.load([uri])
    return isValid(schemas.get(uri), event)
  }
  assert.equal(await verdict('/a/1', { copy: 'x', real: 1, hash: true }), true)
  assert.equal(await verdict('/a/1', { real: 'x' }), false)
  assert.equal(await verdict('/a/2', { real: 'x' }), true)
  assert.equal(await verdict('/a/2', { real: 1 }), false)
  await schemas.load(['/a/3'])
  assert.throws(() => schemas.get('/a/3'), {
    code: 'schema_broken',
    message: /refers to "\/c\/1", which is in no repository/,
  })
  assert.equal(await verdict('/a/4', { real: { real: { copy: 'x' } } }), true)
  assert.equal(await verdict('/a/4', { real: {} }), false)
  assert.equal(await verdict('/a/5', { a: { v: 1 }, b: { v: 'x' } }), true)
  assert.equal(await verdict('/a/5', { a: { v: 'x' } }), false)
  assert.equal(await verdict('/a/5', { b: { v: 1 } }), false)
  assert.equal(await verdict('/a/6', { a: { v: 1 }, b: { v: 'x' } }), true)
  assert.equal(await verdict('/a/6', { a: { v: 'x' } }), false)
  assert.equal(await verdict('/a/7', { v: 1 }), true)
  assert.equal(await verdict('/a/7', { v: 'x' }), false)
  assert.equal(await verdict('/a/9', { a: 1, b: 'x' }), true)
  assert.equal(await verdict('/a/9', { b: 1 }), false)
  assert.equal(await verdict('/a/8', { a: 'x' }), true)
  assert.equal(await verdict('/a/8', { a: 1 }), false)
})

test('an identity is no way past a repository that cannot be asked, and to no other host', async t => {
  let asked = 0
  const server = createServer((_, res) => {
    asked++
    res.writeHead(503).end()
  }).listen(0, '127.0.0.1')
  await new Promise(resolve => server.once('listening', resolve))
  t.after(() => server.close())
  const { port } = server.address() as AddressInfo
  const schemas = repository(
    t,
    {
      'a/1': { properties: { copy: { $id: '/c/1', type: 'string' }, real: { $ref: '/c/1' } } },
      'a/2': { properties: { v: { $ref: `http://127.0.0.1:${port}/other/1` } } },
      'a/3': {
        properties: { v: { $ref: `http://127.0.0.1:${port}/other/1` } },
        definitions: { d: { $id: `http://127.0.0.1:${port}/other/1`, type: 'string' } },
      },
    },
    [`http://127.0.0.1:${port}/`],
  )
  await schemas.load(['/a/1'])
  assert.throws(() => schemas.get('/a/1'), { code: 'schema_unavailable' })
  const before = asked
  assert.ok(before > 0)
  await schemas.load(['/a/2', '/a/3'])
  assert.throws(() => schemas.get('/a/2'), { code: 'schema_broken' })
  assert.equal(isValid(schemas.get('/a/3'), { v: 'x' }), true)
  assert.equal(isValid(schemas.get('/a/3'), { v: 1 }), false)
  assert.equal(asked, before)
})

test('thousands of identities, anchors and references cost little', { timeout: 20_000 }, () => {
  const n = 20_000
  const definitions = Object.fromEntries(
    Array.from({ length: n }, (_, i) => [
      `d${i}`,
      i % 2 ? { $id: '#same' } : { $id: '/same/1', allOf: [{ $ref: '#same' }] },
    ]),
  )
  assert.equal(isValid(compile({ definitions }), {}), true)
})

function repository(t: TestContext, files: Record<string, object>, bases: string[] = []): SchemaRepository {
  const root = temporary(t)
  for (const [path, document] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), JSON.stringify(document))
  }
  return new SchemaRepository({
    uriField: '$schema',
    baseUris: [root, ...bases],
    fileExtension: '.yaml',
    allowInsecure: false,
    allowAbsoluteUris: false,
    maxSchemas: 1000,
    failureTtlMs: 60_000,
    timeoutMs: 1000,
    userAgent: 'a test',
  })
}
