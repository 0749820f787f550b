import { cut, type SchemaError } from '../errors.js'

/** An error of Ajv 8 with the option `jsPropertySyntax`. */
export interface Ajv8Error {
  keyword: string
  instancePath: string
  schemaPath: string
  params: Record<string, unknown>
  /** The property's name if the error is about the name and not about a value. */
  propertyName?: string
  message?: string
}

/** Errors listed for one event (docs/contract.md 1.2), and the characters of all of them and of their text. */
const MAX_ERRORS = 16
const MAX_ERRORS_LENGTH = 16 * 1024
/** JSON of one value of a schema in an error, characters. */
const MAX_VALUE = 1000

/** The first errors: as many as the bounds allow, and at least one. */
export function firstErrors(all: readonly Ajv8Error[]): SchemaError[] {
  const errors: SchemaError[] = []
  let room = MAX_ERRORS_LENGTH
  for (const one of all.slice(0, MAX_ERRORS)) {
    const error = asAjv6(one)
    room -= lengthOf([error]) + error.dataPath.length + error.message.length
    if (room < 0 && errors.length > 0) break
    errors.push(error)
  }
  return errors
}

/** Characters of these errors as JSON. */
export function lengthOf(errors: readonly SchemaError[]): number {
  return JSON.stringify(errors).length
}

/** All errors as one line, as the original's clients log them. */
export function errorsText(errors: readonly SchemaError[]): string {
  return errors.map(({ dataPath, message }) => `'${dataPath}' ${message}`).join(', ')
}

/** An error in the words of Ajv 6 (docs/contract.md 1.2), each of its texts bounded. */
export function asAjv6(found: Ajv8Error): SchemaError {
  const { keyword, instancePath, propertyName, message = '' } = found
  const params = bounded(found.params)
  const name = propertyName === undefined ? {} : { propertyName: cut(propertyName) }
  const schemaPath = cut(found.schemaPath)
  const error = { ...name, keyword, dataPath: cut(instancePath), schemaPath, params, message }
  const limit = params.limit as number
  switch (keyword) {
    case 'type':
      error.params = { type: [params.type].flat().join(',') }
      error.message = `should be ${error.params.type}`
      break
    case 'required':
      error.message = `should have required property '${params.missingProperty}'`
      break
    case 'additionalProperties':
      error.message = 'should NOT have additional properties'
      break
    case 'minimum':
    case 'maximum':
    case 'exclusiveMinimum':
    case 'exclusiveMaximum':
      error.params = { ...params, exclusive: !String(params.comparison).endsWith('=') }
      error.message = `should be ${params.comparison} ${limit}`
      break
    case 'maxLength':
      error.message = `should NOT be longer than ${limit} characters`
      break
    case 'minLength':
      error.message = `should NOT be shorter than ${limit} characters`
      break
    case 'maxItems':
    case 'additionalItems':
      error.message = `should NOT have more than ${limit} items`
      break
    case 'minItems':
      error.message = `should NOT have fewer than ${limit} items`
      break
    case 'maxProperties':
      error.message = `should NOT have more than ${limit} properties`
      break
    case 'minProperties':
      error.message = `should NOT have fewer than ${limit} properties`
      break
    case 'multipleOf':
      error.message = `should be multiple of ${params.multipleOf}`
      break
    case 'pattern':
    case 'format':
      error.message = `should match ${keyword} "${params[keyword]}"`
      break
    case 'enum':
      error.message = 'should be equal to one of the allowed values'
      break
    case 'const':
      error.message = 'should be equal to constant'
      break
    case 'contains':
      error.params = {}
      error.message = 'should contain a valid item'
      break
    case 'uniqueItems':
      error.message = `should NOT have duplicate items (items ## ${params.j} and ${params.i} are identical)`
      break
    case 'dependencies': {
      const properties = params.depsCount === 1 ? 'property' : 'properties'
      error.message = `should have ${properties} ${params.deps} when property ${params.property} is present`
      break
    }
    case 'propertyNames':
      error.message = `property name '${params.propertyName}' is invalid`
      break
    case 'not':
      error.message = 'should NOT be valid'
      break
    case 'anyOf':
      error.message = 'should match some schema in anyOf'
      break
    case 'oneOf':
      error.message = 'should match exactly one schema in oneOf'
      break
    case 'if':
      error.message = `should match "${params.failingKeyword}" schema`
      break
    case 'false schema':
      error.message = 'boolean schema is false'
      break
    default:
      error.message = error.message.replace(/^must /, 'should ')
  }
  return error
}

/** Long values that were shortened, by the schema's own object: one schema's errors repeat them. */
const shortened = new WeakMap<object, unknown>()

function bounded(params: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(params).map(([name, value]) => {
      if (typeof value === 'string') return [name, cut(value)]
      if (typeof value !== 'object' || value === null) return [name, value]
      if (!shortened.has(value)) shortened.set(value, shorten(value))
      return [name, shortened.get(value)]
    }),
  )
}

/** The beginning of a long list, or the cut text of another long value. */
function shorten(value: object): unknown {
  if (!Array.isArray(value)) {
    const text = JSON.stringify(value)
    return text.length > MAX_VALUE ? cut(text) : value
  }
  let length = 0
  const end = value.findIndex(item => {
    length += JSON.stringify(item)?.length ?? 0
    return length > MAX_VALUE
  })
  return end < 0 ? value : value.slice(0, end)
}
