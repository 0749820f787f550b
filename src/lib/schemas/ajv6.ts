import type { Ajv } from 'ajv'
import type { SchemaError } from '../errors.js'

/** A complaint of Ajv 8 with the option `jsPropertySyntax`: its path is written as JavaScript would. */
export interface ComplaintOfAjv8 {
  keyword: string
  instancePath: string
  schemaPath: string
  params: Record<string, unknown>
  message?: string
}

/** The order in which Ajv 6 looks at the keywords of a schema; clients' logs compare texts that depend on it. */
const ORDER = [
  ...['maximum', 'minimum', 'exclusiveMaximum', 'exclusiveMinimum', 'multipleOf'],
  ...['maxLength', 'minLength', 'pattern', 'format'],
  ...['maxItems', 'minItems', 'additionalItems', 'items', 'contains', 'uniqueItems'],
  ...['maxProperties', 'minProperties', 'required', 'dependencies', 'propertyNames'],
  ...['additionalProperties', 'properties', 'patternProperties'],
  ...['$ref', 'const', 'enum', 'not', 'anyOf', 'oneOf', 'allOf', 'if'],
]
const rank = ({ keyword }: { keyword: string }) => ORDER.indexOf(keyword) + 1

/** Makes an Ajv 8 complain in the order of Ajv 6. */
export function orderOfAjv6(ajv: Ajv): void {
  for (const group of ajv.RULES.rules) group.rules.sort((a, b) => rank(a) - rank(b))
  // What holds for any type comes after what holds for one.
  ajv.RULES.rules.sort((a, b) => Number(!a.type) - Number(!b.type))
}

/** A complaint as Ajv 6 words it (CONTRACT 1.2): `dataPath`, *should*, and its own texts. */
export function asAjv6({ keyword, instancePath, schemaPath, params, message }: ComplaintOfAjv8): SchemaError {
  const error = { keyword, dataPath: dataPath(instancePath), schemaPath, params, message: message ?? '' }
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

/** All complaints as one line, as the original's clients log them. */
export function textOf(errors: readonly SchemaError[]): string {
  return errors.map(({ dataPath, message }) => `'${dataPath}' ${message}`).join(', ')
}

/** Ajv 8 quotes a key that is no identifier as JSON, Ajv 6 as a JavaScript string in single quotes. */
function dataPath(path: string): string {
  return path.replace(/\["(?:[^"\\]|\\.)*"\]/g, quoted => {
    const key = JSON.parse(quoted.slice(1, -1)) as string
    const escapes: Record<string, string> = {
      "'": "\\'",
      '\\': '\\\\',
      '\n': '\\n',
      '\r': '\\r',
      '\f': '\\f',
      '\t': '\\t',
    }
    return `['${key.replace(/['\\\n\r\f\t]/g, char => escapes[char] as string)}']`
  })
}
