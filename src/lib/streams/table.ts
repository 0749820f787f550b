import { quote } from '../errors.js'
import { isObject, type Stream } from '../eventgate.js'
import { Field } from '../field.js'
import { Inspection, provenFast } from '../regexp/safety.js'
import { readText, type Text } from '../yaml.js'

export interface TableOptions {
  /** Dotted path of the map of streams in the answer; undefined where the answer is that map. */
  objectPath: string | undefined
  /** Keeps only the streams destined for this event service, and those that do not say; undefined keeps all. */
  destination: string | undefined
  topicPrefix: string
}

/** A stream that is configured: how events are to be taken, or why they cannot be. */
export interface Configured extends Stream {
  /** The title that a schema of its events must have; without one it takes no event. */
  schemaTitle: string | undefined
  /** What is wrong with its name, for which there is no topic, or with its settings. */
  problem: { code: 'stream_name_illegal' | 'stream_misconfigured'; message: string } | undefined
}

type Settings = Readonly<Record<string, unknown>>

/** What Kafka takes as a topic's name; `.` and `..` it does not. */
const LEGAL_TOPIC = /^(?!\.{1,2}$)[A-Za-z0-9._-]{1,249}$/
const BOUNDS = { maxValues: 1_000_000, maxDepth: 200 }
/** Names found, or not, by regular expressions that are remembered. */
const MAX_MATCHED = 10_000

/** Whether a name, with its topic's prefix, is a legal Kafka topic. */
export function isLegalTopic(topic: string): boolean {
  return LEGAL_TOPIC.test(topic)
}

/** Streams named `eventlogging_…` take no prefix (docs/contract.md 4). */
export function topicOf(stream: string, prefix: string): string {
  return stream.startsWith('eventlogging_') ? stream : prefix + stream
}

/** The streams of one answer of the configuration's source. Immutable, but for what it remembers. */
export class StreamTable {
  /** As they were configured, by name. */
  readonly settings: Readonly<Record<string, Settings>>
  /** What an operator should know about. */
  readonly warnings: readonly string[]
  /** Whether a stream is left out only because its expression could not be looked at in time. */
  readonly isIncomplete: boolean
  readonly #prefix: string
  readonly #streams = new Map<string, Configured>()
  readonly #expressions: { expression: RegExp; name: string; settings: Settings }[] = []
  readonly #matched = new Map<string, Configured | undefined>()
  /** Streams by the name that Kafka's metrics give their topics. */
  readonly #owners = new Map<string, string>()

  private constructor(
    settings: Record<string, Settings>,
    warnings: string[],
    prefix: string,
    inspection: Inspection,
    before: StreamTable | undefined,
  ) {
    this.settings = settings
    this.warnings = warnings
    this.#prefix = prefix
    for (const name of Object.keys(settings)) {
      const topic = topicOf(name, prefix)
      const owner = metricName(topic)
      // A stream that is added does not take the topic of one that works.
      if (isLegalTopic(topic) && (!this.#owners.has(owner) || before?.isOwner(name)))
        this.#owners.set(owner, name)
    }
    for (const [name, own] of Object.entries(settings)) {
      if (isExpression(name)) {
        try {
          const expression = provenFast(name.slice(1, -1), inspection)
          this.#expressions.push({ expression, name, settings: own })
        } catch (error) {
          warnings.push(`stream ${quote(name)} is left out: ${(error as Error).message}`)
        }
        continue
      }
      const stream = this.#configured(name, name, own)
      if (stream.problem) warnings.push(`stream ${quote(name)} takes no events: ${stream.problem.message}`)
      this.#streams.set(name, stream)
    }
    this.isIncomplete = inspection.isOver
  }

  /** Reads the text of an answer, JSON or YAML. Throws an Error that says why it is of no use. */
  static read(
    text: string,
    { objectPath, destination, topicPrefix }: TableOptions,
    inspection = new Inspection(),
    before?: StreamTable,
  ): StreamTable {
    const { value: answer, notes } = parse(text)
    if (!isObject(answer)) throw new Error(`the answer is no map but ${quote(answer)}`)
    const error = answer.error ?? (objectPath === undefined ? undefined : listed(answer.errors)?.[0])
    if (isObject(error) && (objectPath !== undefined || !('schema_title' in error)))
      throw new Error(`it answered with an error: ${quote(error.info ?? error.text ?? error.code ?? error)}`)
    const warnings = notes.map(({ path, message }) => `${path} ${message}`)
    if (objectPath !== undefined && (isObject(answer.warnings) || listed(answer.warnings)))
      warnings.push(`its source warns: ${JSON.stringify(answer.warnings).slice(0, 1000)}`)
    const found = objectPath === undefined ? answer : new Field(objectPath).get(answer)
    const all = mapOf(found)
    if (!all) throw new Error(`'.${objectPath ?? ''}' is no map of streams but ${quote(found)}`)
    const kept: [string, Settings][] = []
    for (const [name, settings] of Object.entries(all)) {
      const map = mapOf(settings)
      if (!map) warnings.push(`stream ${quote(name)} is left out: its settings are ${quote(settings)}`)
      else if (isFor(destination, map)) kept.push([name, map])
    }
    if (kept.length === 0) throw new Error('it has no streams')
    return new StreamTable(Object.fromEntries(kept), warnings, topicPrefix, inspection, before)
  }

  /** The stream of this name: an exact one, or else that of the first regular expression that it matches. */
  find(name: string): Configured | undefined {
    const exact = this.#streams.get(name)
    if (exact || this.#expressions.length === 0) return exact
    if (this.#matched.has(name)) return this.#matched.get(name)
    if (!this.isLegal(name)) return undefined
    const found = this.#expressions.find(({ expression }) => expression.test(name))
    const stream = found && this.#configured(name, found.name, found.settings)
    if (this.#matched.size === MAX_MATCHED) this.#matched.clear()
    this.#matched.set(name, stream)
    return stream
  }

  /** Whether a stream of this name could be. */
  isLegal(name: string): boolean {
    return isLegalTopic(name) && isLegalTopic(topicOf(name, this.#prefix))
  }

  /** As they were configured; undefined for a stream that is not. */
  settingsOf(name: string): Settings | undefined {
    return Object.hasOwn(this.settings, name) ? this.settings[name] : this.find(name)?.settings
  }

  /** Whether the topic of this name is its own. */
  isOwner(name: string): boolean {
    return this.#owners.get(metricName(topicOf(name, this.#prefix))) === name
  }

  /** Streams that take no events, because of their name or their settings. */
  get refused(): number {
    return [...this.#streams.values()].filter(({ problem }) => problem).length
  }

  #configured(name: string, as: string, settings: Settings): Configured {
    const owner = this.#owners.get(metricName(topicOf(name, this.#prefix)))
    return configured(name, as, settings, this.#prefix, owner)
  }

  get size(): number {
    return this.#streams.size + this.#expressions.length
  }
}

function parse(text: string): Text {
  try {
    return readText(text, BOUNDS)
  } catch (error) {
    throw new Error(`it cannot be read: ${(error as Error).message}`)
  }
}

function isFor(destination: string | undefined, { destination_event_service: own }: Settings): boolean {
  if (destination === undefined || own === undefined || own === null) return true
  return Array.isArray(own) ? own.includes(destination) : own === destination
}

export function isExpression(name: string): boolean {
  return name.length > 2 && name.startsWith('/') && name.endsWith('/')
}

/** Kafka creates no topic whose name differs from another's in these only, because its metrics know them as one. */
function metricName(topic: string): string {
  return topic.replaceAll('.', '_')
}

/**
 * What one stream's settings come to; `as` is the key under which they stand, and `owner` the configured stream that
 * has the topic of this name.
 */
function configured(
  name: string,
  as: string,
  settings: Settings,
  prefix: string,
  owner: string | undefined,
): Configured {
  const problems: string[] = []
  const topic = topicOf(name, prefix)
  const illegal = isLegalTopic(topic)
    ? owner !== undefined && owner !== name && topicOf(owner, prefix) !== topic
      ? `its topic ${quote(topic)} cannot be beside ${quote(topicOf(owner, prefix))}: Kafka takes . and _ for the same`
      : undefined
    : `${quote(topic)} is not a legal Kafka topic`
  const { schema_title, message_key_fields } = settings
  const producers = mapOf(settings.producers ?? {})
  const own = mapOf(producers?.eventgate ?? {})
  if (!producers || !own) problems.push(`producers.eventgate must be a map, not ${quote(settings.producers)}`)
  return {
    name,
    topic,
    configuredAs: as,
    settings,
    schemaTitle: typeof schema_title === 'string' && schema_title !== '' ? schema_title : undefined,
    key: keyOf(message_key_fields, problems),
    headers: headersOf(own?.enrich_fields_from_http_headers, problems),
    problem: illegal
      ? { code: 'stream_name_illegal', message: illegal }
      : problems.length > 0
        ? { code: 'stream_misconfigured', message: problems.join('; ') }
        : undefined,
  }
}

function keyOf(value: unknown, problems: string[]): Stream['key'] {
  const fields = paths(value, 'message_key_fields', problems)
  if (fields.length > 1 && fields.some(([name]) => /^\d+$/.test(name)))
    problems.push('message_key_fields has a number for a name, and JSON objects keep no order of such')
  return fields.map(([name, path]) => ({ name, field: new Field(path) }))
}

/** `false` switches one off. */
function headersOf(value: unknown, problems: string[]): Stream['headers'] {
  if (value === undefined || value === null) return undefined
  const setting = 'enrich_fields_from_http_headers'
  const on = Object.entries(mapOf(value) ?? { [setting]: value }).filter(([, header]) => header !== false)
  return paths(Object.fromEntries(on), setting, problems).map(([path, header]) => ({
    header: header.toLowerCase(),
    field: new Field(path),
  }))
}

/** A map of names to texts. */
function paths(value: unknown, setting: string, problems: string[]): [string, string][] {
  const map = mapOf(value ?? {})
  const entries = Object.entries(map ?? {})
  if (map && entries.every(([, path]) => typeof path === 'string' && path !== ''))
    return entries as [string, string][]
  problems.push(`${setting} must be a map of names to texts, not ${quote(value)}`)
  return []
}

/** PHP writes an empty map as an empty list. */
function mapOf(value: unknown): Settings | undefined {
  if (Array.isArray(value) && value.length === 0) return {}
  return isObject(value) ? value : undefined
}

/** A list with something in it. MediaWiki writes its warnings and errors so, unless it is asked for older forms. */
function listed(value: unknown): unknown[] | undefined {
  return Array.isArray(value) && value.length > 0 ? value : undefined
}
