import { GateError, quote } from '../errors.js'
import { type CompiledSchema, compile } from './compiler.js'
import { type Document, DocumentReader } from './document.js'
import { type Deadline, Pacer } from './pacer.js'
import { type Found, type Look, SchemaSources, type SourceOptions } from './sources.js'
import { schemaUri, type UriRules } from './uri.js'

export interface LoaderOptions extends SourceOptions, UriRules {
  allowInsecure: boolean
  /** Told of what is odd and does no harm. */
  warn?(message: string): void
}

/** A compiled schema, and where its documents were found. */
export interface Loaded {
  schema: CompiledSchema
  addresses: readonly string[]
}

/** Documents that one schema may pull in by `$ref`. */
const MAX_REFERENCES = 100
const MAX_WARNED = 1000

/** Fetches a schema with all that it refers to, and compiles it. */
export class SchemaLoader {
  readonly sources: SchemaSources
  readonly #options: LoaderOptions
  readonly #reader: DocumentReader
  readonly #pacer = new Pacer()
  readonly #warned = new Set<string>()

  constructor(options: LoaderOptions) {
    this.#options = options
    this.#reader = new DocumentReader(options)
    this.sources = new SchemaSources(options, this.#pacer, message => this.#warn(message))
  }

  /** `tellCompileMs` is told how long compiling took, even if it fails. Rejects with a GateError. */
  async load(uri: string, look: Look, tellCompileMs: (ms: number) => void): Promise<Loaded> {
    const deadline = this.#deadline()
    const root = await this.#document(uri, deadline, look)
    const references = await this.#referencesOf(root, deadline)
    await this.#pacer.wait(deadline)
    const begun = performance.now()
    try {
      const addresses = [root, ...references.values()].flatMap(({ address }) => address ?? [])
      return { schema: compile(root, references), addresses }
    } finally {
      tellCompileMs(performance.now() - begun)
    }
  }

  /** A schema's document as it stands in its repository. Rejects with a GateError. */
  find(uri: string): Promise<Found> {
    return this.sources.find(uri, this.#deadline())
  }

  /** All look-ups of one schema share the time for one. */
  #deadline(): Deadline {
    return { until: performance.now() + this.#options.timeoutMs }
  }

  async #document(uri: string, deadline: Deadline, look?: Look): Promise<Document> {
    const { schema, notes, address } = await this.sources.find(uri, deadline, look)
    await this.#pacer.wait(deadline)
    const document = this.#reader.check(uri, schema)
    for (const { path, message } of notes) this.#warn(`schema ${uri}: ${path} ${message}`)
    for (const warning of document.warnings ?? []) this.#warn(`schema ${uri}: ${warning}`)
    return { ...document, address }
  }

  /** All documents that a schema refers to, directly or not. */
  async #referencesOf(root: Document, deadline: Deadline): Promise<Map<string, Document>> {
    const { uri } = root
    const references = new Map<string, Document>()
    const open = [root]
    for (let document = open.pop(); document; document = open.pop()) {
      for (const reference of document.references) {
        if (reference === uri || references.has(reference)) continue
        if (references.size === MAX_REFERENCES)
          throw new GateError('schema_broken', `schema ${uri} refers to more than ${MAX_REFERENCES} others`)
        const found =
          this.#reader.metaSchema(reference) ?? (await this.#reference(reference, document, uri, deadline))
        if (!found) continue
        references.set(reference, found)
        open.push(found)
      }
    }
    return references
  }

  /** Undefined if there is no such document, and a part of the referring one is meant. */
  async #reference(
    reference: string,
    { nested }: Document,
    from: string,
    deadline: Deadline,
  ): Promise<Document | undefined> {
    const uri = schemaUri(reference, this.#options)
    let reason = ', which is in no repository'
    if (uri instanceof GateError) reason = `: ${uri.message}`
    else {
      const found = await this.#document(uri, deadline).catch(error => {
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

  /** Warns once: a document that others refer to is read with each of them. */
  #warn(message: string): void {
    if (this.#warned.has(message)) return
    if (this.#warned.size === MAX_WARNED) this.#warned.clear()
    this.#warned.add(message)
    this.#options.warn?.(message)
  }
}
