import traverse from 'json-schema-traverse'
import type { JsonSchema } from '../../schemas/declares.js'

/**
 * A copy of a document each of whose sub-schemas can stand by itself, among the same documents: its references
 * are absolute, and by pointer.
 */
export function freed(uri: string, document: JsonSchema): JsonSchema {
  const copy = structuredClone(document)
  const anchors = new Map<string, string>()
  traverse(copy, { allKeys: true }, (sub: traverse.SchemaObject, pointer: string) => {
    if (typeof sub.$id === 'string' && sub.$id.startsWith('#')) anchors.set(sub.$id, `#${pointer}`)
    if (sub !== copy) delete sub.$id
  })
  traverse(copy, { allKeys: true }, (sub: traverse.SchemaObject) => {
    if (typeof sub.$ref !== 'string' || !sub.$ref.startsWith('#')) return
    sub.$ref = `${uri}${anchors.get(sub.$ref) ?? sub.$ref}`
  })
  return copy
}
