import type { ValidateFunction } from 'ajv'
import { cut, type Details, GateError } from '../errors.js'
import type { Event, Schema } from '../eventgate.js'
import { makeAjv } from './ajv.js'
import { declares } from './declares.js'
import { broken, type Document, insecure } from './document.js'
import { Effort, lengthUpTo, TooManySteps } from './effort.js'
import { type Ajv8Error, errorsText, firstErrors, lengthOf } from './errors.js'
import type { JsonSchema } from './json-schema.js'

/** Characters of an event's only error, once its request has used up its details. */
const MAX_SHORT_MESSAGE = 200
/**
 * Events of more JSON than this get their first error only. Ajv makes an object for every error, and 10 MB of wrong
 * array items would make gigabytes of them.
 */
const MAX_EXPLAINED_LENGTH = 64 * 1024

/**
 * Names that every object inherits. To Ajv every event has a field `constructor`, so that it is never missing. The
 * option `ownProperties` prevents that and makes validation 1.4 times slower. Only schemas with such a name get it.
 */
const INHERITED = new RegExp(`"(${Object.getOwnPropertyNames(Object.prototype).join('|')})"`)

/**
 * Compiles a schema and all that it refers to. It takes some 10 ms, during which nothing else runs. Each schema has its
 * own Ajv: it cannot be taken for a part of another, and all of it goes when the schema is dropped.
 */
export function compile(root: Document, references: ReadonlyMap<string, Document>): CompiledSchema {
  const all = [...references, [root.uri, root] as const]
  const documents = new Map(all.map(([uri, { schema }]) => [uri, schema]))
  const text = JSON.stringify([...documents.values()])
  const ownProperties = INHERITED.test(text)
  const effort = new Effort({ addsNames: text.includes('"default"') })
  return new CompiledSchema(root, documents, effort, allErrors => {
    try {
      const ajv = makeAjv({ allErrors, ownProperties }, documents, effort)
      return ajv.getSchema(root.uri) as ValidateFunction
    } catch (error) {
      throw broken(root.uri, (error as Error).message)
    }
  })
}

export class CompiledSchema implements Schema {
  readonly uri: string
  readonly title: string | undefined
  /** Its own document and all that it refers to, by their URIs. */
  readonly documents: ReadonlyMap<string, JsonSchema>
  readonly #effort: Effort
  readonly #makeValidator: (allErrors: boolean) => ValidateFunction
  /** Stops at the first error. */
  readonly #validate: ValidateFunction
  /** Finds all errors; compiled when the schema refuses its first event. */
  #validateAll: ValidateFunction | undefined
  readonly #declared = new Map<string, boolean>()

  constructor(
    { uri, schema: { title } }: Document,
    documents: ReadonlyMap<string, JsonSchema>,
    effort: Effort,
    makeValidator: (allErrors: boolean) => ValidateFunction,
  ) {
    this.uri = uri
    this.title = typeof title === 'string' ? title : undefined
    this.documents = documents
    this.#effort = effort
    this.#makeValidator = makeValidator
    this.#validate = makeValidator(false)
  }

  /** `path` comes from the configuration, never from an event, so that the cache is bounded. */
  declares(path: string): boolean {
    let declared = this.#declared.get(path)
    if (declared === undefined) {
      const root = this.documents.get(this.uri) as JsonSchema
      declared = declares(root, uri => this.documents.get(uri), path)
      this.#declared.set(path, declared)
    }
    return declared
  }

  /** `details`: what its request may still cost by explanations, where it shares that with other events. */
  validate(event: Event, details?: Details): void {
    const found = this.#errorsOf(event, details)
    if (!found) return
    const isShort = details !== undefined && details.left <= 0
    const errors = firstErrors(found as Ajv8Error[])
    const text = errorsText(errors)
    if (details) details.left -= text.length + lengthOf(errors)
    throw new GateError('validation_failed', isShort ? cut(text, MAX_SHORT_MESSAGE) : text, {
      errors: isShort ? [] : errors,
      errorsCount: found.length,
    })
  }

  #errorsOf(event: Event, details: Details | undefined): ValidateFunction['errors'] {
    if (this.#accepts(this.#validate, event, false)) return undefined
    const first = take(this.#validate)
    if (details && details.left <= 0) return first
    const length = lengthUpTo(event, MAX_EXPLAINED_LENGTH)
    if (details) details.left -= length
    if (length > MAX_EXPLAINED_LENGTH) return first
    this.#validateAll ??= this.#makeValidator(true)
    try {
      return this.#accepts(this.#validateAll, event, true) ? first : take(this.#validateAll)
    } catch (error) {
      // To find all errors may take more steps than to find one.
      if (error instanceof GateError) return first
      throw error
    }
  }

  #accepts(validate: ValidateFunction, event: Event, findsAll: boolean): boolean {
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

/** A validator's errors, which it would hold until it is called again. */
function take(validate: ValidateFunction): NonNullable<ValidateFunction['errors']> {
  const errors = validate.errors ?? []
  validate.errors = null
  return errors
}
