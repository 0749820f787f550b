import type { GateError } from '../errors.js'
import type { Context, Event, Outcome } from '../eventgate.js'
import { Field } from '../field.js'
import { detached } from '../runtime/memory.js'
import { type Entry, type EntryError, MAX_TEXT, OUTCOMES } from './entry.js'
import type { Recorder } from './recorder.js'

export interface RecordingOptions {
  schemaUriField: string
  streamField: string | undefined
}

/** A request that was refused before EventGate looked at its events. */
export interface RefusedRequest {
  requestId: string
  receivedAt: number
  headers: Context['headers']
  clientIp: string | undefined
  delivery: Context['delivery']
  /** The parameters that were read before it was refused. */
  query: { schemaUri?: string | undefined; stream?: string | undefined }
  /** The bytes of its body that were read before it was refused. */
  bytes: Buffer | undefined
}

type Result = Pick<Entry, 'index' | 'outcome' | 'stream' | 'schemaUri' | 'produced' | 'error'>

/** Characters that are kept of an error's path and message. */
const MAX_PATH = 4096
/** Characters that are kept of a stream's or schema's name. */
const MAX_NAME = 512

/** Writes the outcomes of events into a recorder. */
export class Recording {
  readonly #recorder: Recorder
  readonly #schemaUri: Field
  readonly #stream: Field | undefined

  constructor(recorder: Recorder, { schemaUriField, streamField }: RecordingOptions) {
    this.#recorder = recorder
    this.#schemaUri = new Field(schemaUriField)
    this.#stream = streamField === undefined ? undefined : new Field(streamField)
  }

  /** Records the outcome of an event. The gate must report what it sent. */
  outcome(outcome: Outcome, context: Context, index: number): void {
    const received = context.textOf(index)
    const { schema, stream, sent } = outcome
    // The outcome lives as long as its request, which need not hold the event so long.
    delete outcome.sent
    // A refused event may have no stream or schema, but it may name them.
    const event = schema && stream ? undefined : parsed(received)
    const { topic, key, timestamp } = sent?.destination ?? {}
    this.#add({ ...context, clientIp: context.clientIp(), query: context }, received, {
      index,
      outcome: OUTCOMES[outcome.fate],
      stream: stream?.name ?? nameIn(event, this.#stream) ?? context.stream ?? null,
      schemaUri: schema?.uri ?? nameIn(event, this.#schemaUri) ?? context.schemaUri ?? null,
      produced:
        topic === undefined || timestamp === undefined
          ? null
          : {
              topic,
              key: typeof key === 'string' ? beginning(key) : (key ?? null),
              timestamp,
              text: beginning(JSON.stringify(sent?.event), 2 * MAX_TEXT),
            },
      error: 'error' in outcome ? errorOf(outcome.error) : null,
    })
  }

  /** Records a request that was refused as a whole. */
  refusedRequest(error: GateError, request: RefusedRequest): void {
    // A character has at most four bytes.
    const received = request.bytes?.toString('utf8', 0, 4 * MAX_TEXT) ?? ''
    this.#add(request, received, {
      index: 0,
      outcome: error.kind === 'invalid' ? OUTCOMES.invalid : OUTCOMES.not_stored,
      stream: null,
      schemaUri: null,
      produced: null,
      error: errorOf(error),
    })
  }

  #add(request: Omit<RefusedRequest, 'bytes'>, received: string, result: Result): void {
    const { requestId, receivedAt, delivery, headers, clientIp, query } = request
    this.#recorder.add({
      requestId,
      receivedAt,
      delivery,
      ...result,
      text: beginning(received),
      cut: received.length > MAX_TEXT,
      request: { headers, clientIp },
      query: { schemaUri: query.schemaUri, stream: query.stream },
    })
  }
}

function errorOf({ code, message, errors }: GateError): EntryError {
  return {
    code,
    message: beginning(message),
    errors: errors.map(({ keyword, dataPath, schemaPath, message }) => ({
      keyword,
      dataPath: beginning(dataPath, MAX_PATH),
      schemaPath,
      message: beginning(message, MAX_PATH),
    })),
  }
}

function beginning(text: string, length = MAX_TEXT): string {
  return detached(text.slice(0, length))
}

function parsed(received: string): Event | undefined {
  if (received.length > MAX_TEXT || !received.startsWith('{')) return undefined
  return JSON.parse(received)
}

function nameIn(event: Event | undefined, field: Field | undefined): string | undefined {
  const value = event && field?.get(event)
  return typeof value === 'string' ? beginning(value, MAX_NAME) : undefined
}
