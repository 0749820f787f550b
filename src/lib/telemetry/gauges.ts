import { Counter, Gauge, type Registry } from 'prom-client'
import { DELIVERIES, type Delivery } from '../eventgate.js'
import type { Health, HealthSources } from './health.js'

type Reading = readonly [labels: Readonly<Record<string, string>>, value: number]

/** Registers what is read off the service's parts when metrics are asked for. `service` is on all of them. */
export function registerGauges(
  registry: Registry,
  service: Readonly<Record<string, string>>,
  { connections, admission, schemas, configs, producers }: HealthSources,
  health: Health,
): void {
  const gauge = (name: string, help: string, labels: readonly string[], read: () => Iterable<Reading>) => {
    new Gauge({
      ...{ name: `eventgate_${name}`, help, labelNames: [...Object.keys(service), ...labels] },
      registers: [registry],
      collect() {
        this.reset()
        for (const [labels, value] of read()) this.set({ ...service, ...labels }, value)
      },
    })
  }
  const counter = (name: string, help: string, labels: readonly string[], read: () => Iterable<Reading>) => {
    new Counter({
      ...{ name: `eventgate_${name}`, help, labelNames: [...Object.keys(service), ...labels] },
      registers: [registry],
      collect() {
        this.reset()
        for (const [labels, value] of read()) this.inc({ ...service, ...labels }, value)
      },
    })
  }
  const plain = (name: string, help: string, read: () => number) =>
    gauge(name, help, [], () => [[{}, read()]])
  const byDelivery = (name: string, help: string, read: (delivery: Delivery) => number | undefined) =>
    gauge(name, help, ['delivery'], () =>
      DELIVERIES.flatMap((delivery): Reading[] => {
        const value = read(delivery)
        return value === undefined ? [] : [[{ delivery }, value]]
      }),
    )

  plain('ready', 'Whether /_info/ready answers 200', () => (health.unreadiness ? 0 : 1))
  plain('connections', 'Connections that are open', () => connections.count)
  plain('connections_limit', 'Connections that there may be at most', () => connections.limits.max)
  byDelivery('in_flight_bytes', 'Bytes of requests that are under way', of => admission.inFlight(of).bytes)
  byDelivery('in_flight_events', 'Events of requests that are under way', of => admission.inFlight(of).events)
  byDelivery(
    'in_flight_limit_bytes',
    'Bytes that may be under way at most',
    of => admission.room(of).maxBytes,
  )
  byDelivery(
    'in_flight_limit_events',
    'Events that may be under way at most',
    of => admission.room(of).maxEvents,
  )

  const state = (of: Delivery) => producers[of].state
  byDelivery(
    'producer_queue_events',
    'Events that a producer has, without an outcome',
    of => state(of)?.queued.events,
  )
  byDelivery('producer_queue_bytes', 'Bytes of the events that a producer has', of => state(of)?.queued.bytes)
  byDelivery(
    'producer_queue_limit_events',
    'Events that a producer may have at most',
    of => state(of)?.bounds.events,
  )
  byDelivery(
    'producer_queue_limit_bytes',
    'Bytes that a producer may have at most',
    of => state(of)?.bounds.bytes,
  )
  byDelivery(
    'producer_idempotent',
    'Whether brokers recognise what is sent again, so that nothing is stored twice',
    of => {
      const known = state(of)
      return known && (known.notIdempotent === undefined ? 1 : 0)
    },
  )
  byDelivery('kafka_last_stored_age_seconds', 'Time since an event was stored', of => {
    const ms = state(of)?.msSinceStored
    return ms === undefined ? undefined : ms / 1000
  })
  const states = ['reachable', 'unreachable', 'untried'] as const
  gauge('kafka_brokers', 'Brokers, by what became of the last request to each', ['delivery', 'state'], () =>
    DELIVERIES.flatMap(delivery => {
      const { brokers } = state(delivery) ?? {}
      if (!brokers) return []
      return states.map(
        (state): Reading => [{ delivery, state }, brokers.filter(broker => broker.state === state).length],
      )
    }),
  )

  plain('schemas_held', 'Compiled schemas in memory', () => schemas.size)
  gauge(
    'schema_repository_up',
    'Whether a schema repository answered when it was last asked',
    ['repository'],
    () =>
      schemas.repositories
        .filter(({ state }) => state !== 'untried')
        .map(({ address, state }): Reading => [{ repository: address }, state === 'reachable' ? 1 : 0]),
  )
  const { counts } = schemas
  const counted = (name: string, help: string, read: () => number) =>
    counter(name, help, [], () => [[{}, read()]])
  counted('schema_cache_hits_total', 'Uses of schemas that were in memory', () => counts.hits)
  counted('schema_cache_misses_total', 'Schemas that had to be loaded', () => counts.misses)
  counted('schema_compiles_total', 'Schemas that were compiled', () => counts.compiled)
  counted('schema_compile_seconds_total', 'Time that compiling schemas took', () => counts.compileMs / 1000)
  counter('schema_load_failures_total', 'Schemas that could not be loaded, by reason', ['reason'], () =>
    [...counts.failures].map(([reason, count]): Reading => [{ reason }, count]),
  )
  if (!configs) return
  plain(
    'stream_config_age_seconds',
    'Time since the stream configuration was last fetched',
    () => configs.ageSeconds,
  )
  plain(
    'stream_config_ttl_seconds',
    'How often the stream configuration is to be fetched; 0: at the start only',
    () => configs.ttlSeconds,
  )
  plain(
    'stream_config_streams',
    'Streams in the stream configuration, regular expressions too',
    () => configs.table.size,
  )
  plain(
    'stream_config_refused_streams',
    'Streams in the stream configuration that take no events, because of their name or their settings; the log says why',
    () => configs.table.refused,
  )
}
