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
