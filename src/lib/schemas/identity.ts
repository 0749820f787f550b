import { nearest } from '../did-you-mean.js'
import { isObject } from '../eventgate.js'
import type { JsonSchema } from './json-schema.js'

const TYPES = ['object', 'array', 'string', 'number', 'integer', 'boolean', 'null']

const isText = (value: unknown) => typeof value === 'string'
const isSchema = (value: unknown) => typeof value === 'boolean' || isObject(value)
const areSchemas = (value: unknown) => Array.isArray(value) && value.length > 0 && value.every(isSchema)

/** Keywords that tell a schema from an API's error such as `{"type": "about:blank", "items": []}`. */
const SIGNS: Record<string, (value: unknown) => boolean> = {
  $schema: isText,
  $id: isText,
  $ref: isText,
  // A misspelt type makes a broken schema, not another kind of answer.
  type: value => [value].flat().every(name => nearest(String(name), TYPES) !== undefined),
  properties: isObject,
  patternProperties: isObject,
  definitions: isObject,
  dependencies: isObject,
  additionalProperties: isSchema,
  propertyNames: isSchema,
  items: isObject,
  not: isSchema,
  if: isSchema,
  allOf: areSchemas,
  anyOf: areSchemas,
  oneOf: areSchemas,
  required: value => Array.isArray(value) && value.every(isText),
  enum: Array.isArray,
  const: () => true,
}

/** Whether a document is a schema, by a keyword, an identity, or a title that names the schema asked for. */
export function looksLikeSchema(uri: string, document: JsonSchema): boolean {
  return (
    Object.entries(SIGNS).some(([name, holds]) => name in document && holds(document[name])) ||
    isTitleOf(uri, document.title)
  )
}

/** The name of a document in its `$id` or title, if it names another schema than the URI. */
export function otherName(uri: string, { $id, id, title }: JsonSchema): string | undefined {
  const identity = [$id, id].find((name): name is string => typeof name === 'string' && name.includes('/'))
  if (isTitleOf(uri, title) || (identity !== undefined && isIdentityOf(uri, identity))) return undefined
  return identity ?? (typeof title === 'string' && /^[^\s/]+(?:\/[^\s/]+)+$/.test(title) ? title : undefined)
}

function isTitleOf(uri: string, title: unknown): boolean {
  return typeof title === 'string' && areSame(pathOf(title), folderOf(pathOf(uri)))
}

function isIdentityOf(uri: string, identity: string): boolean {
  const [asked, named] = [pathOf(uri), pathOf(identity)]
  if (/(?:^|\/)(?:latest|current)$/.test(asked)) return areSame(folderOf(asked), folderOf(named))
  return areSame(asked, named)
}

/** `title/version`, of a URI with a host or without. */
function pathOf(uri: string): string {
  return uri
    .replace(/^\w+:\/\/[^/]*/, '')
    .replace(/[?#].*$/, '')
    .replace(/\.(?:ya?ml|json)$/, '')
    .replace(/^\/+/, '')
}

function folderOf(path: string): string {
  return path.replace(/\/[^/]*$/, '')
}

/** One path may begin further up than the other, because a repository may be a folder of another. */
function areSame(one: string, other: string): boolean {
  if (one === '' || other === '') return false
  return one === other || one.endsWith(`/${other}`) || other.endsWith(`/${one}`)
}
