import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Condition, Supervisor, type WorkerEvents } from '#src/lib/workers/supervisor.js'

/** A worker that does what a test says. */
interface FakeWorker extends WorkerEvents {
  number: number
  drained: boolean
  killed: boolean
  condition: Condition | undefined
}

/** A supervisor of fake workers, on a clock that only tests move. */
class World {
  readonly started: FakeWorker[] = []
  readonly said: string[] = []
  readonly supervisor: Supervisor
  failure: number | undefined
  #now = 0
  #timers: { at: number; callback: () => void }[] = []

  constructor(count: number, heartbeatMs = 0) {
    this.supervisor = new Supervisor({
      count,
      graceMs: 1000,
      heartbeatMs,
      start: (number, events) => {
        const worker: FakeWorker = {
          ...events,
          number,
          drained: false,
          killed: false,
          condition: { status: 'ready' },
        }
        this.started.push(worker)
        return {
          pid: this.started.length,
          drain: () => {
            worker.drained = true
          },
          kill: () => {
            if (worker.killed) return
            worker.killed = true
            queueMicrotask(() => worker.gone(null, 'SIGKILL'))
          },
          condition: async () => worker.condition,
        }
      },
      observer: {
        died: (number, how, ms) => this.said.push(`${number} died of ${how}, again in ${ms} ms`),
        hung: number => this.said.push(`${number} hangs`),
        rolling: step => this.said.push(`roll: ${step}`),
      },
      clock: {
        now: () => this.#now,
        after: (ms, callback) => {
          const timer = { at: this.#now + ms, callback }
          this.#timers.push(timer)
          return { cancel: () => void this.#timers.splice(this.#timers.indexOf(timer) >>> 0, 1) }
        },
      },
    })
    void this.supervisor.failed.then(code => {
      this.failure = code
    })
  }

  /** All workers are started and ready. */
  static async ready(count: number, heartbeatMs = 0): Promise<World> {
    const world = new World(count, heartbeatMs)
    const start = world.supervisor.start()
    for (let i = 0; i < count; i++) {
      world.started[i]?.ready()
      await settle()
    }
    await start
    return world
  }

  async advance(ms: number): Promise<void> {
    this.#now += ms
    for (const timer of this.#timers.filter(({ at }) => at <= this.#now)) {
      this.#timers.splice(this.#timers.indexOf(timer), 1)
      timer.callback()
    }
    await settle()
  }

  get numbers(): number[] {
    return this.started.map(({ number }) => number)
  }

  get last(): FakeWorker {
    return this.started.at(-1) as FakeWorker
  }

  async end(
    worker: FakeWorker | undefined,
    code: number | null = 0,
    signal: string | null = null,
  ): Promise<void> {
    worker?.gone(code, signal)
    await settle()
  }
}

const settle = () => new Promise(resolve => setImmediate(resolve))

test('the first worker is started alone, the others when it is ready', async () => {
  const world = new World(3)
  const start = world.supervisor.start()
  assert.deepEqual(world.numbers, [0])
  world.started[0]?.ready()
  await settle()
  assert.deepEqual(world.numbers, [0, 1, 2])
  for (const worker of world.started) worker.ready()
  await start
  assert.deepEqual(
    world.supervisor.states.map(({ worker, isReady, restarts }) => [worker, isReady, restarts]),
    [0, 1, 2].map(worker => [worker, true, 0]),
  )
})

test('a first worker that cannot start ends it all with its exit code, and is not started again', async () => {
  const world = new World(2)
  void world.supervisor.start()
  await world.end(world.started[0], 78)
  assert.equal(world.failure, 78)
  await world.advance(100_000)
  assert.deepEqual(world.numbers, [0])
})

test('a worker that dies is replaced at once by one of its number; if that dies too, later and later', async () => {
  const world = await World.ready(2)
  const pauses = [0, 250, 500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]
  for (const pause of pauses) {
    const dying = world.started.findLast(({ number }) => number === 1)
    await world.end(dying, null, 'SIGKILL')
    assert.equal(world.said.at(-1), `1 died of SIGKILL, again in ${pause} ms`)
    const before = world.started.length
    await world.advance(Math.max(0, pause - 1))
    assert.equal(world.started.length, pause === 0 ? before + 1 : before)
    await world.advance(1)
    assert.equal(world.started.length, before + 1)
    assert.equal(world.last.number, 1)
  }
  assert.equal(world.supervisor.states[1]?.restarts, pauses.length)
})

test('a worker that served for a minute did not die of its start, and one that ended in order not at all', async () => {
  const world = await World.ready(1)
  await world.end(world.last, 1)
  await world.advance(0)
  world.last.ready()
  await world.advance(60_000)
  await world.end(world.last, 1)
  assert.equal(world.said.at(-1), '0 died of exit code 1, again in 0 ms')
  await world.advance(0)
  world.last.ready()
  for (const _ of [1, 2]) {
    await world.end(world.last, 0)
    await world.advance(250)
  }
  assert.equal(world.said.at(-1), '0 died of exit code 0, again in 250 ms')
})

test('a wrong configuration ends it all later too, if no worker serves any more', async () => {
  const world = await World.ready(2)
  await world.end(world.started[1], 1)
  await world.advance(0)
  await world.end(world.last, 78)
  assert.equal(world.failure, undefined)
  await world.end(world.started[0], 1)
  await world.advance(0)
  await world.end(world.last, 78)
  assert.equal(world.failure, 78)
})

test('at the end every worker is drained, and the end is clean if each ends with 0', async () => {
  for (const [code, isClean] of [
    [0, true],
    [1, false],
  ] as const) {
    const world = await World.ready(2)
    const drained = world.supervisor.drain()
    assert.ok(world.started.every(worker => worker.drained))
    await world.end(world.started[0], 0)
    await world.end(world.started[1], code)
    assert.equal(await drained, isClean)
    await world.advance(100_000)
    assert.equal(world.started.length, 2)
  }
})

test('at the end a worker that takes longer than the grace period is killed, one that never served at once', async () => {
  const slow = await World.ready(1)
  const drained = slow.supervisor.drain()
  await slow.advance(999)
  assert.equal(slow.last.killed, false)
  await slow.advance(1)
  assert.equal(await drained, false)

  const starting = new World(1)
  void starting.supervisor.start()
  assert.equal(await starting.supervisor.drain(), true)
  await settle()
  assert.deepEqual([starting.last.drained, starting.last.killed, starting.failure], [false, true, undefined])
})

test('at the end a worker that waits for its restart is not started any more', async () => {
  const world = await World.ready(1)
  await world.end(world.last, 1)
  assert.equal(await world.supervisor.drain(), true)
  await world.advance(100_000)
  assert.equal(world.started.length, 1)
})

test('a roll starts one more worker, then replaces one after the other; no two live ones have one number', async () => {
  const world = await World.ready(2)
  const roll = world.supervisor.roll()
  await settle()
  assert.deepEqual(world.numbers, [0, 1, 2])
  assert.ok(world.started.every(({ drained }) => !drained))
  const spare = world.last
  spare.ready()
  await settle()
  for (const number of [0, 1]) {
    assert.deepEqual(
      world.started.slice(0, 3).map(({ drained }) => drained),
      [true, number === 1, false],
    )
    assert.equal(world.started.length, 3 + number)
    await world.end(world.started[number])
    assert.equal(world.last.number, number)
    assert.equal(spare.drained, false)
    world.last.ready()
    await settle()
  }
  assert.equal(spare.drained, true)
  await world.end(spare)
  await roll
  assert.deepEqual(world.said, ['roll: begun', 'roll: done'])
  assert.deepEqual(
    world.supervisor.states.map(({ worker, isReady, restarts }) => [worker, isReady, restarts]),
    [0, 1].map(worker => [worker, true, 0]),
  )
})

test('a roll whose new worker does not start leaves the others alone', async () => {
  const world = await World.ready(2)
  const roll = world.supervisor.roll()
  await settle()
  await world.end(world.last, 78)
  await roll
  assert.deepEqual(world.said, ['roll: begun', 'roll: given up'])
  assert.ok(world.started.every(({ drained }) => !drained))
  assert.equal(world.failure, undefined)
  assert.equal(world.started.length, 3)
})

test('a roll that is asked for during another comes after it, once', async () => {
  const world = await World.ready(1)
  const roll = world.supervisor.roll()
  void world.supervisor.roll()
  void world.supervisor.roll()
  for (let step = 0; step < 12; step++) {
    await settle()
    for (const worker of world.started) {
      worker.ready()
      if (!worker.drained) continue
      worker.drained = false
      await world.end(worker)
    }
  }
  await roll
  assert.deepEqual(world.said, ['roll: begun', 'roll: done', 'roll: begun', 'roll: done'])
})

test('an end during a roll ends all, and starts nothing more', async () => {
  const world = await World.ready(2)
  void world.supervisor.roll()
  await settle()
  world.last.ready()
  await settle()
  const drained = world.supervisor.drain()
  for (const worker of world.started) await world.end(worker)
  assert.equal(await drained, true)
  assert.equal(world.started.length, 3)
})

test('a worker that leaves three questions unanswered is killed and replaced', async () => {
  const world = await World.ready(2, 3000)
  const [well, hung] = world.started as [FakeWorker, FakeWorker]
  hung.condition = undefined
  for (let tick = 0; tick < 3; tick++) await world.advance(1000)
  assert.deepEqual([well.killed, hung.killed], [false, false])
  await world.advance(1000)
  assert.deepEqual([well.killed, hung.killed], [false, true])
  assert.deepEqual(world.said, ['1 hangs', '1 died of SIGKILL, again in 0 ms'])
})

test('the reports say which worker is sick', async () => {
  const world = await World.ready(3)
  const [, unready, hung] = world.started as [FakeWorker, FakeWorker, FakeWorker]
  unready.condition = { status: 'not_ready', reason: 'no broker' }
  hung.condition = undefined
  const reports = await world.supervisor.reports()
  assert.deepEqual(reports, [
    { worker: 0, pid: 1, status: 'ready', uptime_seconds: 0, restarts: 0 },
    { worker: 1, pid: 2, status: 'not_ready', reason: 'no broker', uptime_seconds: 0, restarts: 0 },
    { worker: 2, pid: 3, status: 'not_answering', uptime_seconds: 0, restarts: 0 },
  ])
  await world.end(hung, 1)
  const { status, restarts } = (await world.supervisor.reports())[2] ?? {}
  assert.deepEqual([status, restarts], ['restarting', 1])
})
