import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { dump } from 'js-yaml'
import { eventually } from '../support/http.js'
import { TcpBroker } from '../support/kafka-broker.js'
import { ROOT, send, temporary, testEvent } from '../support/service.js'

test('the service writes no file, and needs no folder that it could write to', async t => {
  const broker = await TcpBroker.start(t)
  const folder = temporary(t)
  const config = join(folder, 'config.yaml')
  const conf = { port: 0, kafka: { conf: { 'metadata.broker.list': `127.0.0.1:${broker.port}` } } }
  writeFileSync(config, dump({ services: [{ name: 'eventgate', conf }] }))
  chmodSync(folder, 0o555)
  // As nobody, where that can be chosen: neither the package nor the folder is nobody's.
  const nobody = process.getuid?.() === 0 ? { uid: 65534, gid: 65534 } : {}
  const child = spawn(process.execPath, [join(ROOT, 'dist/server.js'), '-c', config], {
    cwd: folder,
    env: { PATH: process.env.PATH, HOME: '/nonexistent', TMPDIR: '/nonexistent' },
    stdio: ['ignore', 'pipe', 'pipe'],
    ...nobody,
  })
  t.after(() => void child.kill('SIGKILL'))
  let out = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', chunk => (out += chunk))
  const port = await eventually(() => {
    const ready = /"port":(\d+),"msg":"eventgate \S+ is ready/.exec(out)
    assert.ok(ready, out)
    return ready[1]
  })
  const body = JSON.stringify([testEvent(), testEvent({ test: 42 })])
  const headers = { 'content-type': 'application/json' }
  const reply = await send(`http://127.0.0.1:${port}/v1/events`, { method: 'POST', headers, body })
  assert.equal(reply.status, 207, reply.body)
  assert.deepEqual(filesOpenForWriting(child.pid as number), [])
  const ended = once(child, 'exit')
  child.kill('SIGTERM')
  assert.deepEqual(await ended, [0, null])
  assert.deepEqual(readdirSync(folder), ['config.yaml'])
})

/** Except devices, pipes and sockets, which are not files. */
function filesOpenForWriting(pid: number): string[] {
  return readdirSync(`/proc/${pid}/fd`).flatMap(fd => {
    let target: string
    try {
      target = readlinkSync(`/proc/${pid}/fd/${fd}`)
    } catch {
      // Closed since the folder was read.
      return []
    }
    const flags = Number.parseInt(
      /^flags:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/fdinfo/${fd}`, 'utf8'))?.[1] ?? '',
      8,
    )
    return target.startsWith('/') && !target.startsWith('/dev/') && (flags & 3) !== 0 ? [target] : []
  })
}
