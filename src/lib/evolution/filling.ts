import { Field } from '../field.js'
import { type JsonSchema, schemasFor } from '../schemas/json-schema.js'
import type { SchemaParts } from '../schemas/parts.js'
import type { FactReader } from './facts.js'
import { dottedOf, type Place } from './gaps.js'
import { defaultsOf, listOf, standsAlone } from './rules.js'

/** What the gate fills in, by dotted paths, with examples of the values. */
export interface Filling {
  /** For events of the older schema only, because only it declares the field. */
  older: Readonly<Record<string, readonly unknown[]>>
  newer: Readonly<Record<string, readonly unknown[]>>
  /** For events of both. */
  both: Readonly<Record<string, readonly unknown[]>>
  /** Fields of the newer schema that the gate overwrites, whatever the event has. */
  replaced: Readonly<Record<string, readonly unknown[]>>
  /** The field that names the schema, which is all that differs between events of two versions. */
  schemaUriField: string
}

/** Keywords of a root in which the field that names the schema may stand. */
const OF_VALUE = new Set(['properties', 'required', 'examples', '$schema'])

/** Knows where defaults and the gate change an event before one of the schemas sees it. */
export class FilledPlaces {
  readonly filling: Filling
  readonly #older: SchemaParts
  readonly #newer: SchemaParts
  readonly #facts: FactReader
  readonly #fillers = new WeakMap<object, boolean>()

  constructor(filling: Filling, older: SchemaParts, newer: SchemaParts, facts: FactReader) {
    this.filling = filling
    this.#older = older
    this.#newer = newer
    this.#facts = facts
  }

  /** Whether both schemas see the same value here: neither defaults nor the gate change it for one of them. */
  isPlain(facts: readonly JsonSchema[], newer: JsonSchema, place: readonly Place[]): boolean {
    const parts = [...facts, newer]
    if (place.length === 0 && parts.some(part => this.#judgesVersion(part))) return false
    return !this.fillsBelow(place) && !parts.some(part => this.#mayFill(part))
  }

  /** Whether the gate fills in anything at or below a place for one of the schemas only. */
  fillsBelow(place: readonly Place[]): boolean {
    const path = dottedOf(place)
    if (path === undefined) return false
    const prefix = path === '' ? '' : `${path}.`
    const { older, newer } = this.filling
    return [...Object.keys(older), ...Object.keys(newer)].some(field => field.startsWith(prefix))
  }

  /** Examples of what the gate puts at a place: a field's values, or the objects around fields. */
  filledAt(which: 'older' | 'newer', place: readonly Place[]): readonly unknown[] | undefined {
    const path = dottedOf(place)
    if (path === undefined) return undefined
    const filling = this.filling[which]
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

  /** Properties that an event has as it comes, before defaults and the gate fill any in. */
  rawRequired(facts: readonly JsonSchema[], place: readonly Place[]): Set<string> {
    const defaults = defaultsOf(facts)
    const isFilled = (name: string) => {
      const filled = this.filledAt('older', [...place, name])
      const own = this.#facts.forProperty(facts, name) ?? []
      return filled?.some(value => own.every(part => this.#older.accepts(part, value))) ?? false
    }
    const required = facts.flatMap(part => listOf(part.required))
    const always = Object.entries(this.filling.both).flatMap(([path, values]) => {
      const name = path.split('.').at(-1) as string
      const own = path === dottedOf([...place, name]) ? this.#facts.forProperty(facts, name) : undefined
      // If the older schema refuses the value, the gate takes it back.
      return own && values.every(value => own.every(part => this.#older.accepts(part, value))) ? [name] : []
    })
    return new Set([...required.filter(name => !defaults.has(name) && !isFilled(name)), ...always])
  }

  /** Whether the newer schema accepts all these values of a property. */
  allSatisfy(values: readonly unknown[], newer: JsonSchema, name: string): boolean {
    const schemas = schemasFor(newer, name)
    return values.every(value => schemas.every(schema => this.#newer.accepts(schema, value)))
  }

  /** Whether a root says more of the field that names the schema than what its value may be. */
  #judgesVersion(root: JsonSchema): boolean {
    const rest = Object.entries(root).filter(([keyword]) => !OF_VALUE.has(keyword))
    return JSON.stringify(rest).includes(`"${this.filling.schemaUriField}"`)
  }

  /** Whether it may have a default. A property called `default` counts, which costs a proof but is never wrong. */
  #mayFill(schema: JsonSchema): boolean {
    let may = this.#fillers.get(schema)
    if (may === undefined) {
      const text = JSON.stringify(schema)
      const documents = standsAlone(schema)
        ? []
        : [...this.#older.documents.values(), ...this.#newer.documents.values()]
      may =
        text.includes('"default"') ||
        documents.some(document => JSON.stringify(document).includes('"default"'))
      this.#fillers.set(schema, may)
    }
    return may
  }
}
