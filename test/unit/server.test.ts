import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { dump } from 'js-yaml'
import { eventually } from '../support/http.js'
import { ROOT, send, spawnService, startService, temporary, testEvent } from '../support/service.js'

const packageJson = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))
const run = (args: string[], env: NodeJS.ProcessEnv = {}) =>
  spawnSync(process.execPath, ['dist/server.js', ...args], {
    cwd: ROOT,
    encoding: 'utf8',
    env: { ...process.env, ...env },
  })

test('a wrong configuration is told whole, ends with 78, and nothing was opened', t => {
  const folder = temporary(t)
  const path = join(folder, 'config.yaml')
  const output = join(folder, 'events')
  const conf = { port: -1, output_path: output, no_such_option: 1 }
  writeFileSync(path, dump({ services: [{ name: 'x', conf }] }))
  const { status, stdout, stderr } = run(['-c', path])
  assert.equal(status, 78)
  assert.equal(stdout, '')
  assert.equal(
    stderr,
    `eventgate: ${path} cannot be started with:
  services[0].conf has no option "no_such_option"
  services[0].conf.port must be an integer from 0 to 65535, not -1
`,
  )
  assert.throws(() => readFileSync(output), { code: 'ENOENT' })
})

test('a configuration that is not there ends with 78, an unknown flag with 64', () => {
  const absent = run(['-c', '/no/such/file'])
  assert.equal(absent.status, 78)
  assert.match(absent.stderr, /\/no\/such\/file/)
  const unknown = run(['--colour'])
  assert.equal(unknown.status, 64)
  assert.match(unknown.stderr, /--colour[\s\S]*usage/)
})

test('-v says the version, -h what can be said', () => {
  assert.equal(run(['-v']).stdout, `${packageJson.version}\n`)
  assert.match(run(['--help']).stdout, /--config FILE/)
})

test('APP_CONFIG_PATH goes before the flag', () => {
  assert.match(
    run(['-c', 'config.yaml'], { APP_CONFIG_PATH: '/from/the/environment' }).stderr,
    /\/from\/the\/environment/,
  )
})

test('the start is one line that says what it is', async t => {
  const service = await startService(t, { schema_base_uris: ['/one', 'http://127.0.0.1:9/two/'] })
  const [line, ...others] = service.log()
  assert.deepEqual(others, [])
  assert.match(
    String(line?.msg),
    new RegExp(
      `^eventgate ${packageJson.version} is ready on port \\d+: events go to file .*, schemas come from /one, http://127.0.0.1:9/two/$`,
    ),
  )
  assert.equal(line?.level, 30)
  assert.equal(line?.name, 'eventgate')
})

test('what service-runner has to say goes through the same log, with named levels if so configured', async t => {
  const service = await startService(
    t,
    {},
    { logging: { level: 'info', streams: [{ type: 'stdout', named_levels: true }] } },
  )
  assert.equal(await service.stop(), 0)
  const lines = service.log()
  assert.ok(lines.length >= 3)
  for (const line of lines) {
    assert.equal(line.level, 'INFO')
    assert.equal(typeof line.msg, 'string')
    assert.equal(line.name, 'eventgate')
    assert.match(String(line.time), /^\d{4}-\d\d-\d\dT/)
  }
  assert.ok(lines.some(line => String(line.levelPath).startsWith('info/service-runner')))
})

test('the original’s configuration names this app, and its schemas are found by file: URI', async t => {
  const folder = temporary(t)
  const output = join(folder, 'events')
  const conf = {
    port: 0,
    output_path: output,
    schema_base_uris: [`file://${ROOT}schemas/`],
    schema_precache_uris: ['/test/event/1.0.0'],
  }
  const services = [{ name: 'eventgate-x', module: '@wikimedia/eventgate', entrypoint: 'app', conf }]
  const { url } = await spawnService(t, folder, { num_workers: 0, worker_heap_limit_mb: 200, services })
  const body = JSON.stringify(testEvent())
  const reply = await send(`${url}/v1/events`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body,
  })
  assert.equal(reply.status, 201)
  assert.equal(readFileSync(output, 'utf8').split('\n').length, 2)
})

test('a precached schema that cannot be had warns and does not stop the start', async t => {
  const service = await startService(t, { schema_precache_uris: ['/no/such/1.0.0', '/test/event/1.0.0'] })
  const warnings = service.log().filter(line => line.level === 40)
  assert.equal(warnings.length, 1)
  assert.equal(warnings[0]?.schema_uri, '/no/such/1.0.0')
})

test('a port that is taken ends with 1 and says so', async t => {
  const taken = createServer()
  taken.listen(0)
  await once(taken, 'listening')
  t.after(() => taken.close())
  const { port } = taken.address() as { port: number }
  await assert.rejects(startService(t, { port }), /ended with 1:[\s\S]*EADDRINUSE/)
  await assert.rejects(
    startService(t, {}, { metrics: { type: 'prometheus', port } }),
    /ended with 1:[\s\S]*EADDRINUSE/,
  )
})

test('npm start is the server with the configuration for a laptop', async t => {
  assert.equal(packageJson.scripts.start, 'node dist/server.js -c config.dev.yaml')
  const folder = temporary(t)
  const path = join(folder, 'config.yaml')
  // The same on a port of its own, for 8192 may be taken.
  writeFileSync(path, readFileSync(join(ROOT, 'config.dev.yaml'), 'utf8').replace('port: 8192', 'port: 0'))
  const child = spawn(process.execPath, ['dist/server.js', '-c', path], {
    cwd: ROOT,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.after(() => void child.kill('SIGKILL'))
  let out = ''
  const line = (pattern: RegExp) =>
    new Promise<RegExpExecArray>(resolve => {
      const look = () => {
        const found = pattern.exec(out)
        if (found) resolve(found)
      }
      child.stdout.on('data', look)
      look()
    })
  child.stdout.prependListener('data', chunk => {
    out += chunk
  })
  const [, port] = await line(/"port":(\d+)/)
  const body = JSON.stringify(testEvent({ test: 'on the standard output' }))
  const reply = await send(`http://127.0.0.1:${port}/v1/events`, {
    method: 'POST',
    headers: { 'content-type': 'text/plain' },
    body,
  })
  assert.equal(reply.status, 201)
  const [stored] = await line(/^\{"\$schema".*$/m)
  assert.equal(JSON.parse(stored).test, 'on the standard output')
})

test('a standard output that is a file holds the events and the log, and neither writes over the other', async t => {
  const folder = temporary(t)
  const path = join(folder, 'config.yaml')
  const output = join(folder, 'output')
  writeFileSync(path, readFileSync(join(ROOT, 'config.dev.yaml'), 'utf8').replace('port: 8192', 'port: 0'))
  const fd = openSync(output, 'w')
  const child = spawn(process.execPath, ['dist/server.js', '-c', path], {
    cwd: ROOT,
    stdio: ['ignore', fd, 'inherit'],
  })
  closeSync(fd)
  t.after(() => void child.kill('SIGKILL'))
  const lines = () => readFileSync(output, 'utf8').split('\n').slice(0, -1)
  let port: string | undefined
  while (!port) {
    await new Promise(resolve => setTimeout(resolve, 20))
    port = /"port":(\d+)/.exec(readFileSync(output, 'utf8'))?.[1]
  }
  const post = (event: object) =>
    send(`http://127.0.0.1:${port}/v1/events`, {
      method: 'POST',
      headers: { 'content-type': 'text/plain' },
      body: JSON.stringify(event),
    })
  for (let n = 0; n < 5; n++) {
    assert.equal((await post(testEvent({ test: `${n}` }))).status, 201)
    assert.equal((await post(testEvent({ test: n }))).status, 400)
  }
  const exit = once(child, 'exit')
  child.kill('SIGTERM')
  assert.deepEqual(await exit, [0, null])
  const parsed = lines().map(line => JSON.parse(line))
  assert.deepEqual(
    parsed.filter(line => line.$schema).map(line => line.test),
    ['0', '1', '2', '3', '4'],
  )
  assert.ok(parsed.some(line => line.code === 'validation_failed'))
  assert.ok(parsed.some(line => line.msg === 'ended'))
})

test('SIGUSR2 writes no heap dump, and ends nothing', async t => {
  const service = await startService(t)
  const before = readdirSync(tmpdir())
  service.process.kill('SIGUSR2')
  await eventually(() => assert.ok(service.log().some(({ msg }) => msg === 'SIGUSR2 has no meaning here')))
  assert.equal((await service.post(testEvent())).status, 201)
  const dumps = readdirSync(tmpdir()).filter(name => name.startsWith('heapdump') && !before.includes(name))
  assert.deepEqual(dumps, [])
  assert.ok(!service.log().some(({ msg }) => /heapdump/.test(String(msg))))
  assert.equal(await service.stop(), 0)
})
