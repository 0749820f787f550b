import { nearest } from '../did-you-mean.js'
import { type Code, GateError } from '../errors.js'
import { type Event, isObject } from '../eventgate.js'
import { Field } from '../field.js'
import { at, type Step, stepsOf } from '../json-pointer.js'
import type { SchemaRepository } from '../schemas/repository.js'
import { looseTimeOf } from '../time.js'
import { readYaml } from '../yaml.js'
import { GONE, put } from './json-patch.js'
import { repairerFor } from './repairer.js'
import type { RefusedEvent, Trial } from './trial.js'

/** What the fixes of the gate's own refusals are taken from. */
export interface Known {
  schemas: Pick<SchemaRepository, 'list'>
  /** The configured streams; undefined if any stream is allowed. */
  streams: (() => Readonly<Record<string, { schema_title?: unknown }>>) | undefined
  schemaUriField: string
  streamField: string | undefined
  dtField: string | undefined
  /** Reads an event's text as the gate does. May throw a GateError, or return one. */
  readEvent(text: string): unknown
}

/** An event that was refused, but not by its schema, and what a trial found out. */
export interface Refused extends Omit<RefusedEvent, 'index'>, Pick<Trial, 'schema' | 'stream'> {
  code: Code
  message: string
  /** When the search for fixes ends, of `performance.now()`. */
  until: number
}

/** What a refusal is about, and other events that may pass, the likeliest first. */
export interface Fixes {
  steps: Step[]
  tries: unknown[]
}

const MAX_TRIES = 12

/** Guesses what a refused event should have been. The caller tries the guesses. */
export async function fixesFor(refused: Refused, known: Known): Promise<Fixes> {
  const { event, code } = refused
  const schemaUri = known.schemaUriField.split('.')
  const stream = known.streamField?.split('.') ?? []
  const setting = (steps: Step[], values: readonly unknown[]): Fixes => ({
    steps,
    tries: [...new Set(values)].slice(0, MAX_TRIES).map(value => put(event, steps, value)),
  })
  switch (code) {
    case 'schema_uri_missing':
    case 'schema_uri_refused':
    case 'schema_not_found':
      return setting(schemaUri, await schemasFor(refused, known))
    case 'stream_missing':
    case 'stream_name_illegal':
    case 'stream_not_configured':
      return setting(stream, streamsFor(refused, known))
    case 'schema_not_allowed': {
      const uris = await schemasFor(refused, known)
      const streams = streamsFor(refused, known)
      return {
        steps: schemaUri,
        tries: [...setting(schemaUri, uris).tries, ...setting(stream, streams).tries],
      }
    }
    case 'key_field_missing': {
      const field = refused.stream?.key?.find(
        ({ field }) => (field.get(event as Event) ?? null) === null,
      )?.field
      const steps = field ? [...new Field(field.path).steps] : []
      if (!field || !refused.schema) return { steps, tries: [] }
      const shown = at(repairerFor(refused.schema, refused.until)?.sample(), steps)
      return setting(steps, [...(shown === undefined ? [] : [shown]), 'text', 1])
    }
    case 'timestamp_unparsable': {
      const steps = known.dtField?.split('.') ?? []
      const value = at(event, steps)
      const times = [...timesLike(value), refused.context.receivedAt].map(ms => new Date(ms).toISOString())
      return setting(steps, [...times, GONE])
    }
    case 'event_number_inexact':
      return numbersAsText(refused, known)
    case 'event_not_an_object':
      return { steps: [], tries: objectsIn(event) }
    case 'body_malformed':
      return { steps: [], tries: leniently(refused.text) }
    default:
      return { steps: [], tries: [] }
  }
}

/** URIs that may have been meant. */
async function schemasFor({ event, context, stream }: Refused, known: Known): Promise<string[]> {
  const uris = (await known.schemas.list()).map(({ uri }) => uri)
  const newestFirst = uris.slice().sort((a, b) => b.localeCompare(a, 'en', { numeric: true }))
  const ofTitle = (title: string) => newestFirst.filter(uri => uri.replace(/\/[^/]*$/, '') === title)
  const given = new Field(known.schemaUriField).get(event as Event)
  const found: string[] = []
  const named = stream?.name ?? streamNamed(event, known) ?? context.stream
  const title = named === undefined ? undefined : known.streams?.()[named]?.schema_title
  if (typeof title === 'string') found.push(...ofTitle(`/${title}`))
  if (typeof given === 'string' && given !== '') {
    const path = `/${given
      .trim()
      .replace(/^https?:\/\/[^/]+/, '')
      .replace(/\.(ya?ml|json)$/, '')
      .replace(/#.*$/, '')
      .replace(/^\/+/, '')}`
    const inside = newestFirst.filter(uri => path.endsWith(uri))
    const titles = new Set(uris.map(uri => uri.replace(/\/[^/]*$/, '')))
    const titleMeant = nearest(path.replace(/\/[^/]*$/, ''), titles)
    const meant = nearest(path, uris)
    found.push(...inside, ...ofTitle(path), ...ofTitle(path.replace(/\/[^/]*$/, '')))
    if (meant !== undefined) found.push(meant)
    if (titleMeant !== undefined) found.push(...ofTitle(titleMeant))
  } else {
    const meant = named === undefined ? undefined : nearest(`/${named.replace(/\./g, '/')}`, uris)
    if (meant !== undefined) found.push(meant)
    // If there are few, one of them may do.
    found.push(...newestFirst.slice(0, MAX_TRIES))
  }
  return found
}

/** Names of streams that may have been meant. */
function streamsFor({ event, schema }: Refused, known: Known): string[] {
  const given = streamNamed(event, known)
  const legal = given?.replace(/[^A-Za-z0-9._-]+/g, '_').slice(0, 200)
  const own = schema?.title?.replace(/\//g, '.')
  const settings = known.streams?.()
  if (!settings) return [legal, own].filter(name => name !== undefined && name !== '') as string[]
  const names = Object.keys(settings).filter(name => !name.startsWith('/'))
  const taking = names.filter(
    name => schema?.title !== undefined && settings[name]?.schema_title === schema.title,
  )
  const meant = [given, own].flatMap(name => {
    if (name === undefined) return []
    return [nearest(name, taking), nearest(name, names)].filter(near => near !== undefined)
  })
  return [...meant, ...taking]
}

function streamNamed(event: unknown, { streamField }: Known): string | undefined {
  const named = at(event, streamField?.split('.') ?? [''])
  return typeof named === 'string' && named !== '' ? named : undefined
}

function timesLike(value: unknown): number[] {
  const number =
    typeof value === 'number' ? value : typeof value === 'string' && /^\d+$/.test(value) ? Number(value) : NaN
  const read = typeof value === 'string' ? looseTimeOf(value) : NaN
  // Seconds, or milliseconds, since the epoch.
  return [number < 1e11 ? number * 1000 : number, read].filter(ms => ms >= 0 && ms < 8.64e15)
}

/** Turns each inexact number into a string, in the text: once it is parsed it is another number. */
function numbersAsText({ event, text, message }: Refused, known: Known): Fixes {
  const { path } = inexact(message)
  // A long path is cut.
  const steps = path.endsWith('…') ? [] : stepsOf(path, event)
  let [next, reason] = [text, message]
  for (let i = 0; i < MAX_NUMBERS; i++) {
    const { digits } = inexact(reason)
    const number = new RegExp(`(?<=[[:,]\\s*)${digits.replace(/[.+]/g, '\\$&')}(?=\\s*[\\],}])`)
    const replaced = next.replace(number, `"${digits}"`)
    if (digits === '' || replaced === next) break
    next = replaced
    const read = eventIn(next, known)
    if (!(read instanceof GateError)) return { steps, tries: read === undefined ? [] : [read] }
    reason = read.message
  }
  return { steps, tries: [] }
}

const MAX_NUMBERS = 20

function eventIn(text: string, known: Known): unknown {
  try {
    return known.readEvent(text)
  } catch {
    return undefined
  }
}

/** The number in a message such as `'.path' is "digits", which …`. */
function inexact(message: string): { path: string; digits: string } {
  const [, path = '', digits = ''] = /^'(.*)' is "([-+.\deE]+)", which/s.exec(message) ?? []
  return { path, digits }
}

function objectsIn(event: unknown): unknown[] {
  if (Array.isArray(event)) return event.length === 1 && isObject(event[0]) ? [event[0]] : []
  if (typeof event !== 'string') return []
  try {
    const inner: unknown = JSON.parse(event)
    return isObject(inner) ? [inner] : []
  } catch {
    return []
  }
}

const LENIENT_BOUNDS = { maxValues: 10_000, maxDepth: 100 }

/**
 * YAML's flow style allows single quotes, bare names and trailing commas, as people write. What YAML readers disagree
 * on is as unclear as the event was.
 */
function leniently(text: string): unknown[] {
  if (!/^\s*\{/.test(text)) return []
  try {
    const { value, notes } = readYaml(text, LENIENT_BOUNDS)
    return typeof value === 'object' && value !== null && notes.length === 0
      ? [JSON.parse(JSON.stringify(value))]
      : []
  } catch {
    return []
  }
}

/** Why nothing can be suggested, by code. */
export const WHY_NOT: Partial<Record<Code, string>> = {
  event_too_deep: 'what is nested deeper has to go or to become text: only its sender knows which part',
  event_number_inexact:
    'no number of that size can be kept exactly, and the schema does not accept a text there',
  event_too_large: 'only the sender knows what to drop',
  schema_broken: 'the schema has to be fixed, not the event',
  schema_insecure: 'the schema has to be fixed, not the event',
  edge_uniques_refused: 'the request lacks what proxies add to it, which every event needs',
  ua_denied: 'the user agent of the request is denied, with all its events',
  record_refused: 'the brokers refuse the record and do not say what would pass',
  body_empty: 'there is nothing to fix: send a JSON object, or an array of them',
  body_not_utf8: 'the meaning of the bytes is unknown: send UTF-8',
  body_not_events: 'there is no event in it: send a JSON object, or an array of them',
  body_malformed: 'it is unclear what was meant: send JSON',
  schema_not_found: 'no schema in the repositories has a name like it',
  schema_uri_missing: 'it is unclear which schema is meant',
}
