import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import { eventually, freePort, samples } from '../support/http.js'
import { type Service, send, startService, temporary, testEvent } from '../support/service.js'

const TWO = { num_workers: 2 }
interface Report {
  worker: number
  pid: number
  status: string
  restarts: number
}

/** How all workers are, as any of them says it. */
async function reports(service: Service): Promise<Report[]> {
  return (await send(`${service.url}/_info/health`)).json().workers
}

async function allReady(service: Service, count = 2): Promise<Report[]> {
  return eventually(async () => {
    const workers = await reports(service)
    assert.deepEqual(
      workers.map(({ worker, status }) => [worker, status]),
      Array.from({ length: count }, (_, worker) => [worker, 'ready']),
    )
    return workers
  })
}

/** Posts until so many events are stored. Each goes by a connection of its own. */
async function post(service: Service, events: number): Promise<void> {
  const replies = await Promise.all(Array.from({ length: events }, () => service.post(testEvent())))
  assert.deepEqual(
    replies.map(({ status }) => status),
    replies.map(() => 201),
  )
}

test('two workers serve one port, are one in their metrics, and survive a kill without a step back', async t => {
  const port = await freePort()
  const service = await startService(t, {}, { ...TWO, metrics: { type: 'prometheus', port } })
  const before = await allReady(service)
  await post(service, 20)
  const read = async () => {
    const all = await samples(port)
    const of = (name: string, labels = '') => all.get(`${name}{service="eventgate"${labels}}`)
    return {
      stored: of('eventgate_events_total', ',delivery="guaranteed",outcome="delivered",code=""'),
      ready: of('eventgate_ready'),
      connections: of('eventgate_connections_limit'),
      up: [0, 1].map(worker => of('eventgate_worker_up', `,worker="${worker}"`)),
      restarts: [0, 1].map(worker => of('eventgate_worker_restarts_total', `,worker="${worker}"`)),
      // One for the host: what is there of each process would be there three times.
      started: [...all.keys()].filter(name => name.startsWith('process_start_time')).length,
      cpu: all.get('process_cpu_seconds_total') ?? 0,
    }
  }
  const { cpu, ...first } = await read()
  const well = { ready: 1, connections: 5000, up: [1, 1], started: 1 }
  assert.deepEqual(first, { ...well, stored: 20, restarts: [0, 0] })
  const both = new Set(service.log().map(({ worker }) => worker))
  assert.deepEqual(both, new Set([0, 1, undefined]))

  process.kill(before[1]?.pid as number, 'SIGKILL')
  await eventually(async () => assert.equal((await reports(service))[1]?.restarts, 1))
  await post(service, 10)
  const after = await allReady(service)
  assert.equal(after[0]?.pid, before[0]?.pid)
  assert.notEqual(after[1]?.pid, before[1]?.pid)
  const { cpu: later, ...second } = await read()
  assert.deepEqual(second, { ...well, stored: 30, restarts: [0, 1] })
  assert.ok(later >= cpu, 'processor time does not go back')

  assert.equal(await service.stop(), 0)
  assert.equal(service.produced().length, 30, 'each line is whole')
  const ended = service.log().filter(({ msg }) => msg === 'ended')
  assert.deepEqual(ended.map(({ worker }) => worker).sort(), [0, 1, undefined])
})

test('a port that is taken ends with 1, and one worker says so', async t => {
  const taken = createServer()
  taken.listen(0)
  await once(taken, 'listening')
  t.after(() => taken.close())
  const { port } = taken.address() as { port: number }
  const failed = async (conf: object, top: object) => {
    const error = await startService(t, { ...conf }, { ...TWO, ...top }).then(() => undefined, String)
    assert.match(error ?? '', /ended with 1:/)
    assert.equal(error?.split('\n').filter(line => line.includes('EADDRINUSE')).length, 1, error)
  }
  await failed({ port }, {})
  await failed({}, { metrics: { type: 'prometheus', port } })
})

test('without its primary a worker finishes what is in flight, and ends', async t => {
  const service = await startService(t, {}, TWO)
  const pids = (await allReady(service)).map(({ pid }) => pid)
  const exit = once(service.process, 'exit')
  service.process.kill('SIGKILL')
  await exit
  await eventually(() => {
    for (const pid of pids) assert.throws(() => process.kill(pid, 0), { code: 'ESRCH' })
  })
  const ended = service.log().filter(({ msg }) => msg === 'all that was in flight is finished')
  assert.deepEqual(ended.map(({ worker }) => worker).sort(), [0, 1])
})

test('workers do not mix their lines in what is not a file', async t => {
  const start = startService(t, { output_path: '/dev/stdout' }, TWO)
  await assert.rejects(start, /ended with 1:[\s\S]*several workers would mix their lines in \/dev\/stdout/)
  const folder = temporary(t)
  const one = await startService(t, { output_path: join(folder, 'events') }, { num_workers: 1 })
  await post(one, 1)
  assert.equal(await one.stop(), 0)
})
