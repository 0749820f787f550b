import { type AccountOptions, StreamAccounts } from './accounts.js'
import type { MetricSet, Reading } from './metric-set.js'
import type { Book } from './stream-account.js'
import type { StreamLabels } from './stream-labels.js'

/** Early clocks, events in time, and those that were kept for minutes, hours, days. Then the largest delays. */
const SKEW_SECONDS = [-60, 10, 300, 3600, 86_400]
const STORE_SECONDS = [0.05, 0.5, 2.5, 10, 60]
const BOOK = ['stream', 'stream_class', 'delivery', 'kind']

/** Makes the accounts of streams, and declares their metrics. */
export function keepAccounts(
  metrics: MetricSet,
  options: AccountOptions,
  labels: StreamLabels,
): StreamAccounts {
  const accounts = new StreamAccounts(options, labels, {
    skew: metrics.histogram(
      'eventgate_stream_event_skew_seconds',
      'Time of receipt minus the time at which the event happened, as its client says: below 0 its clock is ahead',
      ['stream_class', 'stream'],
      SKEW_SECONDS,
    ),
    storeSeconds: metrics.histogram(
      'eventgate_stream_store_duration_seconds',
      'Time from the receipt of an event until it was stored',
      ['stream_class', 'stream', 'delivery'],
      STORE_SECONDS,
    ),
  })
  const ofBooks = (tell: (book: Book, add: (reading: Reading) => void) => void): Reading[] => {
    const readings: Reading[] = []
    accounts.eachBook(book => tell(book, reading => void readings.push(reading)))
    return readings
  }
  metrics.readCounter(
    'eventgate_stream_received_total',
    'Events of a stream that came, counted when they are about to be produced, or refused',
    BOOK,
    () => ofBooks((book, add) => add([book.labels, book.received])),
    true,
  )
  metrics.readCounter(
    'eventgate_stream_events_total',
    'Events of a stream by what was answered, counted once, at the deadline at the latest',
    [...BOOK, 'outcome', 'code'],
    () => ofBooks((book, add) => book.eachOutcome((what, events) => add([book.labels, events, what]))),
    true,
  )
  metrics.gauge(
    'eventgate_stream_in_flight_events',
    'Events of a stream that came and have no outcome yet',
    BOOK,
    () => ofBooks((book, add) => add([book.labels, book.inFlight])),
    'sum',
    true,
  )
  const byStream = (readings: Iterable<readonly [string, number]>) =>
    Array.from(readings, ([stream, value]): Reading => [{ stream }, value])
  metrics.gauge(
    'eventgate_stream_spool_events',
    'Events of a stream that wait in the spool',
    ['stream'],
    () => byStream(accounts.spool?.() ?? []),
  )
  metrics.readCounter(
    'eventgate_stream_drained_total',
    'Events of a stream that left the spool, whichever process had spooled them',
    ['stream', 'outcome'],
    function* () {
      if (!accounts.spool) return
      for (const { label: stream, drained, deadLettered } of accounts.accounts) {
        yield [{ stream, outcome: 'delivered' }, drained]
        yield [{ stream, outcome: 'not_stored' }, deadLettered]
      }
    },
  )
  metrics.gauge(
    'eventgate_stream_last_stored_timestamp_seconds',
    'When this process last stored an event of the stream, in Unix time; 0 if it never did',
    ['stream'],
    () => byStream(accounts.lastStored()),
    'max',
  )
  const watched = (read: (of: { since: number; quietAfter: number }) => number) => () =>
    Array.from(accounts.watched, ([stream, of]): Reading => [{ stream }, read(of)])
  metrics.gauge(
    'eventgate_stream_watched_since_timestamp_seconds',
    'Since when this process watches whether the stream is quiet, in Unix time',
    ['stream'],
    watched(({ since }) => since),
    'min',
  )
  metrics.gauge(
    'eventgate_stream_quiet_after_seconds',
    'How long the stream may store no event',
    ['stream'],
    watched(({ quietAfter }) => quietAfter),
    'max',
  )
  metrics.readCounter(
    'eventgate_experiment_events_total',
    'Events that are produced for an experiment or an instrument, if the transform testKitchen is on',
    ['experiment', 'instrument'],
    () =>
      Array.from(
        accounts.experiments ?? [],
        ([experiment, instrument, events]): Reading => [{ experiment, instrument }, events],
      ),
  )
  return accounts
}
