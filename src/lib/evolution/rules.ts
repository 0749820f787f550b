import { canonical } from '../schemas/effort.js'
import { type JsonSchema, membersOf, type SubSchema } from '../schemas/json-schema.js'

// Pure functions on single rules of schemas, without references.

export type Type = 'null' | 'boolean' | 'integer' | 'fraction' | 'string' | 'array' | 'object'
const TYPES: readonly Type[] = ['null', 'boolean', 'integer', 'fraction', 'string', 'array', 'object']

export function listOf(value: unknown): readonly string[] {
  return Array.isArray(value) ? value : []
}

export function isNumber(value: unknown): value is number {
  return typeof value === 'number'
}

/** Like Ajv's equality; the order of keys means nothing. */
export function isSame(one: unknown, other: unknown): boolean {
  return one === other || canonical(one) === canonical(other)
}

/** Whether two rules are the same wherever they stand. A reference may mean another document. */
export function isSameRule(one: unknown, other: unknown): boolean {
  return isSame(one, other) && standsAlone(one)
}

/** Whether a rule has no references. */
export function standsAlone(rule: unknown): boolean {
  return rule !== undefined && !JSON.stringify(rule).includes('"$ref"')
}

export function admits(rule: unknown, type: Type): boolean {
  if (rule === undefined) return true
  return [rule]
    .flat()
    .some(name => name === type || (name === 'number' && (type === 'integer' || type === 'fraction')))
}

function typeOf(value: unknown): Type {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'array'
  if (typeof value === 'number') return Number.isInteger(value) ? 'integer' : 'fraction'
  return typeof value as Type
}

/** The types that a value may have. */
export function typesOf(facts: readonly JsonSchema[]): Set<Type> {
  const known = finite(facts)?.map(typeOf)
  return new Set(
    TYPES.filter(type => facts.every(part => admits(part.type, type)) && (known?.includes(type) ?? true)),
  )
}

/** All possible values, if they are listed and all are scalars. */
export function finite(facts: readonly JsonSchema[]): unknown[] | undefined {
  for (const part of facts) {
    const values = Array.isArray(part.enum)
      ? part.enum
      : Object.hasOwn(part, 'const')
        ? [part.const]
        : undefined
    if (values?.every(value => typeof value !== 'object' || value === null)) return values
  }
  return undefined
}

export function coversBooleans(values: unknown, types: ReadonlySet<Type>): boolean {
  return (
    Array.isArray(values) &&
    [...types].every(type =>
      type === 'null'
        ? values.includes(null)
        : type === 'boolean' && values.includes(true) && values.includes(false),
    )
  )
}

export interface Limits {
  maxLength: number
  minLength: number
  maxItems: number
  minItems: number
  maximum: number
  minimum: number
  /** All values are below this. */
  below: number
  /** All values are above this. */
  above: number
}

export function limitsOf(facts: readonly JsonSchema[], types: ReadonlySet<Type>): Limits {
  const of = (keyword: string) => facts.map(part => part[keyword]).filter(isNumber)
  const most = (keyword: string) => Math.min(Infinity, ...of(keyword))
  const least = (keyword: string, lowest = -Infinity) => Math.max(lowest, ...of(keyword))
  const [upTo, under] = [most('maximum'), most('exclusiveMaximum')]
  const [from, over] = [least('minimum'), least('exclusiveMinimum')]
  // For whole numbers a limit may be moved to the next one that is possible.
  const whole = !types.has('fraction')
  const largest = whole ? Math.min(Math.floor(upTo), Math.ceil(under) - 1) : Math.min(upTo, under)
  const smallest = whole ? Math.max(Math.ceil(from), Math.floor(over) + 1) : Math.max(from, over)
  return {
    maxLength: most('maxLength'),
    minLength: least('minLength', 0),
    maxItems: most('maxItems'),
    minItems: least('minItems', 0),
    maximum: largest,
    minimum: smallest,
    below: whole ? nextAbove(largest) : under <= upTo ? under : nextAbove(upTo),
    above: whole ? nextBelow(smallest) : over >= from ? over : nextBelow(from),
  }
}

/** The next number above a limit: whatever is at most the limit is below it. */
function nextAbove(limit: number): number {
  return limit + Math.max(Math.abs(limit) * Number.EPSILON, Number.MIN_VALUE)
}

function nextBelow(limit: number): number {
  return -nextAbove(-limit)
}

export function isMultiple(facts: readonly JsonSchema[], types: ReadonlySet<Type>, of: number): boolean {
  const own = facts.map(part => part.multipleOf).filter(isNumber)
  if (own.includes(of)) return true
  if (!types.has('fraction')) own.push(1)
  // Ajv divides, and division of fractions is inexact.
  return Number.isInteger(of) ? own.some(step => Number.isInteger(step) && step % of === 0) : false
}

export function itemOf(items: unknown, additionalItems: unknown, index: number): SubSchema {
  if (!Array.isArray(items)) return (items ?? true) as SubSchema
  return (index < items.length ? items[index] : (additionalItems ?? true)) as SubSchema
}

export function namesOf(facts: readonly JsonSchema[]): string[] {
  return [...new Set(facts.flatMap(part => Object.keys(membersOf(part.properties))))]
}

export function patternsOf(facts: readonly JsonSchema[]): string[] {
  return [...new Set(facts.flatMap(part => Object.keys(membersOf(part.patternProperties))))]
}

/** Defaults by property; Ajv fills in those of `properties` only. */
export function defaultsOf(facts: readonly JsonSchema[]): Map<string, unknown> {
  const defaults = new Map<string, unknown>()
  for (const part of facts)
    for (const [name, schema] of Object.entries(membersOf(part.properties)))
      if (typeof schema === 'object' && Object.hasOwn(schema, 'default')) defaults.set(name, schema.default)
  return defaults
}
