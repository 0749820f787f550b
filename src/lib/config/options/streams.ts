import { headerText, milliseconds, type OptionSchema, optionalText, readLocation } from './values.js'

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
} as const satisfies Record<string, OptionSchema>
