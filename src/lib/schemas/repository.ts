import { type Code, GateError } from '../errors.js'
import type { Context, Event, Lookups, Schema } from '../eventgate.js'
import { Field } from '../field.js'
import type { RemoteState } from '../remote/reachability.js'
import { WeightedSemaphore } from '../runtime/semaphore.js'
import { Catalog, type Listed } from './catalog.js'
import { parse } from './document.js'
import type { JsonSchema } from './json-schema.js'
import { type Loaded, type LoaderOptions, SchemaLoader } from './loader.js'
import { type Look, stampOf } from './sources.js'
import { schemaUri } from './uri.js'

/** Where schemas come from, and which are taken. */
export interface SchemaOptions extends LoaderOptions {
  /** Schemas held. The least recently used one goes first. */
  maxSchemas: number
  /** How long a failure is remembered (ms). */
  failureTtlMs: number
  /** For development: schemas are read again when their files change, and failures are forgotten. */
  reload?: boolean
  /** Told when `reload` has read a schema again. */
  changed?(older: Schema, newer: Schema): void
}

interface Held extends Loaded {
  used: number
  /** When its documents that are files were written. */
  stamp: string
}

/** Schemas loaded at one time, and loads that wait; further ones are refused. */
const MAX_LOADING = 16
const MAX_WAITING = 1000
/** Looks at files alone, of a request that may not ask remote repositories any more. */
const MAX_LOCAL_LOOKUPS = 100
const MAX_FAILURES = 1000

/**
 * Schemas by URI. Hides where they come from, their dialects, references and security, Ajv and the caches.
 *
 * A version of a schema does not change. So a loaded schema is kept and survives an outage of its repository.
 * Concurrent first uses of a schema load it once.
 */
export class SchemaRepository {
  readonly #options: SchemaOptions
  readonly #uriField: Field
  readonly #loader: SchemaLoader
  readonly #catalog = new Catalog(text => parse('', text).schema)
  readonly #schemas = new Map<string, Held>()
  readonly #failures = new Map<string, { error: GateError; until: number }>()
  readonly #loading = new Map<string, Promise<void>>()
  readonly #loads = new WeightedSemaphore(MAX_LOADING)
  /** What happened so far; failures by code. */
  readonly counts = { hits: 0, misses: 0, compiled: 0, compileMs: 0, failures: new Map<Code, number>() }
  #uses = 0

  constructor(options: SchemaOptions) {
    this.#options = options
    this.#uriField = new Field(options.uriField)
    this.#loader = new SchemaLoader(options)
  }

  /** How many schemas are held. */
  get size(): number {
    return this.#schemas.size
  }

  /** The repositories, by their base URIs. */
  get repositories(): RemoteState[] {
    return this.#loader.sources.states
  }

  /** The schemas of the repositories; of remote ones only those in memory. */
  async list(): Promise<Listed[]> {
    const listed = await this.#catalog.list(this.#options.baseUris)
    for (const [uri, { schema }] of this.#schemas) {
      const held = { uri, title: schema.title ?? null, description: null, examples: 0, repository: '' }
      if (!listed.has(uri)) listed.set(uri, held)
    }
    return [...listed.values()]
  }

  /** A schema's document as it stands in its repository. Rejects with a GateError if there is no such schema. */
  async show(raw: string): Promise<JsonSchema> {
    const uri = schemaUri(raw, this.#options)
    if (uri instanceof GateError) throw uri
    return (await this.#loader.find(uri)).schema
  }

  /**
   * Brings the schemas of these events into memory; undefined if all are there. Never rejects: failures are
   * remembered, and `schemaFor` throws them.
   */
  loadFor(events: readonly unknown[], context: Context): Promise<void> | undefined {
    let cold: Set<unknown> | undefined
    for (const event of events) {
      const uri = this.#uriOf(event as Event, context)
      if (this.#schemas.has(uri as string)) continue
      cold ??= new Set()
      cold.add(uri)
    }
    if (this.#options.reload) return this.#reload(events.map(event => this.#uriOf(event as Event, context)))
    return cold && this.load(cold, context.lookups)
  }

  /** For development: reads schemas again whose files have changed. */
  async refresh(): Promise<void> {
    if (this.#options.reload) await this.#reload([...this.#schemas.keys()])
  }

  async #reload(uris: readonly unknown[]): Promise<void> {
    const before: [uri: string, schema: Schema][] = []
    for (const raw of new Set(uris)) {
      const uri = schemaUri(raw, this.#options)
      if (uri instanceof GateError) continue
      this.#failures.delete(uri)
      const held = this.#schemas.get(uri)
      if (!held || held.stamp === (await stampOf(held.addresses))) continue
      if (this.#schemas.delete(uri)) before.push([uri, held.schema])
    }
    await this.load(uris)
    for (const [uri, older] of before) {
      const newer = this.#schemas.get(uri)?.schema
      if (newer) this.#options.changed?.(older, newer)
    }
  }

  /** The schema of an event. Throws a GateError that says why it is not available. */
  schemaFor(event: Event, context: Context): Schema {
    const uri = this.#uriOf(event, context)
    if (uri !== undefined) return this.get(uri, context.lookups)
    throw new GateError(
      'schema_uri_missing',
      `'.${this.#uriField.path}' must name the event's schema, such as "/test/event/1.0.0"`,
    )
  }

  #uriOf(event: Event, context: Context): unknown {
    return (
      (typeof event === 'object' && event !== null ? this.#uriField.get(event) : undefined) ??
      context.schemaUri
    )
  }

  /**
   * Loads those of these schemas that are not held, as `loadFor` does. If no `lookups` are left, it reads files only
   * and remembers no failures, because no repository was asked.
   */
  load(uris: Iterable<unknown>, lookups?: Lookups): Promise<void> | undefined {
    let loading: Set<Promise<void>> | undefined
    for (const raw of uris) {
      const uri = schemaUri(raw, this.#options)
      if (uri instanceof GateError || this.#schemas.has(uri)) continue
      const failure = this.#failures.get(uri)
      if (failure && failure.until > Date.now()) continue
      const started = this.#loading.get(uri)
      if (!started && this.#loading.size >= MAX_LOADING + MAX_WAITING) continue
      if (!started && lookups && lookups.left <= -MAX_LOCAL_LOOKUPS) {
        lookups.denied = true
        continue
      }
      loading ??= new Set()
      loading.add(started ?? this.#start(uri, lookups))
    }
    if (!loading) return undefined
    // One promise for all events that name the same schema, of which there may be thousands.
    const [first] = loading
    return loading.size === 1 ? first : Promise.all(loading).then(() => {})
  }

  /** A schema that was loaded. Throws a GateError that says why it is not available. */
  get(raw: unknown, lookups?: Lookups): Schema {
    const held = this.#schemas.get(raw as string)
    if (held) {
      held.used = ++this.#uses
      this.counts.hits++
      return held.schema
    }
    const uri = schemaUri(raw, this.#options)
    if (uri instanceof GateError) throw uri
    // A schema may be named without its leading slash.
    if (uri !== raw) return this.get(uri, lookups)
    const failure = this.#failures.get(uri)?.error
    if (failure) throw failure
    throw lookups && lookups.left <= 0
      ? new GateError(
          'schema_lookups_exceeded',
          `the request names too many schemas that are not in memory, ${uri} among them: send the event again`,
        )
      : new GateError(
          'schema_unavailable',
          `too many schemas are needed at once for ${uri}: send the event again`,
        )
  }

  #start(uri: string, lookups?: Lookups): Promise<void> {
    const isLocal = lookups !== undefined && lookups.left <= 0
    if (lookups) lookups.left--
    const look = { isLocal, asked: false }
    this.counts.misses++
    const loading = this.#load(uri, look)
      .then(
        held => this.#hold(uri, held),
        thrown => {
          if (!isLocal || !look.asked) this.#remember(uri, GateError.from(thrown))
          else lookups.denied = true
        },
      )
      .finally(() => {
        if (!isLocal) this.#loading.delete(uri)
        // Only look-ups in remote repositories count.
        if (lookups && !look.asked) lookups.left++
      })
    // Another request may ask the repositories: it must not share a look at the files alone.
    if (!isLocal) this.#loading.set(uri, loading)
    return loading
  }

  async #load(uri: string, look: Look): Promise<Omit<Held, 'used'>> {
    await this.#loads.acquire(1, Infinity)
    try {
      const loaded = await this.#loader.load(uri, look, ms => {
        this.counts.compiled++
        this.counts.compileMs += ms
      })
      return { ...loaded, stamp: this.#options.reload ? await stampOf(loaded.addresses) : '' }
    } finally {
      this.#loads.release(1)
    }
  }

  #hold(uri: string, held: Omit<Held, 'used'>): void {
    this.#failures.delete(uri)
    this.#schemas.set(uri, { ...held, used: ++this.#uses })
    if (this.#schemas.size <= this.#options.maxSchemas) return
    let idlest: [string, number] = ['', Infinity]
    for (const [held, { used }] of this.#schemas) if (used < idlest[1]) idlest = [held, used]
    this.#schemas.delete(idlest[0])
  }

  #remember(uri: string, error: GateError): void {
    const { failures } = this.counts
    failures.set(error.code, (failures.get(error.code) ?? 0) + 1)
    this.#failures.delete(uri)
    this.#failures.set(uri, { error, until: Date.now() + this.#options.failureTtlMs })
    if (this.#failures.size > MAX_FAILURES)
      this.#failures.delete(this.#failures.keys().next().value as string)
  }
}
