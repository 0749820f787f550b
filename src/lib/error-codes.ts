/** What a code says about an event or a request. docs/errors.md and docs/operations.md are generated from it. */
export interface ErrorRow {
  /** `invalid`: a mistake of the client, always 4xx. `error`: a fault of the service or the brokers, always 5xx. */
  readonly kind: 'invalid' | 'error'
  /** The HTTP status if every event of a request has this code. */
  readonly status: number
  /** `not_stored` is a promise: sending the event again makes no duplicate. `unknown`: it may yet be stored. */
  readonly fate: 'not_stored' | 'unknown'
  /** Markdown, as sentences. */
  readonly cause: string
  readonly remedy: string
}

type Help = Pick<ErrorRow, 'cause' | 'remedy'>

const invalid = (status: number, help: Help): ErrorRow => ({
  kind: 'invalid',
  status,
  fate: 'not_stored',
  ...help,
})
const unavailable = (help: Help): ErrorRow => ({ kind: 'error', status: 503, fate: 'not_stored', ...help })
const unknown = (help: Help): ErrorRow => ({ kind: 'error', status: 504, fate: 'unknown', ...help })
const defect = (help: Help): ErrorRow => ({ kind: 'error', status: 500, fate: 'not_stored', ...help })

/** Codes of single events. */
export const EVENT_ERRORS = {
  event_not_an_object: invalid(400, {
    cause: 'The body, or an item of its array, is text, a number, a list or null.',
    remedy: 'Send a JSON object for each event.',
  }),
  event_too_deep: invalid(400, {
    cause: 'The event nests more than 500 levels.',
    remedy: 'Nest less. Most likely an object that refers to itself was serialised.',
  }),
  event_number_inexact: invalid(400, {
    cause: 'JavaScript would change a number of the event: an integer beyond 2^53−1, or `1e400`.',
    remedy: 'Send the number as text, and declare it as text in the schema.',
  }),
  event_too_large: invalid(400, {
    cause: 'The event is larger than `message.max.bytes` of the service or of the topic.',
    remedy: 'Send less, or ask the operator to raise both limits.',
  }),
  schema_uri_missing: invalid(400, {
    cause: '`$schema` is absent, empty, or not text.',
    remedy: 'Name the schema: `"$schema": "/test/event/1.0.0"`.',
  }),
  schema_uri_refused: invalid(400, {
    cause: '`$schema` is not `/title/version`: it is absolute, has `..`, or names a meta-schema.',
    remedy: 'Use `/title/version`. The option `allow_absolute_schema_uris` permits absolute URIs.',
  }),
  schema_not_found: invalid(400, {
    cause: 'No repository has the schema.',
    remedy: 'Check title and version. A new schema is found `schema_failure_ttl_ms` after its release.',
  }),
  schema_broken: invalid(400, {
    cause: 'The schema does not compile, or refers to a schema that does not exist.',
    remedy: 'Fix the schema. The message says where.',
  }),
  schema_insecure: invalid(400, {
    cause: 'A string has a `pattern` or `format` without `maxLength`, or a pattern may take very long.',
    remedy: 'Add a `maxLength`, or use [another pattern](SECURITY.md#regular-expressions).',
  }),
  stream_missing: invalid(400, {
    cause: '`meta.stream` is absent, empty, or not text.',
    remedy: 'Name the stream.',
  }),
  stream_name_illegal: invalid(400, {
    cause: 'The topic name is illegal in Kafka, or differs from another topic only in `.` and `_`.',
    remedy: 'Use another name: at most 249 characters of `A-Z a-z 0-9 . _ -`, with the topic prefix.',
  }),
  stream_not_configured: invalid(400, {
    cause: 'The stream configuration does not have the stream.',
    remedy: 'Check the spelling, or [add the stream](how-to.md#add-a-stream).',
  }),
  schema_not_allowed: invalid(400, {
    cause: 'The stream takes events of another schema, or has no `schema_title`.',
    remedy: 'Send the event to the stream of its schema, or use the schema of the stream.',
  }),
  edge_uniques_refused: invalid(400, {
    cause: 'The `experiment` of the event does not match the `X-Experiment-Enrollments` header.',
    remedy: 'Send the experiment and the group of the header, and `"subject_id": "awaiting"`.',
  }),
  ua_denied: invalid(400, {
    cause: 'The event has an `experiment`, and `test_kitchen.ua_denylist` matches its user agent.',
    remedy: 'Robots take part in no experiment. If the agent is not a robot, change the list.',
  }),
  key_field_missing: invalid(400, {
    cause: "A field of the record's key is absent or null.",
    remedy: "Send the field, or remove it from the stream's `message_key_fields`.",
  }),
  timestamp_unparsable: invalid(400, {
    cause: '`meta.dt` is not ISO 8601, does not exist, or is outside the range of Kafka (from 1970 on).',
    remedy: 'Send ISO 8601 in UTC, or leave the field out: EventGate fills it in.',
  }),
  validation_failed: invalid(400, {
    cause: 'The event does not match its schema. `context.errors` says where.',
    remedy: 'The development page and `/v1/validate` show an event that would pass.',
  }),
  record_refused: invalid(400, {
    cause: 'The broker rejects this record, for example one without a key for a compacted topic.',
    remedy: "The message has the broker's reason. Most likely the stream needs `message_key_fields`.",
  }),

  schema_lookups_exceeded: unavailable({
    cause: 'The request names more than 16 schemas that are neither in memory nor in a file.',
    remedy: 'Retry: schemas that were fetched are in memory then. Or name fewer in one request.',
  }),
  schema_unavailable: unavailable({
    cause: 'A repository is unreachable, answers with something else, or has too many lookups open.',
    remedy: 'Retry. Operators: check that the repository is reachable (`eventgate_schema_repository_up`).',
  }),
  stream_config_unavailable: unavailable({
    cause: 'The stream is unknown, and the last fetch of the stream configuration failed.',
    remedy: 'Retry. Operators: check that `stream_config_uri` is reachable and has valid content.',
  }),
  stream_misconfigured: unavailable({
    cause: 'The settings of the stream are wrong.',
    remedy: 'Owners of the stream: fix the settings that the message and the log name. Then retry.',
  }),
  producer_full: unavailable({
    cause: 'The queue of the producer is full, because Kafka or the file does not keep up.',
    remedy: 'Retry later, at a lower rate. Operators: [runbook](runbook.md#eventgatequeuenearbound).',
  }),
  partition_unavailable: unavailable({
    cause: 'An event of the partition timed out. Or one of another did, and no broker answers.',
    remedy: 'Retry later. Operators: check that the partition has a leader and enough in-sync replicas.',
  }),
  topic_refused: unavailable({
    cause: 'The service may not write to the topic, or its name differs from another only in `.` and `_`.',
    remedy: 'Operators: check authorization and name of the topic. The message names the other topic.',
  }),
  kafka_misconfigured: unavailable({
    cause: 'The configuration of the producer does not fit the cluster.',
    remedy: "Operators: the log has the broker's reason.",
  }),
  produce_failed: unavailable({
    cause: 'The broker rejected every attempt, or the file cannot be written.',
    remedy: 'Retry. Operators: the message has the reason.',
  }),
  produce_unknown: unknown({
    cause: 'The event was sent to the broker, and no answer came back.',
    remedy: 'Retry only if consumers can recognise duplicates by `meta.id`.',
  }),
  deadline_not_stored: unavailable({
    cause: 'No time was left to send the event, or the service shut down before it could.',
    remedy: 'Retry. Operators: check whether Kafka is slow, or `request_timeout_ms` too short.',
  }),
  deadline_unknown: unknown({
    cause: 'The event was sent to the broker, and no answer came back before the deadline.',
    remedy: 'Retry only if consumers can recognise duplicates by `meta.id`.',
  }),
  internal_error: defect({
    cause: "A defect of the service, or of an operator's own module.",
    remedy: 'Report it with the stack trace from the log.',
  }),
}

/** Codes of a request that is refused before any of its events is processed. */
export const REQUEST_ERRORS = {
  request_malformed: invalid(400, {
    cause: 'The request is not HTTP/1.1, has no `Host`, or has a path with invalid escapes.',
    remedy: 'Fix the client.',
  }),
  body_empty: invalid(400, {
    cause: 'The request has no body.',
    remedy: 'Send a JSON object, or an array of objects.',
  }),
  body_malformed: invalid(400, {
    cause: 'The body is not JSON, or does not have the encoding that `content-encoding` names.',
    remedy: 'Serialise events with a JSON library.',
  }),
  body_not_utf8: invalid(400, {
    cause: 'The body is not UTF-8.',
    remedy: 'Encode the body in UTF-8.',
  }),
  body_not_events: invalid(400, {
    cause: 'The body is JSON without any object: an empty array, or only other values.',
    remedy: 'Send a JSON object, or an array of objects.',
  }),
  body_timeout: invalid(408, {
    cause: 'The request did not arrive in time.',
    remedy: 'Send the body faster, or in several requests.',
  }),
  body_too_large: invalid(413, {
    cause: 'The body exceeds `max_body_size`, as sent or decoded, or has too many events or values.',
    remedy: 'Send fewer events at a time.',
  }),
  query_refused: invalid(400, {
    cause: 'A query parameter occurs twice, has invalid escapes, or has an unknown value.',
    remedy: 'Use `true`, `1`, `yes`, `false`, `0` or `no` for `hasty`, and integers for numbers.',
  }),
  route_not_found: invalid(404, {
    cause: 'The path does not exist, or is switched off.',
    remedy: 'POST events to `/v1/events`. `/?doc` lists all paths that are switched on.',
  }),
  origin_refused: invalid(403, {
    cause: 'A page of another site, or a request with an unknown `Host`, asked for recorded events.',
    remedy: 'Use `localhost` or an IP address, or add the host to `dev_hosts`.',
  }),
  entry_not_found: invalid(404, {
    cause: 'The development page has no entry with that number.',
    remedy: 'Only the latest 1,000 entries are kept.',
  }),
  event_not_seen: invalid(408, {
    cause: 'The event that `/_dev/events/wait` waited for did not arrive in time.',
    remedy: 'The message says what arrived instead.',
  }),
  method_not_allowed: invalid(405, {
    cause: 'The path does not take that method.',
    remedy: 'Use a method of the `allow` header.',
  }),
  content_type_unsupported: invalid(415, {
    cause: '`content-type` is not UTF-8 `application/json`, `text/plain` or `application/reports+json`.',
    remedy: 'Send `application/json`.',
  }),
  content_encoding_unsupported: invalid(415, {
    cause: '`content-encoding` is not `gzip`, `deflate` or `br`.',
    remedy: 'Use one of them, or no encoding.',
  }),
  expectation_failed: invalid(417, {
    cause: '`expect` is something other than `100-continue`.',
    remedy: 'Remove the header.',
  }),
  header_too_large: invalid(431, {
    cause: 'The head of the request is larger than 16 KiB.',
    remedy: 'Send no cookies: they are the usual cause.',
  }),
  over_capacity: unavailable({
    cause: 'A [bound](operations.md#bounds) is reached: bytes, events, requests or connections.',
    remedy: 'Retry after `Retry-After`. Operators: [runbook](runbook.md#eventgaterefusing).',
  }),
  draining: unavailable({
    cause: 'The service is shutting down.',
    remedy: 'Retry on a new connection.',
  }),
  not_ready: unavailable({
    cause: 'Only for `/_info/ready`: no broker was reachable for `unready_without_kafka_ms`.',
    remedy: 'Operators: check Kafka and the network.',
  }),
}
