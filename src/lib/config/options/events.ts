import { quote } from '../../errors.js'
import { TRANSFORMS, userAgentExpressions } from '../../steps/transforms.js'
import { flag, type OptionSchema, optionalText, type Report, text, texts } from './values.js'

/** Fields that request headers fill unless the configuration says otherwise (docs/contract.md 2.1). */
const HEADERS_TO_FIELDS = {
  'x-request-id': 'meta.request_id',
  'user-agent': 'http.request_headers.user-agent',
}

/** Options of the steps between a request and the producer. */
export const EVENT_OPTIONS = {
  stream_field: {
    description: 'Field that names the stream of an event (null: the stream has the name of the schema).',
    ...optionalText,
    default: 'meta.stream',
  },
  id_field: {
    description: 'Field that gets a new UUID if it is absent (null: off).',
    ...optionalText,
    default: 'meta.id',
  },
  id_from_request: {
    description:
      "Whether to derive ids from `x-request-id`, the event's position and its text. A proxy's retry then gets the same ids.",
    ...flag,
    default: false,
  },
  dt_field: {
    description:
      'Field for the time of receipt, which is also the timestamp of the Kafka record (null: off).',
    ...optionalText,
    default: 'meta.dt',
  },
  overwrite_dt: {
    description: "Whether to overwrite a client's own `dt_field`.",
    ...flag,
    default: true,
  },
  http_request_headers_to_fields: {
    description:
      'Map of request headers to event fields. It extends `x-request-id` → `meta.request_id` and `user-agent` → `http.request_headers.user-agent`.',
    type: 'object',
    additionalProperties: text,
    read(fields: Readonly<Record<string, string>>, report: Report): Readonly<Record<string, string>> {
      for (const name of Object.keys(fields))
        if (!/^[\w!#$%&'*+.^`|~-]+$/.test(name))
          report(`has ${quote(name)}, which cannot be the name of a header`)
      return { ...HEADERS_TO_FIELDS, ...fields }
    },
    default: {},
  },
  transforms: {
    description:
      'Transforms to run, in this order, between enrichment and validation: `processEdgeUniques`, `testKitchen`. `eventgateWikimediaDefaults` is accepted, and stands for the enrichment that always runs.',
    type: 'array',
    items: { enum: Object.keys(TRANSFORMS) },
    default: [],
  },
  test_kitchen: {
    description:
      'Settings of the transform `testKitchen`. `ua_denylist` has regular expressions of user agents whose events with an `experiment` are refused.',
    type: 'object',
    additionalProperties: false,
    properties: { ua_denylist: { ...texts, read: userAgentExpressions } },
    default: {},
  },
  error_stream: {
    description:
      'Stream for error events: one for each event that fails validation. Its `raw_event` has the first 262144 characters of that event (null: off).',
    type: 'string',
    // Rules out `.` and `..`. Helm checks values by it too, and Go's expressions have no look-around.
    pattern: '^(\\.{0,2}[A-Za-z0-9_-][A-Za-z0-9._-]{0,199}|\\.{3}[A-Za-z0-9._-]{0,197})$',
    nullable: true,
    default: null,
  },
  error_schema_uri: {
    description: 'Schema of error events. Fields that it does not declare are left out.',
    ...text,
    default: '/error/2.1.0',
  },
  eventgate_factory_module: {
    description:
      'ES or CommonJS module of your own that replaces or wraps the steps of an event (null: off). [An example](library.md#steps-of-your-own)',
    ...optionalText,
    default: null,
  },
} as const satisfies Record<string, OptionSchema>
