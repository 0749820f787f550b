import assert from 'node:assert/strict'
import { test } from 'node:test'
import { complaints, DRAFT_07, load, refused, repositoryOf } from '../../support/schemas.js'

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
  const schemas = repositoryOf(
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
  const schemas = repositoryOf(t, {
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
  const schemas = repositoryOf(t, Object.fromEntries(names.map(($schema, i) => [`d/${i}`, { $schema }])))
  for (const i of names.keys()) await refused(schemas, `/d/${i}`, 'schema_broken', /dialect/)
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
    await refused(repositoryOf(t, files), `/${uri}`, 'schema_insecure')
    await load(repositoryOf(t, files, { allowInsecure: true }), `/${uri}`)
  }
  const secure = repositoryOf(t, {
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
  const schemas = repositoryOf(t, Object.fromEntries(texts.map((text, i) => [`x/${i}`, text])), {
    allowInsecure: true,
  })
  for (const i of texts.keys()) await refused(schemas, `/x/${i}`, 'schema_broken')
})

test('few lines of YAML that stand for very much are refused at once', { timeout: 20_000 }, async t => {
  const laugh = (last: string) =>
    `a0: &a0 {type: string}\n${Array.from({ length: 30 }, (_, i) => `a${i + 1}: &a${i + 1} {allOf: [*a${i}, *a${i}]}\n`).join('')}${last}`
  const schemas = repositoryOf(t, {
    'x/object': laugh('properties: {v: *a30}'),
    'x/unused': laugh('type: object'),
    'x/shared':
      'definitions: &d {a: {type: integer}}\nproperties: *d\nadditionalProperties: {properties: *d}',
  })
  const started = process.cpuUsage()
  await refused(schemas, '/x/object', 'schema_broken', /100000/)
  await refused(schemas, '/x/unused', 'schema_broken', /100000/)
  assert.ok(process.cpuUsage(started).user < 3e6)
  assert.equal(
    complaints(await load(schemas, '/x/shared'), { a: 'x', b: { a: 'x' } }),
    "'['b'].a' should be integer, '.a' should be integer",
  )
})

test('deep documents are refused, and those at the bound compile', { timeout: 20_000 }, async t => {
  const nested = (depth: number) => `${'{"not":'.repeat(depth)}{"type":"null"}${'}'.repeat(depth)}`
  const properties = (depth: number) =>
    `${'{"properties":{"a":'.repeat(depth)}{"type":"null"}${'}}'.repeat(depth)}`
  const schemas = repositoryOf(t, {
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
