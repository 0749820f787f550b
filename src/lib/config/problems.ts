import { Ajv, type DefinedError, type ValidateFunction } from 'ajv'
import { nearest } from '../did-you-mean.js'
import { quote } from '../errors.js'
import { size } from './options/values.js'

/** Something that is wrong with a configuration. */
export interface Problem {
  /** Where it is: `services[0].conf.port`. */
  path: string
  message: string
}

/** The service cannot start with a configuration. Lists all that is wrong with it. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'

  constructor(readonly problems: readonly Problem[]) {
    super(problems.map(({ path, message }) => `${path}: ${message}`).join('\n'))
  }
}

const AJV = new Ajv({
  allErrors: true,
  allowUnionTypes: true,
  strictTypes: false,
  verbose: true,
  jsPropertySyntax: true,
  logger: false,
  keywords: ['read'],
  // The schemas are our own, and are used a few times at the start: neither check nor optimize them.
  validateSchema: false,
  code: { optimize: false },
})

/** Makes a function that finds everything in which a value differs from a schema. */
export function checker(schema: object): (value: unknown, at: string) => Problem[] {
  let isValid: ValidateFunction | undefined
  return (value, at) => {
    isValid ??= AJV.compile(schema)
    if (isValid(value)) return []
    const errors = isValid.errors as (DefinedError & { parentSchema: Record<string, unknown> })[]
    // The error of an `anyOf` names all alternatives, so those of single alternatives add nothing.
    return errors
      .filter(({ schemaPath }) => !schemaPath.includes('/anyOf/'))
      .map(error => ({
        path: `${at}${error.instancePath}`.replace(/^\./, '') || 'the file',
        message: messageOf(error),
      }))
  }
}

function messageOf(error: DefinedError & { parentSchema: Record<string, unknown> }): string {
  switch (error.keyword) {
    case 'additionalProperties': {
      const name = error.params.additionalProperty
      const similar = nearest(name, Object.keys(error.parentSchema.properties as object))
      return `has no option ${quote(name)}${similar ? `; did you mean ${quote(similar)}?` : ''}`
    }
    case 'required':
      return `must have ${quote(error.params.missingProperty)}`
    default:
      return `must be ${allowed(error.parentSchema)}, not ${quote(error.data)}`
  }
}

/** What a schema accepts, in words. */
function allowed(schema: Record<string, unknown>): string {
  const { type, pattern, minLength, minItems = 0, maxItems, minimum, maximum } = schema
  if (Array.isArray(schema.anyOf)) return schema.anyOf.map(allowed).join(', or ')
  if (Array.isArray(schema.enum)) return schema.enum.map(value => JSON.stringify(value)).join(' or ')
  if (pattern === size.pattern) return 'a number of bytes, or a size such as "10mb"'
  if (Array.isArray(type)) return type.map(one => allowed({ ...schema, type: one })).join(', or ')
  if (type === 'array') {
    if (maxItems === undefined) return minItems ? 'a list that is not empty' : 'a list'
    return `a list of ${minItems === maxItems ? 'exactly' : 'at most'} ${maxItems}`
  }
  if (type === 'string')
    return pattern ? `text that matches ${pattern}` : minLength ? 'text that is not empty' : 'text'
  const range =
    maximum !== undefined
      ? ` from ${minimum} to ${maximum}`
      : minimum !== undefined
        ? ` of at least ${minimum}`
        : ''
  return `${type === 'integer' || type === 'object' ? 'an' : 'a'} ${type}${range}`
}
