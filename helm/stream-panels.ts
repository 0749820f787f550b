/** Panels of the streams' accounts: what became of the events that a stream received, and which streams are not well. */
import { ONE, OWN, type Panel, type Query, quantiles, type Row, rate, stat } from './panels.js'

const OF_STREAM = 'namespace, service, stream'

/** States of a stream in the order of their weight, with the alert that tells of each. */
const STREAM_STATES = [
  { state: 'well', color: 'green' },
  { state: 'quiet', color: 'yellow', alert: 'EventGateStreamQuiet' },
  { state: 'refusing', color: 'orange', alert: 'EventGateStreamRefusing' },
  { state: 'failing', color: 'red', alert: 'EventGateStreamFailing' },
]

/** A stream has a state from the moment at which its alert is pending. */
const inState = (alert: string) => `max by (${OF_STREAM}) (ALERTS{${ONE}, alertname="${alert}"})`
const KNOWN = `max by (${OF_STREAM}) (eventgate_stream_last_stored_timestamp_seconds{${ONE}})`
const STATE = STREAM_STATES.toReversed()
  .map(({ alert }, i) => (alert ? `${STREAM_STATES.length - 1 - i} * ${inState(alert)}` : `0 * ${KNOWN}`))
  .join('\nor ')

const STATE_TEXTS = [
  {
    type: 'value',
    options: Object.fromEntries(
      STREAM_STATES.map(({ state: text, color }, index) => [index, { text, color, index }]),
    ),
  },
]

const share = (part: string, of: string) => `${part} / ${of}`
const RECEIVED = rate(`eventgate_stream_received_total{${ONE}}`, OF_STREAM)
const byOutcome = (outcome: string) =>
  `(${rate(`eventgate_stream_events_total{${ONE}, outcome=~"${outcome}"}`, OF_STREAM)} or 0 * ${RECEIVED})`

export const STATES: Row = {
  title: 'Streams by state',
  panels: [
    ...STREAM_STATES.map(({ state }, i) =>
      stat(
        `Streams: ${state}`,
        i === 0 ? 'Without an alert that names them.' : 'Of which an alert fires, or soon will.',
        'none',
        `count((${STATE}) == ${i}) or vector(0)`,
        6,
      ),
    ),
    {
      title: 'State of each stream',
      says: 'The worst first. The states are those of the alerts, so Prometheus must have the rules.',
      unit: 'none',
      type: 'table',
      width: 24,
      queries: [
        [STATE, 'state'],
        [RECEIVED, 'received'],
        [share(byOutcome('invalid'), RECEIVED), 'refused'],
        [share(byOutcome('not_stored|unknown'), RECEIVED), 'not stored'],
        [`time() - stream:eventgate_last_stored_timestamp_seconds:max{${ONE}}`, 'last stored'],
        [`stream:eventgate_quiet_after_seconds:max{${ONE}}`, 'may be quiet for'],
      ],
      columns: {
        state: {
          'custom.cellOptions': { type: 'color-background' },
          mappings: STATE_TEXTS,
        },
        stream: {
          links: [
            {
              title: 'Its account',
              // biome-ignore lint/suspicious/noTemplateCurlyInString: Grafana's own variables
              url: '/d/eventgate-stream?var-stream=${__value.raw:percentencode}&${__url_time_range}',
            },
          ],
        },
        received: { unit: 'cps' },
        refused: { unit: 'percentunit' },
        'not stored': { unit: 'percentunit' },
        'last stored': { unit: 's' },
        'may be quiet for': { unit: 's' },
      },
      options: { sortBy: [{ displayName: 'state', desc: true }] },
    },
  ],
}

/** What has no class is of the whole service. */
const level = (delivery: string) => {
  const rateOf = (name: string) =>
    `sum(avg_over_time(eventgate:events_${name}:rate5m{${OWN}, delivery="${delivery}", stream_class=""}[3d]))`
  return `1 - ${share(rateOf('missed'), rateOf('due'))}`
}
const burn = (window: string, matchers: string) =>
  `eventgate:error_budget_burn:rate${window}{${OWN}, ${matchers}}`

export const SERVICE_LEVELS: Row = {
  title: 'Service levels',
  panels: [
    stat(
      'Guaranteed events in time, 3 days',
      'Answered 2xx within their deadline, of those that were not refused.',
      'percentunit',
      level('guaranteed'),
    ),
    stat(
      'Hasty events stored, 3 days',
      'Of those that were accepted and not refused later.',
      'percentunit',
      level('hasty'),
    ),
    {
      title: 'Error budget burn',
      says: 'Over an hour and over three days. At 1 the budget of any period lasts just as long.',
      unit: 'none',
      queries: [
        [burn('1h', 'stream_class=""'), '1 h {{namespace}} {{service}} {{delivery}}'],
        [burn('3d', 'stream_class=""'), '3 d {{namespace}} {{service}} {{delivery}}'],
      ],
    },
    {
      title: 'Error budget burn by class',
      says: 'Over an hour, for each class of streams.',
      unit: 'none',
      queries: [[burn('1h', 'stream_class!=""'), '{{service}} {{stream_class}} {{delivery}}']],
    },
  ],
}

const SKEW = 'eventgate_stream_event_skew_seconds'
/** Prometheus 3 writes bounds as floats. */
const upTo = (bound: number) => rate(`${SKEW}_bucket{${OWN}, le=~"${bound}([.]0)?"}`, 'stream_class')
const ALL_SKEWS = rate(`${SKEW}_count{${OWN}}`, 'stream_class')
const late = (bound: number, words: string): Query => [
  `1 - ${share(upTo(bound), ALL_SKEWS)}`,
  `late by ${words} {{stream_class}}`,
]

export const ACCOUNTS: Row = {
  title: 'Accounts of streams',
  panels: [
    {
      title: 'Late and early events',
      says: 'Share of events by their own time (dt) against their receipt, by class of streams.',
      unit: 'percentunit',
      queries: [
        [share(upTo(-60), ALL_SKEWS), 'early by a minute {{stream_class}}'],
        late(300, 'five minutes'),
        late(3600, 'an hour'),
        late(86_400, 'a day'),
      ],
    },
    {
      title: 'Receipt to stored',
      says: 'By class of streams. Events that went through the spool are not in it.',
      unit: 's',
      queries: quantiles(
        'eventgate_stream_store_duration_seconds',
        OWN,
        'stream_class, delivery',
        '{{stream_class}} {{delivery}}',
      ),
    },
    {
      title: 'In flight by stream',
      says: 'The twenty streams with most events begun and not yet decided.',
      unit: 'none',
      queries: [[`topk(20, sum by (stream) (eventgate_stream_in_flight_events{${ONE}}))`, '{{stream}}']],
      stacked: true,
    },
    {
      title: 'Events of experiments',
      says: 'Stored or not, by experiment and instrument.',
      unit: 'cps',
      queries: [
        [
          `topk(20, ${rate(`eventgate_experiment_events_total{${OWN}}`, 'experiment, instrument')})`,
          '{{experiment}} {{instrument}}',
        ],
      ],
    },
  ],
}

const counted = (metric: string, matchers: string) =>
  `(sum(increase(${metric}{${ONE}${matchers}}[$__range])) or vector(0))`
const outcome = (value: string) => counted('eventgate_stream_events_total', `, outcome="${value}"`)

/** What is taken from the events received, one step after the other, until those that are stored are left. */
const TAKEN: [step: string, expr: string][] = [
  ['refused', outcome('invalid')],
  ['not stored', outcome('not_stored')],
  ['unknown', outcome('unknown')],
  ['spooled', outcome('spooled')],
  ['in flight', `(sum(eventgate_stream_in_flight_events{${ONE}}) or vector(0))`],
]
const ALL_RECEIVED = counted('eventgate_stream_received_total', '')

function waterfall(): Panel {
  const step = (name: string, expr: string) => `label_replace(${expr}, "step", "${name}", "", "")`
  const below = TAKEN.map(([name], i) => [
    name,
    [ALL_RECEIVED, ...TAKEN.slice(0, i + 1).map(([, expr]) => expr)].join(' - '),
  ])
  const rows: [string, string, string][] = [
    ['received', 'vector(0)', ALL_RECEIVED],
    ...TAKEN.map(([name, expr], i): [string, string, string] => [name, below[i]?.[1] as string, expr]),
    ['stored', 'vector(0)', outcome('delivered')],
  ]
  const column = (of: 1 | 2) => rows.map((row, i) => step(`${i + 1} ${row[0]}`, row[of])).join('\nor ')
  return {
    title: 'Account',
    says: 'Of the time selected. Each step starts where the one before ends, and the last reaches down to zero.',
    unit: 'short',
    type: 'barchart',
    width: 24,
    sortBy: 'step',
    queries: [
      [column(1), 'below'],
      [column(2), 'events'],
    ],
    columns: {
      below: {
        'custom.fillOpacity': 0,
        'custom.lineWidth': 0,
        'custom.hideFrom': { legend: true, tooltip: true, viz: false },
      },
      events: { 'custom.fillOpacity': 80 },
    },
    options: { xField: 'step' },
  }
}

const of = (metric: string, matchers = '') => rate(`${metric}{${ONE}${matchers}}`, '')
const LOST = `, outcome=~"not_stored|unknown"`
/** Nothing is in the spool of a service that has none. */
const NO_SPOOL = `0 * ${rate(`eventgate_stream_received_total{${ONE}}`, 'stream')}`

const STREAM_NOW: Row = {
  title: 'Now',
  panels: [
    {
      ...stat('State', 'The worst of the streams selected.', 'none', `max(${STATE})`),
      mappings: STATE_TEXTS,
    },
    stat('Events received', 'All that came.', 'cps', of('eventgate_stream_received_total')),
    stat('Events stored', 'Acknowledged by Kafka.', 'cps', of('eventgate_events_produced_total')),
    stat(
      'Share refused',
      'As invalid: the clients’ mistakes.',
      'percentunit',
      share(
        `(${of('eventgate_stream_events_total', ', outcome="invalid"')} or vector(0))`,
        of('eventgate_stream_received_total'),
      ),
    ),
    stat(
      'Share not stored',
      'Or nobody knows whether.',
      'percentunit',
      share(
        `(${of('eventgate_stream_events_total', LOST)} or vector(0))`,
        of('eventgate_stream_received_total'),
      ),
    ),
    stat(
      'Time since an event was stored',
      'By any pod. Of the stream that waits longest.',
      's',
      `max(time() - stream:eventgate_last_stored_timestamp_seconds:max{${ONE}})`,
    ),
  ],
}

const STREAM_EVENTS: Row = {
  title: 'Events',
  panels: [
    {
      title: 'Events of the stream, by outcome',
      says: 'As their requests were answered. error: the service’s own events about refused ones; test: sent on request.',
      unit: 'cps',
      queries: [
        [
          rate(`eventgate_stream_events_total{${ONE}}`, 'delivery, kind, outcome'),
          '{{delivery}} {{kind}} {{outcome}}',
        ],
      ],
      stacked: true,
      width: 12,
    },
    {
      title: 'Events of the stream that were not stored, by code',
      says: 'docs/operations.md says what each code means.',
      unit: 'cps',
      queries: [
        [
          rate(`eventgate_stream_events_total{${ONE}, outcome!~"delivered|spooled"}`, 'outcome, code'),
          '{{outcome}} {{code}}',
        ],
      ],
      width: 12,
    },
    {
      title: 'Silence',
      says: 'A stream is quiet when nothing was stored for longer than it may be quiet.',
      unit: 's',
      queries: [
        [`time() - stream:eventgate_last_stored_timestamp_seconds:max{${ONE}}`, 'last stored, {{stream}}'],
        [`max by (stream) (eventgate_stream_quiet_after_seconds{${ONE}})`, 'may be quiet for, {{stream}}'],
        [
          `time() - min by (stream) (eventgate_stream_watched_since_timestamp_seconds{${ONE}})`,
          'watched since, {{stream}}',
        ],
      ],
      width: 12,
    },
    {
      title: 'Spool',
      says: 'Events on disk, and those that left it for Kafka.',
      unit: 'none',
      queries: [
        [`sum by (stream) (eventgate_stream_spool_events{${ONE}}) or ${NO_SPOOL}`, 'on disk, {{stream}}'],
        [
          `${rate(`eventgate_stream_drained_total{${ONE}}`, 'stream, outcome')} or ${NO_SPOOL}`,
          'a second, {{outcome}}, {{stream}}',
        ],
      ],
      width: 12,
    },
  ],
}

export const STREAM: Row[] = [
  STREAM_NOW,
  { title: 'Account', panels: [waterfall()] },
  STREAM_EVENTS,
  {
    title: 'Stored',
    panels: [
      {
        title: 'By schema',
        says: 'A new version appears when its first event is stored.',
        unit: 'cps',
        queries: [
          [
            rate(`eventgate_events_produced_total{${ONE}}`, 'stream, schema_uri'),
            '{{stream}} {{schema_uri}}',
          ],
        ],
        stacked: true,
        width: 12,
      },
      {
        title: 'By service',
        says: 'Which cluster stores it.',
        unit: 'cps',
        queries: [
          [
            rate(`eventgate_events_produced_total{${ONE}}`, 'namespace, service'),
            '{{namespace}} {{service}}',
          ],
        ],
        width: 12,
      },
    ],
  },
  {
    title: 'Refused',
    panels: [
      {
        title: 'By reason',
        says: 'docs/operations.md says what each means.',
        unit: 'cps',
        queries: [[rate(`eventgate_validation_errors_total{${ONE}}`, 'error_type'), '{{error_type}}']],
        width: 12,
      },
      {
        title: 'By schema',
        says: 'Events of which version are rejected.',
        unit: 'cps',
        queries: [[rate(`eventgate_validation_errors_total{${ONE}}`, 'schema_uri'), '{{schema_uri}}']],
        width: 12,
      },
    ],
  },
]
