import { type JsonSchema, type SubSchema, schemasFor } from '../schemas/json-schema.js'
import type { SchemaParts } from '../schemas/parts.js'
import { FactReader, type Facts, follow } from './facts.js'
import { FilledPlaces, type Filling } from './filling.js'
import { dottedOf, type Gap, type Place } from './gaps.js'
import { objectGaps, type Proof } from './objects.js'
import {
  admits,
  coversBooleans,
  finite,
  isMultiple,
  isSameRule,
  itemOf,
  type Limits,
  limitsOf,
  listOf,
  standsAlone,
  type Type,
  typesOf,
} from './rules.js'

/** Steps of one proof. Production's largest schemas take some thousands. */
const MAX_STEPS = 100_000
const MAX_DEPTH = 60
/** Alternatives of the older schema that are followed one by one. */
const MAX_SPLITS = 6

const PROVEN: readonly Gap[] = []

/**
 * Proves, keyword by keyword, that a newer schema accepts whatever an older one accepts. Each rule of the newer schema
 * must follow from what the older one says of the same place. A rule that is not shown to follow is a gap.
 *
 * Defaults change events before they are validated, so an older schema with defaults says little of the event as it
 * came. If there are any, the proof uses only what holds without them.
 */
export class Subsumption {
  readonly #older: SchemaParts
  readonly #newer: SchemaParts
  readonly #reader: FactReader
  readonly #filled: FilledPlaces
  /** What is assumed or proven: the depth of a proof under way, or -1 for one that is done. */
  readonly #assumed = new Map<string, number>()
  readonly #order: string[] = []
  readonly #ids = new WeakMap<object, number>()
  readonly #proof: Proof
  #steps = 0
  #lastId = 0

  constructor(older: SchemaParts, newer: SchemaParts, filling: Filling) {
    this.#older = older
    this.#newer = newer
    this.#reader = new FactReader(older)
    this.#filled = new FilledPlaces(filling, older, newer, this.#reader)
    this.#proof = {
      reader: this.#reader,
      filled: this.#filled,
      newer,
      prove: (...what) => this.#prove(...what),
      follows: (...what) => this.#follows(...what),
    }
  }

  /** The rules of the newer schema that do not follow; empty if all events stay valid. */
  gaps(): readonly Gap[] {
    return this.#prove(this.#reader.of([this.#older.root]), this.#newer.root, [])
  }

  #prove(facts: Facts, schema: SubSchema, place: readonly Place[], splits = 0): readonly Gap[] {
    if (facts === undefined || schema === true) return PROVEN
    const gap = (keyword: string, rule: unknown): readonly Gap[] => [
      { place, keyword, rule, schema, older: facts },
    ]
    if (schema === false) return gap('false schema', false)
    // Beside a reference Ajv heeds the type only.
    if (schema.$ref !== undefined && ![...typesOf(facts)].every(type => admits(schema.type, type)))
      return gap('type', schema.type)
    const newer = follow(this.#newer, schema)
    if (typeof newer === 'boolean') return this.#prove(facts, newer, place, splits)
    if (newer.$ref !== undefined) return gap('$ref', newer.$ref)
    if (++this.#steps > MAX_STEPS || place.length > MAX_DEPTH) return gap('$ref', 'too deep to follow')

    const types = this.#reader.typesOf(facts)
    if (types.size === 0) return PROVEN
    // Induction: a proof comes back here through a property or an item, which is smaller than its value.
    const key = `${facts.map(part => this.#id(part)).join()} ${this.#id(newer)} ${dottedOf(place) ?? '*'}`
    const assumedAt = this.#assumed.get(key)
    if (assumedAt !== undefined) return assumedAt < place.length ? PROVEN : gap('$ref', 'it refers to itself')
    const mark = this.#order.length
    this.#assumed.set(key, place.length)
    this.#order.push(key)
    const known = finite(facts)
    if (known) {
      const possible = known.filter(value => facts.every(part => this.#older.accepts(part, value)))
      const refused = possible.filter(value => !this.#newer.accepts(newer, value))
      this.#forget(mark)
      return refused.length === 0 ? PROVEN : gap('enum', refused)
    }
    const gaps = this.#keywords(facts, newer, types, place)
    if (gaps.length === 0) {
      // Proven for this depth, so deeper proofs and neighbours may rely on it.
      this.#assumed.set(key, -1)
      return PROVEN
    }
    this.#forget(mark)
    return splits < MAX_SPLITS && this.#splits(facts, newer, place, splits) ? PROVEN : gaps
  }

  /** Whether a proof succeeds without following alternatives one by one. */
  #follows(facts: Facts, schema: SubSchema, place: readonly Place[]): boolean {
    return this.#prove(facts, schema, place, MAX_SPLITS).length === 0
  }

  /** Takes back what was assumed since, and everything that was proven by it. */
  #forget(mark: number): void {
    for (const key of this.#order.splice(mark)) this.#assumed.delete(key)
  }

  /** Whether the proof succeeds for each alternative of the older schema by itself. */
  #splits(facts: readonly JsonSchema[], newer: JsonSchema, place: readonly Place[], splits: number): boolean {
    if (!this.#filled.isPlain(facts, newer, place)) return false
    const holds = (alternative: SubSchema, rest: readonly JsonSchema[]) => {
      const all = this.#reader.of([...rest, alternative])
      return this.#prove(all, newer, place, splits + 1).length === 0
    }
    for (const [i, part] of facts.entries()) {
      const without = (...keywords: string[]) => {
        const rest = { ...part }
        for (const keyword of keywords) delete rest[keyword]
        return [...facts.slice(0, i), rest, ...facts.slice(i + 1)]
      }
      for (const keyword of ['anyOf', 'oneOf'] as const) {
        const branches = part[keyword]
        if (!Array.isArray(branches)) continue
        const rest = without(keyword)
        if (branches.every(branch => holds(branch, rest))) return true
      }
      if (part.if !== undefined) {
        const rest = without('if', 'then', 'else')
        const { if: condition, then = true, else: otherwise = true } = part as Record<string, SubSchema>
        const both = { allOf: [condition as SubSchema, then] }
        if (holds(both, rest) && holds({ allOf: [{ not: condition }, otherwise] }, rest)) return true
      }
      if (Array.isArray(part.type) && part.type.length > 1) {
        const rest = without('type')
        if (part.type.every(type => holds({ type }, rest))) return true
      }
    }
    return false
  }

  #keywords(
    facts: readonly JsonSchema[],
    newer: JsonSchema,
    types: ReadonlySet<Type>,
    place: readonly Place[],
  ): readonly Gap[] {
    const gaps: Gap[] = []
    const missing = (keyword: string, rule: unknown = newer[keyword]) =>
      void gaps.push({ place, keyword, rule, schema: newer, older: facts })
    const any = (test: (part: JsonSchema) => boolean) => facts.some(test)
    const same = (keyword: string) => any(part => isSameRule(part[keyword], newer[keyword]))
    const plain = this.#filled.isPlain(facts, newer, place)
    const limits = limitsOf(facts, types)
    const check = <Value>(applies: boolean, keyword: string, follows: (value: Value) => boolean) => {
      if (applies && newer[keyword] !== undefined && !follows(newer[keyword] as Value)) missing(keyword)
    }
    const isText = types.has('string')
    const isNumber = types.has('integer') || types.has('fraction')

    if (Array.isArray(newer.allOf))
      for (const part of newer.allOf as SubSchema[]) gaps.push(...this.#prove(facts, part, place))

    check(true, 'type', rule => [...types].every(type => admits(rule, type)))
    // Lists of values were compared value by value.
    check(true, 'enum', values => (plain && same('enum')) || coversBooleans(values, types))
    check(true, 'const', () => plain && same('const'))
    check(isText, 'maxLength', (limit: number) => limits.maxLength <= limit)
    check(isText, 'minLength', (limit: number) => limits.minLength >= limit)
    check(isText, 'pattern', () => same('pattern'))
    check(isText, 'format', format => same('format') || !this.#newer.checksFormat(format))
    check(isNumber, 'maximum', (limit: number) => limits.maximum <= limit)
    check(isNumber, 'minimum', (limit: number) => limits.minimum >= limit)
    check(isNumber, 'exclusiveMaximum', (limit: number) => limits.below <= limit)
    check(isNumber, 'exclusiveMinimum', (limit: number) => limits.above >= limit)
    check(isNumber, 'multipleOf', (of: number) => isMultiple(facts, types, of))

    if (types.has('array')) gaps.push(...this.#array(facts, newer, place, plain, limits))
    if (types.has('object')) gaps.push(...objectGaps(this.#proof, facts, newer, place, plain))

    const follows = (schema: SubSchema, more: readonly SubSchema[] = []) =>
      plain && this.#follows(this.#reader.of([...facts, ...more.filter(standsAlone)]), schema, place)
    const excludes = (schema: SubSchema) => plain && this.#disjoint(facts, schema)
    check(true, 'anyOf', (branches: SubSchema[]) => {
      return (plain && same('anyOf')) || branches.some(branch => follows(branch))
    })
    check(true, 'oneOf', (branches: SubSchema[]) => {
      if (plain && same('oneOf')) return true
      const one = branches.findIndex(branch => follows(branch))
      return one >= 0 && branches.every((branch, i) => i === one || excludes(branch))
    })
    check(true, 'not', (schema: SubSchema) => (plain && same('not')) || excludes(schema))
    if (newer.if !== undefined && (newer.then !== undefined || newer.else !== undefined)) {
      const { if: condition, then = true, else: otherwise = true } = newer as Record<string, SubSchema>
      const alike = (part: JsonSchema) =>
        ['if', 'then', 'else'].every(name => isSameRule(part[name], newer[name]))
      const thenHolds = () => excludes(condition as SubSchema) || follows(then, [condition as SubSchema])
      const elseHolds = () => follows(condition as SubSchema) || follows(otherwise, [{ not: condition }])
      if (!(plain && any(alike)) && !(thenHolds() && elseHolds())) missing('if')
    }
    return gaps
  }

  #array(
    facts: readonly JsonSchema[],
    newer: JsonSchema,
    place: readonly Place[],
    plain: boolean,
    limits: Limits,
  ): readonly Gap[] {
    const gaps: Gap[] = []
    const missing = (keyword: string) =>
      void gaps.push({ place, keyword, rule: newer[keyword], schema: newer, older: facts })
    const { maxItems, minItems, uniqueItems, items, additionalItems, contains } = newer
    if (maxItems !== undefined && !(limits.maxItems <= (maxItems as number))) missing('maxItems')
    const isTuple = Array.isArray(items) || facts.some(part => Array.isArray(part.items))
    // Ajv fills in the defaults of a tuple's items.
    if (isTuple && !plain) missing('items')
    if (minItems !== undefined && !(limits.minItems >= (minItems as number))) missing('minItems')
    const isUnique = limits.maxItems <= 1 || facts.some(part => part.uniqueItems === true)
    if (uniqueItems === true && !(isUnique && plain)) missing('uniqueItems')
    if (contains !== undefined) {
      const has = (part: JsonSchema) =>
        part.contains !== undefined &&
        this.#prove(this.#reader.of([part.contains as SubSchema]), contains as SubSchema, [
          ...place,
          { any: 'item' },
        ]).length === 0
      if (!plain || !facts.some(has)) missing('contains')
    }
    const tuples = facts.map(part => (Array.isArray(part.items) ? part.items.length : 0))
    const own = Array.isArray(items) ? items.length : 0
    const named = Math.min(Math.max(own, ...tuples), limits.maxItems)
    for (let i = 0; i < named; i++) {
      const schema = itemOf(items, additionalItems, i)
      gaps.push(...this.#prove(this.#reader.forItem(facts, i), schema, [...place, i]))
    }
    if (limits.maxItems > named) {
      const rest = itemOf(items, additionalItems, Infinity)
      gaps.push(...this.#prove(this.#reader.forItem(facts, Infinity), rest, [...place, { any: 'item' }]))
    }
    return gaps
  }

  /** Whether no value of the older schema satisfies this part of the newer one, as far as it is easily seen. */
  #disjoint(facts: readonly JsonSchema[], schema: SubSchema): boolean {
    if (typeof schema === 'boolean') return !schema
    const newer = follow(this.#newer, schema)
    if (typeof newer === 'boolean') return !newer
    const types = [...typesOf(facts)].filter(type => admits(newer.type, type))
    if (types.length === 0) return true
    for (const { not } of facts)
      if (standsAlone(not) && standsAlone(newer) && this.#implies(newer, not as SubSchema)) return true
    const known = finite([newer])
    if (known?.every(value => !facts.every(part => this.#older.accepts(part, value)))) return true
    const own = finite(facts)
    if (own?.every(value => !this.#newer.accepts(newer, value))) return true
    if (types.every(type => type === 'object')) {
      if (listOf(newer.required).some(name => this.#reader.forProperty(facts, name) === undefined))
        return true
      const required = new Set([...listOf(newer.required), ...facts.flatMap(part => listOf(part.required))])
      for (const name of required) {
        const value = this.#reader.forProperty(facts, name)
        if (value === undefined) return true
        for (const part of schemasFor(newer, name)) if (this.#disjoint(value, part)) return true
      }
    }
    if (Array.isArray(newer.allOf) && (newer.allOf as SubSchema[]).some(part => this.#disjoint(facts, part)))
      return true
    const anyOf = (newer.anyOf ?? newer.oneOf) as SubSchema[] | undefined
    return anyOf?.every(branch => this.#disjoint(facts, branch)) ?? false
  }

  #implies(one: JsonSchema, other: SubSchema): boolean {
    return this.#follows(this.#reader.of([one]), other, [{ any: 'item' }])
  }

  #id(schema: object): number {
    const id = this.#ids.get(schema) ?? ++this.#lastId
    this.#ids.set(schema, id)
    return id
  }
}
