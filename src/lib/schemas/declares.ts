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
    const found = level.map(({ schema, home }) => ({ schema: fieldOf(schema, name), home }))
    if (found.some(({ schema }) => schema === false) || found.every(({ schema }) => schema === undefined))
      return false
    level = applying(found, documents)
  }
  return true
}

/** What one schema says of a field: its schema, `undefined` if nothing, `false` if it may not be. */
function fieldOf(schema: JsonSchema, name: string): unknown {
  const { properties, patternProperties, additionalProperties } = schema
  if (isObject(properties) && Object.hasOwn(properties, name)) return properties[name]
  if (isObject(patternProperties)) {
    const pattern = Object.keys(patternProperties).find(pattern => new RegExp(pattern).test(name))
    if (pattern !== undefined) return patternProperties[pattern]
  }
  // `additionalProperties: true` only allows what it does not know; a schema there makes a map.
  return additionalProperties === true ? undefined : additionalProperties
}

/** Schemas with all that applies beside each of them. */
function applying(parts: readonly { schema: unknown; home: JsonSchema }[], documents: Documents): Part[] {
  const all = new Map<JsonSchema, Part>()
  const add = (schema: unknown, home: JsonSchema): void => {
    if (!isObject(schema) || all.has(schema)) return
    all.set(schema, { schema, home })
    if (Array.isArray(schema.allOf)) for (const part of schema.allOf) add(part, home)
    if (typeof schema.$ref === 'string') {
      const [uri = '', pointer = ''] = schema.$ref.split('#')
      const document = uri === '' ? home : documents(uri)
      if (document) add(at(document, pointer), document)
    }
  }
  for (const { schema, home } of parts) add(schema, home)
  return [...all.values()]
}

function at(document: JsonSchema, pointer: string): unknown {
  let value: unknown = document
  for (const step of pointer.split('/').slice(1)) {
    if (!isObject(value) && !Array.isArray(value)) return undefined
    value = (value as JsonSchema)[decodeURIComponent(step).replace(/~1/g, '/').replace(/~0/g, '~')]
  }
  return value
}

function isObject(value: unknown): value is JsonSchema {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
