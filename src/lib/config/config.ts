import { Ajv, type DefinedError, type JSONSchemaType } from 'ajv'
import bytes from 'bytes'
import { nearest } from '../did-you-mean.js'
import { quote } from '../errors.js'
import { ClientAddress } from '../http/client-ip.js'
import { SHUTDOWN_TIMEOUT_MS, type ShutdownTimes, shutdownTimes } from '../http/shutdown.js'
import { type KafkaSettings, readKafkaConf } from '../kafka/config.js'
import { type Bounds, boundsWithin, inMiB, memoryAt, memoryLimit } from '../runtime/memory-limit.js'
import { MAX_PENDING_ERROR_EVENTS } from '../steps/error-events.js'
import { TRANSFORMS, userAgentExpressions } from '../steps/transforms.js'
import { readText } from '../yaml.js'

/** One thing that is wrong with a configuration. */
export interface Problem {
  /** Where: `services[0].conf.port`. */
  path: string
  message: string
}

/** A configuration that cannot be started with. Lists everything that is wrong with it. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'

  constructor(readonly problems: readonly Problem[]) {
    super(problems.map(({ path, message }) => `${path}: ${message}`).join('\n'))
  }
}

/** The service's options: `services[].conf` of the file, whole, with defaults, sizes in bytes. */
export interface Config {
  port: number
  interface: string | null
  /** Origins that browsers may post from; false sends no CORS headers. */
  cors: false | string | readonly string[]
  /** The content-security-policy; false sends no security headers. */
  csp: false | string
  user_agent: string | null
  max_body_size: number
  request_timeout_ms: number
  shutdown_timeout_ms: number
  /** What `shutdown_timeout_ms` comes to, or that it is not configured. */
  shutdown: ShutdownTimes
  unready_without_kafka_ms: number
  keep_alive_timeout_ms: number
  connection_max_age_ms: number
  max_connections: number
  max_bytes_in_flight: number
  max_events_in_flight: number
  hasty_max_bytes: number
  hasty_max_events: number
  /** Error events that may be under way at one time; follows from the hasty producer's queue. */
  max_error_events: number
  schema_uri_field: string
  schema_base_uris: readonly string[]
  schema_precache_uris: readonly string[]
  schema_file_extension: string
  schema_timeout_ms: number
  schema_failure_ttl_ms: number
  max_schemas: number
  reload_schemas: boolean
  allow_insecure_schemas: boolean
  allow_absolute_schema_uris: boolean
  stream_field: string | null
  id_field: string | null
  id_from_request: boolean
  dt_field: string | null
  overwrite_dt: boolean
  http_request_headers_to_fields: Readonly<Record<string, string>>
  trusted_proxies: readonly string[]
  transforms: readonly string[]
  test_kitchen: { readonly ua_denylist?: readonly string[] }
  schema_uri_query_param: string | null
  stream_query_param: string | null
  topic_prefix: string
  stream_config_uri: string | null
  stream_config_uri_options: { readonly headers?: Readonly<Record<string, string>> }
  stream_config_object_path: string | null
  stream_config_retries: number
  stream_config_timeout_ms: number
  /** Seconds; 0: never fetched again. */
  stream_config_ttl: number
  stream_config_min_refresh_ms: number
  destination_event_service: string | null
  error_stream: string | null
  error_schema_uri: string
  eventgate_factory_module: string | null
  test_events: readonly Readonly<Record<string, unknown>>[]
  dev_ui: boolean
  dev_hosts: readonly string[]
  validate_endpoint: boolean
  producer: 'kafka' | 'file' | 'memory'
  output_path: string
  should_pretty_print: boolean
  /** What the properties under `kafka` come to. */
  kafka: KafkaSettings | null
  /** What is accepted, and an operator should know about. */
  warnings: readonly Problem[]
  /** Which bounds follow the limit of memory, in words; null if none does. */
  memory: string | null
}

/** How the log is written. */
export interface Logging {
  name?: string
  level?: string
  format?: 'bunyan' | 'ecs'
  streams?: readonly { type: string; level?: string; named_levels?: boolean }[]
}

/** Where metrics are served. */
export interface MetricsEndpoint {
  type: string
  name?: string
  port?: number
  interface?: string | null
}

/** A configuration file in service-runner's form, of which this service reads the following. */
export interface ConfigFile {
  service_name?: string
  logging?: Logging
  metrics?: MetricsEndpoint | readonly MetricsEndpoint[]
  services: readonly { name: string; module?: string; entrypoint?: string; conf: Record<string, unknown> }[]
  [other: string]: unknown
}

const path = { type: 'string', minLength: 1 } as const
const optionalPath = { type: 'string', minLength: 1, nullable: true } as const
const count = { type: 'integer', minimum: 1 } as const
const size = {
  type: ['integer', 'string'],
  minimum: 1,
  pattern: '^\\d+(\\.\\d+)? ?([kmgKMG]?[bB])?$',
} as const
const milliseconds = { type: 'integer', minimum: 1, maximum: 2 ** 31 - 1 } as const
const orNever = { ...milliseconds, minimum: 0 } as const
const port = { type: 'integer', minimum: 0, maximum: 65535 } as const
const uris = { type: 'array', items: path } as const
const off = { enum: [false] } as const
/** Where proxies of one's own stand: loopback, link-local and private addresses. */
const PRIVATE_NETWORKS = [
  ...['127.0.0.0/8', '10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '169.254.0.0/16'],
  ...['::1/128', 'fc00::/7', 'fe80::/10'],
]
/** What may stand in a header. */
const headerText = { type: 'string', pattern: '^[\\x20-\\x7e]+$' } as const

const headerTexts = { type: 'object', additionalProperties: headerText } as const

/** Every option with its type, default and description, in Markdown. `npm run docs` makes the documentation's table of this. */
export const OPTIONS = {
  port: { description: '0 takes a free one, which the log names', ...port, default: 8192 },
  interface: { description: 'address to listen on; all of them if null', ...optionalPath, default: null },
  cors: {
    description: 'origins that browsers may post from: `"*"`, one, or a list; `false` sends no CORS headers',
    anyOf: [off, headerText, { type: 'array', items: headerText, minItems: 1 }],
    default: '*',
  },
  csp: {
    description: 'the content-security-policy; `false` sends no security headers at all',
    anyOf: [off, headerText],
    default:
      "default-src 'self'; object-src 'none'; media-src *; img-src *; style-src *; frame-ancestors 'self'",
  },
  user_agent: {
    description:
      'how the service names itself to schema repositories and the stream configuration, and in error events; `eventgate/<version>` if null',
    ...headerText,
    nullable: true,
    default: null,
  },
  max_body_size: {
    description: 'the largest body, as it is sent and again when it is decoded',
    ...size,
    default: '10mb',
  },
  request_timeout_ms: {
    description:
      "within it every guaranteed request is answered, counted from its head; to be set below the clients' and proxies' own patience",
    ...milliseconds,
    default: 9000,
  },
  shutdown_timeout_ms: {
    description:
      'on SIGTERM, how long what is in flight may take. If it is not configured, hasty events have these 10 s, and every request is answered within 1.5 s, because some supervisors kill after 2 s. [Shutdown](operations.md#the-end)',
    ...milliseconds,
    default: SHUTDOWN_TIMEOUT_MS,
  },
  unready_without_kafka_ms: {
    description:
      'after so long without an event stored, and with all brokers out of reach, `/_info/ready` answers 503; 0: never, for a pod that cannot reach Kafka answers 503 by itself, and all pods together are not ready then',
    ...orNever,
    default: 0,
  },
  keep_alive_timeout_ms: {
    description: 'how long a connection may be idle: longer than the proxies in front leave it so',
    ...milliseconds,
    minimum: 5000,
    default: 75_000,
  },
  connection_max_age_ms: {
    description:
      'after so long, give or take a fifth, an answer is the last on its connection, so that load spreads over new pods; 0: never',
    ...orNever,
    default: 600_000,
  },
  max_connections: {
    description: 'at one time; an event that comes on one more is 503, and the connection ended',
    ...count,
    default: 5000,
  },
  max_bytes_in_flight: {
    description:
      "of guaranteed requests' bodies at one time; above it 503. If it is not configured, it is lower within a small limit of memory. [Memory](operations.md#memory)",
    ...size,
    default: '32mb',
  },
  max_events_in_flight: {
    description:
      'of guaranteed requests at one time; a request with more is 413. It follows a limit of memory, too',
    ...count,
    default: 50_000,
  },
  hasty_max_bytes: { description: 'the same for hasty requests', ...size, default: '16mb' },
  hasty_max_events: { description: 'the same for hasty requests', ...count, default: 20_000 },
  schema_uri_field: { description: "the field that names an event's schema", ...path, default: '$schema' },
  schema_base_uris: {
    description:
      'repositories, tried in order: paths, `file:` or `http(s):` URIs; the schemas that ship with the service stand behind them',
    ...uris,
    default: [],
  },
  schema_precache_uris: {
    description: 'loaded at the start; one that cannot be had is a warning',
    ...uris,
    default: [],
  },
  schema_file_extension: {
    description: "added to a schema's URI that is not found as it is written",
    type: 'string',
    pattern: '^\\.?[A-Za-z0-9]+$',
    default: '.yaml',
  },
  schema_timeout_ms: {
    description: 'patience with remote repositories, for one schema and all that it refers to',
    ...milliseconds,
    default: 3000,
  },
  schema_failure_ttl_ms: {
    description: 'how long a schema that could not be had is not asked for again',
    ...milliseconds,
    default: 5000,
  },
  max_schemas: { description: 'compiled schemas held; at least 100', ...count, minimum: 100, default: 2000 },
  reload_schemas: {
    description:
      'whether schemas are read again when their files change, which costs a look at the files for each event, and failures are forgotten at once: for development, as versions of a schema do not change elsewhere',
    type: 'boolean',
    default: false,
  },
  allow_insecure_schemas: {
    description:
      'whether to take schemas with patterns or formats on unbounded strings, which can make validation slow',
    type: 'boolean',
    default: false,
  },
  allow_absolute_schema_uris: {
    description:
      'whether an event may name its schema by an `http(s)` URI, which lets its sender choose what the service fetches',
    type: 'boolean',
    default: false,
  },
  stream_field: {
    description: "the field that names an event's stream; with null streams are named after schemas",
    ...optionalPath,
    default: 'meta.stream',
  },
  id_field: { description: 'filled with a new UUID where it is absent', ...optionalPath, default: 'meta.id' },
  id_from_request: {
    description:
      "for requests with an `x-request-id`, makes ids of it, the event's place and its text, so that a proxy's second try makes the same",
    type: 'boolean',
    default: false,
  },
  dt_field: {
    description: "the time of receipt, and the record's timestamp",
    ...optionalPath,
    default: 'meta.dt',
  },
  overwrite_dt: {
    description: "whether a client's own `dt_field` is overwritten",
    type: 'boolean',
    default: true,
  },
  http_request_headers_to_fields: {
    description:
      'header → field, over `x-request-id` → `meta.request_id` and `user-agent` → `http.request_headers.user-agent`',
    type: 'object',
    additionalProperties: path,
    default: {},
  },
  trusted_proxies: {
    description:
      'addresses and networks whose `X-Client-IP` and `X-Forwarded-For` count for `http.client_ip`',
    ...uris,
    default: PRIVATE_NETWORKS,
  },
  transforms: {
    description:
      'in this order, between enrichment and validation: `processEdgeUniques`, `testKitchen`; `eventgateWikimediaDefaults` is accepted, and stands for the enrichment that is always done',
    type: 'array',
    items: { enum: Object.keys(TRANSFORMS) },
    default: [],
  },
  test_kitchen: {
    description:
      'for the transform `testKitchen`: `ua_denylist`, regular expressions; events with an `experiment` from such a user agent are refused',
    type: 'object',
    additionalProperties: false,
    properties: { ua_denylist: uris },
    default: {},
  },
  schema_uri_query_param: {
    description: 'a query parameter that names the schema of events that do not',
    ...optionalPath,
    default: null,
  },
  stream_query_param: {
    description: 'a query parameter that names the stream of events that do not',
    ...optionalPath,
    default: null,
  },
  topic_prefix: {
    description: "put before the stream's name to make the topic's, but for streams named `eventlogging_…`",
    type: 'string',
    pattern: '^[A-Za-z0-9._-]{0,200}$',
    default: '',
  },
  stream_config_uri: {
    description:
      'stream name → settings: a path, a `file:` or an `http(s):` URI; if null, any schema may go to any stream. [Streams](#streams)',
    ...optionalPath,
    default: null,
  },
  stream_config_uri_options: {
    description: '`headers`: sent with the request, `Host` among them',
    type: 'object',
    additionalProperties: false,
    properties: { headers: headerTexts },
    default: {},
  },
  stream_config_object_path: {
    description: 'dotted path of the map of streams within the answer; null: the answer is that map',
    ...optionalPath,
    default: null,
  },
  stream_config_retries: {
    description: 'attempts after the first, at the start; then the start fails',
    type: 'integer',
    minimum: 0,
    maximum: 100,
    default: 3,
  },
  stream_config_timeout_ms: { description: 'patience with one answer', ...milliseconds, default: 5000 },
  stream_config_ttl: {
    description:
      'seconds after which it is fetched again; the last good one stays where that fails; 0: never',
    type: 'number',
    minimum: 0,
    maximum: 86_400,
    default: 0,
  },
  stream_config_min_refresh_ms: {
    description:
      'an event of a stream that is not known brings the next fetch forward, at most once in this time',
    ...milliseconds,
    default: 10_000,
  },
  destination_event_service: {
    description: 'keeps only the streams whose setting of that name is this one, and those that have none',
    ...optionalPath,
    default: null,
  },
  error_stream: {
    description:
      'the stream to which an error event goes for each event that fails validation, with the event itself in `raw_event`, cut at 262144 characters; null: none are made',
    type: 'string',
    // Not `.` and `..`. Helm holds values against it, too, and Go's expressions look neither ahead nor back.
    pattern: '^(\\.{0,2}[A-Za-z0-9_-][A-Za-z0-9._-]{0,199}|\\.{3}[A-Za-z0-9._-]{0,197})$',
    nullable: true,
    default: null,
  },
  error_schema_uri: {
    description: 'the schema of error events; fields that it does not declare are left out',
    ...path,
    default: '/error/2.1.0',
  },
  eventgate_factory_module: {
    description:
      "an ES or CommonJS module of your own that makes the steps of an event's way. [An example](library.md#steps-of-your-own)",
    ...optionalPath,
    default: null,
  },
  test_events: {
    description: 'taken at `GET /v1/_test/events` as if they had been posted',
    type: 'array',
    items: { type: 'object' },
    default: [],
  },
  dev_ui: {
    description:
      'whether to keep the latest events, at most 1,000 of 16 MiB, and to serve the development page at `/` and its API at `/_dev`; not for production, for everybody who can reach the service can read them there',
    type: 'boolean',
    default: false,
  },
  dev_hosts: {
    description:
      "names by which the development page and its API may be asked for, beside `localhost` and addresses: the `Host` of other requests may be a stranger's name for this machine, and they are 403",
    type: 'array',
    items: headerText,
    default: [],
  },
  validate_endpoint: {
    description: '`POST /v1/validate`: what would become of events, which go nowhere',
    type: 'boolean',
    default: false,
  },
  kafka: {
    description: 'where and how events are produced: below',
    type: 'object',
    nullable: true,
    default: null,
  },
  producer: {
    description:
      '`kafka`, `file`, or `memory`, which keeps the latest 1,000 events for tests and benchmarks; if null, `kafka` where that option is, else `file`',
    enum: ['kafka', 'file', 'memory', null],
    default: null,
  },
  output_path: {
    description: 'where the file producer appends one line of JSON an event',
    ...path,
    default: '/dev/stdout',
  },
  should_pretty_print: {
    description: 'whether it writes them indented, over several lines',
    type: 'boolean',
    default: false,
  },
} as const

/** Fields that request headers fill unless the configuration says otherwise (docs/contract.md 2.1). */
const HEADERS_TO_FIELDS = {
  'x-request-id': 'meta.request_id',
  'user-agent': 'http.request_headers.user-agent',
}

/** What service-runner adds to a service's options. */
const ADDED_BY_SERVICE_RUNNER = ['worker_id', 'logging', 'metrics', 'num_workers']

const endpoint = {
  type: 'object',
  required: ['type'],
  properties: {
    type: {
      enum: ['prometheus', 'log'],
      description: '`prometheus` serves them at `/metrics`; `log` is accepted, without meaning',
    },
    name: { ...path, description: 'the label `service`; the name of the service if it is not set' },
    port: { ...port, description: 'where they are served; without it they are not' },
    interface: { ...optionalPath, description: 'address on which they are served; all addresses if null' },
  },
} as const

/** What stands around the options, which is service-runner's form. */
export const FILE = {
  type: 'object',
  required: ['services'],
  additionalProperties: false,
  properties: {
    service_name: {
      ...path,
      description:
        'names the process in service-runner; logs and metrics have `services[0].name` and `metrics.name`',
    },
    num_workers: { const: 0, description: '0: one process serves; run more of them' },
    worker_heap_limit_mb: {
      type: 'number',
      minimum: 1,
      description:
        'a heap above it is logged; nothing is ended. `NODE_OPTIONS=--max-old-space-size` bounds it',
    },
    worker_heartbeat_timeout: { description: 'accepted, without meaning: there are no workers' },
    startup_concurrency: { description: 'accepted, without meaning: there are no workers' },
    app_base_path: { ...path, description: 'accepted, without meaning: the app is this one' },
    dns_cache: { description: "service-runner's cache of host names: off unless it is set" },
    info: { type: 'object', description: 'accepted, without meaning' },
    version: { type: 'string', description: 'accepted, without meaning' },
    logging: {
      type: 'object',
      additionalProperties: false,
      properties: {
        name: { ...path, description: 'in every line; the name of the service if it is not set' },
        level: {
          enum: ['trace', 'debug', 'info', 'warn', 'error', 'fatal'],
          description: 'the least that is logged; `info` if it is not set',
        },
        format: {
          enum: ['bunyan', 'ecs'],
          description:
            "the names of a line's fields: bunyan's, or those of the Elastic Common Schema; `bunyan` if it is not set",
        },
        streams: {
          type: 'array',
          maxItems: 1,
          items: {
            type: 'object',
            required: ['type'],
            additionalProperties: false,
            properties: {
              type: { enum: ['stdout', 'stderr'], description: 'where to' },
              level: {
                enum: ['trace', 'debug', 'info', 'warn', 'error', 'fatal'],
                description: 'over `logging.level`',
              },
              named_levels: { type: 'boolean', description: 'a line\'s level is `"INFO"`, not `30`' },
            },
          },
        },
      },
    },
    metrics: { anyOf: [endpoint, { type: 'array', items: endpoint }] },
    services: {
      type: 'array',
      minItems: 1,
      maxItems: 1,
      items: {
        type: 'object',
        required: ['name', 'conf'],
        additionalProperties: false,
        properties: {
          name: { ...path, description: 'in logs, and the label `service` of metrics' },
          module: { enum: ['eventgate', '@wikimedia/eventgate'], description: 'this app, by either name' },
          entrypoint: { enum: ['app'], description: 'the only one there is' },
          conf: { type: 'object', description: 'the [options](#options)' },
        },
      },
    },
  },
} as const

const CONF = { type: 'object', additionalProperties: false, properties: OPTIONS } as const

/**
 * Reads a configuration file: YAML, in which `{env(NAME,default)}` stands for a variable of the environment,
 * as service-runner has it. Throws a ConfigError with all that is wrong; `warn` hears what YAML's readers disagree on.
 */
export function readConfigFile(
  text: string,
  env: NodeJS.ProcessEnv,
  warn: (problem: Problem) => void = () => {},
): ConfigFile {
  let file: unknown
  try {
    const { value, notes } = readText(substituteEnv(text, env), { maxValues: 100_000, maxDepth: 100 })
    file = value
    for (const { path, message } of notes) warn({ path, message: SECRET.test(path) ? DISAGREED : message })
  } catch (error) {
    throw new ConfigError([{ path: 'the file', message: `cannot be read: ${(error as Error).message}` }])
  }
  const problems = check(FILE, file, '')
  const service = (file as ConfigFile | null)?.services?.[0]
  if (service?.conf) problems.push(...evaluate(service.conf, 'services[0].conf').problems)
  if (problems.length > 0) throw new ConfigError(problems)
  return file as ConfigFile
}

/** What must not be shown. */
const SECRET = /pass|secret|pem|key|token|auth|cookie/i
const DISAGREED = 'is read in several ways by readers of YAML: put it into quotes'

/** Makes the whole Config of a service's options, for a process that may use so much memory. Throws a ConfigError with all that is wrong. */
export function readConf(conf: Readonly<Record<string, unknown>>, memory = memoryLimit()): Config {
  const { config, problems } = evaluate(conf, 'conf', memory)
  if (!config || problems.length > 0) throw new ConfigError(problems)
  return config
}

/** Where the options are not even of the right types, there is no config. */
function evaluate(
  conf: Readonly<Record<string, unknown>>,
  at: string,
  limit = memoryLimit(),
): { config?: Config; problems: Problem[] } {
  const problems = check(CONF, withoutAdditions(conf), at)
  if (problems.length > 0) return { problems }
  const options = complete(conf)
  const memory = withinMemory(options, conf, limit)
  const requestTimeoutMs = options.request_timeout_ms as number
  const { max_events_in_flight, max_bytes_in_flight, hasty_max_events, hasty_max_bytes } = options
  const maxInFlight = {
    guaranteed: { messages: max_events_in_flight as number, bytes: max_bytes_in_flight as number },
    hasty: { messages: hasty_max_events as number, bytes: hasty_max_bytes as number },
  }
  const kafka = conf.kafka
    ? readKafkaConf(conf.kafka, { requestTimeoutMs, maxInFlight })
    : { problems: [], warnings: [] }
  const { settings = null } = kafka
  const queue = withinQueue({ ...options, ...memory.bounds } as unknown as Config, conf, settings)
  const warnings = [...kafka.warnings, ...exposures(options), ...memory.warnings, ...queue.warnings]
  const shutdown = shutdownTimes(conf.shutdown_timeout_ms as number | undefined)
  const config = Object.freeze({
    ...{ ...options, ...memory.bounds, ...queue.bounds, memory: memory.followed },
    ...{ shutdown, kafka: settings, warnings },
  }) as unknown as Config
  for (const { path, message } of kafka.problems) problems.push({ path: `${at}.${path}`, message })
  problems.push(...combinations(conf, config, at))
  return { config, problems }
}

/** Bounds that are not configured follow the limit of memory. */
function withinMemory(
  options: Record<string, unknown>,
  conf: Readonly<Record<string, unknown>>,
  limit: number | undefined,
): { bounds: Partial<Bounds>; followed: string | null; warnings: Problem[] } {
  if (limit === undefined) return { bounds: {}, followed: null, warnings: [] }
  const configured = options as unknown as Bounds & { max_body_size: number }
  const followed = Object.entries(boundsWithin(limit, configured, configured.max_body_size)).filter(
    ([name, bound]) => conf[name] === undefined && bound !== options[name],
  )
  const bounds: Partial<Bounds> = Object.fromEntries(followed)
  const needed = memoryAt({ ...configured, ...bounds })
  const words = followed.map(
    ([name, bound]) =>
      `${name} ${name.endsWith('events') || name.includes('_events_') ? bound : inMiB(bound)}`,
  )
  const message = `and hasty_max_bytes need ${inMiB(needed)} of memory, and the limit is ${inMiB(limit)}: lower them (and max_body_size, which they are never below), or raise the limit`
  return {
    bounds,
    followed:
      words.length === 0
        ? null
        : `memory is limited to ${inMiB(limit)}, so that bounds that are not configured are lower: ${words.join(', ')}`,
    warnings: needed > limit ? [{ path: 'max_bytes_in_flight', message }] : [],
  }
}

/** Error events and hasty events share the hasty producer's queue. Bounds that are not configured follow it. */
function withinQueue(
  { error_stream, hasty_max_events, hasty_max_bytes, max_body_size }: Config,
  conf: Readonly<Record<string, unknown>>,
  kafka: KafkaSettings | null,
): { bounds: Partial<Config>; warnings: Problem[] } {
  const { maxQueuedMessages = Infinity, maxQueuedBytes = Infinity } = kafka?.hasty.sender ?? {}
  const share = Math.max(1, Math.min(MAX_PENDING_ERROR_EVENTS, Math.floor(maxQueuedMessages / 4)))
  const max_error_events = error_stream === null ? 0 : share
  const bounds = { max_error_events, hasty_max_events, hasty_max_bytes, max_body_size }
  const warnings: Problem[] = []
  const follow = (
    name: 'hasty_max_events' | 'hasty_max_bytes' | 'max_body_size',
    most: number,
    what: string,
  ) => {
    if (conf[name] !== undefined || bounds[name] <= most || most < 1) return
    bounds[name] = most
    const message = `is lowered to ${most}, because of ${what} of the hasty producer`
    warnings.push({ path: name, message })
  }
  follow('hasty_max_events', maxQueuedMessages - max_error_events, 'queue.buffering.max.messages')
  follow('hasty_max_bytes', maxQueuedBytes, 'queue.buffering.max.kbytes')
  follow('max_body_size', maxQueuedBytes, 'queue.buffering.max.kbytes')
  return { bounds, warnings }
}

/** What is meant for a developer's own machine, and offered to others. */
function exposures({ dev_ui, interface: address }: Record<string, unknown>): Problem[] {
  if (!dev_ui || /^(localhost|127\..*|::1)$/.test(String(address))) return []
  const message = `is on, and all who can reach ${address === null ? 'any address of this machine' : address} can read the events: production has it off, and a laptop listens on 127.0.0.1`
  return [{ path: 'dev_ui', message }]
}

function withoutAdditions(conf: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(conf).filter(([name]) => !ADDED_BY_SERVICE_RUNNER.includes(name)))
}

/** Fills in defaults; the options are known to be of the right types. */
function complete(conf: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const defaults = Object.fromEntries(Object.entries(OPTIONS).map(([name, option]) => [name, option.default]))
  const config = { ...defaults, ...withoutAdditions(conf) } as Record<string, unknown>
  for (const name of ['max_body_size', 'max_bytes_in_flight', 'hasty_max_bytes']) {
    config[name] = bytes.parse(config[name] as string | number)
  }
  config.schema_file_extension = `.${(config.schema_file_extension as string).replace(/^\./, '')}`
  config.http_request_headers_to_fields = {
    ...HEADERS_TO_FIELDS,
    ...(config.http_request_headers_to_fields as Record<string, string>),
  }
  config.producer ??= conf.kafka ? 'kafka' : 'file'
  return config
}

/** What is right by itself and impossible together. */
function combinations(conf: Readonly<Record<string, unknown>>, config: Config, at: string): Problem[] {
  const problems: Problem[] = []
  if (config.producer === 'kafka' && !conf.kafka) {
    problems.push({
      path: `${at}.producer`,
      message: 'is "kafka", and nothing is said of one: set kafka.conf',
    })
  }
  if (conf.producer == null && conf.kafka && conf.output_path !== undefined) {
    problems.push({ path: `${at}.producer`, message: 'must be set where both kafka and output_path are' })
  }
  problems.push(...hopeless(config, at))
  const atMost = (lesser: keyof Config, greater: keyof Config, why: string) => {
    if ((config[lesser] as number) <= (config[greater] as number)) return
    problems.push({
      path: `${at}.${lesser}`,
      message: `is ${config[lesser]}, more than ${greater}, ${config[greater]}: ${why}`,
    })
  }
  atMost('max_body_size', 'max_bytes_in_flight', 'the largest body could never be let in')
  atMost('max_body_size', 'hasty_max_bytes', 'the largest body could never be let in hastily')
  problems.push(...queueProblems(config, at))
  const readable = (path: string, read: () => unknown) => {
    try {
      read()
    } catch (error) {
      problems.push({ path: `${at}.${path}`, message: `cannot be read: ${(error as Error).message}` })
    }
  }
  readable('trusted_proxies', () => new ClientAddress(config.trusted_proxies))
  readable('test_kitchen.ua_denylist', () => userAgentExpressions(config.test_kitchen.ua_denylist ?? []))
  atMost('schema_timeout_ms', 'request_timeout_ms', 'a request would end before its schema could be had')
  return problems
}

/** Values of the right type that could never have an effect, or would refuse everything. */
function hopeless(config: Config, at: string): Problem[] {
  const problems: Problem[] = []
  const problem = (path: string, message: string) => problems.push({ path: `${at}.${path}`, message })
  for (const name of ['max_body_size', 'max_bytes_in_flight', 'hasty_max_bytes'] as const)
    if (config[name] < 1) problem(name, 'comes to 0 bytes, so that no body could be taken')
  const { cors } = config
  const origins = Array.isArray(cors) ? cors : cors === false || cors === '*' ? [] : [cors]
  for (const [i, origin] of origins.entries()) {
    const wrong = originProblem(origin)
    if (wrong) problem(Array.isArray(cors) ? `cors[${i}]` : 'cors', wrong)
  }
  const uris = {
    schema_base_uris: config.schema_base_uris,
    stream_config_uri: config.stream_config_uri ?? [],
  }
  for (const [name, value] of Object.entries(uris))
    for (const uri of [value].flat())
      if (/^(?!https?:|file:)[a-z][a-z0-9+.-]+:\/\//i.test(uri))
        problem(name, `has ${quote(uri)}, which is neither a path nor a file: or http(s): URI`)
  for (const name of Object.keys(config.http_request_headers_to_fields))
    if (!HEADER_NAME.test(name))
      problem('http_request_headers_to_fields', `has ${quote(name)}, which cannot be the name of a header`)
  return problems
}

const HEADER_NAME = /^[\w!#$%&'*+.^`|~-]+$/

/** Why browsers never send an Origin like this one. */
function originProblem(origin: string): string | undefined {
  if (origin === 'null') return undefined
  if (origin === '*') return 'has "*" in a list: "*" stands alone, and means any origin'
  const sent = URL.canParse(origin) ? new URL(origin) : undefined
  const meant = sent && /^https?:$/.test(sent.protocol) ? sent.origin : `${sent?.protocol}//${sent?.host}`
  if (sent?.host && meant === origin && !origin.includes('*')) return undefined
  const hint = /^(no|off|none|false)$/i.test(origin)
    ? '; is false meant?'
    : sent?.host && !origin.includes('*')
      ? `; is ${quote(meant)} meant?`
      : ''
  return `must be an origin as browsers send it, such as "https://example.org", not ${quote(origin)}${hint}`
}

/** What is accepted hastily must fit into the hasty producer's queue, or events would be lost after their 202. */
function queueProblems(config: Config, at: string): Problem[] {
  const { hasty_max_events, hasty_max_bytes, max_error_events, kafka } = config
  if (!kafka) return []
  const { maxQueuedMessages, maxQueuedBytes } = kafka.hasty.sender
  const room = maxQueuedMessages - max_error_events
  const problems: Problem[] = []
  const problem = (path: string, message: string) => problems.push({ path: `${at}.${path}`, message })
  const share = max_error_events > 0 ? ` and ${max_error_events} of them are for error events` : ''
  if (room < 1)
    problem(
      'kafka.conf',
      'must have a queue.buffering.max.messages of at least 2, because there is an error_stream',
    )
  else if (hasty_max_events > room)
    problem(
      'hasty_max_events',
      `must be at most ${room}, not ${hasty_max_events}: the hasty producer queues at most ${maxQueuedMessages} events (queue.buffering.max.messages)${share}`,
    )
  if (hasty_max_bytes > maxQueuedBytes)
    problem(
      'hasty_max_bytes',
      `must be at most ${maxQueuedBytes}, not ${hasty_max_bytes}: the hasty producer queues no more (queue.buffering.max.kbytes)`,
    )
  return problems
}

function check(schema: object, value: unknown, at: string): Problem[] {
  const ajv = new Ajv({
    allErrors: true,
    allowUnionTypes: true,
    strictTypes: false,
    verbose: true,
    jsPropertySyntax: true,
    logger: false,
  })
  const isValid = ajv.compile(schema as JSONSchemaType<unknown>)
  if (isValid(value)) return []
  const errors = isValid.errors as (DefinedError & { parentSchema: Record<string, unknown> })[]
  // What an alternative lacks says less than the alternatives themselves.
  const told = errors.filter(({ schemaPath }) => !schemaPath.includes('/anyOf/'))
  return told.map(error => ({
    path: `${at}${error.instancePath}`.replace(/^\./, '') || 'the file',
    message: messageOf(error),
  }))
}

function messageOf(error: DefinedError & { parentSchema: Record<string, unknown> }): string {
  switch (error.keyword) {
    case 'additionalProperties': {
      const name = error.params.additionalProperty
      const similar = nearest(name, Object.keys(error.parentSchema.properties as object))
      return `has no option ${quote(name)}${similar ? `; is ${quote(similar)} meant?` : ''}`
    }
    case 'required':
      return `must have ${quote(error.params.missingProperty)}`
    default:
      return `must be ${allowed(error.parentSchema)}, not ${quote(error.data)}`
  }
}

/** What a schema of ours allows, in words. */
function allowed(schema: Record<string, unknown>): string {
  if (Array.isArray(schema.anyOf)) return schema.anyOf.map(allowed).join(', or ')
  if (Array.isArray(schema.enum)) return schema.enum.map(value => JSON.stringify(value)).join(' or ')
  if ('const' in schema)
    return `${JSON.stringify(schema.const)}${schema.const === 0 ? ' (one process serves; run more of them)' : ''}`
  if (schema.pattern === size.pattern) return 'a number of bytes, or a size such as "10mb"'
  if (schema.type === 'array') {
    const { minItems = 0, maxItems } = schema
    return `a list${maxItems === undefined ? (minItems ? ' that is not empty' : '') : ` of ${minItems === maxItems ? 'exactly' : 'at most'} ${maxItems}`}`
  }
  if (schema.type === 'string') {
    if (schema.pattern) return `text that matches ${schema.pattern}`
    return schema.minLength ? 'text that is not empty' : 'text'
  }
  const { minimum, maximum } = schema
  const range =
    maximum !== undefined
      ? ` from ${minimum} to ${maximum}`
      : minimum !== undefined
        ? ` of at least ${minimum}`
        : ''
  return `${schema.type === 'integer' ? 'an integer' : `a ${schema.type}`}${range}`.replace(
    'a object',
    'an object',
  )
}

/**
 * `{env(NAME)}` or `{env(NAME,default)}`, anywhere in the text. Where it is all that stands in quotes, its value is
 * a text whatever is in it: quotes and line breaks of a password do not end it.
 */
function substituteEnv(text: string, env: NodeJS.ProcessEnv): string {
  const reference =
    /(?:(?<!['"\\])(?<quote>['"]))?\{\s*env\(\s*(?<name>[^\s,()]+)\s*(?:,\s*(?<fallback>(?:[^)]*[^)\s])?)\s*)?\)\s*\}(?:\k<quote>(?!['"]))?/g
  const [unfilled] = /\{\s*env\([^}]*\}?/.exec(text.replace(reference, '')) ?? []
  if (unfilled !== undefined)
    throw new Error(`${quote(unfilled)} cannot be filled in: a default cannot hold a closing parenthesis`)
  return text.replace(reference, (...match) => {
    const whole: string = match[0]
    const { quote: mark = '', name = '', fallback = '' } = match.at(-1) as Record<string, string | undefined>
    const value = env[name] ?? fallback
    return mark && whole.endsWith(mark) ? JSON.stringify(value) : `${mark}${value}`
  })
}
