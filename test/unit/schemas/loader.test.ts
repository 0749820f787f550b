import assert from 'node:assert/strict'
import { test } from 'node:test'
import { complaints, folder, load, refused, remote, repository, repositoryOf } from '../../support/schemas.js'

test('references: relative, absolute, to itself, in chains and circles, to anchors and meta-schemas', async t => {
  const schemas = repositoryOf(t, {
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
  const schemas = repositoryOf(t, broken)
  for (const uri of Object.keys(broken).filter(uri => uri.startsWith('a/')))
    await refused(schemas, `/${uri}`, 'schema_broken')
  const unreachable = repositoryOf(t, { 'a/1': { $ref: '/b/1' } }, { bases: ['http://127.0.0.1:9'] })
  await refused(unreachable, '/a/1', 'schema_unavailable')
  const insecure = repositoryOf(t, {
    'a/1': { $ref: '/b/1' },
    'b/1': { properties: { x: { pattern: '.' } } },
  })
  await refused(insecure, '/a/1', 'schema_insecure')
})

test('too many references', async t => {
  const files = Object.fromEntries(
    Array.from({ length: 120 }, (_, i) => [`n/${i}`, { properties: { next: { $ref: `${i + 1}` } } }]),
  )
  const schemas = repositoryOf(t, { ...files, 'n/120': {} })
  await refused(schemas, '/n/0', 'schema_broken', /100/)
  assert.equal(complaints(await load(schemas, '/n/60'), {}), '')
})

test('all look-ups of one schema share one timeout, those of what it refers to among them', async t => {
  const far = await remote(t, () => {})
  const silent = await remote(t, () => {})
  const references = Array.from({ length: 50 }, (_, i) => ({ $ref: `/b/${i}` }))
  const root = folder(t, { 'a/1.0.0': JSON.stringify({ allOf: references }) })
  const schemas = repository([far.base, silent.base, root], { timeoutMs: 400 })
  const begun = performance.now()
  await refused(schemas, '/a/1.0.0', 'schema_unavailable')
  // Each of the 204 by itself would take 400 ms.
  assert.ok(performance.now() - begun < 20_000)
})
