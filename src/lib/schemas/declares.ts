import traverse from 'json-schema-traverse'
import { isObject } from '../eventgate.js'
import { at, pointerSteps } from '../json-pointer.js'
import { type JsonSchema, namedSchemasFor, type SubSchema } from './json-schema.js'

/** The document of a URI. */
type Documents = (uri: string) => JsonSchema | undefined

/** A schema, and the document that its local references mean. */
interface Part<T = unknown> {
  schema: T
  home: JsonSchema
}

/**
 * Whether events of this schema may have a field at a dotted path. Either it is declared by name or its parent is a
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

/** What one schema says of a field: its schemas, `false` among them if the field is forbidden. */
function fieldOf(schema: JsonSchema, name: string): SubSchema[] {
  const found = namedSchemasFor(schema, name)
  const { additionalProperties } = schema
  // `additionalProperties: true` only allows unknown properties; a schema there makes a map.
  if (found.length > 0 || additionalProperties === undefined || additionalProperties === true) return found
  return [additionalProperties as SubSchema]
}

/** Schemas with all that applies beside each of them. */
function applying(parts: readonly Part[], documents: Documents): Part<JsonSchema>[] {
  const all = new Map<JsonSchema, Part<JsonSchema>>()
  const add = (schema: unknown, home: JsonSchema): void => {
    if (!isObject(schema) || all.has(schema)) return
    if (typeof schema.$ref === 'string') {
      // What stands beside a reference means nothing.
      all.set(schema, { schema: {}, home })
      const [uri = '', fragment = ''] = schema.$ref.split('#')
      const document = uri === '' ? home : documents(uri)
      if (document) add(partAt(document, decodeURIComponent(fragment)), document)
      return
    }
    all.set(schema, { schema, home })
    if (Array.isArray(schema.allOf)) for (const part of schema.allOf) add(part, home)
  }
  for (const { schema, home } of parts) add(schema, home)
  return [...all.values()]
}

/** The part of a document that a reference's fragment means: a JSON pointer or an anchor. */
function partAt(document: JsonSchema, fragment: string): unknown {
  if (fragment === '' || fragment.startsWith('/')) return at(document, pointerSteps(fragment))
  let found: unknown
  traverse(document, (sub: traverse.SchemaObject) => {
    if (sub.$id === `#${fragment}`) found = sub
  })
  return found
}
