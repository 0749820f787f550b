import { DELIVERIES, type Delivery } from '../eventgate.js'
import type { Health, HealthSources } from './health.js'
import type { Fold, MetricSet, Reading } from './metric-set.js'

/** Declares the metrics of the service's state, which is read when metrics are asked for. */
export function registerGauges(
  metrics: MetricSet,
  { connections, admission, schemas, configs, producers }: HealthSources,
  health: Health,
  version: string,
): void {
  const plain = (name: string, help: string, read: () => number, fold?: Fold) =>
    metrics.gauge(name, help, [], () => [[{}, read()]], fold)
  const byDelivery = (
    name: string,
    help: string,
    read: (delivery: Delivery) => number | undefined,
    fold?: Fold,
  ) => {
    const readings = (delivery: Delivery): Reading[] => {
      const value = read(delivery)
      return value === undefined ? [] : [[{ delivery }, value]]
    }
    metrics.gauge(name, help, ['delivery'], () => DELIVERIES.flatMap(readings), fold)
  }

  const build = { version, node: process.versions.node }
  metrics.gauge(
    'eventgate_build_info',
    'Always 1: its labels tell which version runs, on which Node',
    Object.keys(build),
    () => [[build, 1]],
    'first',
  )
  plain('eventgate_ready', 'Whether /_info/ready answers 200', () => (health.unreadiness ? 0 : 1), 'min')
  plain('eventgate_connections', 'Open connections', () => connections.count)
  plain('eventgate_connections_limit', 'Maximum number of open connections', () => connections.limits.max)
  byDelivery('eventgate_in_flight_bytes', 'Bytes of requests in flight', of => admission.inFlight(of).bytes)
  byDelivery(
    'eventgate_in_flight_events',
    'Events of requests in flight',
    of => admission.inFlight(of).events,
  )
  byDelivery(
    'eventgate_in_flight_limit_bytes',
    'Maximum bytes of requests in flight',
    of => admission.room(of).maxBytes,
  )
  byDelivery(
    'eventgate_in_flight_limit_events',
    'Maximum number of events in flight',
    of => admission.room(of).maxEvents,
  )

  const state = (of: Delivery) => producers[of].state
  byDelivery(
    'eventgate_producer_queue_events',
    'Events that a producer holds, which have no outcome yet',
    of => state(of)?.queued.events,
  )
  byDelivery(
    'eventgate_producer_queue_bytes',
    'Bytes of the events that a producer holds',
    of => state(of)?.queued.bytes,
  )
  byDelivery(
    'eventgate_producer_queue_limit_events',
    'Maximum number of events that a producer holds',
    of => state(of)?.bounds.events,
  )
  byDelivery(
    'eventgate_producer_queue_limit_bytes',
    'Maximum bytes of events that a producer holds',
    of => state(of)?.bounds.bytes,
  )
  byDelivery(
    'eventgate_producer_idempotent',
    'Whether brokers recognise a batch that is sent again, so that nothing is stored twice',
    of => {
      const known = state(of)
      return known && (known.notIdempotent === undefined ? 1 : 0)
    },
    'min',
  )
  byDelivery(
    'eventgate_kafka_last_stored_age_seconds',
    'Time since an event was stored',
    of => {
      const ms = state(of)?.msSinceStored
      return ms === undefined ? undefined : ms / 1000
    },
    'min',
  )
  const states = ['reachable', 'unreachable', 'untried'] as const
  metrics.gauge(
    'eventgate_kafka_brokers',
    'Brokers, by the result of the last request to each',
    ['delivery', 'state'],
    () =>
      DELIVERIES.flatMap(delivery => {
        const { brokers } = state(delivery) ?? {}
        if (!brokers) return []
        return states.map(
          (state): Reading => [{ delivery, state }, brokers.filter(broker => broker.state === state).length],
        )
      }),
    'max',
  )

  plain('eventgate_schemas_held', 'Compiled schemas in memory', () => schemas.size, 'max')
  metrics.gauge(
    'eventgate_schema_repository_up',
    'Whether a schema repository answered when it was last asked',
    ['repository'],
    () =>
      schemas.repositories
        .filter(({ state }) => state !== 'untried')
        .map(({ address, state }): Reading => [{ repository: address }, state === 'reachable' ? 1 : 0]),
    'min',
  )
  const { counts } = schemas
  const counted = (name: string, help: string, read: () => number) =>
    metrics.readCounter(name, help, [], () => [[{}, read()]])
  counted(
    'eventgate_schema_cache_hits_total',
    'Schema lookups that were answered from memory',
    () => counts.hits,
  )
  counted('eventgate_schema_cache_misses_total', 'Schemas that had to be loaded', () => counts.misses)
  counted('eventgate_schema_compiles_total', 'Schemas compiled', () => counts.compiled)
  counted(
    'eventgate_schema_compile_seconds_total',
    'Time spent compiling schemas',
    () => counts.compileMs / 1000,
  )
  metrics.readCounter(
    'eventgate_schema_load_failures_total',
    'Schemas that could not be loaded, by reason',
    ['reason'],
    () => [...counts.failures].map(([reason, count]): Reading => [{ reason }, count]),
  )
  if (!configs) return
  plain(
    'eventgate_stream_config_age_seconds',
    'Time since the stream configuration was last fetched',
    () => configs.ageSeconds,
    'max',
  )
  plain(
    'eventgate_stream_config_ttl_seconds',
    'How often the stream configuration is fetched; 0 means only at the start',
    () => configs.ttlSeconds,
    'max',
  )
  plain(
    'eventgate_stream_config_streams',
    'Streams in the stream configuration, including regular expressions',
    () => configs.table.size,
    'max',
  )
  plain(
    'eventgate_stream_config_refused_streams',
    'Streams in the stream configuration that take no events, because of their name or their settings; the log says why',
    () => configs.table.refused,
    'max',
  )
}
