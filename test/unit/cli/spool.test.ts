import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { RealDisk } from '#src/lib/spool/real-disk.js'
import { eventgate } from '../../support/cli.js'
import { temporary } from '../../support/service.js'
import { fillSpool } from '../../support/spool-directory.js'

async function makeSpool(t: TestContext): Promise<string> {
  const directory = join(temporary(t), 'spool')
  await fillSpool(new RealDisk(directory))
  return directory
}

test('spool ls shows a person what is in a spool', async t => {
  const directory = await makeSpool(t)
  const { status, stdout, stderr } = eventgate(['spool', 'ls', directory])
  assert.deepEqual([status, stderr], [0, ''])
  assert.match(stdout, /: 5 events wait, [\d.]+[KM]?B; no process has it\n/)
  assert.match(stdout, /^page +0 +3 +\d+B +\d+ s$/m)
  assert.match(stdout, /^new +any +1 /m)
  assert.match(stdout, /^in doubt: topic.*\npage +0 +2\n/m)
  assert.match(stdout, /^gone .* there is no topic gone$/m)
  assert.match(stdout, /^0{16}\.0\.log +\S+ +5$/m)
})

test('spool ls --json is for programs', async t => {
  const { stdout } = eventgate(['spool', 'ls', await makeSpool(t), '--json'])
  const { waiting, deadLetters, isHeld } = JSON.parse(stdout)
  assert.deepEqual([waiting.length, deadLetters[0].events, isHeld], [3, 2, false])
})

test('what is no spool, or cannot be drained, is 2', async t => {
  const directory = await makeSpool(t)
  const workers = join(temporary(t), 'workers')
  mkdirSync(join(workers, '0'), { recursive: true })
  const config = join(temporary(t), 'config.yaml')
  writeFileSync(config, 'services: [{ name: e, conf: { producer: memory } }]')
  const refused: [args: string[], said: RegExp][] = [
    [[], /spool needs ls or drain/],
    [['empty', directory], /spool needs ls or drain, not empty/],
    [['ls'], /needs the directory/],
    [['ls', directory, 'x'], /takes one directory/],
    [['ls', join(directory, 'none')], /ENOENT/],
    [['ls', workers], /is of several workers/],
    [['drain', directory], /needs the configuration of Kafka: -c FILE/],
    [['drain', directory, '-c', config], /has no kafka/],
  ]
  for (const [args, said] of refused) {
    const { status, stdout, stderr } = eventgate(['spool', ...args])
    assert.deepEqual([status, stdout], [2, ''], args.join(' '))
    assert.match(stderr, said)
  }
})
