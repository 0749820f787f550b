import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { findFiles } from '#src/cli/check/files.js'
import { CheckedSchemas, uriOf } from '#src/cli/check/schemas.js'
import { pageSchema, schemaFolder } from '../../../support/cli.js'

async function load(t: TestContext, files: Record<string, unknown>) {
  const { folder } = schemaFolder(t, files)
  return { folder, schemas: await CheckedSchemas.load(findFiles([folder], folder).schemas, {}, []) }
}

const WRONG: Record<string, [files: Record<string, unknown>, codes: string[]]> = {
  'an $id of another place': [
    { 'jsonschema/page/change/1.1.0.yaml': { ...pageSchema('1.1.0'), $id: '/page/other/1.1.0' } },
    ['id_mismatch'],
  ],
  'another title': [
    { 'jsonschema/page/change/1.1.0.yaml': { ...pageSchema('1.1.0'), title: 'page' } },
    ['title_mismatch'],
  ],
  'a version that leaves one out': [
    { 'jsonschema/page/change/1.3.0.yaml': pageSchema('1.3.0', { user: { type: 'string' } }) },
    ['version_step'],
  ],
  'an example that is refused': [
    {
      'jsonschema/page/change/1.1.0.yaml': {
        ...pageSchema('1.1.0', { user: { type: 'string' } }),
        examples: [{ user: 1 }],
      },
    },
    ['example_invalid'],
  ],
  'a pattern that may take for ever': [
    {
      'jsonschema/page/change/1.2.0.yaml': pageSchema('1.2.0', {
        user: { type: 'string', pattern: '^(?=(a+)+$)' },
      }),
    },
    ['schema_insecure'],
  ],
  'a reference that leads nowhere': [
    { 'jsonschema/page/change/1.2.0.yaml': pageSchema('1.2.0', { user: { $ref: '/no/1.0.0' } }) },
    ['schema_broken'],
  ],
}

for (const [name, [files, codes]] of Object.entries(WRONG)) {
  test(`it says what is wrong: ${name}`, async t => {
    const { folder, schemas } = await load(t, files)
    const problems = schemas.problems()
    assert.deepEqual([...new Set(problems.map(({ code }) => code))], codes)
    for (const { file, line, message } of problems) {
      assert.ok(existsSync(join(folder, file)), file)
      assert.ok(line >= 1 && message.length > 10)
    }
  })
}

test('versions are in order, and each is compared with the one before it', async t => {
  const { schemas } = await load(t, {
    'jsonschema/page/change/1.10.0.yaml': pageSchema('1.10.0', { user: { type: 'string' } }),
    'jsonschema/page/change/1.2.0.yaml': pageSchema('1.2.0', { user: { type: 'integer' } }),
  })
  const [files = []] = schemas.versions().values()
  assert.deepEqual(
    files.map(({ version }) => version),
    ['1.0.0', '1.1.0', '1.2.0', '1.10.0'],
  )
  assert.equal(schemas.newest('page/change')?.version, '1.10.0')
  assert.equal(schemas.newest('page'), undefined)
  assert.equal(uriOf(files[0] ?? assert.fail()), '/page/change/1.0.0')
  const progress: string[] = []
  const results = schemas.compareVersions((done, of) => progress.push(`${done} of ${of}`))
  assert.deepEqual(
    results.map(({ from, to, verdict }) => `${from} ${to} ${verdict}`),
    ['1.0.0 1.1.0 compatible', '1.1.0 1.2.0 breaks', '1.2.0 1.10.0 breaks'],
  )
  assert.deepEqual(progress, ['1 of 3', '2 of 3', '3 of 3'])
})

test('a schema that does not compile is not compared', async t => {
  const { schemas } = await load(t, {
    'jsonschema/page/change/1.2.0.yaml': pageSchema('1.2.0', { user: { $ref: '/no/1.0.0' } }),
  })
  const broken = schemas.files.find(({ version }) => version === '1.2.0') ?? assert.fail()
  assert.equal(schemas.side(broken), undefined)
  assert.equal(schemas.compareVersions(() => {}).length, 1)
})
