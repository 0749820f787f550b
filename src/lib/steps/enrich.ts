import { createHash, randomUUID } from 'node:crypto'
import type { Context, Event, EventField, Schema, Steps, Stream } from '../eventgate.js'
import { Field } from '../field.js'
import { at, stepsOf } from '../json-pointer.js'

/** The dotted paths of the fields to fill in. A field that is undefined is not filled in. */
export interface EnrichOptions {
  /** From `context.schemaUri`. */
  schemaUriField: string
  /** From `context.stream`. */
  streamField: string | undefined
  /** The time of receipt. */
  dtField: string | undefined
  /** A UUID. */
  idField: string | undefined
  /** Whether a client's own time of receipt is replaced. Canary producers want theirs kept. */
  overwriteDt: boolean
  /** Whether ids are made from the request's id, so that a repeated request makes the same ones. */
  idFromRequest: boolean
  /** Request headers, and the fields that they fill in the events of streams without such a map. */
  headersToFields: Readonly<Record<string, string>>
}

/** Characters of a header that an event gets. */
const MAX_HEADER_LENGTH = 400
const CLIENT_IP = 'http.client_ip'
/** Titles of schemas whose clients send no time of their own. */
const LEGACY = 'analytics/legacy/'
/** Keywords that may refuse an object because it has a field. */
const BY_PRESENCE: ReadonlySet<string> = new Set([
  'additionalProperties',
  'anyOf',
  'const',
  'dependencies',
  'enum',
  'if',
  'maxProperties',
  'not',
  'oneOf',
  'propertyNames',
])
/** The namespace of ids that are made from requests: a random UUID that must never change. */
const NAMESPACE = Buffer.from('0d0b9a1e4f6c4a57b1c6a5a3f1d27c2e', 'hex')

/** The step `enrich`. */
export type Enrich = (event: Event, schema: Schema, stream: Stream, context: Context, index: number) => void

type Fill = (event: Event, schema: Schema, context: Context, index: number) => void

/**
 * Makes the function that fills in fields that the event lacks and its schema declares (docs/contract.md 2.1).
 * Pure except for the ids.
 */
export function makeEnrich(options: EnrichOptions): Enrich {
  const fills: Fill[] = []
  const fill = (
    path: string | undefined,
    value: (context: Context, index: number) => unknown,
    isMissing: (found: unknown) => boolean = found => found === undefined,
  ) => {
    if (path === undefined) return
    const field = new Field(path)
    fills.push((event, schema, context, index) => {
      if (!isMissing(field.get(event))) return
      if (!schema.declares(path)) return
      const filled = value(context, index)
      if (filled !== undefined) field.set(event, filled)
    })
  }

  // For an event with null here, the schema and stream of the query were used.
  const isNothing = (found: unknown) => found === undefined || found === null
  fill(options.schemaUriField, context => context.schemaUri, isNothing)
  fill(options.streamField, context => context.stream, isNothing)
  const replacesDt = options.overwriteDt ? () => true : undefined
  fill(options.dtField, context => isoTime(context.receivedAt), replacesDt)
  fill(options.idField, (context, index) =>
    options.idFromRequest && context.headers['x-request-id'] !== undefined
      ? idOf(context, index)
      : randomUUID(),
  )
  fill(CLIENT_IP, context => context.clientIp())
  const headers = headersOf(options)
  return (event, schema, stream, context, index) => {
    for (const fill of fills) fill(event, schema, context, index)
    if (schema.title?.startsWith(LEGACY)) fillLegacyDt(event, schema, context)
    for (const { header, field } of stream.headers ?? headers)
      fillHeader(event, schema, context, header, field)
  }
}

function headersOf({ headersToFields }: EnrichOptions): { header: string; field: Field }[] {
  return Object.entries(headersToFields).map(([header, path]) => ({
    header: header.toLowerCase(),
    field: new Field(path),
  }))
}

/**
 * Makes the function that takes back the added fields that the schema complains of, with the objects made for them.
 * Fields from the query stay, because the client sent those.
 */
export function makeTakeBack(options: EnrichOptions): NonNullable<Steps['takeBack']> {
  const fields = (...paths: (string | undefined)[]) =>
    paths.flatMap(path => (path === undefined ? [] : new Field(path)))
  const sent = fields(options.schemaUriField, options.streamField)
  const basic = fields(options.dtField, options.idField, 'dt')
  const clientIp = new Field(CLIENT_IP)
  const headers = headersOf(options)
  return (event, stream, { errors }, receivedText) => {
    const extras: EventField[] = [clientIp, ...(stream.headers ?? headers).map(({ field }) => field)]
    const complaints = errors.map(({ dataPath, keyword }) => ({ place: stepsOf(dataPath, event), keyword }))
    /** `own` is the number of steps that lead to the first thing that `enrich` added. */
    const isBlamed = (field: EventField, steps: readonly string[], own: number) =>
      complaints.some(
        ({ place, keyword }) =>
          (place.length >= own && (begins(steps, place) || begins(place, steps))) ||
          (begins(steps, place) && BY_PRESENCE.has(keyword) && extras.includes(field)),
      )
    const filled = [...basic, ...extras]
      .filter(field => field.get(event) !== undefined)
      .map(field => ({ field, steps: field.path.split('.') }))
    // Most complaints are about the client's own fields. Then its text is not parsed again.
    if (!filled.some(({ field, steps }) => isBlamed(field, steps, 1))) return false
    const received = parsed(receivedText)
    if (!received) return false
    for (const field of sent) {
      const value = field.get(event)
      if (value !== undefined) field.set(received, value)
    }
    const added = filled
      .filter(({ field }) => field.get(received) === undefined)
      .map(({ field, steps }) => ({ field, steps, own: missingFrom(received, steps) }))
    const refused = added.filter(({ field, steps, own }) => isBlamed(field, steps, own))
    const kept = added.filter(addition => !refused.includes(addition))
    for (const { steps, own } of refused) {
      let length = own
      while (kept.some(other => begins(other.steps, steps.slice(0, length)))) length++
      remove(event, steps.slice(0, length))
    }
    return refused.length > 0
  }
}

function parsed(text: () => string): Event | undefined {
  try {
    return JSON.parse(text())
  } catch {
    return undefined
  }
}

function begins(steps: readonly (string | number)[], first: readonly (string | number)[]): boolean {
  return first.every((step, i) => steps[i] === step)
}

/** The number of steps that lead to the first thing that an event lacks. */
function missingFrom(event: Event, steps: readonly string[]): number {
  return steps.findIndex((_, i) => at(event, steps.slice(0, i + 1)) === undefined) + 1
}

function remove(event: Event, steps: readonly string[]): void {
  const parent = at(event, steps.slice(0, -1))
  if (typeof parent === 'object' && parent !== null) delete (parent as Event)[steps.at(-1) as string]
}

function fillLegacyDt(event: Event, schema: Schema, context: Context): void {
  if (!Object.hasOwn(event, 'dt') && schema.declares('dt')) event.dt = isoTime(context.receivedAt)
}

function fillHeader(event: Event, schema: Schema, context: Context, header: string, field: EventField): void {
  if (field.get(event) !== undefined || !schema.declares(field.path)) return
  const value = headerOf(context, header)
  if (value !== undefined) field.set(event, value)
}

function headerOf(context: Context, name: string): string | undefined {
  const value = name === 'x-request-id' ? context.requestId : context.headers[name]
  return (Array.isArray(value) ? value.join(', ') : value)?.slice(0, MAX_HEADER_LENGTH)
}

function isoTime(milliseconds: number): string {
  return new Date(milliseconds).toISOString()
}

/** UUIDv5 (RFC 9562) of the request's id, the event's index and its text. A proxy's retry makes the same. */
function idOf(context: Context, index: number): string {
  const hash = createHash('sha1')
    .update(NAMESPACE)
    .update(`${context.requestId}\n${index}\n`)
    .update(context.textOf(index))
  const bytes = hash.digest().subarray(0, 16)
  bytes[6] = ((bytes[6] as number) & 0x0f) | 0x50
  bytes[8] = ((bytes[8] as number) & 0x3f) | 0x80
  const hex = bytes.toString('hex')
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-')
}
