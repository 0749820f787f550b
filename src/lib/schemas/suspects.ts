import traverse from 'json-schema-traverse'
import { nearest } from '../did-you-mean.js'
import { quote } from '../errors.js'
import { ORDER } from './ajv6.js'
import { formats } from './formats.js'

/** Keywords that decide which events are valid. */
const RULES = new Set([...ORDER, 'type', 'then', 'else'])
/** Keywords that say something of the schema and nothing of events. */
const REMARKS = new Set(
  (
    '$id id $schema $comment title description default example examples definitions $defs readOnly writeOnly ' +
    'deprecated contentMediaType contentEncoding contentSchema'
  ).split(' '),
)
/** Rules of other dialects, and of OpenAPI. */
const FOREIGN = new Set(
  (
    'unevaluatedProperties unevaluatedItems dependentRequired dependentSchemas prefixItems minContains maxContains ' +
    '$recursiveRef $dynamicRef divisibleBy disallow extends nullable discriminator'
  ).split(' '),
)

/** What other validators call a rule. */
const SYNONYMS: Record<string, string> = {
  min: 'minimum',
  max: 'maximum',
  length: 'maxLength',
  regex: 'pattern',
  regexp: 'pattern',
  allowedvalues: 'enum',
  optional: 'required',
}

/** Names with the slips that are told from words: of short ones too many words are near. */
const LONG_RULES = [...RULES].filter(({ length }) => length > 4)
const LONGEST_SLIP = 30
const MAX_SUSPECTS = 20

/** Keys of a schema that look like rules and change nothing, each with its place and what is wrong with it. */
export function suspectsOf(schema: object): string[] {
  const found: string[] = []
  traverse(schema, (sub: traverse.SchemaObject, pointer: string) => {
    for (const key of Object.keys(sub)) {
      if (found.length === MAX_SUSPECTS) return
      const why = suspicion(key, sub)
      if (why !== undefined) found.push(`#${pointer.slice(0, 200)} has ${quote(key)}, ${why}`)
    }
  })
  return found
}

function suspicion(key: string, sub: traverse.SchemaObject): string | undefined {
  if (key === '<<') return 'which is merged in YAML only, and only without quotes: it changes nothing'
  if (REMARKS.has(key)) return undefined
  if (key === 'nullable' && sub[key] === false) return undefined
  if (key !== '$ref' && typeof sub.$ref === 'string' && (RULES.has(key) || FOREIGN.has(key)))
    return 'which means nothing beside "$ref": put both into "allOf"'
  if (FOREIGN.has(key)) return 'a keyword of another dialect: it changes nothing'
  if (key === 'format' && typeof sub.format === 'string' && !Object.hasOwn(formats, sub.format))
    return `and the format ${quote(sub.format)} is not known: it checks nothing`
  if ((key === 'then' || key === 'else') && !('if' in sub)) return 'and no "if": it changes nothing'
  if (RULES.has(key)) return undefined
  const rule = ruleMeantBy(key)
  return rule === undefined ? undefined : `which changes nothing; is ${quote(rule)} meant?`
}

/** The keyword that a name is a slip of. */
function ruleMeantBy(name: string): string | undefined {
  if (name.length > LONGEST_SLIP || name.startsWith('x-')) return undefined
  const bare = name.replace(/[-_ :]/g, '').toLowerCase()
  const same = [...RULES].find(rule => rule.toLowerCase() === bare)
  if (Object.hasOwn(SYNONYMS, bare)) return SYNONYMS[bare]
  return same ?? (name.length > 4 ? nearest(name, LONG_RULES) : undefined)
}
