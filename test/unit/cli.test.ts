import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { mkdirSync, openSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { freePort, repository } from '../support/http.js'
import { ROOT, send, temporary, testEvent } from '../support/service.js'

const CLI = join(ROOT, 'dist/cli.js')

interface Run {
  input?: string
  cwd?: string
  env?: Record<string, string>
}

function eventgate(args: readonly string[], { input = '', cwd = ROOT, env = {} }: Run = {}) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [CLI, ...args], {
    ...{ input, cwd, encoding: 'utf8' },
    env: { ...process.env, ...env },
  })
  return { status, stdout, stderr }
}

const lines = (...values: unknown[]) => values.map(value => `${JSON.stringify(value)}\n`).join('')

/** A folder with these files in it. */
function files(t: TestContext, contents: Record<string, string>): string {
  const folder = temporary(t)
  for (const [name, text] of Object.entries(contents)) writeFileSync(join(folder, name), text)
  return folder
}

test('help shows examples', () => {
  for (const args of [['--help'], ['validate', '-h'], ['serve', '--help']]) {
    const { status, stdout } = eventgate(args)
    assert.equal(status, 0)
    assert.match(stdout, /^usage: eventgate serve.*examples:\n {2}eventgate serve --dev\n/s)
  }
  assert.match(eventgate(['-v']).stdout, /^\d+\.\d+\.\d+\n$/)
})

test('validate: an output that cannot be written is no success', () => {
  const full = openSync('/dev/full', 'w')
  const { status, stderr } = spawnSync(process.execPath, [CLI, 'validate'], {
    ...{ input: JSON.stringify(testEvent()), cwd: ROOT, encoding: 'utf8' },
    stdio: ['pipe', full, 'pipe'],
  })
  assert.equal(status, 2)
  assert.match(stderr, /the output cannot be written/)
})

test('validate: verdicts of files and of the standard input, and an exit code', t => {
  const folder = files(t, {
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

test('validate --json: a verdict a line', () => {
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

test('validate: many events, each explained', () => {
  const many = Array.from({ length: 250 }, (_, i) => testEvent({ test: i }))
  const { status, stdout } = eventgate(['validate'], { input: JSON.stringify(many) })
  assert.equal(status, 1)
  assert.equal(stdout.match(/would pass: set test to/g)?.length, 250)
})

test('validate: schemas from folders, a configuration, and what events need not name', t => {
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

test('what cannot be obeyed or read is 2', t => {
  const folder = files(t, { 'config.yaml': 'services: [{name: e, conf: {prot: 1}}]' })
  const refused = [
    [],
    ['nonsense'],
    ['validate', '--nonsense'],
    ['validate', '--dev'],
    ['validate', join(folder, 'no-such.json')],
    ['validate', '--schemas', join(folder, 'no-such')],
    ['validate', '-c', join(folder, 'config.yaml')],
    ['serve', 'file'],
    ['serve', '--dev', '-c', 'x'],
  ]
  for (const args of refused) {
    const { status, stdout, stderr } = eventgate(args, { input: lines(testEvent()) })
    assert.equal(status, 2, args.join(' '))
    assert.match(stderr, /^eventgate: ./, args.join(' '))
    assert.equal(stdout, '')
  }
})

test('an event of which nothing can be found out is 2', async t => {
  const port = await freePort()
  const folder = files(t, {
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
  const file = join(files(t, { 'event.json': JSON.stringify(testEvent({ test: 42 })) }), 'event.json')
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

test('serve takes events with the configuration that it is told', async t => {
  const folder = temporary(t)
  const file = join(folder, 'config.yaml')
  const conf = { port: 0, output_path: join(folder, 'events.ndjson') }
  writeFileSync(file, JSON.stringify({ services: [{ name: 'eventgate', conf }] }))
  const { url, stop } = await serve(t, ['serve', '-c', file], ROOT)
  assert.equal((await send(`${url}/_info/ready`)).status, 200)
  assert.equal((await send(`${url}/_dev/counts`)).status, 404)
  assert.equal(await stop(), 0)
})

test('without a command it serves, as charts made for service-runner start it: options of node, the link, flags', async t => {
  const folder = temporary(t)
  const conf = { port: 0, output_path: join(folder, 'events.ndjson') }
  const file = join(folder, 'config.yaml')
  writeFileSync(file, JSON.stringify({ services: [{ name: 'eventgate', conf }] }))
  const bin = join(folder, 'eventgate')
  symlinkSync(CLI, bin)
  const lines = [
    ['-c', file],
    ['--config', file],
    [`--config=${file}`],
    ['-n', '0', '--verbose', '-c', file],
    // The variable wins, as it does in service-runner.
    ['-c', '/no/such/file'],
  ]
  for (const [i, args] of lines.entries()) {
    const env = i === lines.length - 1 ? { APP_CONFIG_PATH: file } : { APP_CONFIG_PATH: undefined }
    const node = ['--inspect=127.0.0.1:0', '--trace-warnings']
    const { url, stop } = await serve(t, args, folder, bin, { node, env })
    assert.equal((await send(`${url}/_info`)).status, 200, args.join(' '))
    assert.equal(await stop(), 0)
  }
  const alone = eventgate(['-n', '4', '-c', file])
  assert.equal(alone.status, 2)
  assert.match(alone.stderr, /--num-workers must be 0, not 4: one process serves; run more of them/)
  const nothing = eventgate([], { env: { APP_CONFIG_PATH: '' } })
  assert.match(nothing.stderr, /or name a configuration: -c FILE/)
})

test('packed and installed elsewhere, npx eventgate serves and validates', async t => {
  const folder = temporary(t)
  const packed = spawnSync('npm', ['pack', '--silent', '--pack-destination', folder], {
    cwd: ROOT,
    encoding: 'utf8',
  })
  assert.equal(packed.status, 0, packed.stderr)
  // As npm lays it out; its dependencies are those of the checkout.
  const modules = join(folder, 'project/node_modules')
  mkdirSync(join(modules, '.bin'), { recursive: true })
  const untar = spawnSync('tar', ['-xf', join(folder, packed.stdout.trim()), '-C', modules])
  assert.equal(untar.status, 0)
  assert.equal(spawnSync('mv', [join(modules, 'package'), join(modules, 'eventgate')]).status, 0)
  symlinkSync(join(ROOT, 'node_modules'), join(modules, 'eventgate/node_modules'))
  symlinkSync('../eventgate/dist/cli.js', join(modules, '.bin/eventgate'))
  spawnSync('chmod', ['+x', join(modules, 'eventgate/dist/cli.js')])
  const project = join(folder, 'project')
  writeFileSync(join(project, 'package.json'), '{"private":true}')
  const run = spawnSync('npx', ['--no-install', 'eventgate', 'validate'], {
    ...{ cwd: project, input: lines(testEvent(), testEvent({ test: 42 })), encoding: 'utf8' },
  })
  assert.equal(run.status, 1, run.stderr)
  assert.match(run.stdout, /2 events: 1 would be accepted, 1 refused\n$/)
  const { url, stop } = await serve(t, ['serve', '--dev'], project, join(modules, '.bin/eventgate'))
  assert.equal((await send(`${url}/_dev/counts`)).status, 200)
  assert.equal(await stop(), 0)
})

/** Starts it, and waits until it is ready. */
async function serve(
  t: TestContext,
  args: string[],
  cwd: string,
  cli = CLI,
  { node = [], env = {} }: { node?: string[]; env?: NodeJS.ProcessEnv } = {},
) {
  const child = spawn(process.execPath, [...node, cli, ...args], {
    cwd,
    env: { ...process.env, APP_CONFIG_PATH: '/nowhere.yaml', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  t.after(() => void child.kill('SIGKILL'))
  let out = ''
  child.stderr.on('data', chunk => {
    out += chunk
  })
  const port = await new Promise<string>((resolve, reject) => {
    child.stdout.on('data', chunk => {
      out += chunk
      const ready = /is ready on port (\d+)/.exec(out)
      if (ready) resolve(ready[1] as string)
    })
    child.once('exit', code => reject(new Error(`it ended with ${code}:\n${out}`)))
  })
  const stop = () =>
    new Promise<number | null>(resolve => {
      child.removeAllListeners('exit').once('exit', resolve)
      child.kill('SIGTERM')
    })
  return { url: `http://127.0.0.1:${port}`, stop }
}
