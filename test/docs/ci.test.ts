import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { test } from 'node:test'
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
  assert.match(stderr, /Node\.js 20\.19 or later: this one is 20\.9\.0/)
  assert.match(stderr, /Maven 3\.6 or later: there is none/)
  assert.match(stderr, /Go 1\.26 or later: this one is 1\.25\.3/)
  assert.match(stderr, /python3-venv/)
  assert.doesNotMatch(stderr, /Java|Python 3/)
})

test('.ci/run asks for the tools first, does what the README says, and builds no second time', () => {
  const run = readFileSync(join(ROOT, '.ci/run'), 'utf8')
  const commands = run.split('\n').filter(line => /^[.(a-z]/.test(line) && !/^(set|cd) /.test(line))
  assert.deepEqual(commands.slice(0, 2), ['.ci/tools', '(npm ci && npm test)'])
  const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))
  for (const [, flag, name = ''] of run.matchAll(/^npm run (--ignore-scripts )?(\S+)$/gm))
    assert.ok(flag || (name !== 'build' && !(`pre${name}` in scripts)), name)
})
