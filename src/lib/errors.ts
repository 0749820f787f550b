/**
 * The closed table of everything that can go wrong with an event or a request.
 *
 * `status` is the HTTP status when that is all there is to say. `kind` says whose fault it is, and with it
 * under which key of the answer's body the entry stands: `invalid` is the client's mistake (always 4xx), an
 * `error` is ours or the brokers' (always 5xx). `fate` says what an event that failed with it may rely on:
 * `not_stored` is a promise, so the event can be sent again without making a duplicate; `unknown` means that
 * it may yet arrive.
 */
const TABLE = {
  // One event: the client's mistake. Sending the same event again cannot help.
  event_not_an_object: { kind: 'invalid', status: 400, fate: 'not_stored' },
  event_too_deep: { kind: 'invalid', status: 400, fate: 'not_stored' },
  event_number_inexact: { kind: 'invalid', status: 400, fate: 'not_stored' },
  event_too_large: { kind: 'invalid', status: 400, fate: 'not_stored' },
  schema_uri_missing: { kind: 'invalid', status: 400, fate: 'not_stored' },
  schema_uri_refused: { kind: 'invalid', status: 400, fate: 'not_stored' },
  schema_not_found: { kind: 'invalid', status: 400, fate: 'not_stored' },
  schema_broken: { kind: 'invalid', status: 400, fate: 'not_stored' },
  schema_insecure: { kind: 'invalid', status: 400, fate: 'not_stored' },
  stream_missing: { kind: 'invalid', status: 400, fate: 'not_stored' },
  stream_name_illegal: { kind: 'invalid', status: 400, fate: 'not_stored' },
  stream_not_configured: { kind: 'invalid', status: 400, fate: 'not_stored' },
  schema_not_allowed: { kind: 'invalid', status: 400, fate: 'not_stored' },
  edge_uniques_refused: { kind: 'invalid', status: 400, fate: 'not_stored' },
  ua_denied: { kind: 'invalid', status: 400, fate: 'not_stored' },
  key_field_missing: { kind: 'invalid', status: 400, fate: 'not_stored' },
  timestamp_unparsable: { kind: 'invalid', status: 400, fate: 'not_stored' },
  validation_failed: { kind: 'invalid', status: 400, fate: 'not_stored' },
  record_refused: { kind: 'invalid', status: 400, fate: 'not_stored' },

  // One event: not the client's mistake.
  schema_lookups_exceeded: { kind: 'error', status: 503, fate: 'not_stored' },
  schema_unavailable: { kind: 'error', status: 503, fate: 'not_stored' },
  stream_config_unavailable: { kind: 'error', status: 503, fate: 'not_stored' },
  stream_misconfigured: { kind: 'error', status: 503, fate: 'not_stored' },
  producer_full: { kind: 'error', status: 503, fate: 'not_stored' },
  partition_unavailable: { kind: 'error', status: 503, fate: 'not_stored' },
  topic_refused: { kind: 'error', status: 503, fate: 'not_stored' },
  kafka_misconfigured: { kind: 'error', status: 503, fate: 'not_stored' },
  produce_failed: { kind: 'error', status: 503, fate: 'not_stored' },
  produce_unknown: { kind: 'error', status: 504, fate: 'unknown' },
  deadline_not_stored: { kind: 'error', status: 503, fate: 'not_stored' },
  deadline_unknown: { kind: 'error', status: 504, fate: 'unknown' },
  internal_error: { kind: 'error', status: 500, fate: 'not_stored' },

  // A request as a whole, before any of its events was taken.
  request_malformed: { kind: 'invalid', status: 400, fate: 'not_stored' },
  body_empty: { kind: 'invalid', status: 400, fate: 'not_stored' },
  body_malformed: { kind: 'invalid', status: 400, fate: 'not_stored' },
  body_not_utf8: { kind: 'invalid', status: 400, fate: 'not_stored' },
  body_not_events: { kind: 'invalid', status: 400, fate: 'not_stored' },
  body_timeout: { kind: 'invalid', status: 408, fate: 'not_stored' },
  body_too_large: { kind: 'invalid', status: 413, fate: 'not_stored' },
  query_refused: { kind: 'invalid', status: 400, fate: 'not_stored' },
  route_not_found: { kind: 'invalid', status: 404, fate: 'not_stored' },
  origin_refused: { kind: 'invalid', status: 403, fate: 'not_stored' },
  entry_not_found: { kind: 'invalid', status: 404, fate: 'not_stored' },
  event_not_seen: { kind: 'invalid', status: 408, fate: 'not_stored' },
  method_not_allowed: { kind: 'invalid', status: 405, fate: 'not_stored' },
  content_type_unsupported: { kind: 'invalid', status: 415, fate: 'not_stored' },
  content_encoding_unsupported: { kind: 'invalid', status: 415, fate: 'not_stored' },
  expectation_failed: { kind: 'invalid', status: 417, fate: 'not_stored' },
  header_too_large: { kind: 'invalid', status: 431, fate: 'not_stored' },
  over_capacity: { kind: 'error', status: 503, fate: 'not_stored' },
  draining: { kind: 'error', status: 503, fate: 'not_stored' },
  not_ready: { kind: 'error', status: 503, fate: 'not_stored' },
} as const satisfies Record<string, Row>

interface Row {
  kind: 'invalid' | 'error'
  status: number
  fate: 'not_stored' | 'unknown'
}

/** The stable name of a failure; every failure's entry carries it as `code`. */
export type Code = keyof typeof TABLE

/** All codes, for documentation and tests. */
export const CODES = Object.keys(TABLE) as Code[]

/** Those that are not the client's mistake. */
export const FAULTS: readonly { code: Code; fate: Row['fate'] }[] = CODES.flatMap(code =>
  TABLE[code].kind === 'error' ? { code, fate: TABLE[code].fate } : [],
)

/** One thing that is wrong with an event by its schema, in the form of Ajv 6, which clients read (docs/contract.md 1.2). */
export interface SchemaError {
  keyword: string
  /** Where in the event: `.meta.uri`, `.tags[0]`, `['a key']`; empty at its root. */
  dataPath: string
  schemaPath: string
  params: Record<string, unknown>
  message: string
}

/** Why an event or a request was refused. Its message is for the client to read. */
export class GateError extends Error {
  override readonly name = 'GateError'
  readonly kind: Row['kind']
  readonly status: number
  readonly fate: Row['fate']
  /** For `validation_failed`: the first of the schema's complaints. */
  readonly errors: readonly SchemaError[]
  /** How many there are in all; `errors` is bounded. */
  readonly errorsCount: number

  constructor(
    readonly code: Code,
    message: string,
    more: { cause?: unknown; errors?: readonly SchemaError[]; errorsCount?: number } = {},
  ) {
    // Where it was thrown is in its code; a trace would take ten times as long to make, and six times the memory.
    const { stackTraceLimit } = Error
    Error.stackTraceLimit = 0
    super(cut(message, MAX_MESSAGE), more.cause === undefined ? undefined : { cause: more.cause })
    Error.stackTraceLimit = stackTraceLimit
    const row: Row = TABLE[code]
    this.kind = row.kind
    this.status = row.status
    this.fate = row.fate
    this.errors = more.errors ?? []
    this.errorsCount = more.errorsCount ?? this.errors.length
  }

  /** Whether sending the same again may succeed and cannot make a duplicate. */
  get retriable(): boolean {
    return this.status === 503
  }

  /** Anything thrown, as a GateError: what is none is a defect of ours, and said to be one. */
  static from(thrown: unknown): GateError {
    if (thrown instanceof GateError) return thrown
    const reason = thrown instanceof Error ? thrown.message : String(thrown)
    return new GateError('internal_error', `a defect of this service: ${reason}`, { cause: thrown })
  }
}

/**
 * What the events of one request may still cost by being explained, in characters; shared by all of them. Below
 * zero a refused event gets the first complaint only, in a short text.
 */
export interface Details {
  left: number
}

/** Characters of events explained and of what is said of them, for one request: thousands of small ones. */
export const MAX_DETAILS = 1024 * 1024

/** Characters of one path or name in a message, and of a whole message. */
const MAX_PART = 1000
const MAX_MESSAGE = 16 * 1024

/** A text, or its beginning, which does not keep the whole of it in memory as a slice would. */
export function cut(text: string, max = MAX_PART): string {
  return text.length <= max ? text : `${Buffer.from(text.slice(0, max)).toString()}…`
}

/** A value from outside, made fit for a message: quoted, on one line, at most 100 characters of it. */
export function quote(value: unknown): string {
  // Cut before it is escaped: a text may have millions of characters.
  const short = typeof value === 'string' ? value.slice(0, MAX_QUOTED + 1) : value
  const text = printable(JSON.stringify(short) ?? 'undefined')
  return text.length > MAX_QUOTED ? `${text.slice(0, MAX_QUOTED - 1)}…` : text
}

const MAX_QUOTED = 100
/** Of what JSON leaves as it is: the controls that terminals obey, and what some readers take for an end of line. */
const UNPRINTABLE = /[\u007f-\u009f\u2028\u2029]/g

/** JSON without what is unprintable in it: still JSON, of the same value. */
export function printable(json: string): string {
  return json.replace(UNPRINTABLE, char => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`)
}
