import { Field } from '../field.js'
import { type JsonSchema, matches, membersOf, type SubSchema, schemasFor } from '../schemas/json-schema.js'
import type { SchemaParts } from '../schemas/parts.js'
import {
  admits,
  coversBooleans,
  defaultsOf,
  finite,
  isMultiple,
  isNumber,
  isSameRule,
  itemOf,
  type Limits,
  limitsOf,
  listOf,
  namesOf,
  patternsOf,
  standsAlone,
  type Type,
  typesOf,
} from './rules.js'

/** A step towards a value: a property or item, or one of those that a schema does not name. */
export type Place = string | number | { any: 'property' | 'item'; matching?: string }

/** A rule of the newer schema that the older one does not imply, as far as could be shown. */
export interface Gap {
  place: readonly Place[]
  keyword: string
  /** The keyword's value. */
  rule: unknown
  /** The sub-schema of the newer schema in which it stands. */
  schema: SubSchema
  /** What the older schema says of the values there, all of it at once. */
  older: readonly JsonSchema[]
}

/**
 * What the gate fills in for one of the two schemas only, because only one declares the field; by dotted paths, with
 * examples of the values.
 */
export interface Filling {
  older: Readonly<Record<string, readonly unknown[]>>
  newer: Readonly<Record<string, readonly unknown[]>>
  /** What it fills in for both. */
  both: Readonly<Record<string, readonly unknown[]>>
  /** Fields whose value the newer schema sees is the gate's, whatever the event has. */
  replaced: Readonly<Record<string, readonly unknown[]>>
  /** The field that names the schema: of an event, the one thing that differs by its version. */
  schemaUriField: string
}

/** What the older schema says of a value: schemas that all hold, or `undefined` where no value can be. */
type Facts = readonly JsonSchema[] | undefined

/** Steps of one proof. Production's largest schemas take some thousands. */
const MAX_STEPS = 100_000
const MAX_DEPTH = 60
/** Alternatives of the older schema that are followed one by one. */
const MAX_SPLITS = 6

const PROVEN: readonly Gap[] = []

/**
 * Proves that whatever an older schema accepts a newer one accepts too, keyword by keyword: each rule of the
 * newer schema must follow from what the older one says of the same place. Nothing is guessed: a rule that is
 * not shown to follow is a gap.
 *
 * Defaults change events before they are validated, so what the older schema demands of an event with its
 * defaults says little of the event as it came. Where there are any, only what holds without them is used.
 */
export class Subsumption {
  readonly #older: SchemaParts
  readonly #newer: SchemaParts
  readonly #filling: Filling
  /** Proofs that are under way, or done with what is: the depth at which, or -1. */
  readonly #assumed = new Map<string, number>()
  readonly #order: string[] = []
  readonly #ids = new WeakMap<object, number>()
  #steps = 0
  #lastId = 0

  constructor(older: SchemaParts, newer: SchemaParts, filling: Filling) {
    this.#older = older
    this.#newer = newer
    this.#filling = filling
  }

  /** The rules of the newer schema that do not follow; none of them if all events stay valid. */
  gaps(): readonly Gap[] {
    return this.#prove(this.#facts([this.#older.root]), this.#newer.root, [])
  }

  #prove(facts: Facts, schema: SubSchema, place: readonly Place[], splits = 0): readonly Gap[] {
    if (facts === undefined || schema === true) return PROVEN
    const gap = (keyword: string, rule: unknown): readonly Gap[] => [
      { place, keyword, rule, schema, older: facts },
    ]
    if (schema === false) return gap('false schema', false)
    // Of what stands beside a reference Ajv looks at the type only.
    if (schema.$ref !== undefined && ![...typesOf(facts)].every(type => admits(schema.type, type)))
      return gap('type', schema.type)
    const newer = this.#follow(this.#newer, schema)
    if (typeof newer === 'boolean') return this.#prove(facts, newer, place, splits)
    if (newer.$ref !== undefined) return gap('$ref', newer.$ref)
    if (++this.#steps > MAX_STEPS || place.length > MAX_DEPTH) return gap('$ref', 'too deep to follow')

    const types = this.#typesOf(facts)
    if (types.size === 0) return PROVEN
    // By induction: a proof comes back here through a property or an item, which is smaller than its value.
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
      // Proven for this depth; deeper ones may rely on it, and so may its neighbours.
      this.#assumed.set(key, -1)
      return PROVEN
    }
    this.#forget(mark)
    return splits < MAX_SPLITS && this.#splits(facts, newer, place, splits) ? PROVEN : gaps
  }

  /** The types of which a value may be; no object if one would have to have a property that it may not have. */
  #typesOf(facts: readonly JsonSchema[], depth = 0): Set<Type> {
    const types = typesOf(facts)
    if (depth > 5) return types
    const cannotBe = (name: string) => {
      const value = this.#valueFacts(facts, name)
      return value === undefined || this.#typesOf(value, depth + 1).size === 0
    }
    if (facts.some(part => listOf(part.required).some(cannotBe))) types.delete('object')
    return types
  }

  /** Takes back what was assumed since, and all that was proven by it. */
  #forget(mark: number): void {
    for (const key of this.#order.splice(mark)) this.#assumed.delete(key)
  }

  /** Whether the proof succeeds for each alternative of the older schema by itself. */
  #splits(facts: readonly JsonSchema[], newer: JsonSchema, place: readonly Place[], splits: number): boolean {
    if (!this.#isPlain(facts, newer, place)) return false
    const holds = (alternative: SubSchema, rest: readonly JsonSchema[]) => {
      const all = this.#facts([...rest, alternative])
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
    const plain = this.#isPlain(facts, newer, place)
    const limits = limitsOf(facts, types)
    const needs = (keyword: string, ...of: Type[]) =>
      newer[keyword] !== undefined && (of.length === 0 || of.some(type => types.has(type)))
    const number = (keyword: string) => newer[keyword] as number

    if (Array.isArray(newer.allOf))
      for (const part of newer.allOf as SubSchema[]) gaps.push(...this.#prove(facts, part, place))

    if (needs('type') && ![...types].every(type => admits(newer.type, type))) missing('type')
    // What is finite was looked at value by value.
    if (needs('enum') && !(plain && same('enum')) && !coversBooleans(newer.enum, types)) missing('enum')
    if (needs('const') && !(plain && same('const'))) missing('const')

    if (needs('maxLength', 'string') && !(limits.maxLength <= number('maxLength'))) missing('maxLength')
    if (needs('minLength', 'string') && !(limits.minLength >= number('minLength'))) missing('minLength')
    if (needs('pattern', 'string') && !same('pattern')) missing('pattern')
    if (needs('format', 'string') && !same('format') && this.#newer.checksFormat(newer.format))
      missing('format')

    if (needs('maximum', 'integer', 'fraction') && !(limits.maximum <= number('maximum'))) missing('maximum')
    if (needs('minimum', 'integer', 'fraction') && !(limits.minimum >= number('minimum'))) missing('minimum')
    if (needs('exclusiveMaximum', 'integer', 'fraction') && !(limits.below <= number('exclusiveMaximum')))
      missing('exclusiveMaximum')
    if (needs('exclusiveMinimum', 'integer', 'fraction') && !(limits.above >= number('exclusiveMinimum')))
      missing('exclusiveMinimum')
    if (needs('multipleOf', 'integer', 'fraction') && !isMultiple(facts, types, number('multipleOf')))
      missing('multipleOf')

    if (types.has('array')) gaps.push(...this.#array(facts, newer, place, plain, limits))
    if (types.has('object')) gaps.push(...this.#object(facts, newer, place, plain))

    const follows = (schema: SubSchema, more: readonly SubSchema[] = []) =>
      plain &&
      this.#prove(this.#facts([...facts, ...more.filter(standsAlone)]), schema, place, MAX_SPLITS).length ===
        0
    const excludes = (schema: SubSchema) => plain && this.#disjoint(facts, schema)
    if (needs('anyOf') && !(plain && same('anyOf'))) {
      if (!(newer.anyOf as SubSchema[]).some(branch => follows(branch))) missing('anyOf')
    }
    if (needs('oneOf') && !(plain && same('oneOf'))) {
      const branches = newer.oneOf as SubSchema[]
      const one = branches.findIndex(branch => follows(branch))
      if (one < 0 || branches.some((branch, i) => i !== one && !excludes(branch))) missing('oneOf')
    }
    if (needs('not') && !(plain && same('not')) && !excludes(newer.not as SubSchema)) missing('not')
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
        this.#prove(this.#facts([part.contains as SubSchema]), contains as SubSchema, [
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
      gaps.push(...this.#prove(this.#itemFacts(facts, i), schema, [...place, i]))
    }
    if (limits.maxItems > named) {
      const rest = itemOf(items, additionalItems, Infinity)
      gaps.push(...this.#prove(this.#itemFacts(facts, Infinity), rest, [...place, { any: 'item' }]))
    }
    return gaps
  }

  #itemFacts(facts: readonly JsonSchema[], index: number): Facts {
    return this.#facts(facts.map(({ items, additionalItems }) => itemOf(items, additionalItems, index)))
  }

  #object(
    facts: readonly JsonSchema[],
    newer: JsonSchema,
    place: readonly Place[],
    plain: boolean,
  ): readonly Gap[] {
    const gaps: Gap[] = []
    const missing = (keyword: string, rule: unknown = newer[keyword]) =>
      void gaps.push({ place, keyword, rule, schema: newer, older: facts })
    const defaults = { older: defaultsOf(facts), newer: defaultsOf([newer]) }
    const rawRequired = this.#rawRequired(facts, place)
    const has = (name: string) => rawRequired.has(name)
    const may = (name: string) => this.#valueFacts(facts, name) !== undefined
    const inside = (name: string): readonly Place[] => [...place, name]
    const properties = membersOf(newer.properties)
    const patterns = membersOf(newer.patternProperties)
    const closed = newer.additionalProperties as SubSchema | undefined
    const isNamed = (name: string) =>
      Object.hasOwn(properties, name) || Object.keys(patterns).some(pattern => matches(pattern, name))

    for (const name of listOf(newer.required)) {
      if (has(name) || defaults.newer.has(name)) continue
      const filled = this.#filledAt(this.#filling.newer, inside(name))
      if (!filled || !this.#allSatisfy(filled, newer, name)) missing('required', name)
    }
    for (const [name, schema] of Object.entries(properties)) {
      const filled = this.#filledAt(this.#filling.newer, inside(name))
      if (filled && !this.#allSatisfy(filled, newer, name)) missing('properties', name)
      const replaced = this.#filling.replaced[dottedOf(inside(name)) ?? '']
      if (!replaced) gaps.push(...this.#prove(this.#valueFacts(facts, name), schema, inside(name)))
      else if (!this.#allSatisfy(replaced, newer, name)) missing('properties', name)
    }
    for (const [name, value] of defaults.newer) {
      if (has(name)) continue
      // A default that is an object may have defaults filled in, too.
      const isScalar = typeof value !== 'object' || value === null
      if (!isScalar || !this.#allSatisfy([value], newer, name)) missing('default', value)
      if (newer.dependencies !== undefined && Object.hasOwn(newer.dependencies as object, name))
        missing('dependencies')
    }
    for (const [pattern, schema] of Object.entries(patterns)) {
      for (const name of namesOf(facts).filter(name => matches(pattern, name)))
        gaps.push(...this.#prove(this.#valueFacts(facts, name), schema, inside(name)))
      for (const other of patternsOf(facts))
        gaps.push(...this.#prove(this.#patternFacts(facts, other), schema, wild(place, other)))
      gaps.push(...this.#prove(this.#otherFacts(facts, pattern), schema, wild(place, pattern)))
    }
    if (closed !== undefined && closed !== true) {
      for (const name of namesOf(facts).filter(name => !isNamed(name)))
        gaps.push(...this.#prove(this.#valueFacts(facts, name), closed, inside(name)))
      for (const other of patternsOf(facts))
        if (!Object.hasOwn(patterns, other))
          gaps.push(...this.#prove(this.#patternFacts(facts, other), closed, wild(place, other)))
      gaps.push(...this.#prove(this.#otherFacts(facts), closed, wild(place)))
    }
    const names = newer.propertyNames as SubSchema | undefined
    const fills = this.#fillsBelow(place)
    if (names !== undefined && (fills || !this.#namesFollow(facts, names, [...defaults.newer.keys()])))
      missing('propertyNames')

    const count = (keyword: string) => facts.map(part => part[keyword]).filter(isNumber)
    const { maxProperties, minProperties } = newer
    if (isNumber(maxProperties)) {
      const most = Math.min(
        ...count('maxProperties'),
        this.#isClosed(facts) ? namesOf(facts).length : Infinity,
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
      if (!may(name)) continue
      const alike = facts.some(part => isSameRule(membersOf<unknown>(part.dependencies)[name], needed))
      if (alike && plain) continue
      const holds = Array.isArray(needed)
        ? needed.every(has) && !fills
        : plain &&
          this.#prove(this.#facts([...facts, { required: [name] }]), needed as SubSchema, place, MAX_SPLITS)
            .length === 0
      if (!holds) missing('dependencies')
    }
    return gaps
  }

  /** Properties that an event has as it comes, before defaults and the gate fill any in. */
  #rawRequired(facts: readonly JsonSchema[], place: readonly Place[]): Set<string> {
    const defaults = defaultsOf(facts)
    const isFilled = (name: string) => {
      const filled = this.#filledAt(this.#filling.older, [...place, name])
      const own = this.#valueFacts(facts, name) ?? []
      return filled?.some(value => own.every(part => this.#older.accepts(part, value))) ?? false
    }
    const required = facts.flatMap(part => listOf(part.required))
    const always = Object.entries(this.#filling.both).flatMap(([path, values]) => {
      const name = path.split('.').at(-1) as string
      const own = path === dottedOf([...place, name]) ? this.#valueFacts(facts, name) : undefined
      // Where the older schema refuses the value the gate takes it back.
      return own && values.every(value => own.every(part => this.#older.accepts(part, value))) ? [name] : []
    })
    return new Set([...required.filter(name => !defaults.has(name) && !isFilled(name)), ...always])
  }

  #allSatisfy(values: readonly unknown[], newer: JsonSchema, name: string): boolean {
    const schemas = schemasFor(newer, name)
    return values.every(value => schemas.every(schema => this.#newer.accepts(schema, value)))
  }

  /** Examples of what the gate puts at a place: a field's values, or objects that it makes to put fields into. */
  #filledAt(filling: Filling['newer'], place: readonly Place[]): readonly unknown[] | undefined {
    const path = dottedOf(place)
    if (path === undefined) return undefined
    if (filling[path]) return filling[path]
    const below = Object.entries(filling).filter(([field]) => field.startsWith(`${path}.`))
    if (below.length === 0) return undefined
    return [0, 1].map(i => {
      const made = {}
      for (const [field, values] of below)
        new Field(field.slice(path.length + 1)).set(made, values[i] ?? values[0])
      return made
    })
  }

  #fillsBelow(place: readonly Place[]): boolean {
    const path = dottedOf(place)
    if (path === undefined) return false
    const prefix = path === '' ? '' : `${path}.`
    const { older, newer } = this.#filling
    return [...Object.keys(older), ...Object.keys(newer)].some(field => field.startsWith(prefix))
  }

  /** What holds for the value of a property of this name. */
  #valueFacts(facts: readonly JsonSchema[], name: string): Facts {
    return this.#facts(facts.flatMap(part => schemasFor(part, name)))
  }

  /** What holds for properties whose name matches an expression of the older schema. */
  #patternFacts(facts: readonly JsonSchema[], pattern: string): Facts {
    return this.#facts(
      facts.flatMap((part): SubSchema[] => {
        const own = membersOf(part.patternProperties)[pattern]
        return own === undefined ? [] : [own]
      }),
    )
  }

  /** What holds for properties that the older schema does not name; whose names match, if an expression is given. */
  #otherFacts(facts: readonly JsonSchema[], pattern?: string): Facts {
    const all = facts.flatMap((part): SubSchema[] => {
      const own = pattern === undefined ? undefined : membersOf(part.patternProperties)[pattern]
      if (own !== undefined) return [own]
      return part.additionalProperties === undefined ? [] : [part.additionalProperties as SubSchema]
    })
    return this.#facts(all)
  }

  /** Whether an event has only properties that the older schema names one by one. */
  #isClosed(facts: readonly JsonSchema[]): boolean {
    return this.#otherFacts(facts) === undefined && patternsOf(facts).length === 0
  }

  #namesFollow(facts: readonly JsonSchema[], names: SubSchema, added: readonly string[]): boolean {
    if (!added.every(name => this.#newer.accepts(names, name))) return false
    const own = facts.flatMap(part =>
      part.propertyNames === undefined ? [] : [part.propertyNames as SubSchema],
    )
    const known = this.#facts([{ type: 'string' }, ...own])
    if (this.#prove(known, names, [{ any: 'property' }, { any: 'item' }]).length === 0) return true
    if (!this.#isClosed(facts)) return false
    return namesOf(facts).every(
      name => this.#valueFacts(facts, name) === undefined || this.#newer.accepts(names, name),
    )
  }

  /** Whether no value of the older schema satisfies this part of the newer one, as far as it is easily seen. */
  #disjoint(facts: readonly JsonSchema[], schema: SubSchema): boolean {
    if (typeof schema === 'boolean') return !schema
    const newer = this.#follow(this.#newer, schema)
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
      if (listOf(newer.required).some(name => this.#valueFacts(facts, name) === undefined)) return true
      const required = new Set([...listOf(newer.required), ...facts.flatMap(part => listOf(part.required))])
      for (const name of required) {
        const value = this.#valueFacts(facts, name)
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
    return this.#prove(this.#facts([one]), other, [{ any: 'item' }], MAX_SPLITS).length === 0
  }

  /** All that holds at once, with references followed and `allOf` taken apart; undefined if no value can be. */
  #facts(schemas: readonly SubSchema[]): Facts {
    const facts: JsonSchema[] = []
    for (const schema of schemas) {
      const older = this.#follow(this.#older, schema)
      if (older === false) return undefined
      if (older === true || older.$ref !== undefined) continue
      const { allOf, ...rest } = older
      facts.push(Array.isArray(allOf) ? this.#own(older, rest) : older)
      if (!Array.isArray(allOf)) continue
      const parts = this.#facts(allOf as SubSchema[])
      if (parts === undefined) return undefined
      facts.push(...parts)
    }
    return [...new Set(facts)]
  }

  readonly #owns = new WeakMap<object, JsonSchema>()

  /** The same copy each time, so that it keeps its identity. */
  #own(schema: JsonSchema, rest: JsonSchema): JsonSchema {
    const known = this.#owns.get(schema) ?? rest
    this.#owns.set(schema, known)
    return known
  }

  /**
   * What a reference means in the end. A reference that leads nowhere refuses its schema before this.
   * A second one with a type beside it is left as it is: no rule follows from it.
   */
  #follow(parts: SchemaParts, schema: SubSchema): SubSchema {
    let followed: SubSchema | undefined = schema
    for (let i = 0; i < 100; i++) {
      if (typeof followed !== 'object' || typeof followed.$ref !== 'string') return followed ?? true
      if (followed !== schema && followed.type !== undefined) return followed
      followed = parts.resolve(followed.$ref)
    }
    return true
  }

  #id(schema: object): number {
    const id = this.#ids.get(schema) ?? ++this.#lastId
    this.#ids.set(schema, id)
    return id
  }

  /** Whether both schemas see the same value here: neither defaults nor the gate change it for one of them. */
  #isPlain(facts: readonly JsonSchema[], newer: JsonSchema, place: readonly Place[]): boolean {
    const parts = [...facts, newer]
    if (place.length === 0 && parts.some(part => this.#judgesVersion(part))) return false
    return !this.#fillsBelow(place) && !parts.some(part => this.#mayFill(part))
  }

  /** Whether a root says more of the field that names the schema than what its value may be. */
  #judgesVersion(root: JsonSchema): boolean {
    const {
      properties: _properties,
      required: _required,
      examples: _examples,
      $schema: _$schema,
      ...rest
    } = root
    return JSON.stringify(rest).includes(`"${this.#filling.schemaUriField}"`)
  }

  readonly #fillers = new WeakMap<object, boolean>()

  /** A property may be called `default`, which costs a proof but no truth. */
  #mayFill(schema: JsonSchema): boolean {
    let may = this.#fillers.get(schema)
    if (may === undefined) {
      const text = JSON.stringify(schema)
      const documents = standsAlone(schema) ? [] : [...this.#older.documents, ...this.#newer.documents]
      may =
        text.includes('"default"') ||
        documents.some(document => JSON.stringify(document).includes('"default"'))
      this.#fillers.set(schema, may)
    }
    return may
  }
}

function dottedOf(place: readonly Place[]): string | undefined {
  return place.every(step => typeof step === 'string' && !step.includes('.')) ? place.join('.') : undefined
}

function wild(place: readonly Place[], matching?: string): readonly Place[] {
  return [...place, matching === undefined ? { any: 'property' } : { any: 'property', matching }]
}
