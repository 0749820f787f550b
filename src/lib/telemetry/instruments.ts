import { FAULTS } from '../errors.js'
import { DELIVERIES, type Delivery, type Outcome } from '../eventgate.js'
import type { CheapHistogram } from './histogram.js'
import { type MetricSet, PairCounter, type Reading } from './metric-set.js'

/** Bounds of buckets: from what memory takes to the longest deadline; from one event to the largest requests. */
const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20]
const EVENTS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000]
const BYTES = [256, 1024, 4096, 16_384, 65_536, 262_144, 1_048_576, 4_194_304, 16_777_216]
/** The original EventGate's, which alerts ask for. */
const REQUEST_SECONDS = [0.01, 0.05, 0.1, 0.3, 1, 10]

/** Those that there are without a spool, too. */
const FATES = ['delivered', 'invalid', 'not_stored', 'unknown'] as const satisfies readonly Outcome['fate'][]

export type Instruments = ReturnType<typeof makeInstruments>

/** Declares the metrics of events and requests. Those of the service's state are in `gauges.ts`. */
export function makeInstruments(metrics: MetricSet) {
  const eventsProduced = new PairCounter()
  metrics.readCounter(
    'eventgate_events_produced_total',
    'Events stored, counted when their storage was acknowledged',
    ['stream', 'schema_uri'],
    () =>
      Array.from(eventsProduced, ([stream, schema_uri, count]): Reading => [{ stream, schema_uri }, count]),
  )
  const events = byDelivery(() => new PairCounter())
  metrics.readCounter(
    'eventgate_events_total',
    'Events of requests, by outcome and, if they were not stored, by the code of the reason',
    ['delivery', 'outcome', 'code'],
    () =>
      DELIVERIES.flatMap(delivery =>
        Array.from(
          events[delivery],
          ([outcome, code, count]): Reading => [{ delivery, outcome, code }, count],
        ),
      ),
  )
  const produceSeconds = metrics.histogram(
    'eventgate_produce_duration_seconds',
    'Time from handing an event to its producer to its outcome',
    ['delivery', 'outcome'],
    SECONDS,
  )
  const instruments = {
    eventsProduced,
    events,
    produceSeconds: byDelivery(delivery => byFate(outcome => produceSeconds.of({ delivery, outcome }))),
    requestBytes: ofDelivery(
      metrics.histogram(
        'eventgate_request_size_bytes',
        'Bytes of the body of a request, when decoded',
        ['delivery'],
        BYTES,
      ),
    ),
    requestEvents: ofDelivery(
      metrics.histogram('eventgate_request_size_events', 'Events of a request', ['delivery'], EVENTS),
    ),
    requestSeconds: metrics.histogram(
      'express_router_request_duration_seconds',
      'Time from the head of a request to the end of its answer',
      ['path', 'method', 'status'],
      REQUEST_SECONDS,
    ),
    requestsRefused: metrics.counter(
      'eventgate_requests_refused_total',
      'Requests refused as a whole, by the code of the reason',
      ['code'],
    ),
    validationErrors: metrics.counter(
      'eventgate_validation_errors_total',
      'Events refused as invalid, by the code of the reason',
      ['stream', 'schema_uri', 'error_type'],
    ),
    hastyLost: metrics.counter(
      'eventgate_hasty_events_lost_total',
      'Events not stored after they were answered 202, by reason, including invalid ones',
      ['reason'],
    ),
    errorEventsLost: metrics.counter(
      'eventgate_error_events_lost_total',
      'Error events that could not be produced, by reason',
      ['reason'],
    ),
    streamConfigFailures: metrics.counter(
      'eventgate_stream_config_failures_total',
      'Failed fetches of the stream configuration; the last good one stays in force',
      [],
    ),
    kafkaRequests: metrics.counter('eventgate_kafka_requests_total', 'Produce requests sent to brokers', [
      'delivery',
    ]),
    kafkaEventsSent: metrics.counter(
      'eventgate_kafka_events_sent_total',
      'Events sent to brokers, counted each time they are sent',
      ['delivery'],
    ),
    kafkaEventsLate: metrics.counter(
      'eventgate_kafka_events_late_total',
      'Events that turned out to be stored after they were answered as unknown',
      ['delivery'],
    ),
    kafkaRequestBytes: metrics.histogram(
      'eventgate_kafka_request_size_bytes',
      'Bytes of a produce request to a broker, before compression',
      ['delivery'],
      BYTES,
    ),
    kafkaRequestEvents: metrics.histogram(
      'eventgate_kafka_request_size_events',
      'Events of a produce request to a broker',
      ['delivery'],
      EVENTS,
    ),
  }
  startAtZero(instruments)
  return instruments
}

/** Prometheus sees no increase where there was nothing before. */
function startAtZero({
  events,
  hastyLost,
  errorEventsLost,
  requestsRefused,
  streamConfigFailures,
}: Instruments): void {
  for (const delivery of DELIVERIES) events[delivery].inc('delivered', '', 0)
  for (const { code, fate } of FAULTS) {
    for (const delivery of DELIVERIES) events[delivery].inc(fate, code, 0)
    hastyLost.inc({ reason: code }, 0)
    errorEventsLost.inc({ reason: code }, 0)
    requestsRefused.inc({ code }, 0)
  }
  errorEventsLost.inc({ reason: 'error_events_full' }, 0)
  streamConfigFailures.inc({}, 0)
}

function byDelivery<T>(make: (delivery: Delivery) => T): Record<Delivery, T> {
  return { guaranteed: make('guaranteed'), hasty: make('hasty') }
}

function byFate<T>(make: (fate: Outcome['fate']) => T): Readonly<Record<Outcome['fate'], T>> {
  const all = Object.fromEntries(FATES.map(fate => [fate, make(fate)])) as Record<Outcome['fate'], T>
  let spooled: T | undefined
  Object.defineProperty(all, 'spooled', {
    get() {
      spooled ??= make('spooled')
      return spooled
    },
  })
  return all
}

function ofDelivery(histogram: CheapHistogram) {
  return byDelivery(delivery => histogram.of({ delivery }))
}
