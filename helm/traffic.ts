/** Requests of every kind, so that every metric of a service has samples. */
import { type Service, send, testEvent } from '../test/support/service.js'

/** The configuration of a service for `traffic`; `folder` has its stream configuration. */
export function trafficConf(streamConfig: string): Record<string, unknown> {
  return {
    stream_config_uri: streamConfig,
    stream_config_ttl: 5,
    error_stream: 'eventgate.error.validation',
    test_events: [testEvent()],
    transforms: ['testKitchen'],
  }
}

/** Its stream configuration. */
export const TRAFFIC_STREAMS = {
  'eventgate.test.event': {
    schema_title: 'test/event',
    producers: { eventgate: { quiet_after: '1h', histograms: true } },
  },
  'eventgate.test.another': { schema_title: 'test/event' },
  'eventgate.error.validation': { schema_title: 'error' },
}

/** Sends some requests of each kind. */
export async function traffic(service: Service): Promise<void> {
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
