import { createRequire } from 'node:module'
import { Ajv, type ValidateFunction } from 'ajv'
import AjvDraft04Module from 'ajv-draft-04'
import traverse from 'json-schema-traverse'
import { GateError, quote } from '../errors.js'
import { isObject } from '../eventgate.js'
import { guarded } from '../regexp/linear.js'
import { OutOfTime, slowPattern } from '../regexp/safety.js'
import { type Note, readText } from '../yaml.js'
import { OPTIONS } from './ajv.js'
import { redefine } from './ajv6.js'
import { uniqueItems } from './effort.js'
import type { JsonSchema } from './json-schema.js'
import { type References, resolveReferences } from './references.js'
import { suspectsOf } from './suspects.js'

const AjvDraft04 = AjvDraft04Module.default
const require = createRequire(import.meta.url)

/** A schema's document, ready to be compiled or referred to. */
export interface Document {
  uri: string
  /** As draft-07, whatever its dialect, without the identities of its sub-schemas, and with absolute references. */
  schema: JsonSchema
  /** The URIs of the other documents that it refers to. */
  references: string[]
  /** What a reference means if there is no such document. */
  nested?: References['nested']
  /** What an operator should know. */
  warnings?: string[]
  /** Where it was found. */
  address?: string
}

type Dialect = 'draft-04' | 'draft-07'

/** The URIs by which schemas name their dialect, and by which they refer to its meta-schema. */
const DIALECTS: readonly [RegExp, Dialect][] = [
  [/^https?:\/\/json-schema\.org\/(?:draft-0[67]\/)?schema#?$/, 'draft-07'],
  [/^https?:\/\/json-schema\.org\/draft-04\/schema#?$/, 'draft-04'],
]

const META_SCHEMAS: Record<Dialect, string> = {
  'draft-04': 'ajv-draft-04/dist/refs/json-schema-draft-04.json',
  'draft-07': 'ajv/lib/refs/json-schema-draft-07.json',
}

/** Bounds of a document in which YAML's aliases are written out. */
const BOUNDS = { maxValues: 100_000, maxDepth: 200 }

/** Keys whose values do not decide which events are valid. */
const UNHEEDED = /^examples\b|(?:^|\.)(?:title|description|\$comment)$/

/** Whether a URI is that of a dialect's meta-schema. */
export function isMetaSchema(uri: string): boolean {
  return DIALECTS.some(([pattern]) => pattern.test(uri))
}

/** Reads the documents of schemas: checks them, and makes draft-07 of other dialects. */
export class DocumentReader {
  readonly #allowInsecure: boolean
  readonly #metaSchemas: Record<Dialect, Ajv> = {
    'draft-04': new AjvDraft04({ ...OPTIONS, useDefaults: false }) as Ajv,
    'draft-07': new Ajv({ ...OPTIONS, useDefaults: false }),
  }
  readonly #isSecure: ValidateFunction

  constructor({ allowInsecure }: { allowInsecure: boolean }) {
    this.#allowInsecure = allowInsecure
    // Meta-schemas demand that the values of an `enum` differ.
    for (const ajv of Object.values(this.#metaSchemas)) redefine(ajv, 'uniqueItems', uniqueItems)
    const secure = new Ajv({ strict: false, allErrors: true, logger: false, validateSchema: false })
    this.#isSecure = secure.compile(require('ajv/lib/refs/json-schema-secure.json'))
  }

  /** Reads a document, YAML or JSON, told apart by its content. Throws `schema_broken` or `schema_insecure`. */
  read(uri: string, text: string): Document {
    return this.check(uri, parse(uri, text).schema)
  }

  /** The same for a parsed document, which it changes. */
  check(uri: string, schema: JsonSchema): Document {
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

  /** Refuses unbounded strings, and regular expressions that may be slow on bounded ones. */
  #refuseSlow(uri: string, schema: JsonSchema): void {
    if (!this.#isSecure(schema)) {
      const [first] = this.#isSecure.errors ?? []
      throw insecure(uri, `${first?.instancePath || '/'} ${first?.message}`)
    }
    const slow = slowPattern(patternsOf(uri, schema))
    if (slow instanceof OutOfTime) {
      const message = `the patterns of schema ${uri} are still being checked: send the event again`
      throw new GateError('schema_unavailable', message)
    }
    if (slow !== undefined) throw insecure(uri, `its pattern ${quote(slow)} may take very long`)
  }

  /** The meta-schema of a dialect as a document, if that is what a reference means. */
  metaSchema(reference: string): Document | undefined {
    const dialect = DIALECTS.find(([pattern]) => pattern.test(reference))?.[1]
    if (!dialect) return undefined
    const schema: JsonSchema = structuredClone(require(META_SCHEMAS[dialect]))
    for (const keyword of ['$id', 'id', '$schema']) delete schema[keyword]
    mergeLimits(schema)
    // A default of a meta-schema says what a missing keyword means. It must not be written into an event.
    traverse(schema, (sub: traverse.SchemaObject) => void delete sub.default)
    return { uri: reference, schema, references: [] }
  }
}

/** A document as it stands in its repository, and what YAML readers disagree on in it. Throws `schema_broken`. */
export function parse(uri: string, text: string): { schema: JsonSchema; notes: Note[] } {
  try {
    const { value, notes } = readText(text, BOUNDS)
    if (!isObject(value)) throw new Error('it is not an object')
    return { schema: value, notes: notes.filter(({ path }) => !UNHEEDED.test(path)) }
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

/** Its regular expressions. Throws `schema_broken` for an invalid one. */
function patternsOf(uri: string, schema: JsonSchema): string[] {
  const patterns: string[] = []
  // With all keys, because a reference may lead anywhere.
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

/** Of an inclusive and an exclusive limit keeps the narrower, as Ajv 6 does. Draft-04's boolean limits become numbers. */
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

/** Makes a pattern of the property `__proto__`, because Ajv 8 skips the property, and Ajv 6 does not. */
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

/** Why a schema cannot be compiled. */
export function broken(uri: string, reason: string): GateError {
  return new GateError('schema_broken', `schema ${uri} cannot be used: ${reason}`)
}

/** Why a schema may take too long. */
export function insecure(uri: string, reason: string): GateError {
  return new GateError('schema_insecure', `schema ${uri} is not secure against slow validation: ${reason}`)
}
