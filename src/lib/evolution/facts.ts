import { type JsonSchema, membersOf, type SubSchema, schemasFor } from '../schemas/json-schema.js'
import type { SchemaParts } from '../schemas/parts.js'
import { itemOf, listOf, patternsOf, type Type, typesOf as typesIn } from './rules.js'

/** What the older schema says of a value: schemas that all hold, or `undefined` if no value is possible. */
export type Facts = readonly JsonSchema[] | undefined

/** Reads off the older schema what holds for a value, its properties and its items. */
export class FactReader {
  readonly #parts: SchemaParts
  readonly #own = new WeakMap<object, JsonSchema>()

  constructor(parts: SchemaParts) {
    this.#parts = parts
  }

  /** All that holds at once, with references followed and `allOf` taken apart; undefined if no value is possible. */
  of(schemas: readonly SubSchema[]): Facts {
    const facts: JsonSchema[] = []
    for (const schema of schemas) {
      const older = follow(this.#parts, schema)
      if (older === false) return undefined
      if (older === true || older.$ref !== undefined) continue
      const { allOf, ...rest } = older
      facts.push(Array.isArray(allOf) ? this.#ownOf(older, rest) : older)
      if (!Array.isArray(allOf)) continue
      const parts = this.of(allOf as SubSchema[])
      if (parts === undefined) return undefined
      facts.push(...parts)
    }
    return [...new Set(facts)]
  }

  /** The same copy each time, so that it keeps its identity. */
  #ownOf(schema: JsonSchema, rest: JsonSchema): JsonSchema {
    const known = this.#own.get(schema) ?? rest
    this.#own.set(schema, known)
    return known
  }

  /** What holds for the value of a property of this name. */
  forProperty(facts: readonly JsonSchema[], name: string): Facts {
    return this.of(facts.flatMap(part => schemasFor(part, name)))
  }

  forItem(facts: readonly JsonSchema[], index: number): Facts {
    return this.of(facts.map(({ items, additionalItems }) => itemOf(items, additionalItems, index)))
  }

  /** What holds for properties whose name matches an expression of the older schema. */
  forPattern(facts: readonly JsonSchema[], pattern: string): Facts {
    return this.of(
      facts.flatMap((part): SubSchema[] => {
        const own = membersOf(part.patternProperties)[pattern]
        return own === undefined ? [] : [own]
      }),
    )
  }

  /** What holds for properties that the older schema does not name, or for those that match an expression. */
  forOthers(facts: readonly JsonSchema[], pattern?: string): Facts {
    const all = facts.flatMap((part): SubSchema[] => {
      const own = pattern === undefined ? undefined : membersOf(part.patternProperties)[pattern]
      if (own !== undefined) return [own]
      return part.additionalProperties === undefined ? [] : [part.additionalProperties as SubSchema]
    })
    return this.of(all)
  }

  /** Whether an event has only properties that the older schema names one by one. */
  isClosed(facts: readonly JsonSchema[]): boolean {
    return this.forOthers(facts) === undefined && patternsOf(facts).length === 0
  }

  /** The types that a value may have. An object that must have a forbidden property is impossible. */
  typesOf(facts: readonly JsonSchema[], depth = 0): Set<Type> {
    const types = typesIn(facts)
    if (depth > 5) return types
    const cannotBe = (name: string) => {
      const value = this.forProperty(facts, name)
      return value === undefined || this.typesOf(value, depth + 1).size === 0
    }
    if (facts.some(part => listOf(part.required).some(cannotBe))) types.delete('object')
    return types
  }
}

/**
 * What a reference means in the end. A schema with a reference that leads nowhere was refused before.
 * A second reference with a type beside it is kept: no rule follows from it.
 */
export function follow(parts: SchemaParts, schema: SubSchema): SubSchema {
  let followed: SubSchema | undefined = schema
  for (let i = 0; i < 100; i++) {
    if (typeof followed !== 'object' || typeof followed.$ref !== 'string') return followed ?? true
    if (followed !== schema && followed.type !== undefined) return followed
    followed = parts.resolve(followed.$ref)
  }
  return true
}
