import { randomUUID } from 'node:crypto'
import type { Code, GateError } from '../errors.js'
import type { Context, Event, Outcome, Schema } from '../eventgate.js'
import { yieldToEventLoop } from '../runtime/event-loop.js'
import { detached } from '../runtime/memory.js'

/** What is wrong with the event itself, which its sender's developers want to know; not that its schema or stream is unknown. */
const REPORTED: ReadonlySet<Code> = new Set<Code>(['validation_failed', 'edge_uniques_refused', 'ua_denied'])

/** Error events without an outcome, at one time; and the characters of the events and messages in them. */
export const MAX_PENDING_ERROR_EVENTS = 5000
const MAX_PENDING_LENGTH = 8 * 1024 * 1024
/** Characters of a refused event that reach its error event, which has to fit into a message. */
const MAX_RAW_LENGTH = 256 * 1024
/** Of a field of the refused event that stands in its error event by itself. A longer one is left to `raw_event`. */
const MAX_FIELD_LENGTH = 4096
/** What enrichment, the key and a record's frame may add to an error event, bytes. */
const FRAME_BYTES = 2000
/** Error events made at one go: so many, or for so long, milliseconds. */
const SLICE = 64
const SLICE_MS = 5

/** What error events say of their sender. */
export interface ErrorEventOptions {
  /** The stream of error events. */
  stream: string
  /** The schema of error events: `/error/2.1.0`. */
  schemaUri: string
  /** Which service refused the event. */
  emitterId: string
  /** The largest message that its producer takes. */
  maxBytes: number
  /** Error events without an outcome, at one time. */
  maxPending: number
}

/** What error events go through. */
export interface ErrorEventWay {
  /** Processes error events, whose own failures make none. Never rejects. */
  process(events: readonly Event[], context: Context): Promise<Outcome[]>
  /** The error schema, loaded; undefined if it cannot be had. */
  schema(): Promise<Schema | undefined>
  /** Told of an error event that is dropped because the bound is reached, and for which request. */
  dropped(context: Context): void
}

/** Why an event was refused, ready to be told. */
export interface Refusal {
  error: GateError
  /** The event as it was received. */
  raw: string
  schemaUri: string | undefined
  streamName: string | undefined
  /** Of its request, for an event that has none of its own and whose schema has room for it. */
  requestId: string | undefined
  /** The same whatever the schema, for the log. */
  loggedRequestId: string
}

/**
 * Produces an event for each one that fails validation (docs/contract.md 6): in the background, at most once a
 * failure, bounded. Never a loop, for it hears nothing of what becomes of its own events.
 */
export class ErrorEvents {
  readonly #options: ErrorEventOptions
  readonly #way: ErrorEventWay
  readonly #waiting: Refusal[] = []
  #pending = 0
  #length = 0
  #running: Promise<void> | undefined
  readonly #underWay = new Set<Promise<void>>()

  constructor(options: ErrorEventOptions, way: ErrorEventWay) {
    this.#options = options
    this.#way = way
  }

  /** Takes note of an outcome; costs the request no more than a copy of the event's text. */
  consider(outcome: Outcome, context: Context, index: number): void {
    if (!('error' in outcome) || !REPORTED.has(outcome.error.code)) return
    // An error event that another service posts here is one too.
    if (outcome.stream?.name === this.#options.stream) return
    const { error, schema, stream } = outcome
    const isFull = this.#pending === this.#options.maxPending
    const text = isFull ? '' : context.textOf(index)
    const length = text.length + error.message.length
    // One alone may be of any length, for it was let in.
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

  /** Resolves when none is under way. */
  async idle(): Promise<void> {
    while (this.#running || this.#underWay.size > 0) await Promise.all([this.#running, ...this.#underWay])
  }

  async #run(): Promise<void> {
    // After the request is answered, and in company.
    await yieldToEventLoop()
    const schema = await this.#way.schema()
    while (this.#waiting.length > 0) {
      const { stream, schemaUri } = this.#options
      const now = Date.now()
      const refusals: Refusal[] = []
      const events: Event[] = []
      const end = performance.now() + SLICE_MS
      do {
        const refusal = this.#waiting.shift() as Refusal
        refusals.push(refusal)
        events.push(makeErrorEvent(refusal, this.#options, schema, now))
      } while (this.#waiting.length > 0 && events.length < SLICE && performance.now() < end)
      const count = refusals.length
      // From now on it holds what it tells, and not the whole event.
      let length = 0
      for (const { raw, error } of refusals) {
        const told = Math.min(raw.length, MAX_RAW_LENGTH)
        length += told + error.message.length
        this.#length -= raw.length - told
      }
      const context: Context = {
        requestId: '',
        receivedAt: now,
        deadline: Infinity,
        headers: {},
        schemaUri,
        stream,
        delivery: 'hasty',
        requestIdOf: index => refusals[index]?.loggedRequestId ?? '',
        clientIp: () => undefined,
        textOf: index => JSON.stringify(events[index]),
      }
      const underWay = this.#way.process(events, context).then(() => {
        this.#pending -= count
        this.#length -= length
        this.#underWay.delete(underWay)
      })
      this.#underWay.add(underWay)
      await yieldToEventLoop()
    }
    this.#running = undefined
  }
}

/** The event that tells of a refused one. Pure but for its id. Without a schema it has all fields that there are. */
export function makeErrorEvent(
  { error, raw, schemaUri, streamName, requestId }: Refusal,
  options: ErrorEventOptions,
  schema: Schema | undefined,
  now: number,
): Event {
  const meta = metaOf(raw)
  const make = (uri: unknown, domain: unknown): Event => {
    const dt = new Date(now).toISOString()
    const event: Event = {
      $schema: options.schemaUri,
      meta: {
        id: randomUUID(),
        dt,
        stream: options.stream,
        uri: textOr(uri, 'unknown'),
        domain: textOr(domain, 'unknown'),
        request_id: textOr(meta.request_id ?? requestId, 'unknown'),
      },
      dt,
      emitter_id: options.emitterId,
      raw_event: raw.slice(0, MAX_RAW_LENGTH),
      message: error.message,
      errored_schema_uri: textOr(schemaUri, 'unknown'),
      errored_stream_name: textOr(streamName, 'unknown'),
      error_type: error.code,
    }
    const has = (path: string) => schema?.declares(path) ?? true
    const own = Object.entries(event.meta as Event).filter(([name]) => has(`meta.${name}`))
    const declared = Object.fromEntries(
      Object.entries({ ...event, meta: Object.fromEntries(own) }).filter(([name]) => has(name)),
    )
    return fitted(declared, options.maxBytes - FRAME_BYTES)
  }
  // What was refused may have been refused for just these.
  const event = make(meta.uri, meta.domain)
  return schema && !isValid(schema, event) ? make(undefined, undefined) : event
}

/** Of what is told, first of the refused event, so much that the whole fits into a message. */
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
