import { pointerSteps, type Step } from '../json-pointer.js'
import type { Complaint } from '../schemas/parts.js'
import type { PatchOperation } from './json-patch.js'

const MAX_LENGTH = 120

/** A value as people read it, on one line. */
export function shown(value: unknown): string {
  const text = value === undefined ? 'nothing' : JSON.stringify(value)
  return text.length > MAX_LENGTH ? `${text.slice(0, MAX_LENGTH - 1)}…` : text
}

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
  if (typeof value === 'string') return `the text ${shown(value)}`
  return typeof value === 'number' ? `the number ${value}` : String(value)
}

/** What a schema complains of, in plain words. */
export function wordsOf(complaint: Complaint): string {
  const { keyword, params, steps, rule, value, message, propertyName } = complaint
  const place = propertyName === undefined ? placeOf(steps) : `the name ${shown(propertyName)}`
  const count = (limit: unknown, one: string, many: string) => `${limit} ${limit === 1 ? one : many}`
  const length = () => [...String(value)].length
  switch (keyword) {
    case 'type': {
      const types = [params.type].flat().flatMap(type => String(type).split(','))
      return `${place} must be ${types.map(type => TYPES[type] ?? type).join(' or ')}; it is ${whatIs(value)}`
    }
    case 'enum': {
      const allowed = (rule as unknown[]).slice(0, 20).map(shown).join(', ')
      return `${place} must be one of ${allowed}${(rule as unknown[]).length > 20 ? ' …' : ''}; it is ${shown(value)}`
    }
    case 'const':
      return `${place} must be ${shown(rule)}; it is ${shown(value)}`
    case 'multipleOf':
      return `${place} must be a multiple of ${rule}; it is ${value}`
    case 'maximum':
      return `${place} must be at most ${params.limit}; it is ${value}`
    case 'minimum':
      return `${place} must be at least ${params.limit}; it is ${value}`
    case 'exclusiveMaximum':
      return `${place} must be less than ${params.limit}; it is ${value}`
    case 'exclusiveMinimum':
      return `${place} must be more than ${params.limit}; it is ${value}`
    case 'maxLength':
      return `${place} may have at most ${count(params.limit, 'character', 'characters')}; it has ${length()}`
    case 'minLength':
      return `${place} must have at least ${count(params.limit, 'character', 'characters')}; it has ${length()}`
    case 'pattern':
      return `${place} must match the pattern ${rule}; ${shown(value)} does not`
    case 'format':
      return `${place} must be of the format ${rule}; ${shown(value)} is not`
    case 'maxItems':
    case 'additionalItems':
      return `${place} may have at most ${count(params.limit, 'item', 'items')}; it has ${(value as unknown[]).length}`
    case 'minItems':
      return `${place} must have at least ${count(params.limit, 'item', 'items')}; it has ${(value as unknown[]).length}`
    case 'uniqueItems':
      return `no two items of ${place} may be the same; items ${params.j} and ${params.i} are`
    case 'contains':
      return `${place} must have an item that satisfies its schema's "contains"; none does`
    case 'maxProperties':
      return `${place} may have at most ${count(params.limit, 'property', 'properties')}; it has ${Object.keys(value as object).length}`
    case 'minProperties':
      return `${place} must have at least ${count(params.limit, 'property', 'properties')}; it has ${Object.keys(value as object).length}`
    case 'required':
      return `${place} must have ${shown(params.missingProperty)}; it is missing`
    case 'dependencies':
      return `${place} has ${shown(params.property)}, so it must have ${shown(params.missingProperty)} too; it is missing`
    case 'additionalProperties':
      return `${place} has ${shown(params.additionalProperty)}, which its schema does not know and does not allow`
    case 'propertyNames':
      return `${place} may not have a property of the name ${shown(params.propertyName)}`
    case 'anyOf':
      return `${place} must satisfy one of the ${(rule as unknown[]).length} schemas of "anyOf"; it satisfies none of them`
    case 'oneOf': {
      const passing = params.passingSchemas as number[] | null
      const has = passing ? `it satisfies two of them, ${passing.join(' and ')}` : 'it satisfies none of them'
      return `${place} must satisfy exactly one of the ${(rule as unknown[]).length} schemas of "oneOf"; ${has}`
    }
    case 'not':
      return `${place} satisfies the schema of "not", but must not`
    case 'if':
      return `${place} must satisfy the schema of "${params.failingKeyword}" because it ${params.failingKeyword === 'then' ? 'satisfies' : 'does not satisfy'} that of "if"`
    case 'false schema':
      return steps.length === 0 ? 'no event satisfies this schema' : `${place} is not allowed`
    default:
      return `${place} ${message}`
  }
}

/** What a patch does, in plain words. */
export function patchWords(patch: readonly PatchOperation[]): string {
  const told = patch.slice(0, 5).map(operation => {
    const place = placeOf(stepsTo(operation.path))
    if (operation.op === 'remove') return `remove ${place}`
    if (operation.path === '') return `send ${shown(operation.value)}`
    return `${operation.op === 'add' ? 'add' : 'set'} ${place}${operation.op === 'add' ? ':' : ' to'} ${shown(operation.value)}`
  })
  const more = patch.length > 5 ? `, and ${patch.length - 5} more changes` : ''
  return `${told.join(', ')}${more}`
}

/** An index of an array is a number, as far as the pointer alone can tell. */
function stepsTo(pointer: string): Step[] {
  return pointerSteps(pointer).map(step => (/^\d+$/.test(step) ? Number(step) : step))
}
