import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { folder, load, refused, remote, repository, serving, YAML } from '../../support/schemas.js'

test('URIs that are refused reach no path and no address', async t => {
  const root = folder(t, { 'secret.yaml': YAML, 'schemas/a/1.0.0.yaml': YAML })
  const far = await remote(t, serving({}))
  const schemas = repository([join(root, 'schemas'), far.base])
  const hostile = [
    ...[
      '../secret',
      '/../secret',
      '/a/../../secret',
      '/a/..',
      '/./a/1.0.0',
      '/..%2fsecret',
      '/%2e%2e/secret',
    ],
    ...[
      '/%252e%252e/secret',
      '..\\secret',
      '/a\\1.0.0',
      '/a/1.0.0\0.yaml',
      '/a\u0000',
      '/',
      '//',
      '//evil.example/x',
    ],
    ...[
      '/a//1.0.0',
      '/a/1.0.0/',
      '/a/1.0.0?x',
      '/a/1.0.0#',
      '#',
      ' /a/1.0.0',
      '/a/1.0.0\n',
      '/ä/1.0.0',
      `/${'a'.repeat(600)}`,
    ],
    ...['file:///etc/passwd', 'ftp://x/y', 'javascript:x', 'HTTP://x/y', 'http:/x', 'data:,{}'],
    ...['http://169.254.169.254/latest', `${far.base}/a/1.0.0`, 'http://json-schema.org/draft-07/schema#'],
    ...[
      'https://json-schema.org/draft-07/schema#',
      'http://json-schema.org/draft-04/schema',
      '/.',
      '/...a/..',
    ],
  ]
  for (const uri of hostile) await refused(schemas, uri, 'schema_uri_refused')
  for (const uri of ['', null, undefined, 1, true, {}, [], ['/a/1.0.0'], { toString: () => '/a/1.0.0' }])
    await refused(schemas, uri, 'schema_uri_missing')
  for (const uri of ['__proto__', 'constructor', '/__proto__', 'toString', 'hasOwnProperty'])
    await refused(schemas, uri, 'schema_not_found')
  assert.ok(
    far.asked.every(path => /^\/(__proto__|constructor|toString|hasOwnProperty)(\.yaml)?$/.test(path)),
    String(far.asked),
  )
  assert.equal((await load(schemas, '/a/1.0.0')).title, 'a')
})

test('absolute URIs, when they are allowed', async t => {
  const far = await remote(
    t,
    serving({ '/a/1.0.0': YAML, '/b': '{"properties": {"x": {"$ref": "a/1.0.0"}}}' }),
  )
  const schemas = repository([], { allowAbsoluteUris: true })
  assert.equal((await load(schemas, `${far.base}/a/1.0.0`)).title, 'a')
  await load(schemas, `${far.base}/b`)
  await refused(schemas, `${far.base}/c`, 'schema_not_found')
  const asked = far.asked.length
  for (const uri of [
    'http://json-schema.org/draft-07/schema#',
    'http://json-schema.org/draft-07/schema',
    `${far.base}/a/1.0.0#/title`,
    'http://[x',
    'file:///etc/passwd',
  ])
    await refused(schemas, uri, 'schema_uri_refused')
  assert.equal(far.asked.length, asked)
})
