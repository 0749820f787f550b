import { cut, type SchemaError } from '../errors.js'

type Params = Record<string, unknown>

/** An error of Ajv 8 with the option `jsPropertySyntax`. */
export interface Ajv8Error {
  keyword: string
  instancePath: string
  schemaPath: string
  params: Params
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

const compared = ({ comparison, limit }: Params) => `should be ${comparison} ${limit}`
const most = (unit: string) => (params: Params) => `should NOT have more than ${params.limit} ${unit}`
const least = (unit: string) => (params: Params) => `should NOT have fewer than ${params.limit} ${unit}`

/** Ajv 6's message by keyword. */
const MESSAGES: Record<string, (params: Params) => string> = {
  type: ({ type }) => `should be ${type}`,
  required: ({ missingProperty }) => `should have required property '${missingProperty}'`,
  additionalProperties: () => 'should NOT have additional properties',
  minimum: compared,
  maximum: compared,
  exclusiveMinimum: compared,
  exclusiveMaximum: compared,
  maxLength: ({ limit }) => `should NOT be longer than ${limit} characters`,
  minLength: ({ limit }) => `should NOT be shorter than ${limit} characters`,
  maxItems: most('items'),
  additionalItems: most('items'),
  minItems: least('items'),
  maxProperties: most('properties'),
  minProperties: least('properties'),
  multipleOf: ({ multipleOf }) => `should be multiple of ${multipleOf}`,
  pattern: ({ pattern }) => `should match pattern "${pattern}"`,
  format: ({ format }) => `should match format "${format}"`,
  enum: () => 'should be equal to one of the allowed values',
  const: () => 'should be equal to constant',
  contains: () => 'should contain a valid item',
  uniqueItems: ({ i, j }) => `should NOT have duplicate items (items ## ${j} and ${i} are identical)`,
  dependencies: ({ depsCount, deps, property }) =>
    `should have ${depsCount === 1 ? 'property' : 'properties'} ${deps} when property ${property} is present`,
  propertyNames: ({ propertyName }) => `property name '${propertyName}' is invalid`,
  not: () => 'should NOT be valid',
  anyOf: () => 'should match some schema in anyOf',
  oneOf: () => 'should match exactly one schema in oneOf',
  if: ({ failingKeyword }) => `should match "${failingKeyword}" schema`,
  'false schema': () => 'boolean schema is false',
}

/** An error in the words of Ajv 6 (docs/contract.md 1.2), each of its texts bounded. */
export function asAjv6(found: Ajv8Error): SchemaError {
  const { keyword, instancePath, schemaPath, propertyName } = found
  const name = propertyName === undefined ? {} : { propertyName: cut(propertyName) }
  const params = paramsOf(keyword, bounded(found.params))
  const message = MESSAGES[keyword]?.(params) ?? (found.message ?? '').replace(/^must /, 'should ')
  return { ...name, keyword, dataPath: cut(instancePath), schemaPath: cut(schemaPath), params, message }
}

/** The parameters as Ajv 6 has them. */
function paramsOf(keyword: string, params: Params): Params {
  if (keyword === 'type') return { type: [params.type].flat().join(',') }
  if (keyword === 'contains') return {}
  if (MESSAGES[keyword] !== compared) return params
  return { ...params, exclusive: !String(params.comparison).endsWith('=') }
}

/** Long values that were shortened, by the schema's own object: one schema's errors repeat them. */
const shortened = new WeakMap<object, unknown>()

function bounded(params: Params): Params {
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
