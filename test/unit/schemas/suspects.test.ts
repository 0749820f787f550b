// biome-ignore-all lint/suspicious/noThenProperty: it is a keyword of JSONSchema
import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { SchemaRepository } from '#src/lib/schemas/repository.js'
import { suspectsOf } from '#src/lib/schemas/suspects.js'
import { spawnService, startService, temporary } from '../../support/service.js'

const SUSPECTS: [what: string, schema: object, said: string[]][] = [
  ['a slip', { requird: ['a'] }, ['# has "requird", which changes nothing; is "required" meant?']],
  [
    'another case, other separators',
    { properties: { a: { maxlength: 3, min_length: 1, 'max-items': 2 } } },
    [
      '#/properties/a has "maxlength", which changes nothing; is "maxLength" meant?',
      '#/properties/a has "min_length", which changes nothing; is "minLength" meant?',
      '#/properties/a has "max-items", which changes nothing; is "maxItems" meant?',
    ],
  ],
  [
    'a space that is missing',
    { 'type:': 'object' },
    ['# has "type:", which changes nothing; is "type" meant?'],
  ],
  [
    'keywords of later drafts, earlier ones and OpenAPI',
    { unevaluatedProperties: false, items: { prefixItems: [], divisibleBy: 2 }, not: { nullable: true } },
    [
      '# has "unevaluatedProperties", a keyword of another dialect: it changes nothing',
      '#/items has "prefixItems", a keyword of another dialect: it changes nothing',
      '#/items has "divisibleBy", a keyword of another dialect: it changes nothing',
      '#/not has "nullable", a keyword of another dialect: it changes nothing',
    ],
  ],
  [
    'a merge key that JSON does not merge',
    { allOf: [{ '<<': { type: 'object' } }] },
    ['#/allOf/0 has "<<", which is merged in YAML only, and only without quotes: it changes nothing'],
  ],
  [
    'a rule beside a reference',
    { definitions: { a: { $ref: '#', required: ['a'], description: 'fine' } } },
    ['#/definitions/a has "required", which means nothing beside "$ref": put both into "allOf"'],
  ],
  [
    'a format that is not known',
    { properties: { a: { format: 'datetime' } } },
    ['#/properties/a has "format", and the format "datetime" is not known: it checks nothing'],
  ],
  ['a branch without its condition', { then: {} }, ['# has "then", and no "if": it changes nothing']],
]

for (const [what, schema, said] of SUSPECTS) {
  test(`a key that looks like a rule and changes nothing: ${what}`, () => {
    assert.deepEqual(suspectsOf(schema), said)
  })
}

test('of what is right, or no rule at all, nothing is said', () => {
  const silent = {
    $id: '/a/1',
    $schema: 'https://json-schema.org/draft-07/schema#',
    $comment: 'x',
    ...{
      title: 'a',
      description: 'b',
      default: {},
      examples: [{ requird: 1 }],
      example: 1,
      deprecated: true,
    },
    ...{
      'x-required': 1,
      note: 1,
      notes: 2,
      types: 3,
      units: 'ms',
      owner: 'me',
      source: 'x',
      index: 1,
      nullable: false,
    },
    properties: {
      // Names of fields are no keywords.
      ...{ requird: {}, '<<': {}, nullable: {}, maxlength: {} },
      a: { type: 'string', format: 'date-time', maxLength: 30, enum: ['requird'], const: { prefixItems: 1 } },
    },
    if: { required: ['a'] },
    then: { dependencies: { a: ['b'], b: { contains: {} } } },
    definitions: { d: { $ref: '#', title: 'x', examples: [1] } },
  }
  assert.deepEqual(suspectsOf(silent), [])
})

test('how much is said of one schema is bounded', () => {
  const properties = Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`p${i}`, { requird: [] }]))
  assert.equal(suspectsOf({ properties }).length, 20)
  const [said = ''] = suspectsOf({
    properties: { ['p'.repeat(10_000)]: { requird: [] } },
    ['m'.repeat(1_000_000)]: 1,
  })
  assert.ok(said.length < 400)
})

function repository(t: TestContext, files: Record<string, string>) {
  const root = temporary(t)
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), text)
  }
  const warnings: string[] = []
  const schemas = new SchemaRepository({
    uriField: '$schema',
    baseUris: [root],
    fileExtension: '.yaml',
    allowInsecure: false,
    allowAbsoluteUris: false,
    maxSchemas: 1000,
    failureTtlMs: 60_000,
    timeoutMs: 1000,
    userAgent: 'a test',
    warn: message => warnings.push(message),
  })
  return { schemas, warnings, root }
}

test('a schema is warned of once, however often it is loaded, and is taken all the same', async t => {
  const { schemas, warnings } = repository(t, {
    'a/1.yaml': 'properties: {x: {$ref: /c/1}}\nmaximum: 0100',
    'b/1.yaml': 'properties: {x: {$ref: /c/1}}',
    'c/1.yaml': 'requird: [a]\ndescription: yes\nexamples: [{at: 2020-01-01}]',
  })
  await schemas.load(['/a/1', '/b/1', '/c/1'])
  for (const uri of ['/a/1', '/b/1', '/c/1']) schemas.get(uri).validate({ x: {} })
  assert.deepEqual(warnings.sort(), [
    'schema /a/1: maximum is "0100", read as the number 64, and as 100 in YAML 1.2: write it so that all readers agree',
    'schema /c/1: # has "requird", which changes nothing; is "required" meant?',
  ])
})

test('merge keys in a schema: its rules hold', async t => {
  const { schemas, warnings } = repository(t, {
    'a/1.yaml': [
      'properties:',
      '  a: &point {type: object, required: [x], properties: {x: {type: integer}}}',
      '  b: { <<: *point, description: the same }',
    ].join('\n'),
    'a/2.yaml': 'properties: {b: {<<: 5}}',
    'a/3': '{"properties": {"<<": {"type": "integer"}}}',
  })
  await schemas.load(['/a/1', '/a/2', '/a/3'])
  const [merged, field] = [schemas.get('/a/1'), schemas.get('/a/3')]
  merged.validate({ b: { x: 1 } })
  assert.throws(() => merged.validate({ b: { x: 'no integer' } }), { message: "'.b.x' should be integer" })
  assert.throws(() => merged.validate({ b: 5 }), { message: "'.b' should be object" })
  assert.throws(() => schemas.get('/a/2'), { code: 'schema_broken', message: /'<<'\] cannot be merged/ })
  assert.throws(() => field.validate({ '<<': 'x' }), { message: "'['<<']' should be integer" })
  assert.deepEqual(warnings, [])
})

test('the log says what a schema and the stream configuration have that others read otherwise', async t => {
  const folder = temporary(t)
  mkdirSync(join(folder, 'a'))
  writeFileSync(
    join(folder, 'a/1.yaml'),
    'title: a\n$id: /a/1\ntype: object\nmaxProperties: 1_000\nrequird: [x]\n',
  )
  writeFileSync(
    join(folder, 'streams.yaml'),
    '_d: &d {schema_title: a}\nmy.s: {<<: *d, message_key_fields: {key: x}, sample: 0.5, on: off}\n',
  )
  const service = await startService(t, {
    schema_base_uris: [folder],
    stream_config_uri: join(folder, 'streams.yaml'),
    dt_field: null,
    id_field: null,
  })
  const event = { $schema: '/a/1', meta: { stream: 'my.s' }, x: 'the key' }
  for (let i = 0; i < 2; i++) assert.equal((await service.post(event)).status, 201)
  const said = service
    .log()
    .map(({ msg }) => String(msg))
    .filter(message => /my\.s|\/a\/1/.test(message))
  assert.deepEqual(said, [
    'stream configuration: [\'my.s\'].on is "off", read as a text, and as false in YAML 1.1: write it so that all readers agree',
    'schema /a/1: maxProperties is "1_000", read as the number 1000, and as "1_000" in YAML 1.2: write it so that all readers agree',
    'schema /a/1: # has "requird", which changes nothing; is "required" meant?',
  ])
})

test('the log says what config.yaml has that others read otherwise', async t => {
  const config = 'logging: {name: no}\nservices: [{name: a, conf: {port: 0, output_path: /dev/null}}]'
  const { logged } = await spawnService(t, temporary(t), config)
  assert.match(logged(), /config\.yaml: logging\.name is \\"no\\", read as a text, and as false in YAML 1\.1/)
})
