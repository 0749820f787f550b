import { ByPattern } from '../../streams/by-pattern.js'
import { CLASS } from '../../streams/settings.js'
import { secondsOf } from '../../time.js'
import { headerText, milliseconds, type OptionSchema, optionalText, readLocation, text } from './values.js'

/** Seconds, or false for ever; false for no stream at all. */
type QuietAfter = false | ByPattern<number | false>

/** Options of streams, their topics and the stream configuration. */
export const STREAM_OPTIONS = {
  topic_prefix: {
    description: 'Prefix that turns the name of a stream into its topic. `eventlogging_…` streams have none.',
    type: 'string',
    pattern: '^[A-Za-z0-9._-]{0,200}$',
    default: '',
  },
  stream_config_uri: {
    description:
      'Path, `file:` or `http(s):` URI of the stream configuration: a map of stream names to settings (null: any schema may go to any stream). [Streams](#streams)',
    ...optionalText,
    read: readLocation,
    default: null,
  },
  stream_config_uri_options: {
    description: 'Settings of the request for the stream configuration. `headers` may include `Host`.',
    type: 'object',
    additionalProperties: false,
    properties: { headers: { type: 'object', additionalProperties: headerText } },
    default: {},
  },
  stream_config_object_path: {
    description: 'Dotted path of the map of streams in the answer (null: the answer is the map).',
    ...optionalText,
    default: null,
  },
  stream_config_retries: {
    description: 'Retries at the start. After the last one the start fails.',
    type: 'integer',
    minimum: 0,
    maximum: 100,
    default: 3,
  },
  stream_config_timeout_ms: {
    description: 'Timeout for fetching the stream configuration (ms).',
    ...milliseconds,
    default: 5000,
  },
  stream_config_ttl: {
    description:
      'Time after which the stream configuration is fetched again (s; 0: never). If a fetch fails, the last good one stays in force.',
    type: 'number',
    minimum: 0,
    maximum: 86_400,
    default: 0,
  },
  stream_config_min_refresh_ms: {
    description: 'Minimum time between two fetches caused by events of unknown streams (ms).',
    ...milliseconds,
    default: 10_000,
  },
  destination_event_service: {
    description:
      'Takes only streams whose own `destination_event_service` has this value, or that have none (null: takes all).',
    ...optionalText,
    default: null,
  },
  quiet_after: {
    description:
      'How long streams may store no event before an alert names them. A list of `streams`, a name or a `/expression/`, and `after`: `15m`, `2h`, `1d` or `false`. The first row that fits counts. The setting `producers.eventgate.quiet_after` of a stream takes precedence. `false` instead of the list: no stream is watched, as in a standby data centre. [Accounts](accounts.md#silence)',
    anyOf: [
      { const: false },
      {
        type: 'array',
        items: {
          type: 'object',
          additionalProperties: false,
          required: ['streams', 'after'],
          properties: {
            streams: text,
            after: { anyOf: [{ const: false }, { type: 'string', pattern: '^[1-9][0-9]{0,5}[smhd]$' }] },
          },
        },
      },
    ],
    read: (rows: false | readonly { streams: string; after: string | false }[]): QuietAfter =>
      rows && new ByPattern(rows.map(({ streams, after }) => [streams, secondsOf(after) ?? false])),
    default: [],
  },
  stream_classes: {
    description:
      'Classes of streams in metrics and service levels: a list of `streams`, a name or a `/expression/`, and `class`. The first row that fits counts. The setting `producers.eventgate.class` of a stream takes precedence. The others are `default`. [Accounts](accounts.md#classes)',
    type: 'array',
    items: {
      type: 'object',
      additionalProperties: false,
      required: ['streams', 'class'],
      properties: { streams: text, class: { type: 'string', pattern: CLASS.source } },
    },
    read: (rows: readonly { streams: string; class: string }[]): ByPattern<string> =>
      new ByPattern(rows.map(row => [row.streams, row.class])),
    default: [],
  },
  event_time_field: {
    description:
      'Field with the time at which an event happened, as its client says. It is compared with the time of receipt in metrics only (null: off).',
    ...optionalText,
    default: 'dt',
  },
} as const satisfies Record<string, OptionSchema>
