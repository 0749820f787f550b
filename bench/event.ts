/** Streams beside the one called `one`. */
export const WIDE = Array.from({ length: 64 }, (_, i) => `wide.${i}`)

/** An event of production's size: 1.3 kB with what the gate adds, 58 properties. */
export function benchEvent(stream: string): Record<string, unknown> {
  const event: Record<string, unknown> = {
    $schema: '/bench/event/1.0.0',
    meta: { stream, domain: 'en.wikipedia.org', uri: 'https://en.wikipedia.org/wiki/Kafka' },
    dt: '2026-01-01T00:00:00Z',
  }
  for (let i = 0; i < 52; i++) event[`field_${i}`] = i % 3 === 0 ? i * 1000 : `value ${i}`
  return event
}

/** The schema of `benchEvent`, as strict as production's. */
export function benchSchema(): object {
  const fields = Object.keys(benchEvent(''))
    .filter(name => name.startsWith('field_'))
    .map(name => [
      name,
      Number(name.slice(6)) % 3 === 0 ? { type: 'integer', minimum: 0 } : { type: 'string', maxLength: 100 },
    ])
  return {
    title: 'bench/event',
    $id: '/bench/event/1.0.0',
    $schema: 'https://json-schema.org/draft-07/schema#',
    type: 'object',
    additionalProperties: false,
    required: ['$schema', 'meta', 'dt'],
    properties: {
      $schema: { type: 'string' },
      meta: {
        type: 'object',
        required: ['dt', 'stream'],
        properties: {
          stream: { type: 'string', minLength: 1 },
          dt: { type: 'string', format: 'date-time', maxLength: 128 },
          id: { type: 'string' },
          request_id: { type: 'string' },
          domain: { type: 'string', minLength: 1 },
          uri: { type: 'string', format: 'uri-reference', maxLength: 8192 },
        },
      },
      dt: { type: 'string', format: 'date-time', maxLength: 128 },
      http: {
        type: 'object',
        properties: { request_headers: { type: 'object', additionalProperties: { type: 'string' } } },
      },
      ...Object.fromEntries(fields),
    },
  }
}

/**
 * As many streams as production configures, 50 of them regular expressions. Those of the benchmark are among them,
 * with keys and headers to fill in.
 */
export function benchStreams(count: number): Record<string, object> {
  const settings = {
    schema_title: 'bench/event',
    destination_event_service: 'bench',
    topic_prefixes: ['eqiad.', 'codfw.'],
    message_key_fields: { field_1: 'field_1', field_3: 'field_3' },
    producers: {
      eventgate: {
        enrich_fields_from_http_headers: {
          'meta.request_id': 'x-request-id',
          'http.request_headers.user-agent': 'user-agent',
          'http.request_headers.x-absent': 'x-absent',
        },
      },
    },
    consumers: { analytics_hadoop_ingestion: { job_name: 'event_default', enabled: true } },
  }
  const streams: Record<string, object> = { one: settings }
  for (let i = 0; i < 50; i++) streams[`/^jobs\\.kind_${i}\\..+/`] = settings
  for (const name of WIDE.slice(0, 32)) streams[name] = settings
  // The other half is found by an expression.
  streams['/^wide\\..+/'] = settings
  while (Object.keys(streams).length < count)
    streams[`other.stream.number_${Object.keys(streams).length}`] = settings
  return streams
}

/** What is sent, and how many events are in one request. */
export interface Shape {
  name: string
  bodies: string[]
  events: number
}

export const SHAPES = {
  one: { name: 'single events, one stream', bodies: [JSON.stringify(benchEvent('one'))], events: 1 },
  wide: {
    name: `single events, ${WIDE.length} streams × 4 partitions`,
    bodies: WIDE.map(stream => JSON.stringify(benchEvent(stream))),
    events: 1,
  },
  fifty: {
    name: 'arrays of 50, one stream',
    bodies: [JSON.stringify(Array.from({ length: 50 }, () => benchEvent('one')))],
    events: 50,
  },
} satisfies Record<string, Shape>
