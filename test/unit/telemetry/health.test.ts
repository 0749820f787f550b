import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Connections } from '#src/lib/http/connections.js'
import type { Producer } from '#src/lib/producers/producer.js'
import { Health, type HealthSources } from '#src/lib/telemetry/health.js'

test('only readiness probes: to look at the state asks nobody, and it is not asked more often than once a second', t => {
  let now = 0
  t.mock.method(performance, 'now', () => now)
  let probes = 0
  const producer = (state: 'reachable' | 'unreachable'): Producer => ({
    name: state,
    state: {
      queued: { events: 0, bytes: 0 },
      bounds: { events: 1, bytes: 1 },
      msSinceStored: 60_000,
      brokers: [{ address: 'a:1', state }],
      notIdempotent: undefined,
    },
    probe: async () => void probes++,
    produce: () => Promise.reject(new Error('nothing is produced here')),
    close: async () => {},
  })
  const health = (guaranteed: Producer, hasty: Producer, spool?: HealthSources['spool']) =>
    new Health(
      {
        connections: new Connections({ max: 1, maxAgeMs: 0 }),
        producers: { guaranteed, hasty },
        spool,
      } as HealthSources,
      1,
    )
  const idle = health(producer('unreachable'), producer('reachable'))
  const away = health(producer('unreachable'), producer('unreachable'))
  now += 5
  assert.equal(idle.unreadiness, undefined)
  assert.equal(away.unreadiness?.code, 'not_ready')
  assert.equal(probes, 0)
  for (let i = 0; i < 3; i++) assert.equal(idle.notReady(), undefined)
  assert.equal(probes, 2)
  for (let i = 0; i < 3; i++) assert.equal(away.notReady()?.code, 'not_ready')
  assert.equal(probes, 4)
  const withSpool = (bytes: number, broken?: string) => {
    const state = { bytes, maxBytes: 100, broken } as ReturnType<NonNullable<HealthSources['spool']>>
    const made = health(producer('unreachable'), producer('unreachable'), () => state)
    now += 5
    return made.unreadiness?.code
  }
  assert.deepEqual(
    [withSpool(10), withSpool(90), withSpool(10, 'EIO')],
    [undefined, 'not_ready', 'not_ready'],
  )
})

test('the report has the spool where there is one', () => {
  const reportWith = (spool: HealthSources['spool']) => {
    const sources = {
      connections: new Connections({ max: 1, maxAgeMs: 0 }),
      admission: { inFlight: () => ({}), room: () => ({}) },
      schemas: {},
      producers: { guaranteed: { name: 'a' }, hasty: { name: 'b' } },
      accounts: { totals: () => ({}) },
      spool,
    } as unknown as HealthSources
    return new Health(sources, 0).report() as { spool?: object }
  }
  assert.equal(reportWith(undefined).spool, undefined)
  const state = { bytes: 7, maxBytes: 70, streams: new Map(), deadLetters: 2, broken: undefined }
  const idle = reportWith(() => ({ ...state, events: 0, oldestAt: undefined }))
  assert.deepEqual(idle.spool, {
    ...{ bytes: 7, bound: 70, dead_letters: 2, problem: undefined },
    waiting: { events: 0, oldest_age_seconds: undefined },
  })
  const busy = reportWith(() => ({ ...state, events: 3, oldestAt: Date.now() - 5000, broken: 'read-only' }))
  assert.deepEqual(busy.spool, {
    ...{ bytes: 7, bound: 70, dead_letters: 2, problem: 'read-only' },
    waiting: { events: 3, oldest_age_seconds: 5 },
  })
})
