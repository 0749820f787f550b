import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { parseArgs } from 'node:util'
import { check as runCheck } from '#src/cli/check/check.js'
import { FLAGS } from '#src/cli/usage.js'
import { pageSchema, schemaFolder } from '../../../support/cli.js'

/** Runs the command in this process, in a folder. */
async function check(cwd: string, ...args: string[]) {
  const { values, positionals: files } = parseArgs({ args, options: FLAGS, allowPositionals: true })
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

const codesOf = (checked: { json(): { problems: { code: string }[] } }) =>
  checked.json().problems.map(({ code }) => code)

test('a repository whose new version is compatible', async t => {
  const { folder } = schemaFolder(t)
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
  const { folder, write } = schemaFolder(t)
  write('jsonschema/page/change/1.2.0.yaml', pageSchema('1.2.0', { user: { type: 'integer' } }))
  const { status, stdout } = await check(folder)
  assert.equal(status, 1)
  assert.match(stdout, /^page\/change 1\.1\.0 → 1\.2\.0: breaks\n {2}\.user should be integer \(type\)\n/m)
  const [, result] = (await check(folder, '--json')).json().results
  assert.equal(result.verdict, 'breaks')
  assert.deepEqual(result.rule, { path: '.user', keyword: 'type', message: 'should be integer' })
  assert.equal(typeof result.event.user, 'string')
})

test('a new major version may break, and --strict says no', async t => {
  const { folder, write } = schemaFolder(t)
  write('jsonschema/page/change/2.0.0.yaml', pageSchema('2.0.0', {}, ['$schema', 'meta', 'wiki']))
  const { status, stdout } = await check(folder)
  assert.equal(status, 0)
  assert.match(stdout, /1\.1\.0 → 2\.0\.0: breaks \(a new major version may\)/)
  assert.equal((await check(folder, '--strict')).status, 1)
})

test('what a branch does to versions that are published: --base', async t => {
  const { folder, write } = schemaFolder(t)
  const git = (...args: string[]) =>
    execFileSync('git', ['-c', 'user.name=a', '-c', 'user.email=a@example.org', ...args], { cwd: folder })
  git('init', '-q', '-b', 'main')
  git('add', '.')
  git('commit', '-q', '-m', 'first')
  assert.equal((await check(folder, '--base', 'main')).status, 0)
  write('jsonschema/page/change/1.1.0.yaml', pageSchema('1.1.0', { user: { type: 'string', maxLength: 3 } }))
  const edited = await check(folder, '--base', 'main', '--json')
  assert.equal(edited.status, 1)
  assert.deepEqual(codesOf(edited), ['published_edited'])
  assert.equal(edited.json().results.at(-1).verdict, 'breaks')
  write('jsonschema/page/change/1.1.0.yaml', {
    ...pageSchema('1.1.0', { user: { type: 'string' } }),
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
  const { folder, write } = schemaFolder(t)
  write('jsonschema/page/change/1.2.0.yaml', pageSchema('1.2.0', { user: { type: 'string', maxLength: 3 } }))
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

test('a configuration is checked with all that the start would check', async t => {
  const service = (conf: object) => ({ services: [{ name: 'a', conf: { producer: 'memory', ...conf } }] })
  const { folder } = schemaFolder(t, {
    'good.yaml': service({ stream_config_uri: 'streams.yaml', schema_base_uris: ['jsonschema'] }),
    'bad.yaml': service({ port: 'x', no_such_option: 1, max_body_size: '-1' }),
    'gone.yaml': service({ stream_config_uri: 'no.yaml' }),
    'module.yaml': service({ eventgate_factory_module: '/no/own.js' }),
    'wikimedia.yaml': service({ eventgate_factory_module: '/srv/app/eventgate-wikimedia.js' }),
  })
  const good = await check(folder, '-c', 'good.yaml', '--schemas', 'jsonschema')
  assert.deepEqual([good.status, good.failure], [0, ''], good.stdout)
  assert.match(good.stdout, /1 streams/)
  // Wikimedia's own module need not exist, because the service has its behaviour.
  const modules = (await check(folder, '-c', 'module.yaml')).stdout
  assert.match(modules, /eventgate_factory_module \/no\/own\.js does not exist/)
  assert.equal((await check(folder, '-c', 'wikimedia.yaml')).status, 0)
  const bad = await check(folder, '-c', 'bad.yaml')
  assert.equal(bad.status, 1)
  for (const name of ['port', 'no_such_option', 'max_body_size']) assert.match(bad.stdout, new RegExp(name))
  assert.match((await check(folder, '-c', 'gone.yaml')).stdout, /stream_config_uri .*no\.yaml does not exist/)
})

test('SARIF for code review, and what cannot be run', async t => {
  const { folder, write } = schemaFolder(t)
  write('jsonschema/page/change/1.2.0.yaml', pageSchema('1.2.0', { user: { type: 'integer' } }))
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
