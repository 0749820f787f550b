import { quote } from '../../errors.js'
import { ClientAddress } from '../../http/client-ip.js'
import { SHUTDOWN_TIMEOUT_MS } from '../../http/shutdown.js'
import {
  count,
  flag,
  headerText,
  milliseconds,
  type OptionSchema,
  optionalMilliseconds,
  optionalText,
  port,
  type Report,
  size,
  texts,
} from './values.js'

/** Where an operator's own proxies run: loopback, private and link-local addresses. */
const PRIVATE_NETWORKS = [
  '127.0.0.0/8',
  '10.0.0.0/8',
  '172.16.0.0/12',
  '192.168.0.0/16',
  '169.254.0.0/16',
  '::1/128',
  'fc00::/7',
  'fe80::/10',
]

/** Options of the HTTP server and its routes. */
export const HTTP_OPTIONS = {
  port: {
    description: 'Port to listen on. 0 picks a free one, which the log names.',
    ...port,
    default: 8192,
  },
  interface: { description: 'Address to listen on (null: all addresses).', ...optionalText, default: null },
  cors: {
    description:
      'Origins that browsers may post from: `"*"`, one origin, or a list. `false` sends no CORS headers.',
    anyOf: [{ enum: [false] }, headerText, { type: 'array', items: headerText, minItems: 1 }],
    read: readOrigins,
    default: '*',
  },
  csp: {
    description: 'The Content-Security-Policy header. `false` sends no security headers at all.',
    anyOf: [{ enum: [false] }, headerText],
    default:
      "default-src 'self'; object-src 'none'; media-src *; img-src *; style-src *; frame-ancestors 'self'",
  },
  user_agent: {
    description:
      'Name of the service in requests to schema repositories and the stream configuration, and in error events (null: `eventgate/<version>`).',
    ...headerText,
    nullable: true,
    default: null,
  },
  trusted_proxies: {
    description:
      'Addresses and networks of the proxies whose `X-Client-IP` and `X-Forwarded-For` headers set `http.client_ip`.',
    ...texts,
    read: (networks: readonly string[]) => new ClientAddress(networks),
    default: PRIVATE_NETWORKS,
  },
  max_body_size: {
    description: 'Maximum size of a request body, as sent and again when decoded.',
    ...size,
    default: '10mb',
  },
  request_timeout_ms: {
    description:
      'Time within which every guaranteed request is answered, counted from its head (ms). Set it below the timeouts of clients and proxies.',
    ...milliseconds,
    default: 9000,
  },
  shutdown_timeout_ms: {
    description:
      'Time for work in flight after SIGTERM (ms). If it is not set, hasty events have 10 s and every request is answered within 1.5 s, because some supervisors kill after 2 s. [Shutdown](operations.md#shutdown)',
    ...milliseconds,
    default: SHUTDOWN_TIMEOUT_MS,
  },
  unready_without_kafka_ms: {
    description:
      '`/_info/ready` answers 503 after this time without a stored event and without a reachable broker (ms; 0: never). Without Kafka events get 503 anyway, and all pods would become unready together. While a spool takes events, the service stays ready.',
    ...optionalMilliseconds,
    default: 0,
  },
  keep_alive_timeout_ms: {
    description:
      'Time that an idle connection stays open (ms). Keep it longer than the idle timeout of the proxies in front.',
    ...milliseconds,
    minimum: 5000,
    default: 75_000,
  },
  connection_max_age_ms: {
    description:
      'Age at which a connection is closed with its next answer, so that load spreads over new pods (ms; 0: never). It varies by up to a fifth.',
    ...optionalMilliseconds,
    default: 600_000,
  },
  max_connections: {
    description:
      'Maximum number of open connections. Events sent on further connections get 503, and the connection is closed.',
    ...count,
    default: 5000,
  },
  max_bytes_in_flight: {
    description:
      'Maximum size of all guaranteed requests in flight. Requests above it get 503. If it is not set, a small memory limit lowers it. [Memory](operations.md#memory)',
    ...size,
    default: '32mb',
  },
  max_events_in_flight: {
    description:
      'Maximum number of guaranteed events in flight. Requests above it get 503, and a single request with more events gets 413. If it is not set, a small memory limit lowers it.',
    ...count,
    default: 50_000,
  },
  hasty_max_bytes: {
    description: 'The same as `max_bytes_in_flight`, for hasty requests.',
    ...size,
    default: '16mb',
  },
  hasty_max_events: {
    description: 'The same as `max_events_in_flight`, for hasty requests.',
    ...count,
    default: 20_000,
  },
  schema_uri_query_param: {
    description: 'Query parameter that names the schema of events that do not name one (null: off).',
    ...optionalText,
    default: null,
  },
  stream_query_param: {
    description: 'Query parameter that names the stream of events that do not name one (null: off).',
    ...optionalText,
    default: null,
  },
  validate_endpoint: {
    description:
      'Whether to serve `POST /v1/validate`, which says what would become of events and stores nothing.',
    ...flag,
    default: false,
  },
  test_events: {
    description: 'Events that `GET /v1/_test/events` processes as if they had been posted.',
    type: 'array',
    items: { type: 'object' },
    default: [],
  },
  dev_ui: {
    description:
      'Whether to keep the latest 1,000 events (at most 16 MiB), and to serve the development page at `/` and its API at `/_dev`. Not for production: everybody who can reach the service can read these events.',
    ...flag,
    default: false,
  },
  dev_hosts: {
    description:
      'Host names that may be used for the development page and its API, besides `localhost` and addresses. Requests for other hosts get 403, because the page of a stranger may have sent them.',
    type: 'array',
    items: headerText,
    default: [],
  },
} as const satisfies Record<string, OptionSchema>

type Origins = false | string | readonly string[]

function readOrigins(cors: Origins, report: Report): Origins {
  const isList = Array.isArray(cors)
  const origins: readonly string[] = isList ? cors : cors === false || cors === '*' ? [] : [cors]
  for (const [i, origin] of origins.entries()) {
    const problem = originProblem(origin)
    if (problem !== undefined) report(problem, isList ? `[${i}]` : '')
  }
  return cors
}

/** Why browsers never send this Origin. */
function originProblem(origin: string): string | undefined {
  if (origin === 'null') return undefined
  if (origin === '*') return 'has "*" in a list: "*" stands alone, and means any origin'
  const url = URL.canParse(origin) ? new URL(origin) : undefined
  const expected = url && /^https?:$/.test(url.protocol) ? url.origin : `${url?.protocol}//${url?.host}`
  const isPlain = Boolean(url?.host) && !origin.includes('*')
  if (isPlain && expected === origin) return undefined
  const suggested = /^(no|off|none|false)$/i.test(origin) ? 'false' : isPlain ? quote(expected) : undefined
  const hint = suggested === undefined ? '' : `; did you mean ${suggested}?`
  return `must be an origin as browsers send it, such as "https://example.org", not ${quote(origin)}${hint}`
}
