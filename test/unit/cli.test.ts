import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { CLI, eventgate, folderOf, lines } from '../support/cli.js'
import { ROOT, send, temporary, testEvent } from '../support/service.js'

test('help shows examples', () => {
  for (const args of [['--help'], ['validate', '-h'], ['serve', '--help']]) {
    const { status, stdout } = eventgate(args)
    assert.equal(status, 0)
    assert.match(stdout, /^usage: eventgate serve.*examples:\n {2}eventgate serve --dev\n/s)
  }
  assert.match(eventgate(['-v']).stdout, /^\d+\.\d+\.\d+\n$/)
})

test('what cannot be obeyed or read is 2', t => {
  const folder = folderOf(t, { 'config.yaml': 'services: [{name: e, conf: {prot: 1}}]' })
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
  const wrong = eventgate(['-n', 'all', '-c', file])
  assert.equal(wrong.status, 78)
  assert.match(wrong.stderr, /num_workers must be a number of workers, or an expression/)
  const nothing = eventgate([], { env: { APP_CONFIG_PATH: '' } })
  assert.match(nothing.stderr, /or a configuration \(-c FILE\)/)
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
