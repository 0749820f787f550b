import { guarded } from '../regexp/linear.js'

/** A JSONSchema as it stands in its document. */
export type JsonSchema = Record<string, unknown>
/** A schema within a document. */
export type SubSchema = JsonSchema | boolean

/** Keywords that apply to one type only, in the order in which Ajv 6 checks them. */
export const KEYWORDS = {
  number: 'maximum exclusiveMaximum minimum exclusiveMinimum multipleOf'.split(' '),
  string: 'maxLength minLength pattern format'.split(' '),
  array: 'maxItems minItems additionalItems items contains uniqueItems'.split(' '),
  object: (
    'maxProperties minProperties required dependencies propertyNames ' +
    'additionalProperties properties patternProperties'
  ).split(' '),
}

/** The schemas under a keyword such as `properties`, by name. */
export type Members<T = SubSchema> = Readonly<Record<string, T>>

/** The value of a keyword that should be an object; empty if it is not one. */
export function membersOf<T = SubSchema>(value: unknown): Members<T> {
  return typeof value === 'object' && value !== null ? (value as Members<T>) : {}
}

/** Whether a property's name matches a pattern of a schema. */
export function matches(pattern: string, name: string): boolean {
  return guarded(pattern).test(name)
}

/** What a schema says of a property by its name: under `properties` and `patternProperties`. */
export function namedSchemasFor(schema: JsonSchema, name: string): SubSchema[] {
  const properties = membersOf(schema.properties)
  const found: SubSchema[] = Object.hasOwn(properties, name) ? [properties[name] as SubSchema] : []
  for (const [pattern, own] of Object.entries(membersOf(schema.patternProperties)))
    if (matches(pattern, name)) found.push(own)
  return found
}

/** All that a schema says of the value of a property. */
export function schemasFor(schema: JsonSchema, name: string): SubSchema[] {
  const found = namedSchemasFor(schema, name)
  if (found.length === 0 && schema.additionalProperties !== undefined)
    found.push(schema.additionalProperties as SubSchema)
  return found
}
