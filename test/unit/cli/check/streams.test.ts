import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { findFiles } from '#src/cli/check/files.js'
import { CheckedSchemas } from '#src/cli/check/schemas.js'
import { checkStreams } from '#src/cli/check/streams.js'
import { readConf } from '#src/lib/config/config.js'
import { STREAMS, schemaFolder } from '../../../support/cli.js'

async function check(t: TestContext, files: Record<string, unknown> = {}) {
  const { folder } = schemaFolder(t, files)
  const found = findFiles([folder], folder)
  const schemas = await CheckedSchemas.load(found.schemas, {}, [])
  const [file = assert.fail('no streams')] = found.streams
  return checkStreams(file, readConf({}), schemas)
}

test('a configuration without faults is counted', async t => {
  assert.deepEqual(await check(t), { problems: [], streams: 1 })
})

const WRONG: Record<string, [files: Record<string, unknown>, codes: string[]]> = {
  'a stream of no schema': [
    { 'streams.yaml': { ...STREAMS, b: { schema_title: 'no' } } },
    ['stream_schema_missing'],
  ],
  'a stream without a schema': [
    { 'streams.yaml': { ...STREAMS, b: { message_key_fields: {} } } },
    ['stream_without_schema'],
  ],
  'a key that is not there': [
    { 'streams.yaml': { page: { ...STREAMS.page, message_key_fields: { a: 'no' } } } },
    ['key_undeclared'],
  ],
  'a key that is not required': [
    { 'streams.yaml': { page: { ...STREAMS.page, message_key_fields: { a: 'wiki' } } } },
    ['key_optional'],
  ],
  'a header for a field that is not there': [
    {
      'streams.yaml': {
        page: {
          ...STREAMS.page,
          producers: { eventgate: { enrich_fields_from_http_headers: { no: 'x-a' } } },
        },
      },
    },
    ['header_field_undeclared'],
  ],
  'expressions that overlap': [
    { 'streams.yaml': { '/^page\\..+$/': STREAMS.page, '/^page\\.a$/': STREAMS.page } },
    ['expressions_overlap'],
  ],
  'topics that collide': [{ 'streams.yaml': { 'a.b': STREAMS.page, a_b: STREAMS.page } }, ['stream_refused']],
}

for (const [name, [files, codes]] of Object.entries(WRONG)) {
  test(`it says what is wrong: ${name}`, async t => {
    const { problems } = await check(t, files)
    assert.deepEqual([...new Set(problems.map(({ code }) => code))], codes)
    for (const { file, line, message } of problems) {
      assert.equal(file, 'streams.yaml')
      assert.ok(line >= 1 && message.length > 10)
    }
  })
}

test('an illegal name of a stream is an error, at its line', async t => {
  const { problems } = await check(t, { 'streams.yaml': { ...STREAMS, 'bad name': STREAMS.page } })
  assert.deepEqual(
    problems.map(({ code, severity, line }) => [code, severity, line]),
    [['stream_refused', 'error', 3]],
  )
  assert.match(String(problems[0]?.message), /bad name/)
})
