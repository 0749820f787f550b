import { GateError, quote } from './errors.js'
import type { Context, Destination, Event, Schema, Stream } from './eventgate.js'
import { Field } from './field.js'

export interface StreamOptions {
  /** Undefined where streams are named after schemas. */
  streamField: string | undefined
  topicPrefix: string
}

/** What Kafka takes as a topic's name; `.` and `..` it does not. */
const LEGAL_TOPIC = /^(?!\.{1,2}$)[A-Za-z0-9._-]{1,249}$/

/** Which stream an event belongs to. Without a stream configuration any schema may go to any stream. */
export class Streams {
  readonly #field: Field | undefined
  readonly #prefix: string

  constructor({ streamField, topicPrefix }: StreamOptions) {
    this.#field = streamField === undefined ? undefined : new Field(streamField)
    this.#prefix = topicPrefix
  }

  streamFor(event: Event, schema: Schema, context: Context): Stream {
    const name = this.#field ? this.#nameOf(event, this.#field, context) : nameAfter(schema)
    const topic = name.startsWith('eventlogging_') ? name : this.#prefix + name
    if (!LEGAL_TOPIC.test(topic)) {
      throw new GateError(
        'stream_name_illegal',
        `stream ${quote(name)} is not a legal name: at most 249 of A-Z a-z 0-9 . _ - with the topic's prefix`,
      )
    }
    return { name, topic }
  }

  #nameOf(event: Event, field: Field, context: Context): string {
    const name = field.get(event) ?? context.stream
    if (typeof name === 'string' && name !== '') return name
    throw new GateError(
      'stream_missing',
      `'.${field.path}' must name the event's stream, it is ${quote(name)}`,
    )
  }
}

function nameAfter(schema: Schema): string {
  return schema.uri.replace(/[^A-Za-z0-9_.-]/g, '_').replace(/^_+/, '')
}

/**
 * Makes the function that decides where an event goes. Pure. The record's time is that of `dtField`, or of
 * receipt where the event has none or its schema does not declare it.
 */
export function makeRoute(
  dtField: string | undefined,
): (event: Event, schema: Schema, stream: Stream, context: Context) => Destination {
  const field = dtField === undefined ? undefined : new Field(dtField)
  return (event, schema, stream, context) => ({
    topic: stream.topic,
    key: null,
    timestamp: field && schema.declares(field.path) ? timestampOf(event, field, context) : context.receivedAt,
    delivery: context.delivery,
  })
}

function timestampOf(event: Event, field: Field, context: Context): number {
  const dt = field.get(event)
  if (dt === undefined) return context.receivedAt
  const timestamp = typeof dt === 'string' ? Date.parse(dt) : Number.NaN
  if (timestamp >= 0) return timestamp
  throw new GateError(
    'timestamp_unparsable',
    `'.${field.path}' must be a time since 1970 in ISO 8601, it is ${quote(dt)}`,
  )
}
