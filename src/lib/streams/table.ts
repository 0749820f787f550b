import { quote } from '../errors.js'
import { isObject, type Stream } from '../eventgate.js'
import { Field } from '../field.js'
import { Inspection, provenFast } from '../regexp/safety.js'
import { readText, type Text } from '../yaml.js'
import { mapOf, readSettings, SETTINGS, type Settings, type StreamSettings } from './settings.js'
import { isLegalTopic, metricName, topicOf } from './topic-name.js'

export interface TableOptions {
  /** Dotted path of the map of streams in the answer; undefined if the answer is that map. */
  objectPath: string | undefined
  /** Keeps the streams of this event service and those of every service; undefined keeps all. */
  destination: string | undefined
  topicPrefix: string
}

export type ConfiguredStream = Stream &
  StreamSettings & {
    /** Why it takes no events: no topic can have its name, or its settings are wrong. */
    problem: { code: 'stream_name_illegal' | 'stream_misconfigured'; message: string } | undefined
    /** About settings that are ignored. */
    warnings: readonly string[]
  }

const BOUNDS = { maxValues: 1_000_000, maxDepth: 200 }
/** Names, matched by an expression or not, that are remembered. */
const MAX_MATCHED = 10_000

/** The streams of one answer of the configuration's source. */
export class StreamTable {
  /** The settings by stream, as they were configured. */
  readonly settings: Readonly<Record<string, Settings>>
  /** What an operator should know about. */
  readonly warnings: readonly string[]
  /** Whether a stream is left out only because there was no time to check its expression. */
  readonly isIncomplete: boolean
  readonly #prefix: string
  readonly #streams = new Map<string, ConfiguredStream>()
  readonly #expressions: { expression: RegExp; name: string; settings: Settings; values: StreamSettings }[] =
    []
  readonly #matched = new Map<string, ConfiguredStream | undefined>()
  /** The streams that have a topic, by the topic's name in Kafka's metrics. */
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
      // A new stream does not take the topic of one that works.
      if (isLegalTopic(topic) && (!this.#owners.has(owner) || before?.isOwner(name)))
        this.#owners.set(owner, name)
    }
    for (const [name, own] of Object.entries(settings)) {
      if (isExpression(name)) {
        try {
          const expression = provenFast(name.slice(1, -1), inspection)
          const { values, warnings: more } = readSettings(own)
          this.#expressions.push({ expression, name, settings: own, values })
          warnings.push(...more.map(warning => `stream ${quote(name)}: ${warning}`))
        } catch (error) {
          warnings.push(`stream ${quote(name)} is left out: ${(error as Error).message}`)
        }
        continue
      }
      const stream = this.#configure(name, name, own)
      warnings.push(...stream.warnings.map(warning => `stream ${quote(name)}: ${warning}`))
      if (stream.problem) warnings.push(`stream ${quote(name)} takes no events: ${stream.problem.message}`)
      this.#streams.set(name, stream)
    }
    this.isIncomplete = inspection.isOver
  }

  /** Reads an answer, JSON or YAML. Throws an Error that says why it cannot be used. */
  static read(
    text: string,
    { objectPath, destination, topicPrefix }: TableOptions,
    inspection = new Inspection(),
    before?: StreamTable,
  ): StreamTable {
    const { value: answer, notes } = parse(text)
    if (!isObject(answer)) throw new Error(`the answer is not a map but ${quote(answer)}`)
    const error = answer.error ?? (objectPath === undefined ? undefined : listed(answer.errors)?.[0])
    if (isObject(error) && (objectPath !== undefined || !('schema_title' in error)))
      throw new Error(`it answered with an error: ${quote(error.info ?? error.text ?? error.code ?? error)}`)
    const warnings = notes.map(({ path, message }) => `${path} ${message}`)
    if (objectPath !== undefined && (isObject(answer.warnings) || listed(answer.warnings)))
      warnings.push(`its source warns: ${JSON.stringify(answer.warnings).slice(0, 1000)}`)
    const found = objectPath === undefined ? answer : new Field(objectPath).get(answer)
    const all = mapOf(found)
    if (!all) throw new Error(`'.${objectPath ?? ''}' is not a map of streams but ${quote(found)}`)
    const kept: [string, Settings][] = []
    for (const [name, settings] of Object.entries(all)) {
      const map = mapOf(settings)
      if (!map) warnings.push(`stream ${quote(name)} is left out: its settings are ${quote(settings)}`)
      else if (isFor(destination, map)) kept.push([name, map])
    }
    if (kept.length === 0) throw new Error('it has no streams')
    return new StreamTable(Object.fromEntries(kept), warnings, topicPrefix, inspection, before)
  }

  /** The stream of this name, or else that of the first regular expression that matches the name. */
  find(name: string): ConfiguredStream | undefined {
    const exact = this.#streams.get(name)
    if (exact || this.#expressions.length === 0) return exact
    if (this.#matched.has(name)) return this.#matched.get(name)
    if (!this.isLegal(name)) return undefined
    const found = this.#expressions.find(({ expression }) => expression.test(name))
    const stream = found && this.#configure(name, found.name, found.settings)
    if (this.#matched.size === MAX_MATCHED) this.#matched.clear()
    this.#matched.set(name, stream)
    return stream
  }

  /** Whether a stream may have this name. */
  isLegal(name: string): boolean {
    return isLegalTopic(name) && isLegalTopic(topicOf(name, this.#prefix))
  }

  /** The settings as they were configured; undefined if the stream is not. */
  settingsOf(name: string): Settings | undefined {
    return Object.hasOwn(this.settings, name) ? this.settings[name] : this.find(name)?.settings
  }

  /** Each name and expression that is configured, with its settings. */
  *configured(): Iterable<readonly [configuredAs: string, StreamSettings]> {
    yield* this.#streams
    for (const { name, values } of this.#expressions) yield [name, values]
  }

  /** Whether this stream has its topic. */
  isOwner(name: string): boolean {
    return this.#owners.get(metricName(topicOf(name, this.#prefix))) === name
  }

  /** How many streams take no events because of their name or settings. */
  get refused(): number {
    return [...this.#streams.values()].filter(({ problem }) => problem).length
  }

  /** `configuredAs` is the key of the settings, which may be an expression. */
  #configure(name: string, configuredAs: string, settings: Settings): ConfiguredStream {
    const topic = topicOf(name, this.#prefix)
    const { values, problems, warnings } = readSettings(settings)
    const nameProblem = this.#nameProblem(name, topic)
    return {
      name,
      topic,
      configuredAs,
      settings,
      ...values,
      warnings,
      problem: nameProblem
        ? { code: 'stream_name_illegal', message: nameProblem }
        : problems.length > 0
          ? { code: 'stream_misconfigured', message: problems.join('; ') }
          : undefined,
    }
  }

  #nameProblem(name: string, topic: string): string | undefined {
    if (!isLegalTopic(topic)) return `${quote(topic)} is not a legal Kafka topic`
    const owner = this.#owners.get(metricName(topic)) ?? name
    const other = topicOf(owner, this.#prefix)
    if (owner === name || other === topic) return undefined
    return `its topic ${quote(topic)} cannot exist beside ${quote(other)}: Kafka takes . and _ for the same`
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

function isFor(destination: string | undefined, settings: Settings): boolean {
  const { path, read } = SETTINGS.services
  const services = read(settings[path])
  return destination === undefined || services === undefined || services.includes(destination)
}

export function isExpression(name: string): boolean {
  return name.length > 2 && name.startsWith('/') && name.endsWith('/')
}

/** A list that is not empty. MediaWiki lists its warnings and errors, unless it is asked for older formats. */
function listed(value: unknown): unknown[] | undefined {
  return Array.isArray(value) && value.length > 0 ? value : undefined
}
