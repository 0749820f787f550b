/** The Grafana dashboards of the chart, from what differs between panels. `npm run docs` writes them. */
import { join } from 'node:path'
import { ROOT } from '../test/support/service.js'
import {
  DATASOURCE,
  EVENTS,
  heightOf,
  ONLY_OURS,
  OWN,
  panelOf,
  quantiles,
  type Row,
  rate,
  stat,
  worst,
} from './panels.js'
import { ACCOUNTS, SERVICE_LEVELS, STATES, STREAM } from './stream-panels.js'

export const FOLDER = join(ROOT, 'helm/eventgate/dashboards')

const requests = `express_router_request_duration_seconds`

const NOW: Row = {
  title: 'Now',
  panels: [
    stat('Pods ready', 'Of those that are scraped.', 'none', `sum(eventgate_ready{${OWN}})`),
    stat(
      'Events stored',
      'Acknowledged by Kafka.',
      'cps',
      rate(`eventgate_events_produced_total{${OWN}}`, ''),
    ),
    stat(
      'Requests answered 5xx',
      'Of those with events.',
      'percentunit',
      `(sum(rate(${requests}_count{${EVENTS}, status=~"5.."}[$__rate_interval])) or vector(0)) / sum(rate(${requests}_count{${EVENTS}}[$__rate_interval]))`,
    ),
    stat(
      'Hasty events lost, last hour',
      'Answered 202, and then not stored, or of unknown fate, by no mistake of their clients.',
      'none',
      `sum(increase(eventgate_events_total{${OWN}, delivery="hasty", outcome=~"not_stored|unknown"}[1h]))`,
    ),
    stat(
      'Brokers unreachable',
      'Seen by the pod that sees most of them so.',
      'none',
      `max(eventgate_kafka_brokers{${OWN}, state="unreachable"})`,
    ),
    stat(
      'Stream configuration, age',
      'Of the pod whose is oldest.',
      's',
      `max(eventgate_stream_config_age_seconds{${OWN}})`,
    ),
  ],
}

const REQUESTS: Row = {
  title: 'Requests',
  panels: [
    {
      title: 'Requests by route and status',
      says: 'Statuses are exact: 503 is surely not stored, 504 is unknown.',
      unit: 'reqps',
      queries: [
        [rate(`${requests}_count{${OWN}}`, 'path, method, status'), '{{method}} {{path}} {{status}}'],
      ],
      stacked: true,
    },
    {
      title: 'Errors by route',
      says: 'Share of requests that were answered 5xx.',
      unit: 'percentunit',
      queries: [
        [
          `(${rate(`${requests}_count{${OWN}, status=~"5.."}`, 'path')} or 0 * ${rate(`${requests}_count{${OWN}}`, 'path')}) / ${rate(`${requests}_count{${OWN}}`, 'path')}`,
          '{{path}}',
        ],
      ],
    },
    {
      title: 'Duration by route',
      says: 'From the head of a request to the end of its answer. Hasty requests are answered before their events are stored.',
      unit: 's',
      queries: quantiles(requests, OWN, 'path', '{{path}}'),
    },
    {
      title: 'Requests refused as a whole',
      says: 'By code: over_capacity is a bound of the service, others are mostly mistakes of clients.',
      unit: 'reqps',
      queries: [[`${rate(`eventgate_requests_refused_total{${OWN}}`, 'code')}`, '{{code}}']],
    },
    {
      title: 'Request sizes',
      says: 'Bytes of bodies, decoded.',
      unit: 'bytes',
      queries: quantiles('eventgate_request_size_bytes', OWN, 'delivery', '{{delivery}}'),
    },
    {
      title: 'Events per request',
      says: 'Arrays may mix streams.',
      unit: 'none',
      queries: quantiles('eventgate_request_size_events', OWN, 'delivery', '{{delivery}}'),
    },
  ],
}

const OUTCOMES: Row = {
  title: 'Outcomes',
  panels: [
    {
      title: 'Events by outcome',
      says: 'invalid is the client’s mistake; not_stored is sure; unknown may be stored, now or later.',
      unit: 'cps',
      queries: [[rate(`eventgate_events_total{${OWN}}`, 'delivery, outcome'), '{{delivery}} {{outcome}}']],
      stacked: true,
    },
    {
      title: 'Events that were not stored, by code',
      says: 'docs/operations.md says what each code means.',
      unit: 'cps',
      queries: [[`${rate(`eventgate_events_total{${OWN}, outcome!="delivered"}`, 'code')} > 0`, '{{code}}']],
    },
    {
      title: 'Hasty events lost',
      says: 'By reason, including invalid ones.',
      unit: 'cps',
      queries: [[rate(`eventgate_hasty_events_lost_total{${OWN}}`, 'reason'), '{{reason}}']],
    },
    {
      title: 'Error events lost',
      says: 'Error events that could not be stored.',
      unit: 'cps',
      queries: [[rate(`eventgate_error_events_lost_total{${OWN}}`, 'reason'), '{{reason}}']],
    },
  ],
}

const STREAMS: Row = {
  title: 'Streams',
  panels: [
    {
      title: 'Events stored, by stream',
      says: 'The twenty largest of the streams selected above.',
      unit: 'cps',
      queries: [
        [
          `topk(20, ${rate(`eventgate_events_produced_total{${OWN}, stream=~"$stream"}`, 'stream')})`,
          '{{stream}}',
        ],
      ],
      stacked: true,
    },
    {
      title: 'Validation errors by stream',
      says: 'Events rejected as invalid. unknown: not configured, or no event was ever stored.',
      unit: 'cps',
      queries: [
        [
          `topk(20, ${rate(`eventgate_validation_errors_total{${OWN}, stream=~"$stream"}`, 'stream, error_type')})`,
          '{{stream}} {{error_type}}',
        ],
      ],
    },
  ],
}

const PRODUCERS: Row = {
  title: 'Producers',
  panels: [
    {
      title: 'Produce latency',
      says: 'Of stored events: lingering, waiting and Kafka.',
      unit: 's',
      queries: quantiles(
        'eventgate_produce_duration_seconds',
        `${OWN}, outcome="delivered"`,
        'delivery',
        '{{delivery}}',
      ),
    },
    {
      title: 'Queues against their bounds',
      says: 'Of the pod with the fullest queue. At 1 guaranteed events are refused, and hasty ones lost.',
      unit: 'percentunit',
      queries: [
        [
          worst(
            `eventgate_producer_queue_bytes{${OWN}} / eventgate_producer_queue_limit_bytes{${OWN}}`,
            'delivery',
          ),
          'bytes, {{delivery}}',
        ],
        [
          worst(
            `eventgate_producer_queue_events{${OWN}} / eventgate_producer_queue_limit_events{${OWN}}`,
            'delivery',
          ),
          'events, {{delivery}}',
        ],
      ],
    },
    {
      title: 'Time since an event was stored',
      says: 'Of the pod that waits longest. It also grows if no events arrive.',
      unit: 's',
      queries: [[worst(`eventgate_kafka_last_stored_age_seconds{${OWN}}`, 'delivery'), '{{delivery}}']],
    },
  ],
}

/** Empty without a spool. */
const SPOOL: Row = {
  title: 'Spool',
  panels: [
    {
      title: 'Spool, events that wait',
      says: 'Written to disk and not yet in Kafka. Dead letters wait for an operator.',
      unit: 'none',
      queries: [
        [`sum by (service) (eventgate_spool_waiting_events{${OWN}})`, 'waiting {{service}}'],
        [`sum by (service) (eventgate_spool_dead_letter_events{${OWN}})`, 'dead letters {{service}}'],
      ],
    },
    {
      title: 'Spool, age of the oldest event',
      says: 'Of the pod whose event has waited longest.',
      unit: 's',
      queries: [[worst(`eventgate_spool_oldest_age_seconds{${OWN}}`, 'service'), '{{service}}']],
    },
    {
      title: 'Spool against its bound',
      says: 'Of the pod with the fullest spool. At 1 events are refused again.',
      unit: 'percentunit',
      queries: [
        [
          worst(`eventgate_spool_bytes{${OWN}} / eventgate_spool_limit_bytes{${OWN}}`, 'service'),
          '{{service}}',
        ],
      ],
    },
    {
      title: 'Spool, in and out',
      says: 'Drained events are in Kafka. Possibly twice: sent again where brokers may have forgotten.',
      unit: 'cps',
      queries: [
        [rate(`eventgate_spool_written_total{${OWN}}`, 'delivery'), 'written {{delivery}}'],
        [rate(`eventgate_spool_drained_total{${OWN}}`, 'service'), 'drained'],
        [rate(`eventgate_spool_dead_letters_total{${OWN}}`, 'service'), 'dead letters'],
        [rate(`eventgate_spool_possibly_twice_total{${OWN}}`, 'service'), 'possibly twice'],
        [rate(`eventgate_spool_damaged_total{${OWN}}`, 'service'), 'damaged'],
      ],
    },
    {
      title: 'Spool, sync of the disk',
      says: 'A guaranteed event that is spooled waits for one sync, or two.',
      unit: 's',
      queries: quantiles('eventgate_spool_sync_duration_seconds', OWN, 'service', '{{service}}'),
    },
    {
      title: 'Spool, events not taken',
      says: 'Answered as without a spool. Pods whose spool takes nothing: the log says why.',
      unit: 'none',
      queries: [
        [rate(`eventgate_spool_refused_total{${OWN}}`, 'delivery, reason'), '{{delivery}} {{reason}}'],
        [`sum by (service) (eventgate_spool_broken{${OWN}})`, 'pods without their spool'],
      ],
    },
  ],
}

const KAFKA: Row = {
  title: 'Kafka',
  panels: [
    {
      title: 'Brokers',
      says: 'By the result of the last request to each, over all pods.',
      unit: 'none',
      queries: [[`sum by (delivery, state) (eventgate_kafka_brokers{${OWN}})`, '{{delivery}} {{state}}']],
    },
    {
      title: 'Produce requests to brokers',
      says: 'Each carries the batches that are ready for one broker.',
      unit: 'reqps',
      queries: [[rate(`eventgate_kafka_requests_total{${OWN}}`, 'delivery'), '{{delivery}}']],
    },
    {
      title: 'Events sent',
      says: 'Counted each time they are sent: more than are stored means retries.',
      unit: 'cps',
      queries: [[rate(`eventgate_kafka_events_sent_total{${OWN}}`, 'delivery'), '{{delivery}}']],
    },
    {
      title: 'Producers without idempotence',
      says: 'Pods whose events may be stored twice, because brokers refuse idempotence.',
      unit: 'none',
      queries: [[`sum by (delivery) (1 - eventgate_producer_idempotent{${OWN}})`, '{{delivery}}']],
    },
    {
      title: 'Events that were late',
      says: 'Answered as unknown, and later found to be stored.',
      unit: 'cps',
      queries: [[rate(`eventgate_kafka_events_late_total{${OWN}}`, 'delivery'), '{{delivery}}']],
    },
    {
      title: 'Events per produce request',
      says: 'The more, the cheaper.',
      unit: 'none',
      queries: quantiles('eventgate_kafka_request_size_events', OWN, 'delivery', '{{delivery}}'),
    },
    {
      title: 'Bytes per produce request',
      says: 'Before compression.',
      unit: 'bytes',
      queries: quantiles('eventgate_kafka_request_size_bytes', OWN, 'delivery', '{{delivery}}'),
    },
  ],
}

const SATURATION: Row = {
  title: 'Saturation',
  panels: [
    {
      title: 'In flight against its bounds',
      says: 'Of the pod that holds most. At 1 requests are refused.',
      unit: 'percentunit',
      queries: [
        [
          worst(`eventgate_in_flight_bytes{${OWN}} / eventgate_in_flight_limit_bytes{${OWN}}`, 'delivery'),
          'bytes, {{delivery}}',
        ],
        [
          worst(`eventgate_in_flight_events{${OWN}} / eventgate_in_flight_limit_events{${OWN}}`, 'delivery'),
          'events, {{delivery}}',
        ],
        [`max(eventgate_connections{${OWN}} / eventgate_connections_limit{${OWN}})`, 'connections'],
      ],
    },
    {
      title: 'Event loop',
      says: 'Delay of the event loop: everything in a process waits as long.',
      unit: 's',
      queries: [
        [worst(`nodejs_eventloop_lag_p90_seconds ${ONLY_OURS}`, 'instance'), 'p90 {{instance}}'],
        [worst(`nodejs_eventloop_lag_p99_seconds ${ONLY_OURS}`, 'instance'), 'p99 {{instance}}'],
      ],
    },
    {
      title: 'CPU',
      says: 'Cores, by pod. One process uses one, and a little more.',
      unit: 'none',
      queries: [[`rate(process_cpu_seconds_total[$__rate_interval]) ${ONLY_OURS}`, '{{instance}}']],
    },
    {
      title: 'Memory',
      says: 'By pod.',
      unit: 'bytes',
      queries: [
        [`process_resident_memory_bytes ${ONLY_OURS}`, 'resident {{instance}}'],
        [`nodejs_heap_size_used_bytes ${ONLY_OURS}`, 'heap {{instance}}'],
      ],
    },
    {
      title: 'Garbage collection',
      says: 'Share of time, by pod.',
      unit: 'percentunit',
      queries: [
        [
          `sum by (job, instance) (rate(nodejs_gc_duration_seconds_sum[$__rate_interval])) ${ONLY_OURS}`,
          '{{instance}}',
        ],
      ],
    },
    {
      title: 'Workers',
      says: 'Only where `num_workers` is set: workers that serve, and how often others were started again.',
      unit: 'none',
      queries: [
        [`sum by (instance) (eventgate_worker_up{${OWN}})`, 'serve {{instance}}'],
        [
          `sum by (instance) (increase(eventgate_worker_restarts_total{${OWN}}[$__range]))`,
          'restarts {{instance}}',
        ],
      ],
    },
    {
      title: 'Versions',
      says: 'Pods by version: two versions mean a rollout.',
      unit: 'none',
      queries: [[`count by (version, node) (eventgate_build_info{${OWN}})`, '{{version}}, Node {{node}}']],
    },
  ],
}

const SCHEMAS: Row = {
  title: 'Schemas and stream configuration',
  panels: [
    {
      title: 'Schema cache',
      says: 'Continuous misses mean that max_schemas is too small.',
      unit: 'ops',
      queries: [
        [rate(`eventgate_schema_cache_hits_total{${OWN}}`, 'service'), 'hits'],
        [rate(`eventgate_schema_cache_misses_total{${OWN}}`, 'service'), 'misses'],
        [rate(`eventgate_schema_load_failures_total{${OWN}}`, 'reason'), 'failed: {{reason}}'],
      ],
    },
    {
      title: 'Schemas held and compiled',
      says: 'Nothing else runs while one is compiled.',
      unit: 'none',
      queries: [
        [worst(`eventgate_schemas_held{${OWN}}`, 'service'), 'held'],
        [rate(`eventgate_schema_compiles_total{${OWN}}`, 'service'), 'compiled a second'],
        [rate(`eventgate_schema_compile_seconds_total{${OWN}}`, 'service'), 'share of time'],
      ],
    },
    {
      title: 'Schema repositories',
      says: '0: some pod got no answer when it last asked.',
      unit: 'none',
      queries: [[`min by (repository) (eventgate_schema_repository_up{${OWN}})`, '{{repository}}']],
    },
    {
      title: 'Stream configuration',
      says: 'Age of the oldest one in force, and failed fetches.',
      unit: 's',
      queries: [
        [worst(`eventgate_stream_config_age_seconds{${OWN}}`, 'service'), 'age'],
        [worst(`eventgate_stream_config_ttl_seconds{${OWN}}`, 'service'), 'time to live'],
        [`sum(increase(eventgate_stream_config_failures_total{${OWN}}[1h]))`, 'failures in an hour'],
      ],
    },
    {
      title: 'Streams configured',
      says: 'Including regular expressions. Pods that differ will agree after the next fetch.',
      unit: 'none',
      queries: [
        [worst(`eventgate_stream_config_streams{${OWN}}`, 'service'), 'most'],
        [`min by (service) (eventgate_stream_config_streams{${OWN}})`, 'least'],
        [worst(`eventgate_stream_config_refused_streams{${OWN}}`, 'service'), 'refused'],
      ],
    },
  ],
}

function variable(name: string, query: string): object {
  return {
    ...{ name, label: name, type: 'query', datasource: DATASOURCE, definition: query },
    query: { query, refId: name },
    // Otherwise a missing label would hide everything.
    ...{ multi: true, includeAll: true, allValue: '.*', current: { text: 'All', value: '$__all' } },
    ...{ refresh: 2, sort: 1 },
  }
}

function dashboard(uid: string, title: string, rows: readonly Row[]): object {
  const panels: object[] = []
  let y = 0
  for (const row of rows) {
    panels.push({
      ...{ type: 'row', title: row.title, id: panels.length + 1, collapsed: false, panels: [] },
      gridPos: { x: 0, y: y++, w: 24, h: 1 },
    })
    let x = 0
    let height = 0
    for (const panel of row.panels) {
      const w = panel.width ?? 8
      const h = heightOf(panel)
      if (x + w > 24) {
        x = 0
        y += height
        height = 0
      }
      height = Math.max(height, h)
      panels.push({ id: panels.length + 1, gridPos: { x, y, w, h }, ...panelOf(panel) })
      x += w
    }
    y += height
  }
  return {
    ...{ uid, title, tags: ['eventgate'], schemaVersion: 39, version: 1, editable: true },
    ...{ refresh: '1m', time: { from: 'now-6h', to: 'now' }, timezone: 'utc' },
    templating: {
      list: [
        { name: 'datasource', label: 'data source', type: 'datasource', query: 'prometheus', current: {} },
        variable('namespace', 'label_values(eventgate_build_info, namespace)'),
        variable('service', 'label_values(eventgate_build_info{namespace=~"$namespace"}, service)'),
        variable('stream', `label_values(eventgate_stream_last_stored_timestamp_seconds{${OWN}}, stream)`),
      ],
    },
    annotations: { list: [] },
    links: [
      { type: 'dashboards', title: 'EventGate', tags: ['eventgate'], asDropdown: false, keepTime: true },
    ],
    panels,
  }
}

/** Text by file name. */
export function dashboards(): Record<string, string> {
  const overview = [
    ...[NOW, SERVICE_LEVELS, STATES, REQUESTS, OUTCOMES, STREAMS, ACCOUNTS],
    ...[PRODUCERS, SPOOL, KAFKA, SATURATION, SCHEMAS],
  ]
  const made = {
    'overview.json': dashboard('eventgate-overview', 'EventGate', overview),
    'stream.json': dashboard('eventgate-stream', 'EventGate: a stream', STREAM),
  }
  return Object.fromEntries(
    Object.entries(made).map(([name, value]) => [name, `${JSON.stringify(value, null, 2)}\n`]),
  )
}

/** Every query of the dashboards, with its panel. */
export function queries(): { panel: string; expr: string }[] {
  return Object.entries(dashboards()).flatMap(([file, text]) => {
    const { panels } = JSON.parse(text) as { panels: { title: string; targets?: { expr: string }[] }[] }
    return panels.flatMap(({ title, targets = [] }) =>
      targets.map(({ expr }) => ({ panel: `${file}: ${title}`, expr })),
    )
  })
}
