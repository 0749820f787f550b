import { quote } from '../errors.js'
import { isObject, type Stream } from '../eventgate.js'
import { Field } from '../field.js'
import { secondsOf } from '../time.js'

/** The settings of one stream, as the configuration has them. */
export type Settings = Readonly<Record<string, unknown>>

/** The name of a class of streams. */
export const CLASS = /^[A-Za-z0-9_.-]{1,40}$/

interface Setting {
  /** Dotted path in the settings of a stream. */
  path: string
  description: string
  /**
   * Makes what EventGate uses of the value, which may be anything. Adds to the problems if it is wrong, so that the
   * stream takes no events. What only watches the stream adds to the warnings.
   */
  read(value: unknown, problems: Set<string>, warnings: Set<string>): unknown
}

/** All settings of a stream except those of transforms. docs/configuration.md is generated from this table. */
export const SETTINGS = {
  schemaTitle: {
    path: 'schema_title',
    description:
      'Title of the schemas that the events of the stream must have. Without it the stream takes no events.',
    read: value => (typeof value === 'string' && value !== '' ? value : undefined),
  },
  key: {
    path: 'message_key_fields',
    description:
      "Map of names in the record's key to the fields of the event that hold their values, in this order (default: the key is null).",
    read: readKey,
  },
  services: {
    path: 'destination_event_service',
    description:
      'Name of the service that takes the events, or a list of names (default: every service takes them).',
    read: value => (value === undefined || value === null ? undefined : [value].flat()),
  },
  headers: {
    path: 'producers.eventgate.enrich_fields_from_http_headers',
    description:
      'Map of fields to the request headers that fill them; `false` leaves a field out (default: `http_request_headers_to_fields`).',
    read: readHeaders,
  },
  spool: {
    path: 'producers.eventgate.spool',
    description:
      'Whether events may wait in the [spool](spool.md), if there is one (default: true). `false`: they are in Kafka, or refused.',
    read: readSpool,
  },
  quietAfter: {
    path: 'producers.eventgate.quiet_after',
    description:
      'How long the stream may store no event before an alert names it: `15m`, `2h`, `1d`. `false`: as long as it likes (default: the option `quiet_after`).',
    read: readQuietAfter,
  },
  streamClass: {
    path: 'producers.eventgate.class',
    description:
      'Class of the stream in metrics and service levels (default: the option `stream_classes`). It is read with the first event of the stream.',
    read: readClass,
  },
  histograms: {
    path: 'producers.eventgate.histograms',
    description:
      'Whether the stream has series of its own in the histograms of skew and of the time to storage (default: false). At most 100 streams have.',
    read: value => value === true,
  },
} satisfies Record<string, Setting>

/** What EventGate uses of a stream's settings. */
export type StreamSettings = {
  readonly [Name in keyof typeof SETTINGS]: ReturnType<(typeof SETTINGS)[Name]['read']>
}

/** Reads all settings, with a sentence about each one that is wrong. */
export function readSettings(settings: Settings): {
  values: StreamSettings
  problems: string[]
  warnings: string[]
} {
  const problems = new Set<string>()
  const warnings = new Set<string>()
  const values = Object.fromEntries(
    Object.entries<Setting>(SETTINGS).map(([name, { path, read }]) => {
      return [name, read(valueAt(settings, path, problems), problems, warnings)]
    }),
  )
  return { values: values as StreamSettings, problems: [...problems], warnings: [...warnings] }
}

function valueAt(settings: Settings, path: string, problems: Set<string>): unknown {
  const parents = path.split('.')
  const name = parents.pop() as string
  let map: Settings | undefined = settings
  for (const parent of parents) map = map && mapOf(map[parent] ?? {})
  if (!map) problems.add(`${parents.join('.')} must be a map, not ${quote(settings[parents[0] as string])}`)
  return map?.[name]
}

function readKey(value: unknown, problems: Set<string>): Stream['key'] {
  const fields = readTexts(value, 'message_key_fields', problems)
  if (fields.length > 1 && fields.some(([name]) => /^\d+$/.test(name)))
    problems.add(
      'message_key_fields has a number as a name, and JSON objects do not keep the order of numbers',
    )
  return fields.map(([name, path]) => ({ name, field: new Field(path) }))
}

function readHeaders(value: unknown, problems: Set<string>): Stream['headers'] {
  if (value === undefined || value === null) return undefined
  const setting = 'enrich_fields_from_http_headers'
  const entries = Object.entries(mapOf(value) ?? { [setting]: value })
  const used = Object.fromEntries(entries.filter(([, header]) => header !== false))
  return readTexts(used, setting, problems).map(([path, header]) => ({
    header: header.toLowerCase(),
    field: new Field(path),
  }))
}

function readSpool(value: unknown, problems: Set<string>): Stream['spool'] {
  if (typeof value === 'boolean') return value
  if (value !== undefined && value !== null) problems.add(`spool must be true or false, not ${quote(value)}`)
  return undefined
}

/** Seconds, or false for ever. */
function readQuietAfter(
  value: unknown,
  _problems: Set<string>,
  warnings: Set<string>,
): number | false | undefined {
  if (value === undefined || value === null || value === false) return value ?? undefined
  const seconds = secondsOf(value)
  if (seconds === undefined)
    warnings.add(`quiet_after must be a duration such as 15m, or false, not ${quote(value)}: it is ignored`)
  return seconds
}

function readClass(value: unknown, _problems: Set<string>, warnings: Set<string>): string | undefined {
  if (value === undefined || value === null) return undefined
  if (typeof value === 'string' && CLASS.test(value)) return value
  warnings.add(`class must be a name of at most 40 of A-Z a-z 0-9 _ . -, not ${quote(value)}: it is ignored`)
  return undefined
}

/** The entries of a map of names to texts. */
function readTexts(value: unknown, setting: string, problems: Set<string>): [string, string][] {
  const map = mapOf(value ?? {})
  const entries = Object.entries(map ?? {})
  if (map && entries.every(([, text]) => typeof text === 'string' && text !== ''))
    return entries as [string, string][]
  problems.add(`${setting} must be a map of names to texts, not ${quote(value)}`)
  return []
}

/** The value if it is a map. PHP writes an empty map as an empty list. */
export function mapOf(value: unknown): Settings | undefined {
  if (Array.isArray(value) && value.length === 0) return {}
  return isObject(value) ? value : undefined
}
