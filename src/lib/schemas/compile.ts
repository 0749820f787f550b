import { createRequire } from 'node:module'
import { Ajv, type Options, type ValidateFunction } from 'ajv'
import AjvDraft04Module from 'ajv-draft-04'
import { load as parseYaml } from 'js-yaml'
import traverse from 'json-schema-traverse'
import { GateError } from '../errors.js'
import type { Event, Schema } from '../eventgate.js'
import { asAjv6, type ComplaintOfAjv8, orderOfAjv6, textOf } from './ajv6.js'
import { declares, type JsonSchema } from './declares.js'
import { formats } from './formats.js'

const AjvDraft04 = AjvDraft04Module.default
const require = createRequire(import.meta.url)

/** A schema's document, ready to be compiled or referred to. */
export interface Document {
  uri: string
  dialect: Dialect
  /** Without the identities of its sub-schemas, and with its references absolute. */
  schema: JsonSchema
  /** The URIs of the other documents that it refers to. */
  references: string[]
}

type Dialect = 'draft-04' | 'draft-07'

/** The URIs by which schemas name their dialect, and other schemas refer to its meta-schema. */
const DIALECTS: readonly [RegExp, Dialect][] = [
  [/^https?:\/\/json-schema\.org\/draft-0[67]\/schema#?$/, 'draft-07'],
  [/^https?:\/\/json-schema\.org\/schema#?$/, 'draft-07'],
  [/^https?:\/\/json-schema\.org\/draft-04\/schema#?$/, 'draft-04'],
]

const META_SCHEMAS: Record<Dialect, string> = {
  'draft-04': 'ajv-draft-04/dist/refs/json-schema-draft-04.json',
  'draft-07': 'ajv/lib/refs/json-schema-draft-07.json',
}

/** Errors listed for one event (CONTRACT 1.2). */
const MAX_ERRORS = 16
/**
 * Events of more JSON than this get their first error only: Ajv makes an object for every error, and 10 MB of
 * wrong array items would make gigabytes of them.
 */
const MAX_EXPLAINED_LENGTH = 64 * 1024

/** Unknown keywords, typos among them, must not refuse a schema; patterns are compiled as Ajv 6 did, without the u flag. */
const OPTIONS: Options = {
  strict: false,
  useDefaults: true,
  jsPropertySyntax: true,
  unicodeRegExp: false,
  logger: false,
  formats,
}

/** Turns the text of schemas into what validates events. */
export class Compiler {
  readonly #allowInsecure: boolean
  readonly #metaSchemas: Record<Dialect, Ajv> = {
    'draft-04': new AjvDraft04({ ...OPTIONS, useDefaults: false }) as Ajv,
    'draft-07': new Ajv({ ...OPTIONS, useDefaults: false }),
  }
  readonly #isSecure: ValidateFunction

  constructor({ allowInsecure }: { allowInsecure: boolean }) {
    this.#allowInsecure = allowInsecure
    const secure = new Ajv({ strict: false, allErrors: true, logger: false })
    this.#isSecure = secure.compile(require('ajv/lib/refs/json-schema-secure.json'))
  }

  /** Reads a document, YAML or JSON, told apart by its content. Throws `schema_broken` or `schema_insecure`. */
  read(uri: string, text: string): Document {
    const schema = parse(uri, text)
    const dialect = dialectOf(uri, schema.$schema)
    if (!this.#allowInsecure && !this.#isSecure(schema)) {
      const [first] = this.#isSecure.errors ?? []
      throw new GateError(
        'schema_insecure',
        `schema ${uri} is not secure against slow validation: ${first?.instancePath || '/'} ${first?.message}`,
      )
    }
    const references = new Set<string>()
    traverse(schema as traverse.SchemaObject, (sub: traverse.SchemaObject, pointer: string) => {
      // Identities inside sub-schemas are left-overs of what was merged into them (CONTRACT 3). Anchors are not.
      if (typeof sub.$id === 'string' && !sub.$id.startsWith('#')) delete sub.$id
      if (typeof sub.id === 'string' && !sub.id.startsWith('#')) delete sub.id
      if (pointer === '' || typeof sub.$schema === 'string') delete sub.$schema
      if (typeof sub.$ref !== 'string' || sub.$ref.startsWith('#')) return
      sub.$ref = resolve(uri, sub.$ref)
      const [document = ''] = sub.$ref.split('#')
      if (document === uri) sub.$ref = sub.$ref.slice(uri.length) || '#'
      else references.add(document)
    })
    const meta = this.#metaSchemas[dialect]
    if (!meta.validateSchema(schema)) throw broken(uri, meta.errorsText(meta.errors, { dataVar: '' }))
    return { uri, dialect, schema, references: [...references] }
  }

  /** The meta-schema of a dialect as a document, if that is what a reference means. */
  metaSchema(reference: string): Document | undefined {
    const dialect = DIALECTS.find(([pattern]) => pattern.test(reference))?.[1]
    if (!dialect) return undefined
    const { $id: _$id, id: _id, $schema: _$schema, ...schema }: JsonSchema = require(META_SCHEMAS[dialect])
    return { uri: reference, dialect, schema, references: [] }
  }

  /**
   * Compiles a schema and all that it refers to; takes some 10 ms, during which nothing else runs. Each has an
   * Ajv of its own: no schema can be taken for another's part, and all of it goes when the schema is dropped.
   */
  compile(root: Document, references: ReadonlyMap<string, Document>): Schema {
    const make = (allErrors: boolean): ValidateFunction => {
      const options = { ...OPTIONS, allErrors, meta: false, validateSchema: false }
      const ajv = root.dialect === 'draft-04' ? (new AjvDraft04(options) as Ajv) : new Ajv(options)
      orderOfAjv6(ajv)
      for (const [uri, { schema }] of references) ajv.addSchema(schema, uri)
      try {
        ajv.addSchema(root.schema, root.uri)
        return ajv.getSchema(root.uri) as ValidateFunction
      } catch (error) {
        throw broken(root.uri, (error as Error).message)
      }
    }
    return new CompiledSchema(root, references, make(false), () => make(true))
  }
}

class CompiledSchema implements Schema {
  readonly uri: string
  readonly title: string | undefined
  readonly #isValid: ValidateFunction
  readonly #compileExplaining: () => ValidateFunction
  readonly #declares: (path: string) => boolean
  readonly #declared = new Map<string, boolean>()
  #explain: ValidateFunction | undefined

  constructor(
    { uri, schema }: Document,
    references: ReadonlyMap<string, Document>,
    isValid: ValidateFunction,
    compileExplaining: () => ValidateFunction,
  ) {
    this.uri = uri
    this.title = typeof schema.title === 'string' ? schema.title : undefined
    this.#isValid = isValid
    this.#compileExplaining = compileExplaining
    const documents = (other: string) => (other === uri ? schema : references.get(other)?.schema)
    this.#declares = path => declares(schema, documents, path)
  }

  /** `path` comes from the configuration, never from an event, so that what is remembered is bounded. */
  declares(path: string): boolean {
    let declared = this.#declared.get(path)
    if (declared === undefined) {
      declared = this.#declares(path)
      this.#declared.set(path, declared)
    }
    return declared
  }

  validate(event: Event): void {
    if (this.#isValid(event)) return
    let complaints = this.#isValid.errors
    if (JSON.stringify(event).length <= MAX_EXPLAINED_LENGTH) {
      this.#explain ??= this.#compileExplaining()
      if (!this.#explain(event)) complaints = this.#explain.errors
    }
    const count = complaints?.length ?? 0
    const errors = (complaints ?? [])
      .slice(0, MAX_ERRORS)
      .map(complaint => asAjv6(complaint as ComplaintOfAjv8))
    throw new GateError('validation_failed', textOf(errors), { errors, errorsCount: count })
  }
}

function parse(uri: string, text: string): JsonSchema {
  let value: unknown
  try {
    value = /^\s*[{[]/.test(text) ? parseJsonOrFlow(text) : parseYaml(text)
  } catch (error) {
    throw broken(uri, (error as Error).message.split('\n')[0] as string)
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as JsonSchema
  throw broken(uri, 'it is not an object')
}

/** What begins with a bracket is JSON, or else YAML's flow style. */
function parseJsonOrFlow(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return parseYaml(text)
  }
}

function dialectOf(uri: string, name: unknown): Dialect {
  if (name === undefined) return 'draft-07'
  const dialect = DIALECTS.find(([pattern]) => pattern.test(String(name)))?.[1]
  if (dialect) return dialect
  throw broken(uri, `its dialect ${JSON.stringify(name)} is not supported; draft-07 and draft-04 are`)
}

/** A reference relative to the URI of the schema it stands in. */
function resolve(uri: string, reference: string): string {
  const local = 'schema://repositories'
  const resolved = new URL(reference, new URL(uri, local)).href
  return resolved.startsWith(`${local}/`) ? resolved.slice(local.length) : resolved
}

function broken(uri: string, reason: string): GateError {
  return new GateError('schema_broken', `schema ${uri} cannot be used: ${reason}`)
}
