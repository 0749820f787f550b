import { stat } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { type Code, GateError, quote } from '../errors.js'
import type { Context, Event, Lookups, Schema } from '../eventgate.js'
import type { Mender } from '../explain/repair/repairer.js'
import { Field } from '../field.js'
import { type Asking, NotFound, readText, Unreachable } from '../remote/fetch-text.js'
import { type Reach, Reached } from '../remote/reachability.js'
import { yieldToEventLoop } from '../runtime/event-loop.js'
import type { Note } from '../yaml.js'
import { Catalog, type Listed } from './catalog.js'
import { CompiledSchema, Compiler, type Document, parse, parseNoting } from './compiler.js'
import type { JsonSchema } from './declares.js'
import { looksLikeSchema, otherName } from './identity.js'

export type { Complaint, Mender, SubSchema } from '../explain/repair/repairer.js'
export type { Listed } from './catalog.js'
export type { JsonSchema } from './declares.js'

/** Where schemas come from, and which are taken. */
export interface SchemaOptions extends Asking {
  /** The field of events that names their schema. */
  uriField: string
  /** Tried in order: `file:///…`, a plain path, or `http(s)://…`; with or without a trailing slash. */
  baseUris: readonly string[]
  /** Added to a URI that is not found as it is written, with its dot. */
  fileExtension: string
  allowInsecure: boolean
  /** Whether an event may name its schema by an `http(s)` URI of its own choice. */
  allowAbsoluteUris: boolean
  /** Schemas held. The one that was not used for longest goes first. */
  maxSchemas: number
  /** How long a failure is remembered, milliseconds. */
  failureTtlMs: number
  /** Whether schemas from files are read again when their files change, and failures forgotten: for development. */
  reload?: boolean
  /** Told of what is odd and does no harm. */
  warn?(message: string): void
  /** Told when `reload` has read a schema again. */
  changed?(older: Schema, newer: Schema): void
}

/** A document as it stands at its address. */
interface Found {
  schema: JsonSchema
  notes: readonly Note[]
  address: string
}

interface Held {
  schema: Schema
  used: number
  /** Where its documents were found, and when those that are files were written. */
  addresses: readonly string[]
  stamp: string
}

/** With the repositories, for one schema and all that it refers to: until this time of `performance.now()`. */
interface Patience {
  until: number
}

/** A look for one schema: whether only at files, and whether a remote repository was, or would have been, asked. */
interface RemoteLook {
  readonly isLocal: boolean
  asked: boolean
}

/** Documents being fetched at one time; and loads that wait for their turn, above which they are refused. */
const MAX_LOADING = 16
const MAX_WAITING = 1000
/** Looks at files alone, of one request that may ask remote repositories no more. */
const MAX_LOCAL_LOOKUPS = 100
/** Of reading, checking or compiling a schema; and how long others have after one, at most, milliseconds. */
const LONG_STEP_MS = 5
const MAX_STEP_PAUSE_MS = 100
const MAX_FAILURES = 1000
const MAX_WARNED = 1000
/** Documents that one schema may pull in by `$ref`. */
const MAX_REFERENCES = 100
const MAX_URI_LENGTH = 512
const MAX_DOCUMENT_BYTES = 1024 * 1024

/**
 * Schemas by URI. Hides where they come from, their dialects, references and security, Ajv and the caches.
 *
 * Versions of a schema do not change, so what was once loaded is kept, and survives the repository's outage.
 * Concurrent first uses of a schema load it once.
 */
export class SchemaRepository {
  readonly #options: SchemaOptions
  readonly #uriField: Field
  readonly #compiler: Compiler
  readonly #catalog = new Catalog(text => parse('', text))
  readonly #schemas = new Map<string, Held>()
  readonly #failures = new Map<string, { error: GateError; until: number }>()
  readonly #loading = new Map<string, Promise<void>>()
  readonly #waiting: (() => void)[] = []
  readonly #reached = new Reached()
  readonly #warned = new Set<string>()
  /** What happened so far; failures by code. */
  readonly counts = { hits: 0, misses: 0, compiled: 0, compileMs: 0, failures: new Map<Code, number>() }
  #working: Promise<void> = Promise.resolve()
  #running = 0
  #uses = 0

  constructor(options: SchemaOptions) {
    this.#options = options
    this.#uriField = new Field(options.uriField)
    this.#compiler = new Compiler({ allowInsecure: options.allowInsecure })
  }

  /** How many schemas are held. */
  get size(): number {
    return this.#schemas.size
  }

  /** The repositories, by their base URIs. */
  get repositories(): Reach[] {
    return this.#reached.of(this.#options.baseUris)
  }

  /** What the repositories have: of remote ones only what is held. */
  async list(): Promise<Listed[]> {
    const listed = await this.#catalog.list(this.#options.baseUris)
    for (const [uri, { schema }] of this.#schemas) {
      const held = { uri, title: schema.title ?? null, description: null, examples: 0, repository: '' }
      if (!listed.has(uri)) listed.set(uri, held)
    }
    return [...listed.values()]
  }

  /** What mends events of a schema; undefined for one that is not from here. */
  menderOf(schema: Schema): Mender | undefined {
    return schema instanceof CompiledSchema ? schema.mender : undefined
  }

  /** A schema's document as it stands in its repository. Rejects with a GateError that says why there is none. */
  async show(raw: string): Promise<JsonSchema> {
    const uri = this.#accept(raw)
    if (uri instanceof GateError) throw uri
    return (await this.#find(uri, this.#patience())).schema
  }

  /**
   * Brings the schemas of these events into memory; undefined if all are there. Never rejects: what could not
   * be loaded is remembered, and `schemaFor` throws it.
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

  /** Reads those again whose files have changed; for development. */
  async refresh(): Promise<void> {
    if (this.#options.reload) await this.#reload([...this.#schemas.keys()])
  }

  async #reload(uris: readonly unknown[]): Promise<void> {
    const before: [uri: string, schema: Schema][] = []
    for (const raw of new Set(uris)) {
      const uri = this.#accept(raw)
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

  /** The schema of an event. Throws a GateError that says why there is none. */
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
   * Loads those of these schemas that are not held, as `loadFor` does. Once `lookups` are used up, only from files:
   * then nothing is remembered of those that are in none, because no repository was asked.
   */
  load(uris: Iterable<unknown>, lookups?: Lookups): Promise<void> | undefined {
    let loading: Set<Promise<void>> | undefined
    for (const raw of uris) {
      const uri = this.#accept(raw)
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
    // One promise for all events that name the same schema: there may be thousands of them.
    const [first] = loading
    return loading.size === 1 ? first : Promise.all(loading).then(() => {})
  }

  /** A schema that was loaded. Throws a GateError that says why there is none. */
  get(raw: unknown, lookups?: Lookups): Schema {
    const held = this.#schemas.get(raw as string)
    if (held) {
      held.used = ++this.#uses
      this.counts.hits++
      return held.schema
    }
    const uri = this.#accept(raw)
    if (uri instanceof GateError) throw uri
    // A second spelling of one that is held: without its slash.
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

  /** The URI under which a schema is held, or why it is refused. Nothing else from an event reaches a path or an address. */
  #accept(raw: unknown): string | GateError {
    if (typeof raw !== 'string' || raw === '') {
      return new GateError(
        'schema_uri_missing',
        `'.${this.#uriField.path}' must be a schema's URI, such as "/test/event/1.0.0", not ${quote(raw)}`,
      )
    }
    if (/^https?:\/\//.test(raw)) {
      if (this.#options.allowAbsoluteUris && raw.length <= MAX_URI_LENGTH && URL.canParse(raw)) {
        // Anything satisfies a meta-schema; and a part of a document is no schema of events.
        if (!raw.includes('#') && !this.#compiler.metaSchema(raw)) return raw
        return new GateError('schema_uri_refused', `schema URI ${quote(raw)} names no schema of events`)
      }
      return new GateError(
        'schema_uri_refused',
        `schema URI ${quote(raw)} is absolute: name it as its repository does, such as "/test/event/1.0.0"`,
      )
    }
    const uri = raw.startsWith('/') ? raw : `/${raw}`
    if (raw.length <= MAX_URI_LENGTH && /^(?:\/(?!\.{1,2}(?:\/|$))[A-Za-z0-9._~@+-]+)+$/.test(uri)) return uri
    return new GateError('schema_uri_refused', `schema URI ${quote(raw)} is not of the form "/title/version"`)
  }

  #start(uri: string, lookups?: Lookups): Promise<void> {
    const isLocal = lookups !== undefined && lookups.left <= 0
    if (lookups) lookups.left--
    const asking = { isLocal, asked: false }
    this.counts.misses++
    const loading = this.#turn()
      .then(() => this.#fetch(uri, asking).finally(() => this.#next()))
      .then(
        held => this.#hold(uri, held),
        thrown => {
          if (!isLocal || !asking.asked) this.#remember(uri, GateError.from(thrown))
          else lookups.denied = true
        },
      )
      .finally(() => {
        if (!isLocal) this.#loading.delete(uri)
        // Only what a remote repository is asked for counts.
        if (lookups && !asking.asked) lookups.left++
      })
    // Another request may ask the repositories: it must not share a look at the files alone.
    if (!isLocal) this.#loading.set(uri, loading)
    return loading
  }

  async #turn(): Promise<void> {
    if (this.#running < MAX_LOADING) {
      this.#running++
    } else {
      await new Promise<void>(resolve => this.#waiting.push(resolve))
    }
  }

  #next(): void {
    const waiting = this.#waiting.shift()
    if (waiting) waiting()
    else this.#running--
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

  async #fetch(uri: string, asking: RemoteLook): Promise<Omit<Held, 'used'>> {
    const patience = this.#patience()
    const root = await this.#document(uri, patience, asking)
    const references = new Map<string, Document>()
    const open = [root]
    for (let document = open.pop(); document; document = open.pop()) {
      for (const reference of document.references) {
        if (reference === uri || references.has(reference)) continue
        if (references.size === MAX_REFERENCES) {
          throw new GateError('schema_broken', `schema ${uri} refers to more than ${MAX_REFERENCES} others`)
        }
        const found =
          this.#compiler.metaSchema(reference) ?? (await this.#reference(reference, document, uri, patience))
        if (!found) continue
        references.set(reference, found)
        open.push(found)
      }
    }
    await this.#turnToWork(patience)
    const begun = performance.now()
    let schema: Schema
    try {
      schema = this.#compiler.compile(root, references)
    } finally {
      this.counts.compiled++
      this.counts.compileMs += performance.now() - begun
    }
    const addresses = [root, ...references.values()].flatMap(({ address }) => address ?? [])
    return { schema, addresses, stamp: this.#options.reload ? await stampOf(addresses) : '' }
  }

  /** Undefined where there is no such document, and a part of the one that refers to it is meant. */
  async #reference(
    reference: string,
    { nested }: Document,
    from: string,
    patience: Patience,
  ): Promise<Document | undefined> {
    const uri = this.#accept(reference)
    let reason = ', which is in no repository'
    if (uri instanceof GateError) reason = `: ${uri.message}`
    else {
      const found = await this.#document(uri, patience).catch(error => {
        if (error instanceof GateError && error.code === 'schema_not_found') return undefined
        throw error
      })
      if (found) return found
    }
    const meant = nested?.get(reference)
    for (const { sub, inside } of meant ?? []) sub.$ref = inside
    if (meant) return undefined
    throw new GateError('schema_broken', `schema ${from} refers to ${quote(reference)}${reason}`)
  }

  /**
   * Nothing else runs while a schema is read, checked or compiled: one such step at most in a turn of the event loop,
   * and after a long one others have as much time. Time spent in line for it is no repository's fault.
   */
  async #turnToWork(patience: Patience): Promise<void> {
    const begun = performance.now()
    this.#working = this.#working.then(afterOthers)
    await this.#working
    patience.until += performance.now() - begun
  }

  /** All look-ups of one schema share the patience with one. */
  #patience(): Patience {
    return { until: performance.now() + this.#options.timeoutMs }
  }

  async #document(uri: string, patience: Patience, look?: RemoteLook): Promise<Document> {
    const { schema, notes, address } = await this.#find(uri, patience, look)
    await this.#turnToWork(patience)
    const document = this.#compiler.document(uri, schema)
    for (const { path, message } of notes) this.#warn(`schema ${uri}: ${path} ${message}`)
    for (const warning of document.warnings ?? []) this.#warn(`schema ${uri}: ${warning}`)
    return { ...document, address }
  }

  /**
   * The first repository that has it wins. One that cannot be asked may have it, unless a later one does: while
   * one does not answer the next is asked already.
   */
  async #find(uri: string, patience: Patience, look?: RemoteLook): Promise<Found> {
    const absolute = /^https?:/.test(uri)
    const { baseUris, fileExtension, timeoutMs } = this.#options
    const names = absolute || /\.(ya?ml|json)$/.test(uri) ? [uri] : [uri, uri + fileExtension]
    const places = (absolute ? [''] : baseUris).flatMap(base => names.map(name => ({ base, name })))
    const asked: Promise<Found | NotFound | Unreachable>[] = []
    for (const { base, name } of places) {
      const isRemote = /^https?:/.test(join(base, name))
      if (look && isRemote) {
        look.asked = true
        if (look.isLocal) break
      }
      const reading = readLinked(base, name, this.#options, patience)
      const asking = reading.then(text => this.#heed(text, base, name, uri, patience))
      asked.push(asking)
      // A file that is late says that this process is: to ask a registry as well would not help.
      const isThere = await (isRemote ? within(reading, timeoutMs / places.length) : reading)
      const found = isThere === undefined ? undefined : await asking
      if (found && !(found instanceof NotFound || found instanceof Unreachable)) break
    }
    let unreachable: Unreachable | undefined
    for (const asking of asked) {
      const found = await asking
      if (found instanceof Unreachable) unreachable ??= found
      else if (!(found instanceof NotFound)) return found
    }
    if (unreachable) {
      throw new GateError('schema_unavailable', `schema ${uri} could not be fetched: ${unreachable.message}`)
    }
    throw new GateError('schema_not_found', `schema ${uri} is in none of the repositories`)
  }

  /** What was read in one place. Rejects with a GateError for a file that is no schema; a remote one may be another's answer. */
  async #heed(
    text: string | NotFound | Unreachable,
    base: string,
    name: string,
    uri: string,
    patience: Patience,
  ): Promise<Found | NotFound | Unreachable> {
    if (typeof text === 'string') await this.#turnToWork(patience)
    const found = typeof text === 'string' ? this.#judge(uri, text, join(base, name)) : text
    if (found instanceof Unreachable) this.#reached.failed(base, found.message)
    else this.#reached.answered(base)
    return found
  }

  #judge(uri: string, text: string, address: string): Found | Unreachable {
    const isRemote = /^https?:/.test(address)
    let found: ReturnType<typeof parseNoting>
    try {
      found = parseNoting(uri, text)
    } catch (error) {
      if (!isRemote) throw error
      return new Unreachable(`${address} answered with what is no schema: ${(error as Error).message}`)
    }
    const { schema } = found
    if (isRemote && !looksLikeSchema(uri, schema))
      return new Unreachable(`${address} answered with what is no schema: it has no keyword of one`)
    const name = otherName(uri, schema)
    if (name !== undefined && isRemote)
      return new Unreachable(`${address} answered with another schema, ${quote(name)}`)
    if (name !== undefined) this.#warn(`schema ${uri} calls itself ${quote(name)} in ${address}`)
    return { ...found, address }
  }

  /** Once: a document that others refer to is read with each of them. */
  #warn(message: string): void {
    if (this.#warned.has(message)) return
    if (this.#warned.size === MAX_WARNED) this.#warned.clear()
    this.#warned.add(message)
    this.#options.warn?.(message)
  }
}

/** What a promise comes to in this time; undefined if it takes longer. */
async function within<T>(promise: Promise<T>, ms: number): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<undefined>(resolve => {
    timer = setTimeout(resolve, ms, undefined)
  })
  return Promise.race([promise, late]).finally(() => clearTimeout(timer))
}

/**
 * Where git cannot make symbolic links it writes the name of their target into a file, and so do HTTP views of
 * repositories; `1.0.0` is a link to `1.0.0.yaml`.
 */
async function readLinked(
  base: string,
  path: string,
  asking: Asking,
  patience: Patience,
): ReturnType<typeof readText> {
  const read = (path: string) => {
    const timeoutMs = Math.max(1, Math.ceil(patience.until - performance.now()))
    return readText(join(base, path), MAX_DOCUMENT_BYTES, { ...asking, timeoutMs })
  }
  const found = await read(path)
  if (typeof found !== 'string' || !/^[\w.~@+-]{1,200}\.(?:ya?ml|json)\s*$/.test(found)) return found
  return read(path.replace(/[^/]*$/, found.trim()))
}

/** Waits for the next turn of the event loop, and as long again as this one took, if it was long. */
async function afterOthers(): Promise<void> {
  const began = performance.now()
  await yieldToEventLoop()
  const took = performance.now() - began
  if (took > LONG_STEP_MS) await delay(Math.min(took, MAX_STEP_PAUSE_MS))
}

/** When these files were written; of what is no file nothing is known. */
async function stampOf(addresses: readonly string[]): Promise<string> {
  const stamps = addresses.map(async address => {
    if (/^https?:/.test(address)) return ''
    const path = address.startsWith('file:') ? fileURLToPath(address) : address
    return stat(path).then(
      ({ mtimeMs, size }) => `${mtimeMs} ${size}`,
      () => 'gone',
    )
  })
  return (await Promise.all(stamps)).join()
}

function join(base: string, uri: string): string {
  return base === '' ? uri : base.replace(/\/+$/, '') + uri
}
