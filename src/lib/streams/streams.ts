import { GateError, quote } from '../errors.js'
import type { Context, Event, Schema, Stream } from '../eventgate.js'
import { Field } from '../field.js'
import type { StreamConfigs } from './config-source.js'
import { isLegalTopic, topicOf } from './topic-name.js'

/** How streams are named and configured. */
export interface StreamOptions {
  /** Undefined if streams are named after schemas. */
  streamField: string | undefined
  /** Stands before the name of a stream in that of its topic. */
  topicPrefix: string
  /** Undefined if any schema may go to any stream. */
  configs?: StreamConfigs | undefined
}

/** Finds the stream of an event, and its configuration. */
export class Streams {
  readonly #field: Field | undefined
  readonly #prefix: string
  readonly #configs: StreamConfigs | undefined

  constructor({ streamField, topicPrefix, configs }: StreamOptions) {
    this.#field = streamField === undefined ? undefined : new Field(streamField)
    this.#prefix = topicPrefix
    this.#configs = configs
  }

  /**
   * Fetches the configuration early if an event names an unknown stream. Undefined if there is nothing to wait for.
   * Never rejects.
   */
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

  /** Throws a GateError if the event's stream does not take it. */
  streamFor(event: Event, schema: Schema, context: Context): Stream {
    const name = this.#nameOf(event, schema, context)
    if (this.#configs) return streamIn(this.#configs, name, schema)
    const topic = topicOf(name, this.#prefix)
    if (isLegalTopic(topic)) return { name, topic }
    throw illegalName(name)
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

/** The configured stream of this name, if it takes events of the schema. */
function streamIn(configs: StreamConfigs, name: string, schema: Schema): Stream {
  const stream = configs.table.find(name)
  if (!stream) throw unknownStream(name, configs)
  const { problem, schemaTitle } = stream
  if (problem) throw new GateError(problem.code, `stream ${quote(name)} takes no events: ${problem.message}`)
  if (schemaTitle === schema.title && schemaTitle !== undefined) return stream
  throw new GateError(
    'schema_not_allowed',
    schemaTitle === undefined
      ? `stream ${quote(name)} takes no events: it is configured without a schema_title`
      : `stream ${quote(name)} takes events of schema ${quote(schemaTitle)}, this one is of ${quote(schema.title ?? schema.uri)}`,
  )
}

function unknownStream(name: string, { failure, table, refreshing }: StreamConfigs): GateError {
  if (!table.isLegal(name)) return illegalName(name)
  return failure === undefined && !refreshing
    ? new GateError('stream_not_configured', `stream ${quote(name)} is not configured here`)
    : new GateError(
        'stream_config_unavailable',
        `stream ${quote(name)} is not known, and the stream configuration cannot be fetched: send the event again`,
      )
}

function illegalName(name: string): GateError {
  return new GateError(
    'stream_name_illegal',
    `stream ${quote(name)} is not a legal name: at most 249 of A-Z a-z 0-9 . _ - with the topic's prefix`,
  )
}

/** The name of a schema's stream where streams are named after schemas. */
function nameAfter(schema: Schema): string {
  return schema.uri.replace(/[^A-Za-z0-9_.-]/g, '_').replace(/^_+/, '')
}
