import traverse from 'json-schema-traverse'
import { isObject } from '../eventgate.js'
import { guarded } from '../regexp/linear.js'

/** A JSONSchema as it stands in its document. */
export type JsonSchema = Record<string, unknown>

/** Gives the document of a URI. */
type Documents = (uri: string) => JsonSchema | undefined

/** A schema, and the document that its local references mean. */
interface Part {
  schema: JsonSchema
  home: JsonSchema
}

/**
 * Whether events of this schema may have a field at a dotted path: it is declared by name, or its parent is a
 * map, and nothing that applies beside it forbids it. Looks through `$ref` and `allOf`.
 */
export function declares(document: JsonSchema, documents: Documents, path: string): boolean {
  let level = applying([{ schema: document, home: document }], documents)
  for (const name of path.split('.')) {
    const found = level.flatMap(({ schema, home }) => fieldOf(schema, name).map(schema => ({ schema, home })))
    if (found.length === 0 || found.some(({ schema }) => schema === false)) return false
    level = applying(found, documents)
  }
  return true
}

/** What one schema says of a field: the schemas of it, `false` among them if it may not be. */
function fieldOf(schema: JsonSchema, name: string): unknown[] {
  const { properties, patternProperties, additionalProperties } = schema
  const found: unknown[] = []
  if (isObject(properties) && Object.hasOwn(properties, name)) found.push(properties[name])
  if (isObject(patternProperties)) {
    for (const [pattern, schema] of Object.entries(patternProperties))
      if (guarded(pattern).test(name)) found.push(schema)
  }
  // `additionalProperties: true` only allows what it does not know; a schema there makes a map.
  if (found.length > 0 || additionalProperties === undefined || additionalProperties === true) return found
  return [additionalProperties]
}

/** Schemas with all that applies beside each of them. */
function applying(parts: readonly { schema: unknown; home: JsonSchema }[], documents: Documents): Part[] {
  const all = new Map<JsonSchema, Part>()
  const add = (schema: unknown, home: JsonSchema): void => {
    if (!isObject(schema) || all.has(schema)) return
    if (typeof schema.$ref === 'string') {
      // What stands beside a reference means nothing.
      all.set(schema, { schema: {}, home })
      const [uri = '', fragment = ''] = schema.$ref.split('#')
      const document = uri === '' ? home : documents(uri)
      if (document) add(at(document, decodeURIComponent(fragment)), document)
      return
    }
    all.set(schema, { schema, home })
    if (Array.isArray(schema.allOf)) for (const part of schema.allOf) add(part, home)
  }
  for (const { schema, home } of parts) add(schema, home)
  return [...all.values()]
}

/** The part of a document that a reference's fragment means: a JSON pointer, or the anchor of one. */
function at(document: JsonSchema, fragment: string): unknown {
  let value: unknown = document
  if (fragment !== '' && !fragment.startsWith('/')) {
    value = undefined
    traverse(document, (sub: traverse.SchemaObject) => {
      if (sub.$id === `#${fragment}`) value = sub
    })
    return value
  }
  for (const step of fragment.split('/').slice(1)) {
    if (typeof value !== 'object' || value === null) return undefined
    value = (value as JsonSchema)[step.replace(/~1/g, '/').replace(/~0/g, '~')]
  }
  return value
}
