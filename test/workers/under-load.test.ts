import assert from 'node:assert/strict'
import { Agent, request } from 'node:http'
import { test } from 'node:test'
import { eventually, freePort, samples } from '../support/http.js'
import { type Service, send, startService, testEvent } from '../support/service.js'

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
  assert.equal((await samples(port)).get(name), load.stored, 'workers that are gone are in the sums')
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
