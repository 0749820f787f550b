import { createRequire } from 'node:module'
import { Ajv, type Options, type ValidateFunction } from 'ajv'
import AjvDraft04Module from 'ajv-draft-04'
import traverse from 'json-schema-traverse'
import { cut, type Details, GateError, quote, type SchemaError } from '../errors.js'
import { type Event, isObject, type Schema } from '../eventgate.js'
import { freed } from '../explain/repair/free.js'
import { Mender } from '../explain/repair/repairer.js'
import { guarded } from '../regexp/linear.js'
import { OutOfTime, slowPattern } from '../regexp/safety.js'
import { type Note, readText } from '../yaml.js'
import { asAjv6, behaveAsAjv6, type ComplaintOfAjv8, textOf } from './ajv6.js'
import { declares, type JsonSchema } from './declares.js'
import { formats } from './formats.js'
import { Effort, lengthUpTo, makeLinear, makeUniqueItemsLinear, TooManySteps } from './linear.js'
import { type References, resolveReferences } from './references.js'
import { suspectsOf } from './suspects.js'

const AjvDraft04 = AjvDraft04Module.default
const require = createRequire(import.meta.url)

/** A schema's document, ready to be compiled or referred to. */
export interface Document {
  uri: string
  /** As draft-07, whatever its dialect, without the identities of its sub-schemas, and with its references absolute. */
  schema: JsonSchema
  /** The URIs of the other documents that it refers to. */
  references: string[]
  /** What is meant by one of them where there is no such document. */
  nested?: References['nested']
  /** What an operator should know about. */
  warnings?: string[]
  /** Where it was found. */
  address?: string
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

/** Errors listed for one event (docs/contract.md 1.2), and the characters of all of them and of their text. */
const MAX_ERRORS = 16
const MAX_ERRORS_LENGTH = 16 * 1024
/** Of an event's only complaint, once its request has had its details. */
const MAX_SHORT_MESSAGE = 200
/**
 * Events of more JSON than this get their first error only: Ajv makes an object for every error, and 10 MB of
 * wrong array items would make gigabytes of them.
 */
const MAX_EXPLAINED_LENGTH = 64 * 1024

/** Bounds of a document, with what its YAML aliases stand for written out. */
const BOUNDS = { maxValues: 100_000, maxDepth: 200 }

/**
 * Unknown keywords, typos among them, must not refuse a schema; patterns are compiled as Ajv 6 did, without the u
 * flag; and what stands beside a `$ref` means nothing in these dialects.
 */
const OPTIONS: Options = {
  strict: false,
  useDefaults: true,
  jsPropertySyntax: true,
  unicodeRegExp: false,
  ignoreKeywordsWithRef: true,
  logger: false,
  formats,
  // `code` is for validators that are written out, which these are not.
  code: { regExp: Object.assign(guarded, { code: '' }) },
}

/**
 * What every object has of its prototype. To Ajv, as to Ajv 6, an event without a field `constructor` has one, a
 * function: required, it is never missed; declared as a text, it is of the wrong type. The option `ownProperties`
 * mends that, and makes validation of production's examples take 1.4 times as long: it is set for schemas with
 * such a name in them only.
 */
const OF_PROTOTYPE = new RegExp(`"(${Object.getOwnPropertyNames(Object.prototype).join('|')})"`)

function speaksOfPrototype({ schema }: Document): boolean {
  return OF_PROTOTYPE.test(JSON.stringify(schema))
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
    for (const ajv of Object.values(this.#metaSchemas)) makeUniqueItemsLinear(ajv)
    const secure = new Ajv({ strict: false, allErrors: true, logger: false, validateSchema: false })
    this.#isSecure = secure.compile(require('ajv/lib/refs/json-schema-secure.json'))
  }

  /** Reads a document, YAML or JSON, told apart by its content. Throws `schema_broken` or `schema_insecure`. */
  read(uri: string, text: string): Document {
    return this.document(uri, parse(uri, text))
  }

  /** The same for what was parsed, which it changes. */
  document(uri: string, schema: JsonSchema): Document {
    const dialect = dialectOf(uri, schema.$schema)
    if (!this.#allowInsecure) this.#refuseSlow(uri, schema)
    const warnings = suspectsOf(schema)
    const { others, nested } = referencesOf(uri, schema)
    const meta = this.#metaSchemas[dialect]
    if (!meta.validateSchema(schema)) throw broken(uri, meta.errorsText(meta.errors, { dataVar: '' }))
    mergeLimits(schema)
    declareProto(schema)
    return { uri, schema, references: others, nested, warnings }
  }

  /** Unbounded strings, and expressions that may be slow on bounded ones. */
  #refuseSlow(uri: string, schema: JsonSchema): void {
    if (!this.#isSecure(schema)) {
      const [first] = this.#isSecure.errors ?? []
      throw insecure(uri, `${first?.instancePath || '/'} ${first?.message}`)
    }
    const slow = slowPattern(patternsOf(uri, schema))
    if (slow instanceof OutOfTime) {
      const message = `the patterns of schema ${uri} are still being looked at: send the event again`
      throw new GateError('schema_unavailable', message)
    }
    if (slow !== undefined) throw insecure(uri, `its pattern ${quote(slow)} may take very long`)
  }

  /** The meta-schema of a dialect as a document, if that is what a reference means. */
  metaSchema(reference: string): Document | undefined {
    const dialect = DIALECTS.find(([pattern]) => pattern.test(reference))?.[1]
    if (!dialect) return undefined
    const {
      $id: _$id,
      id: _id,
      $schema: _$schema,
      ...schema
    } = structuredClone(require(META_SCHEMAS[dialect]))
    mergeLimits(schema)
    // They are those of a schema that leaves a keyword out, and not to be written into an event.
    traverse(schema, (sub: traverse.SchemaObject) => void delete sub.default)
    return { uri: reference, schema, references: [] }
  }

  /**
   * Compiles a schema and all that it refers to; takes some 10 ms, during which nothing else runs. Each has an
   * Ajv of its own: no schema can be taken for another's part, and all of it goes when the schema is dropped.
   */
  compile(root: Document, references: ReadonlyMap<string, Document>): CompiledSchema {
    const ownProperties = [root, ...references.values()].some(speaksOfPrototype)
    const addsNames = [root, ...references.values()].some(({ schema }) =>
      JSON.stringify(schema).includes('"default"'),
    )
    const effort = new Effort({ addsNames })
    const make = (allErrors: boolean): ValidateFunction => {
      const ajv = new Ajv({ ...OPTIONS, allErrors, ownProperties, meta: false, validateSchema: false })
      makeLinear(ajv, effort)
      behaveAsAjv6(ajv)
      try {
        for (const [uri, { schema }] of references) ajv.addSchema(schema, uri)
        ajv.addSchema(root.schema, root.uri)
        return ajv.getSchema(root.uri) as ValidateFunction
      } catch (error) {
        throw broken(root.uri, (error as Error).message)
      }
    }
    return new CompiledSchema(root, references, effort, make(false), () => make(true))
  }
}

export class CompiledSchema implements Schema {
  readonly uri: string
  readonly title: string | undefined
  readonly #effort: Effort
  readonly #isValid: ValidateFunction
  readonly #compileExplaining: () => ValidateFunction
  readonly #declares: (path: string) => boolean
  readonly #declared = new Map<string, boolean>()
  readonly #makeMender: () => Mender
  #explain: ValidateFunction | undefined
  #mender: Mender | undefined

  constructor(
    { uri, schema }: Document,
    references: ReadonlyMap<string, Document>,
    effort: Effort,
    isValid: ValidateFunction,
    compileExplaining: () => ValidateFunction,
  ) {
    this.uri = uri
    this.title = typeof schema.title === 'string' ? schema.title : undefined
    this.#effort = effort
    this.#isValid = isValid
    this.#compileExplaining = compileExplaining
    const documents = (other: string) => (other === uri ? schema : references.get(other)?.schema)
    this.#makeMender = () => {
      const all = [{ uri, schema }, ...[...references].map(([uri, { schema }]) => ({ uri, schema }))]
      const free = new Map(all.map(({ uri, schema }) => [uri, freed(uri, schema)]))
      return new Mender(uri, free, OPTIONS)
    }
    this.#declares = path => declares(schema, documents, path)
  }

  /** What mends events; made when it is first asked for, which takes some 20 ms. */
  get mender(): Mender {
    this.#mender ??= this.#makeMender()
    return this.#mender
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

  /** `details`: what its request may still cost by explanations, where it shares that with other events. */
  validate(event: Event, details?: Details): void {
    const complaints = this.#complaints(event, details)
    if (!complaints) return
    const isShort = details !== undefined && details.left <= 0
    const errors = listOf(complaints as ComplaintOfAjv8[])
    const text = textOf(errors)
    if (details) details.left -= text.length + lengthOf(errors)
    throw new GateError('validation_failed', isShort ? cut(text, MAX_SHORT_MESSAGE) : text, {
      errors: isShort ? [] : errors,
      errorsCount: complaints.length,
    })
  }

  #complaints(event: Event, details: Details | undefined): ValidateFunction['errors'] {
    if (this.#holds(this.#isValid, event, false)) return undefined
    const first = take(this.#isValid)
    if (details && details.left <= 0) return first
    const length = lengthUpTo(event, MAX_EXPLAINED_LENGTH)
    if (details) details.left -= length
    if (length > MAX_EXPLAINED_LENGTH) return first
    this.#explain ??= this.#compileExplaining()
    try {
      return this.#holds(this.#explain, event, true) ? first : take(this.#explain)
    } catch (error) {
      // To find all complaints may take more than to find one.
      if (error instanceof GateError) return first
      throw error
    }
  }

  #holds(validate: ValidateFunction, event: Event, findsAll: boolean): boolean {
    this.#effort.begin(findsAll)
    try {
      return validate(event) as boolean
    } catch (error) {
      if (error instanceof RangeError) throw broken(this.uri, 'it refers to itself without end')
      if (error instanceof TooManySteps)
        throw insecure(this.uri, 'there are too many ways through it for this event')
      throw error
    } finally {
      this.#effort.end()
    }
  }
}

/** What a validator complains of; it would remember it until it is asked again. */
function take(validate: ValidateFunction): NonNullable<ValidateFunction['errors']> {
  const errors = validate.errors ?? []
  validate.errors = null
  return errors
}

/** The first complaints: as many as the bounds allow, and at least one. */
function listOf(complaints: readonly ComplaintOfAjv8[]): SchemaError[] {
  const errors: SchemaError[] = []
  let room = MAX_ERRORS_LENGTH
  for (const complaint of complaints.slice(0, MAX_ERRORS)) {
    const error = asAjv6(complaint)
    room -= lengthOf([error]) + error.dataPath.length + error.message.length
    if (room < 0 && errors.length > 0) break
    errors.push(error)
  }
  return errors
}

function lengthOf(errors: readonly SchemaError[]): number {
  return JSON.stringify(errors).length
}

const UNHEEDED = /^examples\b|(?:^|\.)(?:title|description|\$comment)$/

/** A document as it stands in its repository. Throws `schema_broken`. */
export function parse(uri: string, text: string): JsonSchema {
  return parseNoting(uri, text).schema
}

/** As `parse`, with what readers of YAML disagree on; of what events are not held against nothing is said. */
export function parseNoting(uri: string, text: string): { schema: JsonSchema; notes: Note[] } {
  try {
    const { value, notes } = readText(text, BOUNDS)
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      throw new Error('it is not an object')
    return { schema: value as JsonSchema, notes: notes.filter(({ path }) => !UNHEEDED.test(path)) }
  } catch (error) {
    throw broken(uri, (error as Error).message)
  }
}

function dialectOf(uri: string, name: unknown): Dialect {
  if (name === undefined) return 'draft-07'
  const dialect = DIALECTS.find(([pattern]) => pattern.test(String(name)))?.[1]
  if (dialect) return dialect
  throw broken(uri, `its dialect ${quote(name)} is not supported; draft-07 and draft-04 are`)
}

function referencesOf(uri: string, schema: JsonSchema): References {
  try {
    return resolveReferences(uri, schema)
  } catch (error) {
    if (!(error instanceof TypeError)) throw error
    throw broken(uri, `its reference ${quote(error.message)} is no URI`)
  }
}

/** Its regular expressions. Throws `schema_broken` for one that is none. */
function patternsOf(uri: string, schema: JsonSchema): string[] {
  const patterns: string[] = []
  // All keys: a reference may lead anywhere.
  traverse(schema, { allKeys: true }, ({ pattern, patternProperties }: traverse.SchemaObject) => {
    if (typeof pattern === 'string') patterns.push(pattern)
    patterns.push(...Object.keys(patternProperties ?? {}))
  })
  for (const pattern of patterns) {
    try {
      guarded(pattern)
    } catch (error) {
      throw broken(uri, (error as Error).message)
    }
  }
  return patterns
}

/**
 * Of an inclusive and an exclusive limit leaves the narrower, of which alone Ajv 6 complains; and makes numbers of
 * draft-04's boolean ones.
 */
function mergeLimits(schema: JsonSchema): void {
  const merge = (sub: traverse.SchemaObject, limit: string, exclusive: string, sign: number) => {
    if (sub[exclusive] === true) sub[exclusive] = sub[limit]
    if (sub[exclusive] === false) delete sub[exclusive]
    if (sub[limit] === undefined || sub[exclusive] === undefined) return
    delete sub[sign * sub[exclusive] <= sign * sub[limit] ? limit : exclusive]
  }
  traverse(schema, (sub: traverse.SchemaObject) => {
    merge(sub, 'maximum', 'exclusiveMaximum', 1)
    merge(sub, 'minimum', 'exclusiveMinimum', -1)
  })
}

/** Ajv 8 passes over a property of this name, which Ajv 6 does not, unless it is one of a pattern. */
function declareProto(schema: JsonSchema): void {
  const PROTO = '__proto__'
  traverse(schema, (sub: traverse.SchemaObject) => {
    if (!isObject(sub.properties) || !Object.hasOwn(sub.properties, PROTO)) return
    const { [PROTO]: proto, ...properties } = sub.properties
    const pattern = `^${PROTO}$`
    const own = sub.patternProperties?.[pattern]
    sub.properties = properties
    sub.patternProperties = {
      ...sub.patternProperties,
      [pattern]: own === undefined ? proto : { allOf: [own, proto] },
    }
  })
}

function broken(uri: string, reason: string): GateError {
  return new GateError('schema_broken', `schema ${uri} cannot be used: ${reason}`)
}

function insecure(uri: string, reason: string): GateError {
  return new GateError('schema_insecure', `schema ${uri} is not secure against slow validation: ${reason}`)
}
