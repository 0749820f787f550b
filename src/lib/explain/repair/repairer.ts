import { Ajv, type Options, type ValidateFunction } from 'ajv'
import { nearest } from '../../did-you-mean.js'
import type { SchemaError } from '../../errors.js'
import { at, type Step, stepsOf } from '../../json-pointer.js'
import { guarded } from '../../regexp/linear.js'
import { asAjv6, behaveAsAjv6, type ComplaintOfAjv8 } from '../../schemas/ajv6.js'
import type { JsonSchema } from '../../schemas/declares.js'
import { Effort, makeLinear, TooManySteps } from '../../schemas/linear.js'
import { GONE, put } from '../json-patch.js'
import { numbers } from './numbers.js'
import { texts } from './strings.js'

/** A schema's complaint, with what it is about. */
export interface Complaint extends SchemaError {
  /** Where in the event. */
  steps: Step[]
  /** The keyword's value. */
  rule: unknown
  /** The sub-schema in which it stands. */
  schema: JsonSchema
  /** The value that it complains of, defaults among it. */
  value: unknown
}

/** A value that would stand at these steps, or `GONE`. */
interface Change {
  steps: readonly Step[]
  value: unknown
}

type Members = Record<string, unknown>
/** A schema within a document. */
export type SubSchema = JsonSchema | boolean

/** Looks at values that one search may take: some microseconds each, and a hundred times that where one compiles. */
const MAX_LOOKS = 1000
const LOOKS_OF_A_COMPILE = 10
const SAMPLE_MS = 1000
const NOTHING: JsonSchema = { not: {} }
const MAX_ROUNDS = 100
const MAX_DEPTH = 12
const MAX_COMPLAINTS = 100

/**
 * Looks for values that satisfy a schema, near to one that does not, or from nothing. What it finds it has
 * tried: nothing that it gives is a guess.
 */
export class Mender {
  readonly #root: JsonSchema
  readonly #documents: ReadonlyMap<string, JsonSchema>
  readonly #whole: ValidateFunction
  readonly #parts: Ajv
  readonly #effort = new Effort({ addsNames: true })
  readonly #validators = new WeakMap<object, ValidateFunction>()
  readonly #made = new WeakMap<object, Map<string, JsonSchema>>()
  #looks = 0
  #until = Infinity

  /** The documents are freed ones, by their URIs. */
  constructor(uri: string, documents: ReadonlyMap<string, JsonSchema>, options: Options) {
    this.#documents = documents
    this.#root = documents.get(uri) as JsonSchema
    const all = { ...options, allErrors: true, verbose: true, meta: false, validateSchema: false }
    this.#whole = make({ ...all, useDefaults: true }, documents, this.#effort).getSchema(
      uri,
    ) as ValidateFunction
    this.#parts = make({ ...all, useDefaults: false }, documents, this.#effort)
  }

  /** The schema's document. Its references are absolute, as in all documents that it refers to. */
  get root(): JsonSchema {
    return this.#root
  }

  get documents(): Iterable<JsonSchema> {
    return this.#documents.values()
  }

  /** Whether a format is looked at. */
  checksFormat(name: unknown): boolean {
    return this.#parts.formats[String(name)] !== undefined
  }

  /** What a reference in one of the documents means; undefined if there is no such part. */
  resolve(reference: string): SubSchema | undefined {
    const [uri = '', fragment = ''] = reference.split('#')
    const document = this.#documents.get(uri)
    const steps = decodeURIComponent(fragment).split('/').slice(1)
    return document && (at(document, steps.map(unescaped)) as SubSchema | undefined)
  }

  /** Whether a value satisfies a sub-schema as it is, without defaults. */
  satisfies(value: unknown, schema: SubSchema): boolean {
    return this.#satisfies(value, schema)
  }

  /** A value near to this one that satisfies a sub-schema; undefined if the search, one of its own, finds none. */
  near(value: unknown, schema: SubSchema, until = performance.now() + SAMPLE_MS): unknown {
    this.begin(until)
    return this.#fit(value, schema, 0)
  }

  /** What the schema says of an event, which stays as it is. */
  complaints(event: unknown): Complaint[] {
    return this.#complaintsOf(this.#whole, structuredClone(event))
  }

  /** Begins a search of its own, which ends unfinished at this time of `performance.now()`. */
  begin(until = Infinity): void {
    this.#looks = 0
    this.#until = until
  }

  /** Whether the search ended unfinished. */
  get isExhausted(): boolean {
    return !this.#hasTime()
  }

  /**
   * The event with one complaint mended, and no new one made if that can be; undefined if no way is found.
   * `others` is how many complaints there were.
   */
  without(event: unknown, complaint: Complaint, before: readonly Complaint[]): unknown {
    let best: { value: unknown; left: number } | undefined
    const known = new Set(before.map(other => signatureOf(other)))
    for (const change of this.#changes(complaint, event, 0)) {
      const settled = this.#settled(put(event, change.steps, change.value), complaint, known)
      if (!settled) continue
      if (settled.left < (best?.left ?? Infinity)) best = settled
      if (settled.left < before.length) break
    }
    return best?.value
  }

  /** A change may bring new complaints, which are mended in turn. */
  #settled(
    value: unknown,
    complaint: Complaint,
    known: ReadonlySet<string>,
  ): { value: unknown; left: number } | undefined {
    for (let round = 0; round < 20 && this.#hasTime(); round++) {
      const complaints = this.complaints(value)
      if (complaints.some(other => signatureOf(other) === signatureOf(complaint))) return undefined
      const added = complaints.find(other => !known.has(signatureOf(other)))
      if (!added) return { value, left: complaints.length }
      const next = this.#step(value, [added], next => this.complaints(next), 1)
      if (next === undefined) return { value, left: complaints.length + 1 }
      value = next
    }
    return undefined
  }

  /** The event with all that is wrong mended; undefined if no way is found. */
  mended(event: unknown): unknown {
    return this.#mend(event, value => this.complaints(value), 0)
  }

  /** An event from nothing: a search of its own. */
  sample(until = performance.now() + SAMPLE_MS): unknown {
    this.begin(until)
    return this.#sample(this.#root, 0)
  }

  /** A value near to this one that satisfies a sub-schema. */
  #fit(value: unknown, schema: SubSchema, depth: number): unknown {
    if (depth > MAX_DEPTH || schema === false) return undefined
    return this.#mend(value, value => this.#check(value, schema), depth)
  }

  #mend(value: unknown, check: (value: unknown) => Complaint[], depth: number): unknown {
    const seen = new Set<string>([JSON.stringify(value)])
    for (let round = 0; round < MAX_ROUNDS && this.#hasTime(); round++) {
      const complaints = check(value)
      if (complaints.length === 0) return value
      const next = this.#step(value, complaints, check, depth, seen)
      if (next === undefined) return undefined
      value = next
    }
    return undefined
  }

  /** Mends the first complaint that can be. */
  #step(
    value: unknown,
    complaints: readonly Complaint[],
    check: (value: unknown) => Complaint[],
    depth: number,
    seen = new Set<string>(),
  ): unknown {
    for (const complaint of complaints) {
      const signature = signatureOf(complaint)
      const alike = (all: readonly Complaint[]) =>
        all.filter(other => signatureOf(other, false) === signatureOf(complaint, false)).length
      const before = alike(check(value))
      for (const change of this.#changes(complaint, value, depth)) {
        if (!this.#hasTime()) return undefined
        const next = put(value, change.steps, change.value)
        const text = JSON.stringify(next)
        if (seen.has(text)) continue
        const left = check(next)
        if (left.some(other => signatureOf(other) === signature) && alike(left) >= before) continue
        seen.add(text)
        return next
      }
    }
    return undefined
  }

  /** A schema made of another, the same one each time, so that it is compiled once. */
  #of(schema: object, name: string, make: () => JsonSchema): JsonSchema {
    let made = this.#made.get(schema)
    if (!made) {
      made = new Map()
      this.#made.set(schema, made)
    }
    const known = made.get(name) ?? make()
    made.set(name, known)
    return known
  }

  #not(schema: SubSchema): SubSchema {
    return typeof schema === 'boolean' ? !schema : this.#of(schema, 'not', () => ({ not: schema }))
  }

  #hasTime(): boolean {
    return this.#looks < MAX_LOOKS && performance.now() < this.#until
  }

  #satisfies(value: unknown, schema: SubSchema): boolean {
    return this.#check(value, schema).length === 0
  }

  #check(value: unknown, schema: SubSchema): Complaint[] {
    if (schema === true) return []
    const key = schema === false ? NOTHING : schema
    let validate = this.#validators.get(key)
    if (!validate) {
      this.#looks += LOOKS_OF_A_COMPILE
      validate = this.#parts.compile(key)
      // The Ajv would hold it for ever; made-up ones come often.
      this.#parts.removeSchema(key)
      this.#validators.set(key, validate)
    }
    return this.#complaintsOf(validate, value)
  }

  #complaintsOf(validate: ValidateFunction, value: unknown): Complaint[] {
    this.#looks++
    if (this.#holds(validate, value)) return []
    type Verbose = ComplaintOfAjv8 & { schema: unknown; parentSchema: SubSchema; data: unknown }
    return ((validate.errors ?? []) as Verbose[]).slice(0, MAX_COMPLAINTS).map(error => {
      const told = asAjv6(error)
      const schema = typeof error.parentSchema === 'object' ? error.parentSchema : {}
      return {
        ...told,
        steps: stepsOf(error.instancePath, value),
        rule: error.schema,
        schema,
        value: error.data,
      }
    })
  }

  /** What takes too many steps ends the search: whatever it finds is held against the gate's own validator. */
  #holds(validate: ValidateFunction, value: unknown): boolean {
    this.#effort.begin(true)
    try {
      return validate(value) as boolean
    } catch (error) {
      if (!(error instanceof TooManySteps)) throw error
      this.#looks = MAX_LOOKS
      return true
    }
  }

  /** Changes that may mend a complaint, the least first; at last the value goes. */
  *#changes(complaint: Complaint, root: unknown, depth: number): Generator<Change> {
    const { steps, schema } = complaint
    const value = at(root, steps) ?? complaint.value
    for (const change of this.#changesAt(complaint, value, depth)) {
      yield { steps: [...steps, ...change.steps], value: change.value }
    }
    if (steps.length > 0) {
      const sample = this.#sample(schema, depth + 1)
      if (sample !== undefined) yield { steps, value: sample }
      yield { steps, value: GONE }
    }
  }

  *#changesAt(complaint: Complaint, value: unknown, depth: number): Generator<Change> {
    const { keyword, params, rule, schema, schemaPath } = complaint
    const whole = (value: unknown): Change => ({ steps: [], value })
    const fit = (schema: SubSchema, from = value) => this.#fit(from, schema, depth + 1)
    const inner = (name: Step, value: unknown): Change => ({ steps: [name], value })

    const { propertyName } = complaint as { propertyName?: string }
    if (propertyName !== undefined || keyword === 'propertyNames') {
      const name = propertyName ?? (params.propertyName as string)
      const names = keyword === 'propertyNames' ? (rule as SubSchema) : schema
      const fitting = this.#fit(name, names, depth + 1)
      if (typeof fitting === 'string' && !Object.hasOwn(value as Members, fitting))
        yield whole(renamed(value as Members, name, fitting))
      yield inner(name, GONE)
      return
    }
    switch (keyword) {
      case 'type':
        for (const type of [params.type].flat().flatMap(type => String(type).split(',')))
          for (const coerced of coercions(value, type, schema)) yield whole(coerced)
        break
      case 'enum': {
        const allowed = rule as unknown[]
        const names = allowed.filter(item => typeof item === 'string')
        if (typeof value === 'string') {
          const meant = nearest(value, names)
          if (meant !== undefined) yield whole(meant)
        }
        const same = allowed.find(item => String(item) === String(value))
        if (same !== undefined) yield whole(same)
        for (const item of allowed.slice(0, 20)) yield whole(item)
        break
      }
      case 'const':
        yield whole(rule)
        break
      case 'multipleOf':
      case 'maximum':
      case 'minimum':
      case 'exclusiveMaximum':
      case 'exclusiveMinimum':
        for (const number of numbers(schema, value as number))
          if (this.#satisfies(number, schema)) yield whole(number)
        break
      case 'maxLength':
      case 'minLength':
      case 'pattern':
      case 'format':
        for (const text of texts(schema, value as string))
          if (this.#satisfies(text, schema)) yield whole(text)
        break
      case 'maxItems':
      case 'additionalItems':
        yield whole((value as unknown[]).slice(0, params.limit as number))
        break
      case 'minItems': {
        const items = (value as unknown[]).slice()
        while (items.length < (params.limit as number) && items.length < 1000 && this.#hasTime()) {
          const item = this.#nextItem(items, schema, depth)
          if (item === undefined) break
          items.push(item)
        }
        yield whole(items)
        break
      }
      case 'uniqueItems':
        yield inner(Math.max(params.i as number, params.j as number), GONE)
        break
      case 'contains': {
        const items = value as unknown[]
        const wanted = this.#sample(rule as SubSchema, depth + 1)
        if (wanted === undefined) break
        yield whole([...items, wanted])
        for (let i = items.length - 1; i >= 0 && i >= items.length - 10; i--) {
          const mended = fit(rule as SubSchema, items[i])
          yield inner(i, mended === undefined ? wanted : mended)
        }
        break
      }
      case 'maxProperties':
        yield whole(this.#fewer(value as Members, schema, params.limit as number))
        break
      case 'minProperties': {
        const members = this.#more(value as Members, schema, params.limit as number, depth)
        if (members) yield whole(members)
        break
      }
      case 'required':
      case 'dependencies': {
        const missing = params.missingProperty as string
        const members = value as Members
        const extra = Object.keys(members).filter(name => !isDeclared(schema, name))
        const meant = keyword === 'required' ? nearest(missing, extra) : undefined
        if (meant !== undefined) yield whole(renamed(members, meant, missing))
        for (const sample of this.#samplesOf(schema, missing, [...complaint.steps, missing], depth))
          yield inner(missing, sample)
        if (keyword === 'dependencies') yield inner(params.property as string, GONE)
        break
      }
      case 'additionalProperties': {
        const name = params.additionalProperty as string
        const members = value as Members
        const lacking = Object.keys((schema.properties ?? {}) as object).filter(
          known => !Object.hasOwn(members, known),
        )
        const meant = nearest(name, lacking)
        if (meant !== undefined) yield whole(renamed(members, name, meant))
        yield inner(name, GONE)
        break
      }
      case 'if': {
        const failing = params.failingKeyword as 'then' | 'else'
        const { if: condition, [failing]: consequence } = schema as Record<string, SubSchema>
        const fitting = fit(this.#of(schema, failing, () => ({ allOf: [consequence, schema] })))
        if (fitting !== undefined) yield whole(fitting)
        const otherwise = failing === 'then' ? this.#not(condition as SubSchema) : condition
        const escaping = fit(this.#of(schema, `not ${failing}`, () => ({ allOf: [otherwise, schema] })))
        if (escaping !== undefined) yield whole(escaping)
        break
      }
      case 'anyOf':
      case 'oneOf':
        for (const branch of this.#branches(keyword, rule as SubSchema[])) {
          const fitting = fit(branch)
          if (fitting !== undefined) yield whole(fitting)
        }
        for (const branch of rule as SubSchema[]) {
          const sample = this.#sample(branch, depth + 1)
          if (sample !== undefined) yield whole(sample)
        }
        break
      case 'not':
        for (const other of different(value, 2)) {
          if (!this.#hasTime()) return
          if (this.#satisfies(other, this.#not(rule as SubSchema))) yield whole(other)
        }
        break
      case 'false schema': {
        const trigger = /\/dependencies\/([^/]+)\/false schema$/.exec(schemaPath)?.[1]
        const name = trigger && decodeURIComponent(trigger).replace(/~1/g, '/').replace(/~0/g, '~')
        if (name !== undefined) yield inner(name, GONE)
        break
      }
    }
  }

  /** Of oneOf none but one may be satisfied. */
  *#branches(keyword: string, schemas: readonly SubSchema[]): Generator<SubSchema> {
    for (const [i, schema] of schemas.entries()) {
      const others = schemas.filter((_, j) => j !== i)
      const alone = () => ({ allOf: [schema, ...others.map(other => this.#not(other))] })
      yield keyword === 'anyOf' ? schema : this.#of(schemas, `one ${i}`, alone)
    }
  }

  #fewer(members: Members, schema: JsonSchema, most: number): Members {
    const required = new Set((schema.required ?? []) as string[])
    const rank = (name: string) => (required.has(name) ? 0 : isDeclared(schema, name) ? 1 : 2)
    const kept = new Set(
      Object.keys(members)
        .map((name, i) => ({ name, i }))
        .sort((a, b) => rank(a.name) - rank(b.name) || a.i - b.i)
        .slice(0, most)
        .map(({ name }) => name),
    )
    return Object.fromEntries(Object.entries(members).filter(([name]) => kept.has(name)))
  }

  #more(members: Members, schema: JsonSchema, least: number, depth: number): Members | undefined {
    const more = { ...members }
    for (const name of this.#namesFor(schema, depth)) {
      if (Object.keys(more).length >= least) break
      if (Object.hasOwn(more, name)) continue
      const [sample] = this.#samplesOf(schema, name, [], depth)
      if (sample !== undefined) more[name] = sample
    }
    return Object.keys(more).length >= least ? more : undefined
  }

  /** Names that properties may have. */
  *#namesFor(schema: JsonSchema, depth: number): Generator<string> {
    const names = (schema.propertyNames ?? true) as SubSchema
    const may = (name: string) => this.#satisfies(name, names)
    for (const name of Object.keys((schema.properties ?? {}) as object)) if (may(name)) yield name
    for (const pattern of Object.keys((schema.patternProperties ?? {}) as object))
      for (const name of texts({ pattern })) if (guarded(pattern).test(name) && may(name)) yield name
    if (typeof names === 'object' && Array.isArray(names.enum)) yield* names.enum.map(String).filter(may)
    for (let i = 1; i <= 200; i++) {
      const name = `property_${i}`
      if (may(name)) yield name
      else {
        const fitting = this.#fit(name, names, depth + 1)
        if (typeof fitting === 'string') yield fitting
        if (may(`p${i}`)) yield `p${i}`
        if (may(i.toString(36))) yield i.toString(36)
      }
    }
  }

  #nextItem(items: readonly unknown[], schema: JsonSchema, depth: number): unknown {
    const { items: all, additionalItems = true, uniqueItems } = schema
    const own = (Array.isArray(all) ? (all[items.length] ?? additionalItems) : (all ?? true)) as SubSchema
    const sample = this.#sample(own, depth + 1)
    if (sample === undefined || uniqueItems !== true) return sample
    const taken = new Set(items.map(item => JSON.stringify(item)))
    const isNew = (item: unknown) => item !== undefined && !taken.has(JSON.stringify(item))
    if (isNew(sample)) return sample
    for (const other of this.#others(sample, own, items.length))
      if (isNew(other) && this.#satisfies(other, own)) return other
    return undefined
  }

  *#others(sample: unknown, schema: SubSchema, count: number): Generator<unknown> {
    if (typeof schema === 'object' && Array.isArray(schema.enum)) yield* schema.enum
    if (typeof sample === 'string') {
      for (let i = 1; i <= count + 10; i++) yield sample + i
      if (typeof schema === 'object') yield* texts(schema)
    }
    if (typeof sample === 'number') {
      const step = typeof schema === 'object' ? ((schema.multipleOf as number | undefined) ?? 1) : 1
      for (let i = 1; i <= count + 10; i++) {
        yield sample + i * step
        yield sample - i * step
      }
    }
    yield* different(sample, 2)
  }

  /** Values that a property of this name may have. */
  *#samplesOf(schema: JsonSchema, name: string, path: readonly Step[], depth: number): Generator<unknown> {
    const schemas = schemasOf(schema, name)
    const [only = true] = schemas
    const together =
      schemas.length < 2 ? only : this.#of(schema, `property ${name}`, () => ({ allOf: schemas }))
    for (const example of (this.#root.examples ?? []) as unknown[]) {
      const shown = at(example, path)
      if (path.length > 0 && shown !== undefined && this.#satisfies(shown, together)) yield shown
    }
    const sample = this.#sample(together, depth + 1)
    if (sample !== undefined) yield sample
    if (schemas.length === 0) yield* ['text', 1, true, {}, [], null]
  }

  /** A value that satisfies a schema. */
  #sample(schema: SubSchema, depth: number): unknown {
    if (depth > MAX_DEPTH || !this.#hasTime() || schema === false) return undefined
    if (schema === true) return 'text'
    for (const seed of this.#seeds(schema, depth)) {
      const fitting = this.#mend(seed, value => this.#check(value, schema), depth + 1)
      if (fitting !== undefined) return fitting
    }
    return undefined
  }

  *#seeds(schema: JsonSchema, depth: number): Generator<unknown> {
    if ('const' in schema) yield schema.const
    if (Array.isArray(schema.examples)) yield* schema.examples.slice(0, 3)
    if ('default' in schema) yield schema.default
    if (Array.isArray(schema.enum)) yield* schema.enum.slice(0, 10)
    if (typeof schema.$ref === 'string') {
      const target = this.#resolve(schema.$ref)
      const sample = target === undefined ? undefined : this.#sample(target, depth + 1)
      if (sample !== undefined) yield sample
    }
    for (const keyword of ['allOf', 'anyOf', 'oneOf'] as const) {
      for (const branch of (schema[keyword] ?? []) as SubSchema[]) {
        const sample = this.#sample(branch, depth + 1)
        if (sample !== undefined) yield sample
      }
    }
    for (const type of typesOf(schema)) yield SEEDS[type]
  }

  #resolve(reference: string): SubSchema | undefined {
    const [uri = '', fragment = ''] = reference.split('#')
    let found: unknown = this.#documents.get(uri)
    for (const step of decodeURIComponent(fragment).split('/').slice(1)) {
      if (typeof found !== 'object' || found === null) return undefined
      found = (found as Members)[step.replace(/~1/g, '/').replace(/~0/g, '~')]
    }
    return found as SubSchema | undefined
  }
}

function make(options: Options, documents: ReadonlyMap<string, JsonSchema>, effort: Effort): Ajv {
  const ajv = new Ajv(options)
  makeLinear(ajv, effort)
  behaveAsAjv6(ajv)
  for (const [uri, document] of documents) ajv.addSchema(document, uri)
  return ajv
}

/** What tells one complaint from another; without its place, of the same kind. */
function signatureOf(complaint: SchemaError & { propertyName?: string }, withPlace = true): string {
  const { keyword, dataPath, schemaPath, params, propertyName = '' } = complaint
  return `${keyword} ${schemaPath} ${JSON.stringify(params)} ${propertyName} ${withPlace ? dataPath : ''}`
}

const SEEDS: Record<string, unknown> = {
  string: 'text',
  integer: 1,
  number: 1,
  boolean: true,
  object: {},
  array: [],
  null: null,
}

/** Keywords that look at one type only. */
const KEYWORDS: Record<string, readonly string[]> = {
  object: [
    ...['properties', 'required', 'additionalProperties', 'patternProperties', 'propertyNames'],
    ...['minProperties', 'maxProperties', 'dependencies'],
  ],
  array: ['items', 'additionalItems', 'minItems', 'maxItems', 'uniqueItems', 'contains'],
  string: ['minLength', 'maxLength', 'pattern', 'format'],
  number: ['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum', 'multipleOf'],
}

/** The types that a schema names, or that its keywords are about; then all others. */
function typesOf(schema: JsonSchema): string[] {
  if (schema.type !== undefined) return [schema.type].flat().map(String)
  const meant = Object.keys(KEYWORDS).filter(type => KEYWORDS[type]?.some(keyword => keyword in schema))
  return [...new Set([...meant, ...Object.keys(SEEDS)])]
}

function unescaped(step: string): string {
  return step.replace(/~1/g, '/').replace(/~0/g, '~')
}

function isDeclared(schema: JsonSchema, name: string): boolean {
  return schemasOf({ ...schema, additionalProperties: undefined }, name).length > 0
}

/** The schemas that a property of this name is held against. */
function schemasOf(schema: JsonSchema, name: string): SubSchema[] {
  const { properties = {}, patternProperties = {}, additionalProperties } = schema as Record<string, Members>
  const found: unknown[] = []
  if (Object.hasOwn(properties, name)) found.push(properties[name])
  for (const pattern of Object.keys(patternProperties))
    if (guarded(pattern).test(name)) found.push(patternProperties[pattern])
  if (found.length === 0 && additionalProperties !== undefined) found.push(additionalProperties)
  return found as SubSchema[]
}

function renamed(members: Members, from: string, to: string): Members {
  return Object.fromEntries(
    Object.entries(members).map(([name, value]) => [name === from ? to : name, value]),
  )
}

/** A value as another type, if it means the same. */
function* coercions(value: unknown, type: string, schema: JsonSchema): Generator<unknown> {
  const text = typeof value === 'string' ? value.trim() : undefined
  switch (type) {
    case 'string':
      if (typeof value === 'number' || typeof value === 'boolean') yield String(value)
      if (Array.isArray(value) && value.length === 1 && typeof value[0] === 'string') yield value[0]
      break
    case 'integer':
    case 'number': {
      const number = typeof value === 'number' ? value : text ? Number(text) : Number.NaN
      if (!Number.isFinite(number)) break
      yield type === 'integer' ? Math.round(number) : number
      break
    }
    case 'boolean':
      if (text !== undefined && /^(true|false)$/i.test(text)) yield text.toLowerCase() === 'true'
      if (value === 1 || value === 0) yield value === 1
      break
    case 'array':
      if (value !== null && value !== undefined && typeof value !== 'object') yield [value]
      if (typeof value === 'object' && value !== null && !Array.isArray(value)) yield [value]
      break
    case 'object':
      if (Array.isArray(value) && value.length === 1 && typeof value[0] === 'object') yield value[0]
      if (text?.startsWith('{')) {
        try {
          yield JSON.parse(text)
        } catch {
          // Then it means something else.
        }
      }
      break
  }
  if (schema.default !== undefined) yield schema.default
}

/** Values that differ from this one, the least different first. */
function* different(value: unknown, depth: number): Generator<unknown> {
  if (typeof value === 'string') {
    yield `${value}x`
    yield value.slice(0, -1)
    yield 'other'
  }
  if (typeof value === 'number') yield* [value + 1, value - 1, value + 0.5, -value, value * 10]
  if (typeof value === 'boolean') yield !value
  if (Array.isArray(value)) {
    if (value.length > 0) yield value.slice(0, -1)
    if (depth > 0) {
      for (const [i, item] of value.slice(0, 20).entries())
        for (const other of different(item, depth - 1)) yield put(value, [i], other)
    }
    yield [...value, null]
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    const names = Object.keys(value).slice(0, 50)
    if (depth > 0) {
      for (const name of names)
        for (const other of different((value as Members)[name], depth - 1)) yield put(value, [name], other)
    }
    for (const name of names) yield put(value, [name], GONE)
    yield { ...value, property: 'text' }
  }
  yield* [null, true, false, 0, 1, '', 'text', [], {}]
}
