import { type JsonSchema, matches, membersOf, type SubSchema } from '../schemas/json-schema.js'
import type { SchemaParts } from '../schemas/parts.js'
import type { FactReader, Facts } from './facts.js'
import type { FilledPlaces } from './filling.js'
import { dottedOf, type Gap, type Place } from './gaps.js'
import { defaultsOf, isNumber, isSameRule, listOf, namesOf, patternsOf } from './rules.js'

/** What the rules for objects need of the proof that they are part of. */
export interface Proof {
  reader: FactReader
  filled: FilledPlaces
  newer: SchemaParts
  /** The rules of a sub-schema of the newer schema that do not follow. */
  prove(facts: Facts, schema: SubSchema, place: readonly Place[]): readonly Gap[]
  /** Whether all its rules follow, without looking at alternatives one by one. */
  follows(facts: Facts, schema: SubSchema, place: readonly Place[]): boolean
}

/** The newer schema's rules for objects that do not follow from the older one. */
export function objectGaps(
  proof: Proof,
  facts: readonly JsonSchema[],
  newer: JsonSchema,
  place: readonly Place[],
  plain: boolean,
): readonly Gap[] {
  const { prove, reader, filled } = proof
  const gaps: Gap[] = []
  const missing = (keyword: string, rule: unknown = newer[keyword]) =>
    void gaps.push({ place, keyword, rule, schema: newer, older: facts })
  const defaults = { older: defaultsOf(facts), newer: defaultsOf([newer]) }
  const rawRequired = filled.rawRequired(facts, place)
  const has = (name: string) => rawRequired.has(name)
  const inside = (name: string): readonly Place[] => [...place, name]
  const properties = membersOf(newer.properties)
  const patterns = membersOf(newer.patternProperties)
  const closed = newer.additionalProperties as SubSchema | undefined
  const isNamed = (name: string) =>
    Object.hasOwn(properties, name) || Object.keys(patterns).some(pattern => matches(pattern, name))

  for (const name of listOf(newer.required)) {
    if (has(name) || defaults.newer.has(name)) continue
    const added = filled.filledAt('newer', inside(name))
    if (!added || !filled.allSatisfy(added, newer, name)) missing('required', name)
  }
  for (const [name, schema] of Object.entries(properties)) {
    const added = filled.filledAt('newer', inside(name))
    if (added && !filled.allSatisfy(added, newer, name)) missing('properties', name)
    const replaced = filled.filling.replaced[dottedOf(inside(name)) ?? '']
    if (!replaced) gaps.push(...prove(reader.forProperty(facts, name), schema, inside(name)))
    else if (!filled.allSatisfy(replaced, newer, name)) missing('properties', name)
  }
  for (const [name, value] of defaults.newer) {
    if (has(name)) continue
    // A default that is an object may have defaults filled in, too.
    const isScalar = typeof value !== 'object' || value === null
    if (!isScalar || !filled.allSatisfy([value], newer, name)) missing('default', value)
    if (newer.dependencies !== undefined && Object.hasOwn(newer.dependencies as object, name))
      missing('dependencies')
  }
  for (const [pattern, schema] of Object.entries(patterns)) {
    for (const name of namesOf(facts).filter(name => matches(pattern, name)))
      gaps.push(...prove(reader.forProperty(facts, name), schema, inside(name)))
    for (const other of patternsOf(facts))
      gaps.push(...prove(reader.forPattern(facts, other), schema, wild(place, other)))
    gaps.push(...prove(reader.forOthers(facts, pattern), schema, wild(place, pattern)))
  }
  if (closed !== undefined && closed !== true) {
    for (const name of namesOf(facts).filter(name => !isNamed(name)))
      gaps.push(...prove(reader.forProperty(facts, name), closed, inside(name)))
    for (const other of patternsOf(facts))
      if (!Object.hasOwn(patterns, other))
        gaps.push(...prove(reader.forPattern(facts, other), closed, wild(place, other)))
    gaps.push(...prove(reader.forOthers(facts), closed, wild(place)))
  }
  const names = newer.propertyNames as SubSchema | undefined
  const fills = filled.fillsBelow(place)
  if (names !== undefined && (fills || !namesFollow(proof, facts, names, [...defaults.newer.keys()])))
    missing('propertyNames')

  const count = (keyword: string) => facts.map(part => part[keyword]).filter(isNumber)
  const { maxProperties, minProperties } = newer
  if (isNumber(maxProperties)) {
    const most = Math.min(
      ...count('maxProperties'),
      reader.isClosed(facts) ? namesOf(facts).length : Infinity,
    )
    if (!plain || !(most <= maxProperties)) missing('maxProperties')
  }
  if (isNumber(minProperties)) {
    const least = Math.max(
      defaults.older.size > 0 ? 0 : Math.max(0, ...count('minProperties')),
      rawRequired.size,
    )
    if (fills || !(least >= minProperties)) missing('minProperties')
  }
  for (const [name, needed] of Object.entries(membersOf<unknown>(newer.dependencies))) {
    if (reader.forProperty(facts, name) === undefined) continue
    const alike = facts.some(part => isSameRule(membersOf<unknown>(part.dependencies)[name], needed))
    if (alike && plain) continue
    const holds = Array.isArray(needed)
      ? needed.every(has) && !fills
      : plain && proof.follows(reader.of([...facts, { required: [name] }]), needed as SubSchema, place)
    if (!holds) missing('dependencies')
  }
  return gaps
}

/** Whether all names of properties satisfy the newer schema's `propertyNames`. */
function namesFollow(
  { prove, reader, newer }: Proof,
  facts: readonly JsonSchema[],
  names: SubSchema,
  added: readonly string[],
): boolean {
  if (!added.every(name => newer.accepts(names, name))) return false
  const own = facts.flatMap(part =>
    part.propertyNames === undefined ? [] : [part.propertyNames as SubSchema],
  )
  const known = reader.of([{ type: 'string' }, ...own])
  if (prove(known, names, [{ any: 'property' }, { any: 'item' }]).length === 0) return true
  if (!reader.isClosed(facts)) return false
  return namesOf(facts).every(
    name => reader.forProperty(facts, name) === undefined || newer.accepts(names, name),
  )
}

/** A property that is not named, whose name may have to match an expression. */
function wild(place: readonly Place[], matching?: string): readonly Place[] {
  return [...place, matching === undefined ? { any: 'property' } : { any: 'property', matching }]
}
