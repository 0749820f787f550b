import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { parseArgs } from 'node:util'
import { dump } from 'js-yaml'
import { check as runCheck } from '#src/cli/check.js'
import { NOT_REAL, ROOT, temporary, WIKIMEDIA } from '../../support/service.js'

interface Checked {
  status: number
  stdout: string
  failure: string
  // biome-ignore lint/suspicious/noExplicitAny: tests look into it freely, and fail where they are wrong
  json(): any
}

const OPTIONS = {
  config: { type: 'string', short: 'c' },
  base: { type: 'string' },
  sample: { type: 'string' },
  schemas: { type: 'string', multiple: true },
  strict: { type: 'boolean' },
  json: { type: 'boolean' },
  sarif: { type: 'boolean' },
} as const

/** Runs the command in this process, in a folder, as the command line would. */
async function check(cwd: string, ...args: string[]): Promise<Checked> {
  const { values, positionals: files } = parseArgs({ args, options: OPTIONS, allowPositionals: true })
  let stdout = ''
  const before = process.cwd()
  process.chdir(cwd)
  try {
    const status = await runCheck({ ...values, files }, text => {
      stdout += text
    })
    return { status, stdout, failure: '', json: () => JSON.parse(stdout) }
  } catch (error) {
    return { status: 2, stdout, failure: (error as Error).message, json: () => assert.fail(String(error)) }
  } finally {
    process.chdir(before)
  }
}

const page = (version: string, more: object = {}, required: string[] = ['$schema', 'meta']) => ({
  title: 'page/change',
  $id: `/page/change/${version}`,
  $schema: 'https://json-schema.org/draft-07/schema#',
  type: 'object',
  required,
  additionalProperties: false,
  properties: {
    $schema: { type: 'string' },
    meta: {
      type: 'object',
      required: ['dt', 'stream'],
      properties: { dt: { type: 'string', format: 'date-time', maxLength: 128 }, stream: { type: 'string' } },
    },
    wiki: { type: 'string', maxLength: 20 },
    ...more,
  },
  examples: [
    { $schema: `/page/change/${version}`, meta: { stream: 'page', dt: '2026-01-01T00:00:00Z' }, wiki: 'a' },
  ],
})

const STREAMS = { page: { schema_title: 'page/change' } }

/** A repository of schemas with two versions, and a stream. */
function repository(
  t: TestContext,
  files: Record<string, unknown> = {},
): { folder: string; write: typeof write } {
  const folder = temporary(t)
  const write = (name: string, value: unknown) => {
    const path = join(folder, name)
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, typeof value === 'string' ? value : dump(value))
  }
  write('jsonschema/page/change/1.0.0.yaml', page('1.0.0'))
  write('jsonschema/page/change/1.1.0.yaml', page('1.1.0', { user: { type: 'string' } }))
  write('streams.yaml', STREAMS)
  for (const [name, value] of Object.entries(files)) write(name, value)
  return { folder, write }
}

const codesOf = (checked: Checked) => checked.json().problems.map(({ code }: { code: string }) => code)

test('a repository whose new version is compatible', async t => {
  const { folder } = repository(t)
  const checked = await check(folder)
  assert.deepEqual([checked.status, checked.failure], [0, ''])
  assert.match(
    checked.stdout,
    /^2 schemas, 1 streams, 1 new versions: 1 compatible, 0 break, 0 cannot be told; 0 errors/,
  )
  const json = (await check(folder, '--json')).json()
  assert.deepEqual(json.problems, [])
  const [{ schema, from, to, verdict, event, rule }] = json.results
  assert.deepEqual(
    { schema, from, to, verdict, event, rule },
    {
      ...{
        schema: 'page/change',
        from: '1.0.0',
        to: '1.1.0',
        verdict: 'compatible',
        event: null,
        rule: null,
      },
    },
  )
})

test('a new version that breaks, with the event that shows it', async t => {
  const { folder, write } = repository(t)
  write('jsonschema/page/change/1.2.0.yaml', page('1.2.0', { user: { type: 'integer' } }))
  const { status, stdout } = await check(folder)
  assert.equal(status, 1)
  assert.match(stdout, /^page\/change 1\.1\.0 → 1\.2\.0: breaks\n {2}\.user should be integer \(type\)\n/m)
  const [, result] = (await check(folder, '--json')).json().results
  assert.equal(result.verdict, 'breaks')
  assert.deepEqual(result.rule, { path: '.user', keyword: 'type', message: 'should be integer' })
  assert.equal(typeof result.event.user, 'string')
})

test('a new major version may break, and --strict says no', async t => {
  const { folder, write } = repository(t)
  write('jsonschema/page/change/2.0.0.yaml', page('2.0.0', {}, ['$schema', 'meta', 'wiki']))
  const { status, stdout } = await check(folder)
  assert.equal(status, 0)
  assert.match(stdout, /1\.1\.0 → 2\.0\.0: breaks \(a new major version may\)/)
  assert.equal((await check(folder, '--strict')).status, 1)
})

test('what a branch does to versions that are published: --base', async t => {
  const { folder, write } = repository(t)
  const git = (...args: string[]) =>
    execFileSync('git', ['-c', 'user.name=a', '-c', 'user.email=a@example.org', ...args], { cwd: folder })
  git('init', '-q', '-b', 'main')
  git('add', '.')
  git('commit', '-q', '-m', 'first')
  assert.equal((await check(folder, '--base', 'main')).status, 0)
  write('jsonschema/page/change/1.1.0.yaml', page('1.1.0', { user: { type: 'string', maxLength: 3 } }))
  const edited = await check(folder, '--base', 'main', '--json')
  assert.equal(edited.status, 1)
  assert.deepEqual(codesOf(edited), ['published_edited'])
  assert.equal(edited.json().results.at(-1).verdict, 'breaks')
  write('jsonschema/page/change/1.1.0.yaml', {
    ...page('1.1.0', { user: { type: 'string' } }),
    description: 'words',
  })
  const worded = await check(folder, '--base', 'main', '--json')
  assert.deepEqual([worded.status, worded.json().problems[0].severity], [0, 'warning'])
  rmSync(join(folder, 'jsonschema/page/change/1.0.0.yaml'))
  assert.deepEqual(codesOf(await check(folder, '--base', 'main', '--json')).sort(), [
    'published_edited',
    'version_removed',
  ])
  assert.equal(git('status', '--porcelain').toString().includes('streams'), false, 'the index stays as it is')
  const nothing = await check(folder, '--base', 'nowhere')
  assert.equal(nothing.status, 2)
  assert.match(nothing.failure, /--base nowhere cannot be read/)
})

test('of real events, how many a new version would refuse, and why: --sample', async t => {
  const { folder, write } = repository(t)
  write('jsonschema/page/change/1.2.0.yaml', page('1.2.0', { user: { type: 'string', maxLength: 3 } }))
  const event = (user: string) =>
    JSON.stringify({ $schema: '/page/change/1.1.0', meta: { stream: 'page' }, user })
  write('events.ndjson', `${['ab', 'abc', 'abcd', 'abcde'].map(event).join('\n')}\n`)
  const result = (await check(folder, 'jsonschema', '--sample', 'events.ndjson', '--json'))
    .json()
    .results.at(-1)
  assert.equal(result.sample.events, 4)
  assert.equal(result.sample.refused, 2)
  assert.deepEqual(
    result.sample.reasons.map(({ reason, count }: { reason: string; count: number }) => [reason, count]),
    [["'.user' should NOT be longer than 3 characters", 2]],
  )
  assert.match(
    (await check(folder, '--sample', 'events.ndjson')).stdout,
    /of 4 real events 2 would be refused/,
  )
  write('events.ndjson', 'no event\n')
  const wrong = await check(folder, '--sample', 'events.ndjson')
  assert.deepEqual([wrong.status, /events\.ndjson:1 is not an event/.test(wrong.failure)], [2, true])
})

const WRONG: Record<string, [files: Record<string, unknown>, codes: string[]]> = {
  'an $id of another place': [
    { 'jsonschema/page/change/1.1.0.yaml': { ...page('1.1.0'), $id: '/page/other/1.1.0' } },
    ['id_mismatch'],
  ],
  'another title': [
    { 'jsonschema/page/change/1.1.0.yaml': { ...page('1.1.0'), title: 'page' } },
    ['title_mismatch'],
  ],
  'a version that leaves one out': [
    { 'jsonschema/page/change/1.3.0.yaml': page('1.3.0', { user: { type: 'string' } }) },
    ['version_step'],
  ],
  'an example that is refused': [
    {
      'jsonschema/page/change/1.1.0.yaml': {
        ...page('1.1.0', { user: { type: 'string' } }),
        examples: [{ user: 1 }],
      },
    },
    ['example_invalid'],
  ],
  'a pattern that may take for ever': [
    {
      'jsonschema/page/change/1.2.0.yaml': page('1.2.0', {
        user: { type: 'string', pattern: '^(?=(a+)+$)' },
      }),
    },
    ['schema_insecure'],
  ],
  'a reference that leads nowhere': [
    { 'jsonschema/page/change/1.2.0.yaml': page('1.2.0', { user: { $ref: '/no/1.0.0' } }) },
    ['schema_broken'],
  ],
  'a file that is no YAML': [{ 'jsonschema/page/change/1.2.0.yaml': 'a: [' }, ['unreadable']],
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
    const { folder } = repository(t, files)
    const checked = await check(folder, '--json')
    assert.deepEqual([...new Set(codesOf(checked))], codes, checked.stdout)
    for (const { file, line, message } of checked.json().problems) {
      assert.ok(existsSync(join(folder, file)), file)
      assert.ok(line >= 1 && message.length > 10)
    }
  })
}

test('an illegal name of a stream is an error', async t => {
  const { folder } = repository(t, { 'streams.yaml': { 'bad name': STREAMS.page } })
  const { status, stdout } = await check(folder)
  assert.equal(status, 1)
  assert.match(stdout, /bad name/)
})

test('a configuration is checked with all that the start would check', async t => {
  const service = (conf: object) => ({ services: [{ name: 'a', conf: { producer: 'memory', ...conf } }] })
  const { folder } = repository(t, {
    'good.yaml': service({ stream_config_uri: 'streams.yaml', schema_base_uris: ['jsonschema'] }),
    'bad.yaml': service({ port: 'x', no_such_option: 1, max_body_size: '-1' }),
    'gone.yaml': service({ stream_config_uri: 'no.yaml' }),
  })
  const good = await check(folder, '-c', 'good.yaml', '--schemas', 'jsonschema')
  assert.deepEqual([good.status, good.failure], [0, ''], good.stdout)
  assert.match(good.stdout, /1 streams/)
  const bad = await check(folder, '-c', 'bad.yaml')
  assert.equal(bad.status, 1)
  for (const name of ['port', 'no_such_option', 'max_body_size']) assert.match(bad.stdout, new RegExp(name))
  assert.match((await check(folder, '-c', 'gone.yaml')).stdout, /stream_config_uri .*no\.yaml is not there/)
})

test('SARIF for code review, and what cannot be run', async t => {
  const { folder, write } = repository(t)
  write('jsonschema/page/change/1.2.0.yaml', page('1.2.0', { user: { type: 'integer' } }))
  const { version, runs } = (await check(folder, '--sarif')).json()
  assert.equal(version, '2.1.0')
  assert.deepEqual(
    runs[0].results.map(({ ruleId, level }: { ruleId: string; level: string }) => [ruleId, level]),
    [['breaks', 'error']],
  )
  assert.equal(
    runs[0].results[0].locations[0].physicalLocation.artifactLocation.uri,
    'jsonschema/page/change/1.2.0.yaml',
  )
  assert.equal((await check(folder, 'nowhere')).status, 2)
  assert.equal((await check(folder, '--json', '--sarif')).status, 2)
})

test('production’s schemas: a verdict for each new version', { skip: NOT_REAL }, async () => {
  const { results } = (await check(ROOT, join(WIKIMEDIA, 'schemas-event-primary'), '--json')).json()
  const told = results.filter(({ verdict }: { verdict: string }) => verdict !== 'cannot_tell')
  assert.ok(results.length >= 30)
  assert.ok(told.length / results.length >= 0.99, `${told.length} of ${results.length}`)
})
