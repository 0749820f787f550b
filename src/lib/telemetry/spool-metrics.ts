import { DELIVERIES } from '../eventgate.js'
import type { SpoolObserver, SpoolRefusal, SpoolState } from '../spool/observer.js'
import type { MetricSet } from './metric-set.js'

const SYNC_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5]
const REFUSALS = ['full', 'hasty_share', 'disk', 'broken'] as const satisfies readonly SpoolRefusal[]

/** Declares the metrics of a spool. `state` is read when metrics are asked for. Counts what the observer is told. */
export function makeSpoolMetrics(
  metrics: MetricSet,
  state: () => SpoolState,
): Omit<SpoolObserver, 'trouble' | 'complain'> {
  const gauge = (name: string, help: string, read: (state: SpoolState) => number) =>
    metrics.gauge(name, help, [], () => [[{}, read(state())]])
  gauge('eventgate_spool_bytes', 'Size of everything in the directory of the spool', ({ bytes }) => bytes)
  gauge('eventgate_spool_limit_bytes', 'Maximum size of the spool', ({ maxBytes }) => maxBytes)
  gauge('eventgate_spool_waiting_events', 'Events in the spool that wait for Kafka', ({ events }) => events)
  gauge(
    'eventgate_spool_oldest_age_seconds',
    'Time since the oldest event that waits was spooled (0: no event waits)',
    ({ oldestAt }) => (oldestAt === undefined ? 0 : Math.max(0, Date.now() - oldestAt) / 1000),
  )
  gauge(
    'eventgate_spool_dead_letter_events',
    'Events in the spool that Kafka refused for good',
    ({ deadLetters }) => deadLetters,
  )
  gauge('eventgate_spool_broken', 'Whether the spool takes no events; the log says why', ({ broken }) =>
    broken === undefined ? 0 : 1,
  )
  const spooled = metrics.counter('eventgate_spool_written_total', 'Events written to the spool', [
    'delivery',
  ])
  const refused = metrics.counter(
    'eventgate_spool_refused_total',
    'Events that the spool did not take, by reason',
    ['delivery', 'reason'],
  )
  const drained = metrics.counter(
    'eventgate_spool_drained_total',
    'Events of the spool that Kafka acknowledged',
    [],
  )
  const deadLetters = metrics.counter(
    'eventgate_spool_dead_letters_total',
    'Events of the spool that Kafka refused for good',
    [],
  )
  const possiblyTwice = metrics.counter(
    'eventgate_spool_possibly_twice_total',
    'Events of the spool that were sent again, and that brokers may have stored before without remembering it',
    [],
  )
  const syncSeconds = metrics
    .histogram('eventgate_spool_sync_duration_seconds', 'Time of one sync of the disk', [], SYNC_SECONDS)
    .of({})
  for (const delivery of DELIVERIES) {
    spooled.inc({ delivery }, 0)
    for (const reason of REFUSALS) refused.inc({ delivery, reason }, 0)
  }
  for (const counter of [drained, deadLetters, possiblyTwice]) counter.inc({}, 0)
  return {
    spooled: (delivery, events) => spooled.inc({ delivery }, events),
    synced: milliseconds => syncSeconds.observe(milliseconds / 1000),
    refused: (delivery, reason) => refused.inc({ delivery, reason }),
    drained: (_topic, events) => drained.inc({}, events),
    deadLetters: (_topic, events) => deadLetters.inc({}, events),
    possiblyTwice: events => possiblyTwice.inc({}, events),
  }
}
