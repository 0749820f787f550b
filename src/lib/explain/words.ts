import { quote } from '../errors.js'
import { pointerSteps, type Step } from '../json-pointer.js'
import type { Complaint } from '../schemas/parts.js'
import type { PatchOperation } from './json-patch.js'

/** Values of an `enum` that are told. */
const MAX_ALLOWED = 20

/** A place in the event as people write it. */
export function placeOf(steps: readonly Step[]): string {
  if (steps.length === 0) return 'the event'
  return steps
    .map((step, i) =>
      typeof step === 'number'
        ? `[${step}]`
        : /^[\w$-]+$/.test(step)
          ? `${i > 0 ? '.' : ''}${step}`
          : `[${JSON.stringify(step)}]`,
    )
    .join('')
}

const TYPES: Record<string, string> = {
  string: 'text',
  integer: 'a whole number',
  number: 'a number',
  boolean: 'true or false',
  object: 'an object',
  array: 'a list',
  null: 'null',
}

/** What a value is, with the value if it is short. */
function whatIs(value: unknown): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return `a list of ${value.length}`
  if (typeof value === 'object') return 'an object'
  if (typeof value === 'string') return `the text ${quote(value)}`
  return typeof value === 'number' ? `the number ${value}` : String(value)
}

type Words = (complaint: Complaint) => string

const sizeOf = (value: unknown) =>
  typeof value === 'string' ? [...value].length : Object.keys(value as object).length

function most(one: string, many: string): Words {
  return complaint => `may have at most ${sizes(complaint, one, many)}`
}

function least(one: string, many: string): Words {
  return complaint => `must have at least ${sizes(complaint, one, many)}`
}

function sizes({ params, value }: Complaint, one: string, many: string): string {
  return `${params.limit} ${params.limit === 1 ? one : many}; it has ${sizeOf(value)}`
}

function limited(words: string): Words {
  return ({ params, value }) => `must be ${words} ${params.limit}; it is ${value}`
}

/** By keyword, what follows the place of a complaint. */
const WORDS: Record<string, Words> = {
  type({ params, value }) {
    const types = [params.type].flat().flatMap(type => String(type).split(','))
    return `must be ${types.map(type => TYPES[type] ?? type).join(' or ')}; it is ${whatIs(value)}`
  },
  enum({ rule, value }) {
    const allowed = rule as unknown[]
    const more = allowed.length > MAX_ALLOWED ? ' …' : ''
    return `must be one of ${allowed.slice(0, MAX_ALLOWED).map(quote).join(', ')}${more}; it is ${quote(value)}`
  },
  const: ({ rule, value }) => `must be ${quote(rule)}; it is ${quote(value)}`,
  multipleOf: ({ rule, value }) => `must be a multiple of ${rule}; it is ${value}`,
  maximum: limited('at most'),
  minimum: limited('at least'),
  exclusiveMaximum: limited('less than'),
  exclusiveMinimum: limited('more than'),
  maxLength: most('character', 'characters'),
  minLength: least('character', 'characters'),
  pattern: ({ rule, value }) => `must match the pattern ${rule}; ${quote(value)} does not`,
  format: ({ rule, value }) => `must be of the format ${rule}; ${quote(value)} is not`,
  maxItems: most('item', 'items'),
  additionalItems: most('item', 'items'),
  minItems: least('item', 'items'),
  contains: () => 'must have an item that satisfies its schema\'s "contains"; it has no such item',
  maxProperties: most('property', 'properties'),
  minProperties: least('property', 'properties'),
  required: ({ params }) => `must have ${quote(params.missingProperty)}; it is missing`,
  dependencies: ({ params }) =>
    `has ${quote(params.property)}, so it must have ${quote(params.missingProperty)} too; it is missing`,
  additionalProperties: ({ params }) =>
    `has ${quote(params.additionalProperty)}, which its schema does not know and does not allow`,
  propertyNames: ({ params }) => `may not have a property of the name ${quote(params.propertyName)}`,
  anyOf: ({ rule }) =>
    `must satisfy one of the ${sizeOf(rule)} schemas of "anyOf"; it satisfies none of them`,
  oneOf({ params, rule }) {
    const passing = params.passingSchemas as number[] | null
    const has = passing ? `two of them, ${passing.join(' and ')}` : 'none of them'
    return `must satisfy exactly one of the ${sizeOf(rule)} schemas of "oneOf"; it satisfies ${has}`
  },
  not: () => 'satisfies the schema of "not", but must not',
  if({ params: { failingKeyword } }) {
    const does = failingKeyword === 'then' ? 'satisfies' : 'does not satisfy'
    return `must satisfy the schema of "${failingKeyword}" because it ${does} that of "if"`
  },
  'false schema': () => 'is not allowed',
}

/** What a schema complains of, in plain words. */
export function wordsOf(complaint: Complaint): string {
  const { keyword, params, steps, message, propertyName } = complaint
  const place = propertyName === undefined ? placeOf(steps) : `the name ${quote(propertyName)}`
  if (keyword === 'uniqueItems')
    return `no two items of ${place} may be the same; items ${params.j} and ${params.i} are`
  if (keyword === 'false schema' && steps.length === 0) return 'no event satisfies this schema'
  return `${place} ${WORDS[keyword]?.(complaint) ?? message}`
}

/** What a patch does, in plain words. */
export function patchWords(patch: readonly PatchOperation[]): string {
  const told = patch.slice(0, 5).map(operation => {
    const place = placeOf(stepsTo(operation.path))
    if (operation.op === 'remove') return `remove ${place}`
    if (operation.path === '') return `send ${quote(operation.value)}`
    return `${operation.op === 'add' ? 'add' : 'set'} ${place}${operation.op === 'add' ? ':' : ' to'} ${quote(operation.value)}`
  })
  const more = patch.length > 5 ? `, and ${patch.length - 5} more changes` : ''
  return `${told.join(', ')}${more}`
}

/** An index of an array is a number, as far as the pointer alone can tell. */
function stepsTo(pointer: string): Step[] {
  return pointerSteps(pointer).map(step => (/^\d+$/.test(step) ? Number(step) : step))
}
