import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { openSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { CLI, eventgate, folderOf, lines } from '../../support/cli.js'
import { freePort, repository } from '../../support/http.js'
import { ROOT, temporary, testEvent } from '../../support/service.js'

test('an output that cannot be written is no success', () => {
  const full = openSync('/dev/full', 'w')
  const { status, stderr } = spawnSync(process.execPath, [CLI, 'validate'], {
    ...{ input: JSON.stringify(testEvent()), cwd: ROOT, encoding: 'utf8' },
    stdio: ['pipe', full, 'pipe'],
  })
  assert.equal(status, 2)
  assert.match(stderr, /the output cannot be written/)
})

test('verdicts of files and of the standard input, and an exit code', t => {
  const folder = folderOf(t, {
    'good.json': JSON.stringify([testEvent(), testEvent()], null, 2),
    'one.json': JSON.stringify(testEvent(), null, 2),
    'mixed.ndjson': `${lines(testEvent(), testEvent({ test: 42 }))}\nnot json\n`,
    'broken.json': '{\n  "a": 1\n',
  })
  const path = (name: string) => join(folder, name)
  const good = eventgate(['validate', path('good.json'), path('one.json')])
  assert.deepEqual([good.status, good.stderr], [0, ''])
  assert.match(good.stdout, /^accepted .*good\.json:2 \/test\/event\/1\.0\.0 → eventgate\.test\.event\n/)
  assert.match(good.stdout, /3 events: 3 would be accepted, 0 refused\n$/)

  const mixed = eventgate(['validate', path('mixed.ndjson')])
  assert.equal(mixed.status, 1)
  assert.match(
    mixed.stdout,
    /refused {2}.*mixed\.ndjson:2 .*\n {2}test must be text; it is the number 42\n {4}would pass: set test to "42"\n/,
  )
  assert.match(mixed.stdout, /refused {2}.*mixed\.ndjson:4\n/)
  assert.match(mixed.stdout, /3 events: 1 would be accepted, 2 refused\n$/)
  const broken = eventgate(['validate', path('broken.json')])
  assert.equal(broken.status, 1)
  assert.match(broken.stdout, /^refused {2}.*broken\.json:1\n/)
  assert.match(broken.stdout, /1 events: 0 would be accepted, 1 refused\n$/)

  for (const args of [['validate'], ['validate', '-']]) {
    const piped = eventgate(args, { input: lines(testEvent()) })
    assert.equal(piped.status, 0)
    assert.match(piped.stdout, /^accepted stdin:1/)
  }
})

test('--json: a verdict a line', () => {
  const { status, stdout } = eventgate(['validate', '--json'], {
    input: lines(testEvent(), testEvent({ test: 42 })),
  })
  assert.equal(status, 1)
  const [one, two] = stdout
    .trim()
    .split('\n')
    .map(line => JSON.parse(line))
  assert.deepEqual(
    [one.file, one.line, one.index, one.outcome, one.event.test],
    ['stdin', 1, 0, 'accepted', 'some text'],
  )
  assert.deepEqual([two.line, two.index, two.outcome], [2, 1, 'refused'])
  assert.equal(two.error.details[0].path, '/test')
  assert.deepEqual(two.error.mended.patch, [{ op: 'replace', path: '/test', value: '42' }])
})

test('many events, each explained', () => {
  const many = Array.from({ length: 250 }, (_, i) => testEvent({ test: i }))
  const { status, stdout } = eventgate(['validate'], { input: JSON.stringify(many) })
  assert.equal(status, 1)
  assert.equal(stdout.match(/would pass: set test to/g)?.length, 250)
})

test('schemas from folders, a configuration, and what events need not name', t => {
  const schema = { properties: { $schema: { type: 'string' }, n: { type: 'integer' } } }
  const folder = repository(t, { '/my/thing/1.0.0': schema })
  const other = repository(t, { '/other/1.0.0': {} })
  const event = { $schema: '/my/thing/1.0.0', meta: { stream: 's' }, n: 1 }
  const input = lines(event, { $schema: '/other/1.0.0', meta: { stream: 's' } })
  assert.equal(eventgate(['validate'], { input }).status, 1)
  assert.equal(eventgate(['validate', '--schemas', folder, '--schemas', other], { input }).status, 0)
  assert.equal(eventgate(['validate', '--schemas', folder], { input: lines(event) }).status, 0)
  const bare = { input: lines({ n: 1 }) }
  assert.equal(eventgate(['validate', '--schemas', folder], bare).status, 1)
  const named = ['validate', '--schemas', folder, '--schema', '/my/thing/1.0.0', '--stream', 's']
  assert.equal(eventgate(named, bare).status, 0)

  const streams = join(folder, 'streams.yaml')
  writeFileSync(streams, JSON.stringify({ s: { schema_title: 'other' } }))
  const config = join(folder, 'config.yaml')
  const conf = {
    schema_base_uris: [folder],
    stream_config_uri: streams,
    kafka: { conf: { 'metadata.broker.list': 'nowhere:9092' } },
  }
  writeFileSync(config, JSON.stringify({ services: [{ name: 'e', conf }] }))
  const configured = eventgate(['validate', '-c', config, '--json'], { input: lines(event) })
  assert.equal(configured.status, 1, configured.stderr)
  assert.equal(JSON.parse(configured.stdout).error.code, 'schema_not_allowed')

  // Without any, those of the folder in which it is asked.
  const here = temporary(t)
  symlinkSync(folder, join(here, 'schemas'))
  assert.equal(eventgate(['validate'], { input: lines(event), cwd: here }).status, 0)
})

test('an event of which nothing can be found out is 2', async t => {
  const port = await freePort()
  const folder = folderOf(t, {
    'config.yaml': JSON.stringify({
      services: [{ name: 'e', conf: { schema_base_uris: [`http://127.0.0.1:${port}`] } }],
    }),
  })
  const event = { $schema: '/no/such/1.0.0', meta: { stream: 's' } }
  const { status, stdout } = eventgate(['validate', '-c', join(folder, 'config.yaml')], {
    input: lines(event),
  })
  assert.equal(status, 2)
  assert.match(
    stdout,
    /unclear .*\n.*could not be fetched.*\n.*\n1 events: 0 would be accepted, 0 refused, of 1 it could not be found out\n/,
  )
})

test('colours are for terminals', t => {
  const file = join(folderOf(t, { 'event.json': JSON.stringify(testEvent({ test: 42 })) }), 'event.json')
  const isColoured = (text: string) => text.includes('\x1b[31m')
  assert.ok(!isColoured(eventgate(['validate', file]).stdout))
  const onTerminal = (env: Record<string, string>) => {
    const { NO_COLOR: _, FORCE_COLOR: __, CI: ___, ...inherited } = process.env
    const command = `'${process.execPath}' '${CLI}' validate '${file}'`
    const { stdout } = spawnSync('script', ['-qec', command, '/dev/null'], {
      ...{ encoding: 'utf8', env: { ...inherited, TERM: 'xterm', ...env } },
    })
    assert.match(stdout, /1 events: 0 would be accepted, 1 refused/)
    return stdout
  }
  assert.ok(isColoured(onTerminal({})))
  assert.ok(!isColoured(onTerminal({ NO_COLOR: '1' })))
})
