import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Registry } from 'prom-client'
import { Admission } from '#src/lib/http/admission.js'
import { Connections } from '#src/lib/http/connections.js'
import { registerGauges } from '#src/lib/telemetry/gauges.js'
import { Health, type HealthSources } from '#src/lib/telemetry/health.js'
import { MetricSet } from '#src/lib/telemetry/metric-set.js'

test('the state of the parts is read when metrics are asked for; what a part does not know has no series', async () => {
  const kafka = {
    name: 'kafka',
    state: {
      queued: { events: 3, bytes: 30 },
      bounds: { events: 100, bytes: 1000 },
      msSinceStored: undefined,
      brokers: [
        { address: 'a:1', state: 'reachable' },
        { address: 'b:1', state: 'unreachable' },
      ],
      notIdempotent: 'not allowed',
    },
  }
  const room = { maxBytes: 1000, maxEvents: 10, maxRequests: 10 }
  const counts = {
    hits: 1,
    misses: 2,
    compiled: 3,
    compileMs: 4000,
    failures: new Map([['schema_not_found', 5]]),
  }
  const repositories = [
    { address: 'up', state: 'reachable' },
    { address: 'down', state: 'unreachable' },
    { address: 'new', state: 'untried' },
  ]
  const sources = {
    connections: new Connections({ max: 7, maxAgeMs: 0 }),
    admission: new Admission({ guaranteed: room, hasty: room }),
    schemas: { counts, repositories, size: 6 },
    configs: undefined,
    producers: { guaranteed: kafka, hasty: { name: 'memory' } },
  } as unknown as HealthSources
  const registry = new Registry()
  registerGauges(new MetricSet(registry, {}), sources, new Health(sources, 0), '1.2.3')
  sources.connections.opened({})
  const text = await registry.metrics()
  const has = (line: string) => assert.ok(text.split('\n').includes(line), `${line} is not in\n${text}`)
  has(`eventgate_build_info{version="1.2.3",node="${process.versions.node}"} 1`)
  has('eventgate_ready 1')
  has('eventgate_connections 1')
  has('eventgate_connections_limit 7')
  has('eventgate_producer_queue_events{delivery="guaranteed"} 3')
  has('eventgate_producer_idempotent{delivery="guaranteed"} 0')
  has('eventgate_kafka_brokers{delivery="guaranteed",state="unreachable"} 1')
  has('eventgate_schema_repository_up{repository="up"} 1')
  has('eventgate_schema_repository_up{repository="down"} 0')
  has('eventgate_schema_compile_seconds_total 4')
  has('eventgate_schema_load_failures_total{reason="schema_not_found"} 5')
  assert.doesNotMatch(text, /delivery="hasty"} 3|repository="new"|last_stored_age_seconds{|stream_config/)
})
