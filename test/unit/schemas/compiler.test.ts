import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { load as parseYaml } from 'js-yaml'
import { type Details, GateError } from '#src/lib/errors.js'
import type { Event, Schema } from '#src/lib/eventgate.js'
import { SchemaRepository } from '#src/lib/schemas/repository.js'
import { complaints, DRAFT_07, load, repositoryOf } from '../../support/schemas.js'
import { CORPORA } from '../../support/service.js'

test('identities in sub-schemas are left-overs; a field may be called so', async t => {
  const left = { $id: '/other/1', $schema: DRAFT_07, id: '/other/2' }
  const schemas = repositoryOf(t, {
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
  const schemas = repositoryOf(t, {
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

test('a circle of references without an end is a broken schema, not a crash', async t => {
  const schemas = repositoryOf(t, {
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

test('what lies beyond the bounds of a secure schema costs little', { timeout: 20_000 }, async t => {
  const schemas = repositoryOf(t, {
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
  const started = process.cpuUsage()
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
  assert.ok(process.cpuUsage(started).user < 5e6)
})

test('the names that JavaScript gives a meaning are fields like any other', async t => {
  const schemas = repositoryOf(t, {
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
  const folder = repositoryOf(t, schemas)
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
    repositoryOf(t, {
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
    repositoryOf(t, { 'a/1': { properties: { list: { items: { type: 'string' } } } } }),
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
  const schemas = repositoryOf(t, {
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
  const schema = await load(repositoryOf(t, { 'a/1': { properties: { a: text, b: text } } }), '/a/1')
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
