/** Requests of every kind, so that every metric of a service has samples. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { freePort } from '../test/support/http.js'
import { type Service, send, startService, temporary, testEvent } from '../test/support/service.js'

function trafficConf(streamConfig: string): Record<string, unknown> {
  return {
    stream_config_uri: streamConfig,
    stream_config_ttl: 5,
    error_stream: 'eventgate.error.validation',
    test_events: [testEvent()],
    transforms: ['testKitchen'],
  }
}

const STREAMS = {
  'eventgate.test.event': {
    schema_title: 'test/event',
    producers: { eventgate: { quiet_after: '1h', histograms: true } },
  },
  'eventgate.test.another': { schema_title: 'test/event' },
  'eventgate.error.validation': { schema_title: 'error' },
}

/** Services that together have samples of every metric, on ports of their own. */
export interface Traffic {
  metricsPorts: readonly number[]
  /** Sends some requests of each kind. */
  send(): Promise<void>
}

/** Starts one service with Kafka, and one without it, whose workers spool what they get. */
export async function startTraffic(t: TestContext, bootstrap: string, conf: object = {}): Promise<Traffic> {
  const folder = temporary(t)
  const streams = join(folder, 'streams.json')
  writeFileSync(streams, JSON.stringify(STREAMS))
  const start = (port: number, brokers: string, top: object, more: object = {}) => {
    const kafka = { conf: { 'metadata.broker.list': brokers } }
    const spool = { directory: join(folder, `spool-${port}`) }
    const metrics = { type: 'prometheus', port }
    return startService(t, { ...trafficConf(streams), kafka, spool, ...conf, ...more }, { ...top, metrics })
  }
  const ports: [number, number] = [await freePort(), await freePort()]
  const service = await start(ports[0], bootstrap, {})
  const nowhere = `127.0.0.1:${await freePort()}`
  const withoutKafka = await start(ports[1], nowhere, { num_workers: 2 }, { request_timeout_ms: 3000 })
  return {
    metricsPorts: ports,
    async send() {
      await Promise.all([withoutKafka.post(testEvent()), requests(service)])
    },
  }
}

async function requests(service: Service): Promise<void> {
  const many = Array.from({ length: 20 }, () => testEvent())
  await Promise.all([
    service.post(many),
    service.post(testEvent({ dt: '2026-01-01T00:00:00Z', instrument_name: 'buttons' })),
    service.post(testEvent({ meta: { stream: 'eventgate.test.another' }, dt: '2026-01-01T00:00:00Z' })),
    service.post(many, { query: '?hasty' }),
    // Rejected, with error events.
    service.post([testEvent({ test: 1 }), testEvent()]),
    service.post(testEvent({ test: 1 }), { query: '?hasty' }),
    service.post({ $schema: '/nowhere/1.0.0', meta: { stream: 'nowhere' } }),
    service.post([]),
    send(`${service.url}/v1/_test/events`),
    send(`${service.url}/_info`),
    send(`${service.url}/nowhere`),
  ])
}
