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
  const health = (guaranteed: Producer, hasty: Producer) =>
    new Health(
      {
        connections: new Connections({ max: 1, maxAgeMs: 0 }),
        producers: { guaranteed, hasty },
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
})
