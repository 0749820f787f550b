import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { LogStream, makeLog } from '#src/lib/telemetry/log.js'
import { recordedLog } from '../../support/recorded-log.js'

/** What a log writes to a descriptor, which only another process can tell. */
function written(logging: object, then: string): { stdout: string; stderr: string } {
  const url = import.meta.resolve('#src/lib/telemetry/log.js')
  const program = `import(${JSON.stringify(url)}).then(({ makeLog }) => {
    const log = makeLog(${JSON.stringify(logging)}, 'my-gate')
    ${then}
  })`
  return spawnSync(process.execPath, ['-e', program], { encoding: 'utf8' })
}

test('lines have the names of bunyan, with numbers for levels unless names are asked for', () => {
  const { stdout } = written({}, "log.info({ code: 'c' }, 'text'); log.debug('not shown')")
  const { time, hostname, pid, ...line } = JSON.parse(stdout)
  assert.ok(time && hostname && pid)
  assert.deepEqual(line, { level: 30, name: 'my-gate', v: 0, code: 'c', msg: 'text' })
  const named = written(
    { streams: [{ type: 'stderr', level: 'warn', named_levels: true }] },
    "log.warn('text')",
  )
  assert.equal(named.stdout, '')
  assert.equal(JSON.parse(named.stderr).level, 'WARN')
})

test('controls that a client wrote are escaped', () => {
  const { stdout } = written({}, "log.info('a\\u009bb\\u2028c')")
  assert.doesNotMatch(stdout, /[\u0080-\u009f\u2028]/)
  assert.equal(JSON.parse(stdout).msg, 'a\u009bb\u2028c')
})

test("service-runner's records keep their level and fields", () => {
  const { log, lines } = recordedLog('debug')
  const stream = new LogStream(log)
  stream.write({
    level: 40,
    msg: 'text',
    name: 'x',
    pid: 1,
    hostname: 'h',
    time: 't',
    v: 0,
    levelPath: 'warn/a',
  })
  stream.write({ level: 35, msg: 'between two levels' })
  assert.deepEqual(
    lines.map(({ time: _, ...line }) => line),
    [
      { level: 40, levelPath: 'warn/a', msg: 'text' },
      { level: 30, msg: 'between two levels' },
    ],
  )
  assert.equal(makeLog({ level: 'error' }, 'x').level, 'error')
})
