import { DELIVERIES, type Delivery } from '../eventgate.js'
import type { SpoolState } from '../spool/observer.js'
import type { Fold, MetricSet } from './metric-set.js'

const SYNC_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5]

/** Why the spool does not take an event. `disk`: this write or sync failed. `broken`: it takes none at all. */
const REFUSALS = ['full', 'disk', 'broken'] as const
export type SpoolRefusal = (typeof REFUSALS)[number]

/** Counts what happens in a spool. */
export interface SpoolCounts {
  /** Events are on disk. */
  spooled(delivery: Delivery, events: number): void
  /** One sync of the disk took this long. */
  synced(milliseconds: number): void
  refused(delivery: Delivery, reason: SpoolRefusal): void
  /** Kafka acknowledged events of the spool. */
  drained(events: number): void
  /** Events were sent again where brokers may have forgotten that they had stored them. */
  possiblyTwice(events: number): void
  /** Kafka refused events of the spool for good. */
  deadLetters(events: number): void
  /** Events were on disk, and cannot be read any more. */
  damaged(events: number): void
}

/** Declares the metrics of a spool. `state` is read when metrics are asked for. */
export function makeSpoolMetrics(metrics: MetricSet, state: () => SpoolState): SpoolCounts {
  const gauge = (name: string, help: string, read: (state: SpoolState) => number, fold?: Fold) =>
    metrics.gauge(name, help, [], () => [[{}, read(state())]], fold)
  gauge('eventgate_spool_bytes', 'Size of everything in the directory of the spool', ({ bytes }) => bytes)
  gauge('eventgate_spool_limit_bytes', 'Maximum size of the spool', ({ maxBytes }) => maxBytes)
  gauge('eventgate_spool_waiting_events', 'Events in the spool that wait for Kafka', ({ events }) => events)
  gauge(
    'eventgate_spool_oldest_age_seconds',
    'Time since the oldest event that waits was spooled (0: no event waits)',
    ({ oldestAt }) => (oldestAt === undefined ? 0 : Math.max(0, Date.now() - oldestAt) / 1000),
    'max',
  )
  gauge(
    'eventgate_spool_dead_letter_events',
    'Events in the spool that Kafka refused for good',
    ({ deadLetters }) => deadLetters,
  )
  gauge(
    'eventgate_spool_broken',
    'Whether the spool takes no events; the log says why',
    ({ broken }) => (broken === undefined ? 0 : 1),
    'max',
  )
  const spooled = metrics.counter('eventgate_spool_written_total', 'Events written to the spool', [
    'delivery',
  ])
  const refused = metrics.counter(
    'eventgate_spool_refused_total',
    'Events that the spool did not take, by reason',
    ['delivery', 'reason'],
  )
  for (const delivery of DELIVERIES) {
    spooled.inc({ delivery }, 0)
    for (const reason of REFUSALS) refused.inc({ delivery, reason }, 0)
  }
  const counter = (name: string, help: string) => {
    const counter = metrics.counter(name, help, [])
    counter.inc({}, 0)
    return (events: number) => counter.inc({}, events)
  }
  const syncSeconds = metrics
    .histogram('eventgate_spool_sync_duration_seconds', 'Time of one sync of the disk', [], SYNC_SECONDS)
    .of({})
  return {
    spooled: (delivery, events) => spooled.inc({ delivery }, events),
    synced: milliseconds => syncSeconds.observe(milliseconds / 1000),
    refused: (delivery, reason) => refused.inc({ delivery, reason }),
    drained: counter('eventgate_spool_drained_total', 'Events of the spool that Kafka acknowledged'),
    possiblyTwice: counter(
      'eventgate_spool_possibly_twice_total',
      'Events of the spool that were sent again, and that brokers may have stored before without remembering it',
    ),
    deadLetters: counter(
      'eventgate_spool_dead_letters_total',
      'Events of the spool that Kafka refused for good',
    ),
    damaged: counter('eventgate_spool_damaged_total', 'Events of the spool that cannot be read any more'),
  }
}
