import traverse from 'json-schema-traverse'
import { at, unescapedStep } from '../json-pointer.js'
import type { JsonSchema } from './json-schema.js'

/** A part of a document with a base URI of its own: the document itself, or a sub-schema with an identity. */
interface Resource {
  schema: JsonSchema
  pointer: string
  base: string
  /** Its anchors by name, without those of resources in it. */
  anchors: Map<string, Anchor[]>
}

interface Anchor {
  schema: JsonSchema
  pointer: string
}

/** A base for documents without a host, so that their URIs can be resolved. */
const LOCAL = 'schema://repositories'
const HAS_SCHEME = /^[a-z][a-z\d+.-]*:/i

export interface References {
  /** The URIs of the other documents that it refers to. */
  others: string[]
  /** By such a URI: what refers to it, and the part of this document that is meant if there is no such document. */
  nested: ReadonlyMap<string, { sub: JsonSchema; inside: string }[]>
}

/**
 * Makes the references of a document independent of its identities and removes those. References within the document
 * become JSON pointers, others absolute. Throws a TypeError for a reference that is not a URI.
 *
 * Sub-schemas keep identities of what was merged into them, and such a left-over must not change anything. So an
 * identity counts only for a reference of the same document that leads nowhere else, and only if it is unique.
 */
export function resolveReferences(uri: string, schema: JsonSchema): References {
  const { resources, identities, anchors } = identitiesOf(uri, schema)
  const others = new Set<string>()
  const nested = new Map<string, { sub: JsonSchema; inside: string }[]>()
  traverse(schema, (sub: traverse.SchemaObject) => {
    if (typeof sub.$ref !== 'string') return
    const resource = resources.get(sub) as Resource
    const [path, fragment] = split(sub.$ref)
    const other = path === '' ? uri : resolve(uri, path)
    if (other === undefined) throw new TypeError(sub.$ref)
    const named = path === '' ? undefined : identities.get(resolve(resource.base, path) ?? '')
    const inside = named && pointerTo(named, fragment)
    if (named && inside !== undefined && hostOf(named.base) !== hostOf(uri)) sub.$ref = inside
    else if (other === uri) sub.$ref = inDocument(fragment, resource)
    else {
      // If there is another document of this path, that is meant.
      if (inside !== undefined) put(nested, other, { sub, inside })
      others.add(other)
      sub.$ref = sub.$ref.includes('#') ? `${other}#${fragment}` : other
    }
  })
  stripIdentities(schema, anchors)
  return { others: [...others], nested }

  /** The part that a reference within the document means: of the whole document, or else of its own resource. */
  function inDocument(fragment: string, resource: Resource): string {
    const isWhole = isPointer(fragment) ? has(schema, fragment) : anchors.get(fragment)?.length === 1
    return (isWhole ? undefined : pointerTo(resource, fragment)) ?? `#${fragment}`
  }

  function pointerTo(resource: Resource, fragment: string): string | undefined {
    if (isPointer(fragment))
      return has(resource.schema, fragment) ? `${fragmentOf(resource.pointer)}${fragment}` : undefined
    const [anchor, another] = resource.anchors.get(fragment) ?? []
    return anchor && !another ? fragmentOf(anchor.pointer) : undefined
  }
}

function identitiesOf(uri: string, schema: JsonSchema) {
  /** The resource that each sub-schema is part of. */
  const resources = new Map<object, Resource>()
  const found = new Map<string, Resource[]>()
  const anchors = new Map<string, Anchor[]>()
  const add: traverse.Callback = (sub, pointer, _root, _at, _keyword, parent) => {
    let resource = (parent && resources.get(parent)) ?? resourceOf(schema, '', uri)
    // Beside a reference an identity means nothing.
    const id = typeof sub.$ref === 'string' ? undefined : [sub.$id, sub.id].find(id => typeof id === 'string')
    const [path, fragment] = split(id ?? '')
    const base = path === '' ? undefined : resolve(resource.base, path)
    if (base !== undefined) {
      resource = resourceOf(sub, pointer, base)
      // A document is known by the URI it was asked for. Its own path may be that of another document.
      if (sub !== schema || HAS_SCHEME.test(path)) put(found, base, resource)
    }
    resources.set(sub, resource)
    if (isPointer(fragment) || sub === schema) return
    put(resource.anchors, fragment, { schema: sub, pointer })
    put(anchors, fragment, { schema: sub, pointer })
  }
  traverse(schema, add)
  found.delete(uri)
  const alone = [...found].filter(([, { length }]) => length === 1)
  const identities = new Map(alone.map(([base, [resource]]) => [base, resource as Resource]))
  return { resources, identities, anchors }
}

function resourceOf(schema: JsonSchema, pointer: string, base: string): Resource {
  return { schema, pointer, base, anchors: new Map() }
}

function put<Value>(lists: Map<string, Value[]>, name: string, value: Value): void {
  const list = lists.get(name)
  if (list) list.push(value)
  else lists.set(name, [value])
}

function isPointer(fragment: string): boolean {
  return fragment === '' || fragment.startsWith('/')
}

/**
 * Removes identities, and keywords that have a meaning in Ajv 8 only: `$async` would make it answer with a promise,
 * which is truthy. An anchor stays, because other documents may refer to it.
 */
function stripIdentities(schema: JsonSchema, anchors: ReadonlyMap<string, Anchor[]>): void {
  const names = new Map<object, string>()
  for (const [name, [anchor, another]] of anchors) if (anchor && !another) names.set(anchor.schema, name)
  traverse(schema, { allKeys: true }, (sub: traverse.SchemaObject) => {
    const anchor = names.get(sub)
    for (const keyword of ['$id', 'id', '$schema', '$anchor', '$dynamicAnchor', '$async', 'nullable'])
      delete sub[keyword]
    if (anchor !== undefined) sub.$id = `#${anchor}`
  })
}

/** A reference relative to a base, without a host if the base has none; undefined if it is not a URI. */
function resolve(base: string, reference: string): string | undefined {
  try {
    const { href } = new URL(reference, new URL(base, LOCAL))
    return href.startsWith(`${LOCAL}/`) ? href.slice(LOCAL.length) : href
  } catch {
    return undefined
  }
}

function hostOf(uri: string): string {
  return new URL(uri, LOCAL).host
}

function split(uri: string): [path: string, fragment: string] {
  const at = uri.indexOf('#')
  return at === -1 ? [uri, ''] : [uri.slice(0, at), uri.slice(at + 1)]
}

function fragmentOf(pointer: string): string {
  return `#${pointer.split('/').map(encodeURIComponent).join('/')}`
}

/** Whether there is anything at the pointer in a fragment. */
function has(schema: JsonSchema, fragment: string): boolean {
  const steps = fragment.split('/').slice(1)
  return (
    at(
      schema,
      steps.map(step => unescapedStep(decoded(step))),
    ) !== undefined
  )
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
