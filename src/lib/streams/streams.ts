import { GateError, quote } from '../errors.js'
import type { Context, Event, Schema, Stream } from '../eventgate.js'
import { Field } from '../field.js'
import type { StreamConfigs } from './config-source.js'
import { isLegalTopic, topicOf } from './table.js'

export { type StreamConfigObserver, type StreamConfigOptions, StreamConfigs } from './config-source.js'
export { StreamTable } from './table.js'

/** How streams are named and configured. */
export interface StreamOptions {
  /** Undefined where streams are named after schemas. */
  streamField: string | undefined
  /** Put before a stream's name to make its topic's. */
  topicPrefix: string
  /** Undefined where any schema may go to any stream. */
  configs?: StreamConfigs | undefined
}

/** Which stream an event belongs to, and what is configured for it. */
export class Streams {
  readonly #field: Field | undefined
  readonly #prefix: string
  readonly #configs: StreamConfigs | undefined

  constructor({ streamField, topicPrefix, configs }: StreamOptions) {
    this.#field = streamField === undefined ? undefined : new Field(streamField)
    this.#prefix = topicPrefix
    this.#configs = configs
  }

  /** Fetches the configuration early if an event names a stream that it does not know; undefined if there is nothing to wait for. Never rejects. */
  loadFor(events: readonly unknown[], context: Context): Promise<void> | undefined {
    const { table } = this.#configs ?? {}
    if (!table || !this.#field) return undefined
    for (const event of events) {
      if (typeof event !== 'object' || event === null) continue
      const name = this.#field.get(event as Event) ?? context.stream
      if (typeof name === 'string' && !table.find(name) && table.isLegal(name))
        return this.#configs?.refreshEarly()
    }
    return undefined
  }

  /** Throws a GateError where the event's stream does not take it. */
  streamFor(event: Event, schema: Schema, context: Context): Stream {
    const name = this.#nameOf(event, schema, context)
    if (this.#configs) return configured(name, schema, this.#configs)
    const topic = topicOf(name, this.#prefix)
    if (isLegalTopic(topic)) return { name, topic }
    throw illegal(name)
  }

  #nameOf(event: Event, schema: Schema, context: Context): string {
    if (!this.#field) return context.stream ?? nameAfter(schema)
    const name = this.#field.get(event) ?? context.stream
    if (typeof name === 'string' && name !== '') return name
    throw new GateError(
      'stream_missing',
      `'.${this.#field.path}' must name the event's stream, it is ${quote(name)}`,
    )
  }
}

function configured(name: string, schema: Schema, configs: StreamConfigs): Stream {
  const stream = configs.table.find(name)
  if (!stream) throw unknown(name, configs)
  if (stream.problem) {
    const { code, message } = stream.problem
    throw new GateError(code, `stream ${quote(name)} takes no events: ${message}`)
  }
  if (stream.schemaTitle === schema.title && stream.schemaTitle !== undefined) return stream
  throw new GateError(
    'schema_not_allowed',
    stream.schemaTitle === undefined
      ? `stream ${quote(name)} takes no events: it is configured without a schema_title`
      : `stream ${quote(name)} takes events of schema ${quote(stream.schemaTitle)}, this one is of ${quote(schema.title ?? schema.uri)}`,
  )
}

function unknown(name: string, { failure, table, refreshing }: StreamConfigs): GateError {
  if (!table.isLegal(name)) return illegal(name)
  return failure === undefined && !refreshing
    ? new GateError('stream_not_configured', `stream ${quote(name)} is not configured here`)
    : new GateError(
        'stream_config_unavailable',
        `stream ${quote(name)} is not known, and the stream configuration cannot be fetched: send the event again`,
      )
}

function illegal(name: string): GateError {
  return new GateError(
    'stream_name_illegal',
    `stream ${quote(name)} is not a legal name: at most 249 of A-Z a-z 0-9 . _ - with the topic's prefix`,
  )
}

function nameAfter(schema: Schema): string {
  return schema.uri.replace(/[^A-Za-z0-9_.-]/g, '_').replace(/^_+/, '')
}
