import type { GateError } from '../errors.js'
import type { Context, Event, Outcome } from '../eventgate.js'
import { Field } from '../field.js'
import { detached } from '../runtime/memory.js'
import { type EntryError, MAX_TEXT, type Recorder, type Verdict } from './recorder.js'

export interface RecordingOptions {
  schemaUriField: string
  streamField: string | undefined
}

/** A request that was refused before any of its events was taken. */
export interface RefusedRequest {
  requestId: string
  receivedAt: number
  headers: Context['headers']
  clientIp: string | undefined
  delivery: Context['delivery']
  /** As far as it was read. */
  query: { schemaUri?: string | undefined; stream?: string | undefined }
  /** As far as its body was read. */
  bytes: Buffer | undefined
}

const VERDICTS: Record<Outcome['fate'], Verdict> = {
  delivered: 'accepted',
  invalid: 'refused',
  not_stored: 'failed',
  unknown: 'unknown',
}

const MAX_PATH = 4096

/** Writes what becomes of events into a recorder. */
export class Recording {
  readonly #recorder: Recorder
  readonly #schemaUri: Field
  readonly #stream: Field | undefined

  constructor(recorder: Recorder, { schemaUriField, streamField }: RecordingOptions) {
    this.#recorder = recorder
    this.#schemaUri = new Field(schemaUriField)
    this.#stream = streamField === undefined ? undefined : new Field(streamField)
  }

  /** Of a gate that tells what it sent. */
  outcome(outcome: Outcome, context: Context, index: number): void {
    const received = context.textOf(index)
    const { schema, stream, sent } = outcome
    // What could not be taken says itself what it would have been.
    const named = schema && stream ? undefined : parsed(received)
    const { topic, key, timestamp } = sent?.destination ?? {}
    this.#recorder.add({
      receivedAt: context.receivedAt,
      requestId: context.requestId,
      index,
      delivery: context.delivery,
      verdict: VERDICTS[outcome.fate],
      stream: stream?.name ?? text(named && this.#stream?.get(named)) ?? context.stream ?? null,
      schemaUri: schema?.uri ?? text(named && this.#schemaUri.get(named)) ?? context.schemaUri ?? null,
      text: detached(received.slice(0, MAX_TEXT)),
      cut: received.length > MAX_TEXT,
      produced:
        topic === undefined || timestamp === undefined
          ? null
          : {
              topic,
              key: typeof key === 'string' ? detached(key.slice(0, MAX_TEXT)) : (key ?? null),
              timestamp,
              text: detached(JSON.stringify(sent?.event).slice(0, 2 * MAX_TEXT)),
            },
      error: 'error' in outcome ? errorOf(outcome.error) : null,
      request: { headers: context.headers, clientIp: context.clientIp() },
      query: { schemaUri: context.schemaUri, stream: context.stream },
    })
  }

  refusedRequest(
    error: GateError,
    { requestId, receivedAt, headers, clientIp, bytes, delivery, query }: RefusedRequest,
  ): void {
    // A character has at most four bytes.
    const received = bytes?.toString('utf8', 0, 4 * MAX_TEXT) ?? ''
    this.#recorder.add({
      ...{ receivedAt, requestId, index: 0, delivery },
      verdict: error.kind === 'invalid' ? 'refused' : 'failed',
      ...{ stream: null, schemaUri: null },
      text: detached(received.slice(0, MAX_TEXT)),
      cut: received.length > MAX_TEXT,
      produced: null,
      error: errorOf(error),
      request: { headers, clientIp },
      query,
    })
  }
}

function errorOf({ code, message, errors }: GateError): EntryError {
  return {
    code,
    message: detached(message.slice(0, MAX_TEXT)),
    errors: errors.map(({ keyword, dataPath, schemaPath, message }) => ({
      ...{ keyword, dataPath: detached(dataPath.slice(0, MAX_PATH)), schemaPath },
      message: detached(message.slice(0, MAX_PATH)),
    })),
  }
}

function parsed(received: string): Event | undefined {
  if (received.length > MAX_TEXT || !received.startsWith('{')) return undefined
  return JSON.parse(received)
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' ? detached(value.slice(0, 512)) : undefined
}
