import { randomUUID } from 'node:crypto'
import type { Code, GateError } from '../errors.js'
import type { Context, Event, Outcome, Schema } from '../eventgate.js'
import { yieldToEventLoop } from '../runtime/event-loop.js'
import { detached } from '../runtime/memory.js'

/** Faults of the event itself, which its developers want to know. An unknown schema or stream is not one. */
const REPORTED: ReadonlySet<Code> = new Set<Code>(['validation_failed', 'edge_uniques_refused', 'ua_denied'])

/** Error events that wait for their outcomes, and the characters that they hold. */
export const MAX_PENDING_ERROR_EVENTS = 5000
const MAX_PENDING_LENGTH = 8 * 1024 * 1024
/** Characters of a failed event that its error event holds, because it must fit into a message. */
const MAX_RAW_LENGTH = 256 * 1024
/** Characters of a field that is copied from the failed event. A longer value is in `raw_event` only. */
const MAX_FIELD_LENGTH = 4096
/** What enrichment, the key and the record's frame may add to an error event (bytes). */
const FRAME_BYTES = 2000
/** Error events that are made before others get their turn: so many, or for so long (ms). */
const SLICE = 64
const SLICE_MS = 5

/** What error events say, and their bounds. */
export interface ErrorEventOptions {
  /** The stream of error events. */
  stream: string
  /** The schema of error events: `/error/2.1.0`. */
  schemaUri: string
  /** Which service refused the event. */
  emitterId: string
  /** The largest message that the producer takes. */
  maxBytes: number
  /** Maximum number of error events that wait for their outcomes. */
  maxPending: number
}

/** The gate that takes error events. */
export interface ErrorEventWay {
  /** Processes error events. Their own failures make no error events. Never rejects. */
  process(events: readonly Event[], context: Context): Promise<Outcome[]>
  /** The error schema, loaded; undefined if it is not available. */
  schema(): Promise<Schema | undefined>
  /** Called with the request's context when an error event is dropped because the bound is reached. */
  dropped(context: Context): void
}

/** An event that failed, with what its error event says. */
export interface FailedEvent {
  error: GateError
  /** The event as it was received. */
  raw: string
  schemaUri: string | undefined
  streamName: string | undefined
  /** The request's id, if the event's schema declares one. The event's own id wins over it. */
  requestId: string | undefined
  /** The request's id, for the log. */
  loggedRequestId: string
}

/**
 * Produces an error event for each event that fails validation (docs/contract.md 6), in the background and bounded.
 * It cannot loop, because it does not hear the outcomes of its own events.
 */
export class ErrorEvents {
  readonly #options: ErrorEventOptions
  readonly #way: ErrorEventWay
  readonly #waiting: FailedEvent[] = []
  #pending = 0
  #length = 0
  #running: Promise<void> | undefined
  readonly #underWay = new Set<Promise<void>>()

  constructor(options: ErrorEventOptions, way: ErrorEventWay) {
    this.#options = options
    this.#way = way
  }

  /** Remembers an outcome that needs an error event. That costs the request a copy of the event's text. */
  consider(outcome: Outcome, context: Context, index: number): void {
    if (!('error' in outcome) || !REPORTED.has(outcome.error.code)) return
    // Other services may post error events here. Those make none.
    if (outcome.stream?.name === this.#options.stream) return
    const { error, schema, stream } = outcome
    const isFull = this.#pending === this.#options.maxPending
    const text = isFull ? '' : context.textOf(index)
    const length = text.length + error.message.length
    // A single event may have any length, because admission let it in.
    if (isFull || (this.#pending > 0 && this.#length + length > MAX_PENDING_LENGTH)) {
      this.#way.dropped(context)
      return
    }
    this.#pending++
    this.#length += length
    this.#waiting.push({
      error,
      raw: detached(text),
      schemaUri: schema?.uri,
      streamName: stream?.name,
      requestId: schema?.declares('meta.request_id') ? context.requestId : undefined,
      loggedRequestId: context.requestId,
    })
    this.#running ??= this.#run()
  }

  /** Resolves when no error event is under way. */
  async idle(): Promise<void> {
    while (this.#running || this.#underWay.size > 0) await Promise.all([this.#running, ...this.#underWay])
  }

  async #run(): Promise<void> {
    // The request is answered first, and other failures join the same batch.
    await yieldToEventLoop()
    const schema = await this.#way.schema()
    while (this.#waiting.length > 0) {
      this.#processBatch(schema)
      await yieldToEventLoop()
    }
    this.#running = undefined
  }

  #processBatch(schema: Schema | undefined): void {
    const now = Date.now()
    const end = performance.now() + SLICE_MS
    const requestIds: string[] = []
    const events: Event[] = []
    let length = 0
    do {
      const failed = this.#waiting.shift() as FailedEvent
      requestIds.push(failed.loggedRequestId)
      events.push(makeErrorEvent(failed, this.#options, schema, now))
      // From now on the error event is held, and not the whole text of the failed one.
      const held = Math.min(failed.raw.length, MAX_RAW_LENGTH)
      this.#length -= failed.raw.length - held
      length += held + failed.error.message.length
    } while (this.#waiting.length > 0 && events.length < SLICE && performance.now() < end)
    const context: Context = {
      requestId: '',
      receivedAt: now,
      deadline: Infinity,
      headers: {},
      schemaUri: this.#options.schemaUri,
      stream: this.#options.stream,
      delivery: 'hasty',
      kind: 'error',
      requestIdOf: index => requestIds[index] ?? '',
      clientIp: () => undefined,
      textOf: index => JSON.stringify(events[index]),
    }
    const count = events.length
    const underWay = this.#way.process(events, context).then(() => {
      this.#pending -= count
      this.#length -= length
      this.#underWay.delete(underWay)
    })
    this.#underWay.add(underWay)
  }
}

/** Makes the error event of a failed event. Pure except for its id. Without a schema it has all fields. */
export function makeErrorEvent(
  { error, raw, schemaUri, streamName, requestId }: FailedEvent,
  options: ErrorEventOptions,
  schema: Schema | undefined,
  now: number,
): Event {
  const meta = metaOf(raw)
  const declared = (fields: Event, prefix = ''): Event =>
    Object.fromEntries(Object.entries(fields).filter(([name]) => schema?.declares(prefix + name) ?? true))
  const dt = new Date(now).toISOString()
  const make = (uri: unknown, domain: unknown): Event => {
    const ownMeta = {
      id: randomUUID(),
      dt,
      stream: options.stream,
      uri: textOr(uri, 'unknown'),
      domain: textOr(domain, 'unknown'),
      request_id: textOr(meta.request_id ?? requestId, 'unknown'),
    }
    const event = declared({
      $schema: options.schemaUri,
      meta: declared(ownMeta, 'meta.'),
      dt,
      emitter_id: options.emitterId,
      raw_event: raw.slice(0, MAX_RAW_LENGTH),
      message: error.message,
      errored_schema_uri: textOr(schemaUri, 'unknown'),
      errored_stream_name: textOr(streamName, 'unknown'),
      error_type: error.code,
    })
    return fitted(event, options.maxBytes - FRAME_BYTES)
  }
  // These fields may be the very reason why the event was refused.
  const event = make(meta.uri, meta.domain)
  return schema && !isValid(schema, event) ? make(undefined, undefined) : event
}

/** Shortens the failed event's text, then the message, until the error event fits into a message. */
function fitted(event: Event, maxBytes: number): Event {
  for (const field of ['raw_event', 'message']) {
    for (;;) {
      const text = event[field]
      if (typeof text !== 'string' || text === '') break
      if (Buffer.byteLength(JSON.stringify(event)) <= maxBytes) return event
      event[field] = text.slice(0, text.length / 2)
    }
  }
  return event
}

function isValid(schema: Schema, event: Event): boolean {
  try {
    schema.validate(event)
    return true
  } catch {
    return false
  }
}

function metaOf(raw: string): Event {
  try {
    const { meta } = JSON.parse(raw)
    return typeof meta === 'object' && meta !== null ? meta : {}
  } catch {
    return {}
  }
}

function textOr(value: unknown, otherwise: string): string {
  return typeof value === 'string' && value !== '' && value.length <= MAX_FIELD_LENGTH ? value : otherwise
}
