import type { Ajv, ValidateFunction } from 'ajv'
import traverse from 'json-schema-traverse'
import type { SchemaError } from '../errors.js'
import type { Schema } from '../eventgate.js'
import { at, pointerSteps, type Step, stepsOf } from '../json-pointer.js'
import { makeAjv } from './ajv.js'
import { CompiledSchema } from './compiler.js'
import { Effort, TooManySteps } from './effort.js'
import { type Ajv8Error, asAjv6 } from './errors.js'
import type { JsonSchema, SubSchema } from './json-schema.js'

/** A schema's complaint about a value, with the rule that the value breaks. */
export interface Complaint extends SchemaError {
  /** Where in the value. */
  steps: Step[]
  /** The keyword's value. */
  rule: unknown
  /** The sub-schema that has the keyword. */
  schema: JsonSchema
  /** What breaks the rule, with defaults filled in. */
  value: unknown
  /** The property's name if the name breaks the rule. */
  propertyName?: string
}

/** Is told what validations cost. */
export interface Meter {
  validated(): void
  compiled(): void
  /** A validation took too many steps, so its result says nothing. */
  gaveUp(): void
}

const MAX_COMPLAINTS = 100
const NOTHING: JsonSchema = { not: {} }

const known = new WeakMap<Schema, SchemaParts>()

/** The parts of a schema, built at the first call in some 20 ms; undefined for a schema that was not compiled here. */
export function partsOf(schema: Schema): SchemaParts | undefined {
  if (!(schema instanceof CompiledSchema)) return undefined
  const parts = known.get(schema) ?? new SchemaParts(schema)
  known.set(schema, parts)
  return parts
}

/** A schema's documents, of which any part can validate values by itself and say all that is wrong. */
export class SchemaParts {
  /** The schema's own document. Its references are absolute, as in all documents that it refers to. */
  readonly root: JsonSchema
  readonly documents: ReadonlyMap<string, JsonSchema>
  readonly #whole: ValidateFunction
  readonly #ajv: Ajv
  readonly #effort = new Effort({ addsNames: true })
  readonly #validators = new WeakMap<object, ValidateFunction>()
  readonly #derived = new WeakMap<object, Map<string, JsonSchema>>()

  constructor({ uri, documents }: Pick<CompiledSchema, 'uri' | 'documents'>) {
    this.documents = new Map([...documents].map(([uri, document]) => [uri, dereferenced(uri, document)]))
    this.root = this.documents.get(uri) as JsonSchema
    const options = { allErrors: true, verbose: true }
    const whole = makeAjv(options, this.documents, this.#effort)
    this.#whole = whole.getSchema(uri) as ValidateFunction
    this.#ajv = makeAjv({ ...options, useDefaults: false }, this.documents, this.#effort)
  }

  /** Whether a format is checked; an unknown one is not. */
  checksFormat(name: unknown): boolean {
    return this.#ajv.formats[String(name)] !== undefined
  }

  /** What a reference in one of the documents means; undefined if there is no such part. */
  resolve(reference: string): SubSchema | undefined {
    const [uri = '', fragment = ''] = reference.split('#')
    const document = this.documents.get(uri)
    return document && (at(document, pointerSteps(decodeURIComponent(fragment))) as SubSchema | undefined)
  }

  /** A schema made of another: the same object each time, so that it is compiled once. */
  derived(schema: object, name: string, make: () => JsonSchema): JsonSchema {
    const all = this.#derived.get(schema) ?? new Map<string, JsonSchema>()
    this.#derived.set(schema, all)
    const made = all.get(name) ?? make()
    all.set(name, made)
    return made
  }

  /** The schema that accepts what this one refuses. */
  not(schema: SubSchema): SubSchema {
    return typeof schema === 'boolean' ? !schema : this.derived(schema, 'not', () => ({ not: schema }))
  }

  /** What the whole schema complains of in an event, which stays as it is. Defaults are filled in. */
  complaints(event: unknown, meter?: Meter): Complaint[] {
    return this.#complaintsOf(this.#whole, structuredClone(event), meter)
  }

  /** What a sub-schema complains of in a value, without defaults. */
  complaintsOf(schema: SubSchema, value: unknown, meter?: Meter): Complaint[] {
    if (schema === true) return []
    const key = schema === false ? NOTHING : schema
    let validate = this.#validators.get(key)
    if (!validate) {
      meter?.compiled()
      validate = this.#ajv.compile(key)
      // The Ajv would hold it forever, and derived schemas come often.
      this.#ajv.removeSchema(key)
      this.#validators.set(key, validate)
    }
    return this.#complaintsOf(validate, value, meter)
  }

  /** Whether a sub-schema accepts a value as it is, without defaults. */
  accepts(schema: SubSchema, value: unknown, meter?: Meter): boolean {
    return this.complaintsOf(schema, value, meter).length === 0
  }

  #complaintsOf(validate: ValidateFunction, value: unknown, meter: Meter | undefined): Complaint[] {
    meter?.validated()
    if (this.#isValid(validate, value, meter)) return []
    type Verbose = Ajv8Error & { schema: unknown; parentSchema: SubSchema; data: unknown }
    return ((validate.errors ?? []) as Verbose[]).slice(0, MAX_COMPLAINTS).map(error => ({
      ...asAjv6(error),
      steps: stepsOf(error.instancePath, value),
      rule: error.schema,
      schema: typeof error.parentSchema === 'object' ? error.parentSchema : {},
      value: error.data,
    }))
  }

  #isValid(validate: ValidateFunction, value: unknown, meter: Meter | undefined): boolean {
    this.#effort.begin(true)
    try {
      return validate(value) as boolean
    } catch (error) {
      if (!(error instanceof TooManySteps)) throw error
      meter?.gaveUp()
      return true
    }
  }
}

/** A copy of a document whose parts can stand alone: its references are absolute, and JSON pointers. */
function dereferenced(uri: string, document: JsonSchema): JsonSchema {
  const copy = structuredClone(document)
  const anchors = new Map<string, string>()
  traverse(copy, { allKeys: true }, (sub: traverse.SchemaObject, pointer: string) => {
    if (typeof sub.$id === 'string' && sub.$id.startsWith('#')) anchors.set(sub.$id, `#${pointer}`)
    if (sub !== copy) delete sub.$id
  })
  traverse(copy, { allKeys: true }, (sub: traverse.SchemaObject) => {
    if (typeof sub.$ref !== 'string' || !sub.$ref.startsWith('#')) return
    sub.$ref = `${uri}${anchors.get(sub.$ref) ?? sub.$ref}`
  })
  return copy
}
