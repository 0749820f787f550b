import assert from 'node:assert/strict'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { load as parseYaml } from 'js-yaml'
import { type Code, type Details, GateError } from '#src/lib/errors.js'
import type { Event, Schema } from '#src/lib/eventgate.js'
import { SchemaRepository } from '#src/lib/schemas/repository.js'
import { CORPORA, temporary } from '../../support/service.js'

const DRAFT_07 = 'https://json-schema.org/draft-07/schema#'

/** A repository of these documents; an object is written as JSON. */
function repository(
  t: TestContext,
  files: Record<string, string | object>,
  more: { allowInsecure?: boolean; bases?: string[] } = {},
): SchemaRepository {
  const root = temporary(t)
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), typeof text === 'string' ? text : JSON.stringify(text))
  }
  return new SchemaRepository({
    uriField: '$schema',
    baseUris: [root, ...(more.bases ?? [])],
    fileExtension: '.yaml',
    allowInsecure: more.allowInsecure ?? false,
    allowAbsoluteUris: false,
    maxSchemas: 1000,
    failureTtlMs: 60_000,
    timeoutMs: 300,
    userAgent: 'a test',
  })
}

async function load(schemas: SchemaRepository, uri: string): Promise<Schema> {
  await schemas.load([uri])
  return schemas.get(uri)
}

async function refused(schemas: SchemaRepository, uri: string, code: Code, message?: RegExp): Promise<void> {
  await schemas.load([uri])
  assert.throws(
    () => schemas.get(uri),
    (error: GateError) => {
      assert.ok(error instanceof GateError)
      assert.equal(error.code, code, error.message)
      if (message) assert.match(error.message, message)
      return true
    },
    uri,
  )
}

/** The text of a schema's complaints about an event; empty if it is valid. */
function complaints(schema: Schema, event: object): string {
  try {
    schema.validate(structuredClone(event) as Event)
    return ''
  } catch (error) {
    assert.ok(error instanceof GateError)
    assert.equal(error.code, 'validation_failed', error.message)
    return error.message
  }
}

test('dialects: draft-07 and draft-06 by any of their URIs, and none at all', async t => {
  const names = [
    ...['http', 'https'].flatMap(scheme =>
      ['07', '06'].flatMap(draft => [
        `${scheme}://json-schema.org/draft-${draft}/schema#`,
        `${scheme}://json-schema.org/draft-${draft}/schema`,
      ]),
    ),
    'http://json-schema.org/schema#',
    undefined,
  ]
  const schemas = repository(
    t,
    Object.fromEntries(
      names.map(($schema, i) => [`d/${i}`, { $schema, properties: { n: { exclusiveMaximum: 3 } } }]),
    ),
  )
  for (const i of names.keys()) {
    const schema = await load(schemas, `/d/${i}`)
    assert.equal(complaints(schema, { n: 3 }), "'.n' should be < 3", String(names[i]))
    assert.equal(complaints(schema, { n: 2 }), '')
  }
})

test('draft-04: boolean exclusive limits, id, and nothing of draft-07', async t => {
  const $schema = 'http://json-schema.org/draft-04/schema#'
  const schemas = repository(t, {
    'a/1': {
      $schema,
      id: '/a/1',
      properties: {
        n: { id: '/left/over', maximum: 3, exclusiveMaximum: true, minimum: 0, exclusiveMinimum: false },
        m: { $ref: '#m' },
      },
      definitions: { m: { id: '#m', minimum: 1, exclusiveMinimum: true } },
    },
    'b/1': { $schema, properties: { n: { exclusiveMaximum: 3 } } },
    'c/1': { $schema: DRAFT_07, properties: { n: { maximum: 3, exclusiveMaximum: true } } },
    'd/1': { $schema: DRAFT_07, properties: { n: { $ref: '/a/1#/properties/n' } } },
    'e/1': { $schema, properties: { n: { required: true } } },
  })
  const schema = await load(schemas, '/a/1')
  assert.equal(complaints(schema, { n: 3, m: 1 }), "'.n' should be < 3, '.m' should be > 1")
  assert.equal(complaints(schema, { n: 0, m: 2 }), '')
  await refused(schemas, '/b/1', 'schema_broken')
  await refused(schemas, '/c/1', 'schema_broken')
  assert.equal(complaints(await load(schemas, '/d/1'), { n: 3 }), "'.n' should be < 3")
  await refused(schemas, '/e/1', 'schema_broken')
})

test('other dialects are refused', async t => {
  const names = [
    'https://json-schema.org/draft/2020-12/schema',
    'https://json-schema.org/draft/2019-09/schema',
    'http://json-schema.org/draft-03/schema#',
    'draft-07',
    '',
    7,
    null,
    ['x'],
    '/a/1',
  ]
  const schemas = repository(t, Object.fromEntries(names.map(($schema, i) => [`d/${i}`, { $schema }])))
  for (const i of names.keys()) await refused(schemas, `/d/${i}`, 'schema_broken', /dialect/)
})

test('identities in sub-schemas are left-overs; a field may be called so', async t => {
  const left = { $id: '/other/1', $schema: DRAFT_07, id: '/other/2' }
  const schemas = repository(t, {
    'a/1': {
      $id: '/a/1',
      $schema: DRAFT_07,
      allOf: [
        { ...left, $id: '/a/1' },
        { $id: 'http://example.org/x', properties: { v: { type: 'string' } } },
      ],
      properties: {
        $id: { type: 'string' },
        id: { type: 'string' },
        $schema: { type: 'string' },
        $ref: { type: 'string' },
        here: { ...left, $id: 'relative', properties: { deep: { $ref: '#/definitions/d' } } },
        again: { ...left, $id: 'relative', $anchor: 'not an anchor' },
      },
      definitions: { d: { ...left, type: 'integer' } },
      'x-unknown': { a: left, b: left },
    },
  })
  const schema = await load(schemas, '/a/1')
  assert.equal(
    complaints(schema, { $id: 1, id: 2, $schema: 3, $ref: 4, here: { deep: 'x' }, v: 1 }),
    "'.$id' should be string, '.id' should be string, '.$schema' should be string, '.$ref' should be string, '.here.deep' should be integer, '.v' should be string",
  )
})

test('unknown keywords, formats and words of later drafts refuse nothing', async t => {
  const schemas = repository(t, {
    'a/1': {
      type: 'object',
      requird: ['a'],
      'x-y': { z: [1] },
      discriminator: { propertyName: 'x' },
      unevaluatedProperties: false,
      properties: {
        a: { type: 'string', format: 'colour', maxLength: 9, nullable: true, maxlength: 1, minContains: 'x' },
      },
      $async: true,
    },
    'b/1': { properties: { a: { $async: true, type: 'string' } } },
  })
  const schema = await load(schemas, '/a/1')
  assert.equal(complaints(schema, { a: 'text', b: 1 }), '')
  assert.equal(complaints(schema, { a: null }), "'.a' should be string")
  assert.equal(complaints(await load(schemas, '/b/1'), { a: 1 }), "'.a' should be string")
})

test('references: relative, absolute, to itself, in chains and circles, to anchors and meta-schemas', async t => {
  const schemas = repository(t, {
    'common/1.0.0.yaml': {
      $id: '/common/1.0.0',
      definitions: {
        y: { type: 'integer' },
        'a b': { $id: '#anchor', type: 'boolean' },
        tree: { properties: { child: { $ref: '#/definitions/tree' }, n: { $ref: '#/definitions/y' } } },
      },
      title: 'common',
      required: ['c'],
    },
    'a/1.0.0.yaml': {
      properties: {
        whole: { $ref: '../common/1.0.0' },
        hash: { $ref: '/common/1.0.0#' },
        part: { $ref: '/common/1.0.0#/definitions/y' },
        blank: { $ref: '../common/1.0.0#/definitions/a b' },
        encoded: { $ref: '../common/1.0.0#/definitions/a%20b' },
        anchor: { $ref: '../common/1.0.0#anchor' },
        tree: { $ref: '../common/1.0.0#/definitions/tree' },
        self: { $ref: '/a/1.0.0' },
        sibling: { $ref: '1.0.0#/properties/part' },
        meta: { $ref: 'http://json-schema.org/draft-07/schema#' },
        old: { $ref: 'http://json-schema.org/draft-04/schema#/definitions/positiveInteger' },
      },
    },
    'circle/1': { properties: { next: { $ref: '2' }, a: { type: 'string' } } },
    'circle/2': { properties: { next: { $ref: '1' }, b: { type: 'string' } } },
    'chain/1': { $ref: '2' },
    'chain/2': { $ref: '3' },
    'chain/3': { required: ['z'] },
  })
  const a = await load(schemas, '/a/1.0.0')
  const refusals: [object, string][] = [
    [{ whole: {} }, "'.whole' should have required property 'c'"],
    [{ hash: {} }, "'.hash' should have required property 'c'"],
    [{ part: 'x' }, "'.part' should be integer"],
    [
      { blank: 1, encoded: 1, anchor: 1 },
      "'.blank' should be boolean, '.encoded' should be boolean, '.anchor' should be boolean",
    ],
    [{ tree: { child: { child: { n: 'x' } } } }, "'.tree.child.child.n' should be integer"],
    [{ self: { self: { part: 'x' } } }, "'.self.self.part' should be integer"],
    [{ sibling: 'x' }, "'.sibling' should be integer"],
    [{ meta: { maxLength: -1 } }, "'.meta.maxLength' should be >= 0"],
    [{ old: -1 }, "'.old' should be >= 0"],
  ]
  for (const [event, text] of refusals) assert.equal(complaints(a, event), text)
  assert.equal(complaints(a, { meta: { maxLength: 1 }, tree: { child: {} }, whole: { c: 1 } }), '')
  assert.equal(
    complaints(await load(schemas, '/circle/1'), { next: { next: { next: { b: 1 }, a: 1 } } }),
    "'.next.next.next.b' should be string, '.next.next.a' should be string",
  )
  assert.equal(complaints(await load(schemas, '/chain/1'), {}), "'' should have required property 'z'")
})

test('references that lead nowhere', async t => {
  const broken = {
    'a/missing': { $ref: '/no/such/1' },
    'a/part': { $ref: '#/definitions/none' },
    'a/far': { $ref: '../b/1#/definitions/none' },
    'a/absolute': { $ref: 'http://169.254.169.254/x' },
    'a/file': { $ref: 'file:///etc/passwd' },
    'a/up': { $ref: '../../../../../../etc/hostname' },
    'a/nouri': { $ref: 'http://[x' },
    'a/host': { $ref: '//example.org/x' },
    'a/broken': { $ref: '../c/1' },
    'a/mistyped': { $ref: 7 },
    'a/encoded': { $ref: '#/definitions/%zz' },
    'b/1': {},
    'c/1': { type: 'nonsense' },
  }
  const schemas = repository(t, broken)
  for (const uri of Object.keys(broken).filter(uri => uri.startsWith('a/')))
    await refused(schemas, `/${uri}`, 'schema_broken')
  const unreachable = repository(t, { 'a/1': { $ref: '/b/1' } }, { bases: ['http://127.0.0.1:9'] })
  await refused(unreachable, '/a/1', 'schema_unavailable')
  const insecure = repository(t, { 'a/1': { $ref: '/b/1' }, 'b/1': { properties: { x: { pattern: '.' } } } })
  await refused(insecure, '/a/1', 'schema_insecure')
})

test('a circle of references without an end is a broken schema, not a crash', async t => {
  const schemas = repository(t, {
    'a/1': { $ref: '#' },
    'a/2': {
      properties: { v: { $ref: '#/definitions/x' } },
      definitions: { x: { $ref: '#/definitions/y' }, y: { allOf: [{ $ref: '#/definitions/x' }] } },
    },
    'a/3': { $ref: '4' },
    'a/4': { $ref: '3' },
  })
  for (const uri of ['/a/1', '/a/2', '/a/3']) {
    await schemas.load([uri])
    assert.throws(() => schemas.get(uri).validate({ v: 1 }), { code: 'schema_broken' }, uri)
  }
})

test('too many references', async t => {
  const files = Object.fromEntries(
    Array.from({ length: 120 }, (_, i) => [`n/${i}`, { properties: { next: { $ref: `${i + 1}` } } }]),
  )
  const schemas = repository(t, { ...files, 'n/120': {} })
  await refused(schemas, '/n/0', 'schema_broken', /100/)
  assert.equal(complaints(await load(schemas, '/n/60'), {}), '')
})

test('schemas that are not secure are refused, unless allowed', async t => {
  const files = {
    'a/pattern': { properties: { x: { type: 'string', pattern: '^(a+)+$' } } },
    'a/format': { properties: { x: { items: { format: 'uri' } } } },
    'a/unique': { properties: { x: { uniqueItems: true } } },
    'a/names': { patternProperties: { '^x': {} } },
    'a/definition': { definitions: { d: { pattern: 'x' } } },
  }
  for (const uri of Object.keys(files)) {
    await refused(repository(t, files), `/${uri}`, 'schema_insecure')
    await load(repository(t, files, { allowInsecure: true }), `/${uri}`)
  }
  const secure = repository(t, {
    'a/1': {
      properties: {
        pattern: { type: 'string' },
        format: { type: 'string' },
        x: { pattern: 'x', maxLength: 9 },
        y: { uniqueItems: true, items: { type: 'string' } },
      },
    },
  })
  await load(secure, '/a/1')
})

test('what lies beyond the bounds of a secure schema costs little', { timeout: 20_000 }, async t => {
  const schemas = repository(t, {
    'a/1': {
      properties: {
        pattern: { type: 'string', maxLength: 10, pattern: '(\\d+\\s*)*x' },
        url: { type: 'string', maxLength: 10, format: 'url' },
        items: { maxItems: 2, uniqueItems: true, items: { type: 'object' } },
        names: {
          propertyNames: { maxLength: 5 },
          patternProperties: { '(\\d+\\s*)*x': {} },
          additionalProperties: false,
        },
      },
    },
  })
  const schema = await load(schemas, '/a/1')
  const long = '1'.repeat(60_000)
  const started = Date.now()
  assert.equal(complaints(schema, { pattern: long }), "'.pattern' should NOT be longer than 10 characters")
  assert.equal(
    complaints(schema, { url: `http://${long}` }),
    "'.url' should NOT be longer than 10 characters",
  )
  assert.equal(
    complaints(schema, { items: Array.from({ length: 9000 }, (_, i) => [i]) }).slice(0, 45),
    "'.items' should NOT have more than 2 items, '",
  )
  assert.match(
    complaints(schema, { names: { [long]: 1 } }),
    /^'\.names' should NOT be longer than 5 characters, '\.names' property name '1{1000}…' is invalid$/,
  )
  assert.ok(Date.now() - started < 5000, `${Date.now() - started} ms`)
})

test('documents that are no schemas', async t => {
  const texts = [
    '',
    '\n',
    '# nothing',
    'null',
    '5',
    'text',
    '[]',
    '[{}]',
    '{',
    'a: [',
    'a: b: c',
    '\t- x',
    'a: *none',
    '---\na: 1\n---\nb: 2',
    'type: nonsense',
    'properties: []',
    'required: x',
    '{"$ref": {}}',
    'pattern: "("\nmaxLength: 5',
    'a: &a [*a]',
    '&a\na: *a',
    '!!js/function x',
    '<html><body>404</body></html>',
    '\0\0',
    'properties: {a: {type: [string, string]}}',
  ]
  const schemas = repository(t, Object.fromEntries(texts.map((text, i) => [`x/${i}`, text])), {
    allowInsecure: true,
  })
  for (const i of texts.keys()) await refused(schemas, `/x/${i}`, 'schema_broken')
})

test('few lines of YAML that stand for very much are refused at once', { timeout: 20_000 }, async t => {
  const laugh = (last: string) =>
    `a0: &a0 {type: string}\n${Array.from({ length: 30 }, (_, i) => `a${i + 1}: &a${i + 1} {allOf: [*a${i}, *a${i}]}\n`).join('')}${last}`
  const schemas = repository(t, {
    'x/object': laugh('properties: {v: *a30}'),
    'x/unused': laugh('type: object'),
    'x/shared':
      'definitions: &d {a: {type: integer}}\nproperties: *d\nadditionalProperties: {properties: *d}',
  })
  const started = Date.now()
  await refused(schemas, '/x/object', 'schema_broken', /100000/)
  await refused(schemas, '/x/unused', 'schema_broken', /100000/)
  assert.ok(Date.now() - started < 3000)
  assert.equal(
    complaints(await load(schemas, '/x/shared'), { a: 'x', b: { a: 'x' } }),
    "'['b'].a' should be integer, '.a' should be integer",
  )
})

test('deep documents are refused, and those at the bound compile', { timeout: 20_000 }, async t => {
  const nested = (depth: number) => `${'{"not":'.repeat(depth)}{"type":"null"}${'}'.repeat(depth)}`
  const properties = (depth: number) =>
    `${'{"properties":{"a":'.repeat(depth)}{"type":"null"}${'}}'.repeat(depth)}`
  const schemas = repository(t, {
    'x/1': nested(100_000),
    'x/2': `${'['.repeat(400_000)}`,
    'x/3': `a: ${'['.repeat(100_000)}${']'.repeat(100_000)}`,
    'x/4': Array.from({ length: 1000 }, (_, i) => `${' '.repeat(i)}a:`).join('\n'),
    'x/5': `a: ${'- '.repeat(100_000)}`,
    'x/6': `{"default": ${'['.repeat(100_000)}${']'.repeat(100_000)}}`,
    'y/1': nested(190),
    'y/2': properties(95),
  })
  for (const i of [1, 2, 3, 4, 5, 6]) await refused(schemas, `/x/${i}`, 'schema_broken')
  // An even number of negations: what the event is not.
  assert.equal(complaints(await load(schemas, '/y/1'), {}), "'' should NOT be valid")
  await load(schemas, '/y/2')
})

test('the names that JavaScript gives a meaning are fields like any other', async t => {
  const schemas = repository(t, {
    'a/1':
      '{"properties": {"constructor": {"type": "string"}, "toString": {"type": "string"}, "v": {"default": {"__proto__": {"polluted": true}}}}, "additionalProperties": {"type": "integer"}}',
  })
  const schema = await load(schemas, '/a/1')
  const event = JSON.parse('{"__proto__": 5, "v": 1, "toString": "x", "constructor": "x"}')
  schema.validate(event)
  assert.equal(JSON.stringify(event), '{"__proto__":5,"v":1,"toString":"x","constructor":"x"}')
  assert.equal(
    complaints(schema, JSON.parse('{"constructor": 1, "toString": "x"}')),
    "'.constructor' should be string",
  )
  assert.equal(({} as { polluted?: boolean }).polluted, undefined)
})

test('an event has no field that it only inherits from JavaScript', async t => {
  const text = { type: 'string' }
  const schemas = {
    'required/1': { required: ['constructor', 'a'] },
    'declared/1': { properties: { constructor: text, toString: false, valueOf: { ...text, default: 'x' } } },
    'both/1': { properties: { a: text, toString: text }, required: ['toString'] },
    'dependencies/1': { dependencies: { constructor: ['b'], a: ['hasOwnProperty'] } },
    'proto/1': { required: ['__proto__'] },
    'nested/1': { properties: { a: { $ref: '/required/1' } } },
  }
  const folder = repository(t, schemas)
  const cases: [uri: string, event: string, says: string, becomes?: object][] = [
    ['/required/1', '{"a":1}', "'' should have required property 'constructor'"],
    ['/required/1', '{"a":1,"constructor":1}', ''],
    ['/declared/1', '{}', '', { valueOf: 'x' }],
    ['/declared/1', '{"valueOf":"own"}', '', { valueOf: 'own' }],
    [
      '/declared/1',
      '{"constructor":1,"toString":1,"valueOf":1}',
      "'.constructor' should be string, '.toString' boolean schema is false, '.valueOf' should be string",
    ],
    ['/both/1', '{"a":"x"}', "'' should have required property 'toString'"],
    ['/both/1', '{"toString":"x"}', ''],
    ['/dependencies/1', '{}', ''],
    ['/dependencies/1', '{"a":1}', "'' should have property hasOwnProperty when property a is present"],
    ['/proto/1', '{}', "'' should have required property '__proto__'"],
    ['/proto/1', '{"__proto__":1}', ''],
    ['/nested/1', '{"a":{"a":1}}', "'.a' should have required property 'constructor'"],
  ]
  for (const [uri, json, says, becomes] of cases) {
    const schema = await load(folder, uri)
    assert.equal(complaints(schema, JSON.parse(json)), says, `${uri} ${json}`)
    if (!becomes) continue
    const event = JSON.parse(json)
    schema.validate(event)
    assert.deepEqual(event, becomes)
  }
})

test('an event gets its own copy of a default', async t => {
  const schema = await load(
    repository(t, {
      'a/1': { properties: { list: { default: [] }, text: { type: 'string', default: 'x' } } },
    }),
    '/a/1',
  )
  const [first, second] = [{} as Event, { text: 'own' } as Event]
  schema.validate(first)
  ;(first.list as unknown[]).push(1)
  schema.validate(second)
  assert.deepEqual(
    [first, second],
    [
      { list: [1], text: 'x' },
      { text: 'own', list: [] },
    ],
  )
})

test('many errors: the first 16, and their number', async t => {
  const schema = await load(
    repository(t, { 'a/1': { properties: { list: { items: { type: 'string' } } } } }),
    '/a/1',
  )
  const refusal = (length: number): GateError => {
    try {
      schema.validate({ list: Array(length).fill(1) })
    } catch (error) {
      return error as GateError
    }
    assert.fail('it is valid')
  }
  const some = refusal(100)
  assert.equal(some.errors.length, 16)
  assert.equal(some.errorsCount, 100)
  assert.equal(some.message.split(', ').length, 16)
  // Of a very large event the first is enough: a list of all would be larger than it.
  const many = refusal(1_000_000)
  assert.equal(many.errorsCount, 1)
  assert.equal(many.message, "'.list[0]' should be string")
})

/** What a schema has to say of an event. */
function refusalBy(schema: Schema, event: object, details?: Details): GateError {
  try {
    schema.validate(event as Event, details)
  } catch (error) {
    assert.ok(error instanceof GateError)
    return error
  }
  assert.fail('it is valid')
}

test('texts of errors are bounded, however long the names that they repeat', async t => {
  const number = { type: 'integer' }
  const long = 'ł'.repeat(30_000)
  const deep = Array.from({ length: 30 }, () => 'd'.repeat(1000))
  const schemas = repository(t, {
    'a/1': {
      properties: {
        map: { additionalProperties: { items: number } },
        tree: { $ref: '#/definitions/tree' },
        names: { propertyNames: { enum: ['a'] } },
        none: { additionalProperties: false },
        one: { enum: Array.from({ length: 1000 }, (_, i) => `value ${i}`) },
        same: { const: { a: 'x'.repeat(5000) } },
        [`p${'x'.repeat(5000)}`]: number,
      },
      definitions: { tree: { type: 'object', additionalProperties: { $ref: '#/definitions/tree' } } },
    },
  })
  const schema = await load(schemas, '/a/1')
  const events = {
    'the same name in each path': { map: { [long]: Array(20).fill('x') } },
    'a path of many names': { tree: deep.reduce<unknown>((value, name) => ({ [name]: value }), 'x') },
    'names themselves': { names: { [long]: 1 }, none: { [long]: 1 } },
    'what a schema allows': { one: 'x', same: 'x' },
    "a schema's own name": { [`p${'x'.repeat(5000)}`]: 'x' },
  }
  for (const [what, event] of Object.entries(events)) {
    const { errors, errorsCount, message } = refusalBy(schema, event)
    assert.ok(errors.length >= 1 && errors.length <= errorsCount, what)
    assert.ok(message.length <= 16_500, `${what}: ${message.length}`)
    assert.ok(JSON.stringify(errors).length <= 16_500, `${what}: ${JSON.stringify(errors).length}`)
    for (const error of errors) {
      assert.ok(error.dataPath.length <= 1001, what)
      assert.ok(error.message.length <= 1100, what)
    }
  }
  const cut = refusalBy(schema, { map: { [long]: Array(20).fill('x') } })
  assert.equal(cut.errorsCount, 20)
  assert.match(cut.message, /^'\.map\['ł{900,1000}…' should be integer, '/)
})

test('the events of a request share what explanations may cost', async t => {
  const text = { type: 'string' }
  const schema = await load(repository(t, { 'a/1': { properties: { a: text, b: text } } }), '/a/1')
  const details = { left: 1000 }
  const refusals = Array.from({ length: 20 }, () => refusalBy(schema, { a: 1, b: 2 }, details))
  assert.equal(refusals[0]?.errors.length, 2)
  assert.equal(refusals[0]?.message, "'.a' should be string, '.b' should be string")
  const last = refusals.at(-1)
  assert.deepEqual(last?.errors, [])
  assert.equal(last?.message, "'.a' should be string")
  // Valid events cost nothing.
  const { left } = details
  schema.validate({ a: 'x' }, details)
  assert.equal(details.left, left)
})

for (const { name, schemas: folder, versions, skip } of CORPORA) {
  test(`schemas of a corpus compile, and their examples are valid: ${name}`, { skip }, async t => {
    const files = (readdirSync(folder, { recursive: true }) as string[]).filter(file =>
      /\/\d+\.\d+\.\d+\.yaml$/.test(file),
    )
    assert.ok(files.length >= versions)
    const schemas = new SchemaRepository({
      uriField: '$schema',
      baseUris: [folder],
      fileExtension: '.yaml',
      allowInsecure: false,
      allowAbsoluteUris: false,
      maxSchemas: 1000,
      failureTtlMs: 60_000,
      timeoutMs: 300,
      userAgent: 'a test',
    })
    let examples = 0
    for (const file of files) {
      const uri = `/${file.replace(/\.yaml$/, '')}`
      const document = parseYaml(readFileSync(join(folder, file), 'utf8')) as {
        title: string
        examples?: Event[]
        properties?: { meta?: { properties?: { dt?: unknown } } }
      }
      const schema = await load(schemas, uri)
      assert.equal(schema.title, document.title)
      assert.equal(schema.declares('meta.dt'), document.properties?.meta?.properties?.dt !== undefined, uri)
      for (const example of document.examples ?? []) {
        assert.equal(complaints(schema, example), '', uri)
        examples++
      }
    }
    assert.ok(examples >= files.length / 2, `${examples} examples`)
    t.diagnostic(`${files.length} schemas, ${examples} examples`)
  })
}
