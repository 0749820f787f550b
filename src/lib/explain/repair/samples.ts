import { isObject } from '../../eventgate.js'
import { at, type Step } from '../../json-pointer.js'
import {
  type JsonSchema,
  KEYWORDS,
  matches,
  membersOf,
  type SubSchema,
  schemasFor,
} from '../../schemas/json-schema.js'
import { GONE, put } from '../json-patch.js'
import type { Repairer } from '../repairer.js'
import { MAX_DEPTH } from './budget.js'
import { texts } from './strings.js'

/** The trivial value of each type. */
const TRIVIAL: Record<string, unknown> = {
  string: 'text',
  integer: 1,
  number: 1,
  boolean: true,
  object: {},
  array: [],
  null: null,
}

const MAX_NAMES = 200

/** A value that a schema accepts, from nothing; undefined if none is found. */
export function sample(search: Repairer, schema: SubSchema, depth: number): unknown {
  if (depth > MAX_DEPTH || search.budget.isExhausted || schema === false) return undefined
  if (schema === true) return TRIVIAL.string
  for (const seed of seeds(search, schema, depth)) {
    const fixed = search.climb(seed, schema, depth + 1)
    if (fixed !== undefined) return fixed
  }
  return undefined
}

/** Values to begin with: what the schema shows itself, then samples of its parts, then trivial ones. */
function* seeds(search: Repairer, schema: JsonSchema, depth: number): Generator<unknown> {
  if ('const' in schema) yield schema.const
  if (Array.isArray(schema.examples)) yield* schema.examples.slice(0, 3)
  if ('default' in schema) yield schema.default
  if (Array.isArray(schema.enum)) yield* schema.enum.slice(0, 10)
  if (typeof schema.$ref === 'string') {
    const target = search.parts.resolve(schema.$ref)
    const made = target === undefined ? undefined : sample(search, target, depth + 1)
    if (made !== undefined) yield made
  }
  for (const keyword of ['allOf', 'anyOf', 'oneOf'] as const) {
    for (const branch of (schema[keyword] ?? []) as SubSchema[]) {
      const made = sample(search, branch, depth + 1)
      if (made !== undefined) yield made
    }
  }
  for (const type of typesOf(schema)) yield TRIVIAL[type]
}

/** The types that a schema names, or that its keywords are about; then all others. */
function typesOf(schema: JsonSchema): string[] {
  if (schema.type !== undefined) return [schema.type].flat().map(String)
  const types = ['object', 'array', 'string', 'number'] as const
  const meant = types.filter(type => KEYWORDS[type].some(keyword => keyword in schema))
  return [...new Set([...meant, ...Object.keys(TRIVIAL)])]
}

/** Values that a property of this name may have. `path` is its place in an event if that is known. */
export function* propertySamples(
  search: Repairer,
  schema: JsonSchema,
  name: string,
  path: readonly Step[],
  depth: number,
): Generator<unknown> {
  const schemas = schemasFor(schema, name)
  const [only = true] = schemas
  const all =
    schemas.length < 2 ? only : search.parts.derived(schema, `property ${name}`, () => ({ allOf: schemas }))
  for (const example of (search.parts.root.examples ?? []) as unknown[]) {
    const shown = at(example, path)
    if (path.length > 0 && shown !== undefined && search.accepts(all, shown)) yield shown
  }
  const made = sample(search, all, depth + 1)
  if (made !== undefined) yield made
  if (schemas.length === 0) yield* ['text', 1, true, {}, [], null]
}

/** Names that properties may have. */
export function* propertyNames(search: Repairer, schema: JsonSchema, depth: number): Generator<string> {
  const names = (schema.propertyNames ?? true) as SubSchema
  const isAllowed = (name: string) => search.accepts(names, name)
  for (const name of Object.keys(membersOf(schema.properties))) if (isAllowed(name)) yield name
  for (const pattern of Object.keys(membersOf(schema.patternProperties)))
    for (const name of texts({ pattern })) if (matches(pattern, name) && isAllowed(name)) yield name
  if (isObject(names) && Array.isArray(names.enum)) yield* names.enum.map(String).filter(isAllowed)
  for (let i = 1; i <= MAX_NAMES; i++) {
    const name = `property_${i}`
    if (isAllowed(name)) yield name
    else {
      const fixed = search.fit(name, names, depth + 1)
      if (typeof fixed === 'string') yield fixed
      if (isAllowed(`p${i}`)) yield `p${i}`
      if (isAllowed(i.toString(36))) yield i.toString(36)
    }
  }
}

/** One more item for a list; undefined if none is found. */
export function nextItem(
  search: Repairer,
  items: readonly unknown[],
  schema: JsonSchema,
  depth: number,
): unknown {
  const { items: all, additionalItems = true, uniqueItems } = schema
  const own = (Array.isArray(all) ? (all[items.length] ?? additionalItems) : (all ?? true)) as SubSchema
  const made = sample(search, own, depth + 1)
  if (made === undefined || uniqueItems !== true) return made
  const taken = new Set(items.map(item => JSON.stringify(item)))
  const isNew = (item: unknown) => item !== undefined && !taken.has(JSON.stringify(item))
  if (isNew(made)) return made
  for (const other of alternatives(made, own, items.length))
    if (isNew(other) && search.accepts(own, other)) return other
  return undefined
}

function* alternatives(made: unknown, schema: SubSchema, count: number): Generator<unknown> {
  const own = isObject(schema) ? schema : {}
  if (Array.isArray(own.enum)) yield* own.enum
  if (typeof made === 'string') {
    for (let i = 1; i <= count + 10; i++) yield made + i
    if (isObject(schema)) yield* texts(schema)
  }
  if (typeof made === 'number') {
    const step = (own.multipleOf as number | undefined) ?? 1
    for (let i = 1; i <= count + 10; i++) {
      yield made + i * step
      yield made - i * step
    }
  }
  yield* variations(made, 2)
}

/** Values that differ from this one, the least different first. */
export function* variations(value: unknown, depth: number): Generator<unknown> {
  if (typeof value === 'string') yield* [`${value}x`, value.slice(0, -1), 'other']
  if (typeof value === 'number') yield* [value + 1, value - 1, value + 0.5, -value, value * 10]
  if (typeof value === 'boolean') yield !value
  if (Array.isArray(value)) {
    if (value.length > 0) yield value.slice(0, -1)
    if (depth > 0) {
      for (const [i, item] of value.slice(0, 20).entries())
        for (const other of variations(item, depth - 1)) yield put(value, [i], other)
    }
    yield [...value, null]
  }
  if (isObject(value)) {
    const names = Object.keys(value).slice(0, 50)
    if (depth > 0) {
      for (const name of names)
        for (const other of variations(value[name], depth - 1)) yield put(value, [name], other)
    }
    for (const name of names) yield put(value, [name], GONE)
    yield { ...value, property: 'text' }
  }
  yield* [null, true, false, 0, 1, '', 'text', [], {}]
}
