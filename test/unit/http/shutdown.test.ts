import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readConf } from '#src/lib/config/config.js'
import { Shutdown, type Stoppable, shutdownTimes } from '#src/lib/http/shutdown.js'

test('if nobody says how long the process has, requests are answered within two seconds, and hasty events have ten', () => {
  assert.deepEqual(shutdownTimes(undefined), { idleMs: 1200, answerMs: 1500, endMs: 8000 })
  assert.deepEqual(readConf({}).shutdown, shutdownTimes(undefined))
  assert.equal(readConf({}).shutdown_timeout_ms, 10_000)
})

test('what is configured is used up, except for what an end in order takes', () => {
  assert.deepEqual(readConf({ shutdown_timeout_ms: 10_000 }).shutdown, {
    ...{ idleMs: 5000, answerMs: 8000, endMs: 8000 },
  })
  for (const ms of [1, 100, 1800, 2000, 5000, 10_000, 60_000]) {
    const { idleMs, answerMs, endMs } = shutdownTimes(ms)
    assert.ok(idleMs < answerMs && answerMs === endMs && endMs < ms, `${ms}`)
  }
})

/** A service whose work ends when a test says so, on a clock that only tests move. */
class Ending {
  readonly seen: string[] = []
  readonly times = { idleMs: 100, answerMs: 500, endMs: 800 }
  waiting = 3
  #now = 0
  readonly #delays: { until: number; resolve: () => void }[] = []
  readonly #ended = new Map<string, () => void>()
  readonly result: Promise<boolean>

  constructor(times = {}) {
    Object.assign(this.times, times)
    const producer = (name: string) => ({
      flush: async () => this.#see(`flush ${name}`),
      close: async (ms: number) => this.#see(`close ${name} ${ms}`),
    })
    const service: Stoppable = {
      server: {
        drain: () => this.#end('connections'),
        refuseIncomplete: () => 1,
        closeUnanswered: () => this.#see('close unanswered'),
        closeAllConnections: () => this.#see('close all'),
      },
      closeRequests: () => this.#end('requests'),
      errorEventsIdle: () => this.#end('error events'),
      gate: { waiting: this.waiting, expire: () => this.#see('expire') },
      producers: { guaranteed: producer('guaranteed'), hasty: producer('hasty') },
      closeRest: () => this.#see('close rest'),
      undecided: requests => this.#see(`${requests} undecided`),
    }
    const clock = {
      now: () => this.#now,
      delay: (ms: number) =>
        ms === 0
          ? Promise.resolve()
          : new Promise<void>(resolve => void this.#delays.push({ until: this.#now + ms, resolve })),
    }
    this.result = new Shutdown(service, this.times, clock).run()
  }

  #see(what: string): void {
    this.seen.push(`${this.#now}: ${what}`)
  }

  #end(what: string): Promise<void> {
    return new Promise(resolve => this.#ended.set(what, resolve))
  }

  /** Ends some of the work, of which the service has told by then. */
  async finish(...what: string[]): Promise<void> {
    for (const each of what) {
      const end = this.#ended.get(each)
      assert.ok(end, each)
      end()
      await new Promise(setImmediate)
    }
  }

  async tick(to: number): Promise<void> {
    this.#now = to
    for (const { until, resolve } of this.#delays) if (until <= to) resolve()
    for (let i = 0; i < 5; i++) await new Promise(setImmediate)
  }
}

const STOPPED = ['0: close rest', '0: flush guaranteed', '0: flush hasty']

test('an end in order: idle connections have their time, then requests, error events, producers, connections', async () => {
  const ending = new Ending()
  assert.deepEqual(ending.seen, STOPPED)
  await ending.tick(100)
  await ending.tick(200)
  await ending.finish('requests', 'error events')
  await ending.finish('connections')
  assert.equal(await ending.result, true)
  assert.deepEqual(ending.seen, [
    ...STOPPED,
    '200: close guaranteed 600',
    '200: close hasty 600',
    '200: close unanswered',
  ])
})

test('where no connection is left, nothing is waited for', async () => {
  const ending = new Ending()
  await ending.finish('connections')
  await ending.finish('requests', 'error events')
  assert.equal(await ending.result, true)
  assert.equal(ending.seen.at(-1), '0: close unanswered')
})

test('requests that are undecided in time are answered: by their producer, then by the gate; hasty events go on', async () => {
  const ending = new Ending()
  await ending.tick(100)
  await ending.tick(500)
  assert.deepEqual(ending.seen.slice(3), ['500: close guaranteed 0', '500: expire', '500: 4 undecided'])
  await ending.tick(600)
  await ending.finish('requests', 'error events')
  await ending.finish('connections')
  assert.equal(await ending.result, false, 'not all was decided')
  assert.deepEqual(ending.seen.slice(6), ['600: close hasty 200', '600: close unanswered'])
})

test('where the whole time is for answers, both producers are settled at its end', async () => {
  const ending = new Ending({ answerMs: 800 })
  await ending.tick(100)
  await ending.tick(800)
  assert.deepEqual(ending.seen.slice(3), [
    '800: close guaranteed 0',
    '800: close hasty 0',
    '800: expire',
    '800: 4 undecided',
    '800: close all',
  ])
  await ending.finish('requests', 'error events')
  await ending.finish('connections')
  assert.equal(await ending.result, false)
})

test('error events that do not end in time do not cut off clients that were answered', async () => {
  const ending = new Ending()
  await ending.tick(100)
  await ending.finish('requests')
  await ending.tick(500)
  await ending.tick(800)
  assert.deepEqual(ending.seen.slice(-2), ['800: close hasty 0', '800: close unanswered'])
  await ending.finish('error events', 'connections')
  assert.equal(await ending.result, false)
})
