import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { test } from 'node:test'
import { LANES, notRun } from '../support/lanes.js'
import { ROOT, temporary } from '../support/service.js'

test('.ci/tools names every tool that is missing or too old, and its version', t => {
  const folder = temporary(t)
  const tool = (name: string, says: string) =>
    writeFileSync(join(folder, name), `#!/bin/sh\n${says}\n`, { mode: 0o755 })
  tool('node', 'echo v20.9.0')
  tool('java', 'echo \'openjdk version "21.0.1" 2023-10-17\' >&2')
  tool('mvn', 'exit 127')
  tool('go', 'echo go1.25.3')
  tool('python3', 'case $1 in --version) echo Python 3.12.1;; *) exit 1;; esac')
  const PATH = [folder, process.env.PATH].join(delimiter)
  const { status, stderr } = spawnSync(join(ROOT, '.ci/tools'), {
    encoding: 'utf8',
    env: { ...process.env, PATH },
  })
  assert.equal(status, 1)
  assert.match(stderr, /Node\.js 20\.19 or later: found 20\.9\.0/)
  assert.match(stderr, /Maven 3\.6 or later: not found/)
  assert.match(stderr, /Go 1\.26 or later: found 1\.25\.3/)
  assert.match(stderr, /python3-venv/)
  assert.doesNotMatch(stderr, /Java|Python 3/)
})

test('.ci/run asks for the tools first, does what the README says, then the rest, and builds only once', () => {
  const run = readFileSync(join(ROOT, '.ci/run'), 'utf8')
  const commands = run.split('\n').filter(line => /^[.(a-z]/.test(line) && !/^(set|cd) /.test(line))
  assert.deepEqual(commands.slice(0, 2), ['.ci/tools', '(npm ci && npm test)'])
  const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))
  const ran = [...run.matchAll(/^npm run (--ignore-scripts )?(\S+)/gm)]
  for (const [, flag, name = ''] of ran)
    assert.ok(flag || (name !== 'build' && !(`pre${name}` in scripts)), name)
  const lanes = Object.keys(scripts).filter(name => /^(test|check):/.test(name) && name !== 'test:all')
  // The alarms, the cluster, the image and the roll are among the checks for operators.
  for (const name of lanes.filter(name => !/^check:(alarms|cluster|image|roll)$/.test(name)))
    assert.ok(
      ran.some(([, , ran]) => ran === name),
      name,
    )
})

test('npm test says at its end which tests it did not run, and the commands for them are there', () => {
  const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))
  const said = notRun(['fast'])
  for (const [name, { command }] of Object.entries(LANES)) {
    assert.ok(scripts[command.replace(/^npm (run )?/, '')], command)
    assert.equal(said.includes(`: ${command}`), name !== 'fast', command)
  }
  assert.match(said, /All of it: npm run test:all$/)
})

test('the tests that npm test runs need no Kafka', () => {
  const folder = join(ROOT, 'test')
  const imports = (file: string, seen = new Set<string>()): Set<string> => {
    if (seen.has(file) || !existsSync(file)) return seen
    seen.add(file)
    for (const [, name = ''] of readFileSync(file, 'utf8').matchAll(/^(?:import|\}).* from '(\.[^']+)'$/gm))
      imports(join(file, '..', name.replace(/\.js$/, '.ts')), seen)
    return seen
  }
  const fast = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter(file =>
    /^(unit|contract|service|docs)\/.*\.test\.ts$/.test(file),
  )
  assert.ok(fast.length > 50)
  for (const file of fast)
    for (const part of ['kafka', 'kafka-read', 'kafka-jars'])
      assert.ok(!imports(join(folder, file)).has(join(folder, `support/${part}.ts`)), `${file}: ${part}`)
})
