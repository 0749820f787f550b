import { _, type Ajv, type Code, type CodeKeywordDefinition, type JSONType, KeywordCxt, stringify } from 'ajv'
import { _Code as RawCode } from 'ajv/dist/compile/codegen/code.js'
import { noPropertyInData, propertyInData } from 'ajv/dist/vocabularies/code.js'
import { KEYWORDS } from './json-schema.js'

/** The order in which Ajv 6 checks the keywords of a schema. Clients compare logged texts that depend on it. */
export const ORDER = [
  ...Object.values(KEYWORDS).flat(),
  ...'$ref const enum not anyOf oneOf allOf if'.split(' '),
]
const RANKS = new Map(ORDER.map((keyword, i) => [keyword, i + 1]))
const rank = ({ keyword }: { keyword: string }) => RANKS.get(keyword) ?? 0

/** A schema without any of these is empty to Ajv 6. */
const RULES = new Set([...ORDER, 'type', '$comment'])
RULES.delete('additionalItems')

/**
 * Makes an Ajv 8 complain in the order of Ajv 6 and with its paths.
 *
 * With one exception: a value far beyond a bound of its schema is not searched any further. Bounds make a schema
 * secure (docs/contract.md 3), and with `allErrors` they would not stop anything.
 */
export function behaveAsAjv6(ajv: Ajv): void {
  const groups = ajv.RULES.rules
  for (const { rules } of groups) rules.sort((a, b) => rank(a) - rank(b))
  // Keywords for any type come after those for one.
  groups.sort((a, b) => Number(!a.type) - Number(!b.type))

  redefine(ajv, 'required', required)
  redefine(ajv, 'properties', properties)
  redefine(ajv, 'contains', contains)
  splitAdditionalItems(ajv)
  for (const keyword of ['pattern', 'format', 'uniqueItems', 'patternProperties', 'additionalProperties'])
    redefine(ajv, keyword, withinBounds)
}

export type Generate = (cxt: KeywordCxt) => void
type Definition = CodeKeywordDefinition & { type: JSONType[]; schemaType: JSONType[] }

function definitionOf(ajv: Pick<Ajv, 'RULES'>, keyword: string): Definition {
  return (ajv.RULES.all[keyword] as { definition: Definition }).definition
}

/** Gives a keyword other code, which may use the original. */
export function redefine(
  ajv: Ajv,
  keyword: string,
  code: (cxt: KeywordCxt, original: Generate) => void,
): void {
  const definition = definitionOf(ajv, keyword)
  Object.assign(ajv.RULES.all[keyword] as object, {
    definition: {
      ...definition,
      code: (cxt: KeywordCxt, type?: string) => code(cxt, cxt => definition.code(cxt, type)),
    },
  })
}

/** Ajv 6 finds a missing property when it comes to the property's schema. Here are those without a schema. */
function required(cxt: KeywordCxt, original: Generate): void {
  if (!cxt.it.allErrors) {
    original(cxt)
    return
  }
  const { properties } = cxt.parentSchema
  for (const name of cxt.schema as string[]) {
    // If a forbidden property is required, Ajv 6 complains twice.
    if (hasRules(properties, name) && properties[name] !== false) continue
    cxt.gen.if(missing(cxt, name), () => complainOfMissing(cxt, name))
  }
}

function properties(cxt: KeywordCxt): void {
  const { gen, schema, parentSchema, data, it } = cxt
  const mandatory = new Set<unknown>(it.allErrors ? (parentSchema.required ?? []) : [])
  const valid = gen.name('valid')
  for (const name of Object.keys(schema)) {
    if (!hasRules(schema, name)) continue
    const check = () =>
      cxt.subschema({ keyword: 'properties', schemaProp: name, dataProp: asProperty(name) }, valid)
    if (it.opts.useDefaults && !it.compositeRule && schema[name].default !== undefined) {
      // Ajv has filled it in, except for a name that the prototype has.
      if (it.opts.ownProperties)
        gen.if(missing(cxt, name), _`${data}[${name}] = ${stringify(schema[name].default)}`)
      check()
    } else if (mandatory.has(name)) {
      const required = new KeywordCxt(it, definitionOf(it.self, 'required'), 'required')
      gen.if(missing(cxt, name), () => complainOfMissing(required, name), check)
    } else {
      const present = propertyInData(gen, data, name, it.opts.ownProperties)
      gen.if(present, check, it.allErrors ? undefined : () => gen.var(valid, true))
    }
    cxt.ok(valid)
  }
}

/** Whether Ajv 6 checks the schema of a property at all. */
function hasRules(schemas: Record<string, unknown> | undefined, name: string): boolean {
  if (!schemas || !Object.hasOwn(schemas, name) || name === '__proto__') return false
  const schema = schemas[name]
  if (typeof schema === 'boolean') return !schema
  return Object.keys(schema as object).some(keyword => RULES.has(keyword))
}

function missing({ gen, data, it }: KeywordCxt, name: string): Code {
  return noPropertyInData(gen, data, name, it.opts.ownProperties)
}

function complainOfMissing(cxt: KeywordCxt, name: string): void {
  cxt.setParams({ missingProperty: _`${name}` }, true)
  cxt.error()
}

/** A property's name as Ajv 6 quotes it in code, and so in paths. Ajv 8 would quote it as JSON. */
function asProperty(name: string): string | Code {
  if (/^[a-z$_][a-z$_0-9]*$/i.test(name)) return name
  const escapes: Record<string, string> = { '\n': '\\n', '\r': '\\r', '\f': '\\f', '\t': '\\t' }
  return new RawCode(`'${name.replace(/['\\\n\r\f\t]/g, char => escapes[char] ?? `\\${char}`)}'`)
}

/** Ajv 8.20 takes what the array before it in a loop contained for the content of an empty array. */
function contains(cxt: KeywordCxt, original: Generate): void {
  const isEmpty = _`${cxt.data}.length === 0`
  cxt.setParams({ min: 1 })
  if (cxt.it.allErrors) {
    cxt.gen.if(
      isEmpty,
      () => cxt.error(),
      () => original(cxt),
    )
  } else {
    cxt.fail(isEmpty)
    original(cxt)
  }
}

/** Ajv 6 refuses additional items before it checks the others, and checks them after. */
function splitAdditionalItems(ajv: Ajv): void {
  const { rules } = ajv.RULES.types.array as { rules: { keyword: string; definition: object }[] }
  const original = definitionOf(ajv, 'additionalItems')
  redefine(ajv, 'additionalItems', cxt => cxt.schema === false && original.code(cxt))
  const after = { ...original, code: (cxt: KeywordCxt) => cxt.schema !== false && original.code(cxt) }
  const index = rules.findIndex(({ keyword }) => keyword === 'items')
  rules.splice(index + 1, 0, { keyword: 'additionalItems', definition: after })
}

/** How far beyond its bound a value is still searched, with the texts of Ajv 6. */
const beyond = (bound: number) => 2 * bound + 1000

function withinBounds(cxt: KeywordCxt, original: Generate): void {
  const within = cxt.it.allErrors ? boundOf(cxt) : undefined
  if (within === undefined) original(cxt)
  else cxt.gen.if(within, () => original(cxt))
}

function boundOf({ keyword, data, parentSchema }: KeywordCxt): Code | undefined {
  const { maxLength, maxItems, propertyNames, patternProperties } = parentSchema
  if (keyword === 'pattern' || keyword === 'format' || keyword === 'uniqueItems') {
    const bound = keyword === 'uniqueItems' ? maxItems : maxLength
    return bound === undefined ? undefined : _`${data}.length <= ${beyond(bound)}`
  }
  const bound = patternProperties && propertyNames?.maxLength
  return bound === undefined
    ? undefined
    : _`Object.keys(${data}).every(name => name.length <= ${beyond(bound)})`
}
