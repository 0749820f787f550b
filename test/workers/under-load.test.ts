import assert from 'node:assert/strict'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { Agent, request } from 'node:http'
import { join } from 'node:path'
import { test } from 'node:test'
import { dump } from 'js-yaml'
import { eventually, freePort, samples } from '../support/http.js'
import { type Service, send, spawnService, startService, temporary, testEvent } from '../support/service.js'

/** What became of the requests of a load. */
interface Load {
  stored: number
  /** The port was closed: nothing was sent. */
  refused: number
  /** Anything else. */
  failures: string[]
  stop(): Promise<void>
}

const BODY = JSON.stringify(testEvent())

function post(url: string, agent: Agent | false): Promise<number> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json', 'content-length': BODY.length }
    const req = request(`${url}/v1/events`, { method: 'POST', agent, headers }, res => {
      res.resume()
      res.once('error', reject)
      res.once('end', () => resolve(res.statusCode ?? 0))
    })
    req.setTimeout(30_000, () => req.destroy(new Error('no answer for 30 s')))
    req.once('error', reject)
    req.end(BODY)
  })
}

/** Clients that post one event after the other: some keep their connection, others use a new one each time. */
function startLoad(url: string, keeping: number, reconnecting: number): Load {
  const agent = new Agent({ keepAlive: true, maxSockets: keeping })
  let isStopped = false
  const load: Load = {
    stored: 0,
    refused: 0,
    failures: [],
    async stop() {
      isStopped = true
      await Promise.all(clients)
      agent.destroy()
    },
  }
  const run = async (own: Agent | false) => {
    while (!isStopped) {
      try {
        const status = await post(url, own)
        if (status === 201) load.stored++
        else load.failures.push(`${status}`)
      } catch (error) {
        const { code, message } = error as NodeJS.ErrnoException
        if (code === 'ECONNREFUSED') load.refused++
        else load.failures.push(code ?? message)
        await new Promise(resolve => setTimeout(resolve, 10))
      }
    }
  }
  const clients = [
    ...Array.from({ length: keeping }, () => run(agent)),
    ...Array.from({ length: reconnecting }, () => run(false)),
  ]
  return load
}

interface Report {
  worker: number
  pid: number
  status: string
  restarts: number
}

const reports = async (url: string): Promise<Report[]> => (await send(`${url}/_info/health`)).json().workers

const serve = (t: Parameters<typeof startService>[0], top: object = {}): Promise<Service> =>
  startService(t, { shutdown_timeout_ms: 20_000 }, { num_workers: 2, logging: { level: 'info' }, ...top })

const allReady = (url: string) =>
  eventually(async () => {
    const all = await reports(url)
    assert.deepEqual(
      all.map(({ worker, status }) => [worker, status]),
      [
        [0, 'ready'],
        [1, 'ready'],
      ],
    )
    return all
  })

test('SIGHUP replaces all workers under load, and every request is answered 201', async t => {
  const port = await freePort()
  const service = await serve(t, { metrics: { type: 'prometheus', port } })
  const before = await allReady(service.url)
  const load = startLoad(service.url, 8, 4)
  service.process.kill('SIGHUP')
  await eventually(() => assert.ok(service.log().some(({ msg }) => /: done$/.test(String(msg)))))
  await load.stop()
  assert.deepEqual([load.failures, load.refused], [[], 0])
  const after = await allReady(service.url)
  for (const { worker, pid, restarts } of after) {
    assert.notEqual(pid, before[worker]?.pid)
    assert.equal(restarts, 0)
  }
  const name = 'eventgate_events_total{service="eventgate",delivery="guaranteed",outcome="delivered",code=""}'
  // Workers that are gone are in the sums. One that is late with its values has its last ones there.
  await eventually(async () => assert.equal((await samples(port)).get(name), load.stored))
  assert.equal(service.produced().length, load.stored)
  assert.equal(await service.stop(), 0)
})

test('SIGTERM under load ends with 0, and every request that was sent is answered', async t => {
  const service = await serve(t)
  await allReady(service.url)
  const load = startLoad(service.url, 8, 4)
  await eventually(() => assert.ok(load.stored > 200))
  assert.equal(await service.stop(), 0)
  await load.stop()
  assert.deepEqual(load.failures, [])
  assert.ok(load.refused > 0)
  assert.equal(service.produced().length, load.stored)
})

test('when a worker is killed under load, only its requests fail, none waits, and another one comes', async t => {
  const service = await serve(t)
  const load = startLoad(service.url, 8, 8)
  for (let kill = 1; kill <= 3; kill++) {
    const [, victim] = await allReady(service.url)
    const { stored } = load
    await eventually(() => assert.ok(load.stored > stored + 100))
    process.kill(victim?.pid as number, 'SIGKILL')
    await eventually(async () => assert.equal((await reports(service.url))[1]?.restarts, kill))
  }
  await allReady(service.url)
  await load.stop()
  assert.deepEqual(
    load.failures.filter(failure => failure !== 'ECONNRESET' && failure !== 'EPIPE'),
    [],
  )
  // 16 clients have a request each on their way at most.
  assert.ok(load.failures.length <= 3 * 16, load.failures.join())
  assert.ok(service.produced().length >= load.stored)
  assert.equal(await service.stop(), 0)
})

test('a worker that hangs is killed and replaced', async t => {
  const service = await serve(t, { worker_heartbeat_timeout: 5000 })
  const [, hung] = await allReady(service.url)
  process.kill(hung?.pid as number, 'SIGSTOP')
  await eventually(async () => assert.equal((await reports(service.url))[1]?.restarts, 1))
  assert.ok(service.log().some(({ msg }) => msg === 'worker 1 does not answer: killing it'))
  await allReady(service.url)
  assert.equal(await service.stop(), 0)
})

test('a worker that is ended alone finishes what is in flight, and another one comes', async t => {
  const service = await serve(t)
  const [ended] = await allReady(service.url)
  const load = startLoad(service.url, 8, 4)
  await eventually(() => assert.ok(load.stored > 100))
  process.kill(ended?.pid as number, 'SIGTERM')
  await eventually(async () => assert.equal((await reports(service.url))[0]?.restarts, 1))
  await allReady(service.url)
  await load.stop()
  assert.deepEqual([load.failures, load.refused], [[], 0])
  assert.equal(await service.stop(), 0)
})

test('workers that cannot start any more are started later and later, and the others serve', async t => {
  const folder = temporary(t)
  const file = join(folder, 'config.yaml')
  const write = (conf: object) =>
    writeFileSync(file, dump({ num_workers: 2, services: [{ name: 'eventgate', conf }] }))
  const conf = { port: 0, output_path: join(folder, 'events') }
  const whole = { num_workers: 2, services: [{ name: 'eventgate', conf }] }
  const { url, process: primary, logged } = await spawnService(t, folder, whole)
  const before = await allReady(url)
  write({ ...conf, no_such_option: 1 })
  primary.kill('SIGHUP')
  await eventually(() => assert.match(logged(), /one after the other: given up/))
  assert.deepEqual(
    (await allReady(url)).map(({ pid }) => pid),
    before.map(({ pid }) => pid),
    'a wrong configuration replaces nothing',
  )
  process.kill(before[1]?.pid as number, 'SIGKILL')
  await eventually(() =>
    assert.match(logged(), /worker 1 ended with exit code 78: starting it again in 1000 ms/),
  )
  assert.equal(await post(url, false), 201)
  write(conf)
  await allReady(url)
  const exit = once(primary, 'exit')
  primary.kill('SIGTERM')
  assert.deepEqual(await exit, [0, null])
})
