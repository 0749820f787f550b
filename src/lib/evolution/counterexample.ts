import { type Event, isObject } from '../eventgate.js'
import { GONE, put } from '../explain/json-patch.js'
import { Repairer } from '../explain/repairer.js'
import { at, type Step } from '../json-pointer.js'
import { type JsonSchema, matches, type SubSchema, schemasFor } from '../schemas/json-schema.js'
import type { SchemaParts } from '../schemas/parts.js'
import type { Gap, Place } from './gaps.js'
import { mutations, placesOf, ROUGH, wrongValues } from './wrong-values.js'

/** Whether the gate accepts an event by one of the two schemas. */
export interface Judge {
  older(event: Event): boolean
  newer(event: Event): boolean
}

/** Gaps that are tried, those nearest to the root first. */
const MAX_GAPS = 40
/** Attempts to make an event smaller. */
const MAX_SHRINKS = 400
/** Times of the searches for one value (ms). */
const FIX_MS = 100
const NEAR_MS = 50

/**
 * Looks for an event that the older schema accepts and the newer one refuses. It tries values that break a rule of a
 * gap, at the place of that rule, then changes of all kinds. The gate itself has judged the event that it returns.
 */
export class CounterexampleSearch {
  readonly #older: SchemaParts
  readonly #newer: SchemaParts
  readonly #judge: Judge
  readonly #until: number

  /** Ends at this time of `performance.now()`. */
  constructor(older: SchemaParts, newer: SchemaParts, judge: Judge, until: number) {
    this.#older = older
    this.#newer = newer
    this.#judge = judge
    this.#until = until
  }

  /** The smallest event found; undefined if there is no such event. */
  find(gaps: readonly Gap[], examples: readonly Event[]): Event | undefined {
    const bases = [...examples, new Repairer(this.#older, this.#until).sample()].filter(isObject).slice(0, 6)
    for (const base of bases) if (this.#breaks(base)) return this.#shrink(base)
    const nearest = [...gaps].sort((a, b) => a.place.length - b.place.length).slice(0, MAX_GAPS)
    for (const gap of nearest) {
      for (const base of bases) {
        const found = this.#at(gap, base)
        if (found) return this.#shrink(found)
        if (this.#isLate()) return undefined
      }
    }
    for (const base of bases) {
      for (const changed of mutations(base)) {
        const found = this.#tried(changed)
        if (found) return this.#shrink(found)
        if (this.#isLate()) return undefined
      }
    }
    return undefined
  }

  #isLate(): boolean {
    return performance.now() > this.#until
  }

  #search(parts: SchemaParts, ms: number): Repairer {
    return new Repairer(parts, Math.min(this.#until, performance.now() + ms))
  }

  #breaks(event: Event): boolean {
    return this.#judge.older(event) && !this.#judge.newer(event)
  }

  /** The event, or one near to it that the older schema accepts, if the newer one refuses it. */
  #tried(event: unknown): Event | undefined {
    if (!isObject(event) || this.#judge.newer(event)) return undefined
    if (this.#judge.older(event)) return event
    const fixed = this.#search(this.#older, FIX_MS).fix(event)
    return isObject(fixed) && this.#breaks(fixed) ? fixed : undefined
  }

  #at(gap: Gap, base: Event): Event | undefined {
    const steps = this.#stepsTo(gap, base)
    const ready = this.#withParent(base, steps)
    for (const value of this.#values(gap, at(ready, steps))) {
      const found = this.#tried(grown(ready, steps, value))
      if (found) return found
      if (this.#isLate()) return undefined
    }
    return undefined
  }

  /** The event with the objects around a place, as the older schema wants them. */
  #withParent(base: Event, steps: readonly Step[]): Event {
    if (steps.length < 2 || at(base, steps.slice(0, -1)) !== undefined) return base
    const made = grown(base, steps.slice(0, -1), typeof steps.at(-1) === 'number' ? [] : {})
    const fixed = this.#search(this.#older, FIX_MS).fix(made)
    return isObject(fixed) ? fixed : base
  }

  /** The place in an event: an existing property or item, or else a new one. */
  #stepsTo({ place }: Gap, base: Event): Step[] {
    const steps: Step[] = []
    let schema: SubSchema = this.#newer.root
    for (const step of place) {
      const value = at(base, steps)
      if (typeof step !== 'object') steps.push(step)
      else if (step.any === 'item')
        steps.push(Array.isArray(value) && value.length > 0 ? value.length - 1 : 0)
      else steps.push(freshName(step, isObject(value) ? value : {}, schema))
      schema = this.#under(schema, steps.at(-1) as Step)
    }
    return steps
  }

  #under(schema: SubSchema, step: Step): SubSchema {
    const followed =
      typeof schema === 'object' && typeof schema.$ref === 'string'
        ? this.#newer.resolve(schema.$ref)
        : schema
    if (typeof followed !== 'object' || typeof step === 'number') return true
    return schemasFor(followed, step)[0] ?? true
  }

  /** Values that the older schema may accept there and that break the newer one's rule. */
  *#values({ keyword, rule, schema, older }: Gap, current: unknown): Generator<unknown> {
    const all: JsonSchema = { allOf: older }
    const seen = new Set<string>()
    const isNew = (value: unknown) => {
      const text = JSON.stringify(value)
      if (seen.has(text)) return false
      seen.add(text)
      return true
    }
    const isAccepted = (value: unknown) => older.every(part => this.#older.accepts(part, value))
    const candidates = [
      ...this.#meeting(keyword, rule, current),
      ...wrongValues(keyword, rule, current, older),
      ...ROUGH,
    ]
    for (const value of candidates)
      if (isAccepted(value) && !this.#newer.accepts(schema, value) && isNew(value)) yield value
    // The older schema refuses these, but it may accept a value near to them.
    for (const value of candidates) {
      if (this.#isLate()) return
      if (isAccepted(value)) continue
      const near = this.#search(this.#older, NEAR_MS).fit(value, all)
      if (near !== undefined && !this.#newer.accepts(schema, near) && isNew(near)) yield near
    }
    // Defaults and the gate may change the verdict on the whole event, so all are tried.
    for (const value of candidates) if (isNew(value)) yield value
    yield GONE
  }

  /** Values that satisfy what a compound rule forbids, or its condition. */
  *#meeting(keyword: string, rule: unknown, current: unknown): Generator<unknown> {
    const near = (schema: SubSchema) => this.#search(this.#newer, NEAR_MS).fit(current ?? {}, schema)
    if (keyword === 'if' || keyword === 'not') yield* [near(rule as SubSchema), near({ not: rule })]
    if (keyword !== 'oneOf') return
    const branches = (rule as SubSchema[]).slice(0, 6)
    for (const [i, one] of branches.entries())
      for (const other of branches.slice(i + 1)) yield near({ allOf: [one, other] })
  }

  /** The event without what it does not need to be accepted before and refused after. */
  #shrink(event: Event): Event {
    let left = MAX_SHRINKS
    let smallest = event
    for (let again = true; again && left > 0; ) {
      again = false
      for (const steps of placesOf(smallest)) {
        if (at(smallest, steps) === undefined || --left < 0) continue
        const smaller = put(smallest, steps, GONE)
        if (!isObject(smaller) || !this.#breaks(smaller)) continue
        smallest = smaller
        again = true
      }
    }
    return smallest
  }
}

/** A name of a property that the schema does not name. */
function freshName(step: Extract<Place, object>, value: Event, schema: SubSchema): string {
  const isNamed = (name: string) =>
    typeof schema === 'object' && Object.hasOwn((schema.properties ?? {}) as object, name)
  const fits = (name: string) => step.matching === undefined || matches(step.matching, name)
  const known = Object.keys(value).find(name => !isNamed(name) && fits(name))
  if (known !== undefined) return known
  const plain = (step.matching ?? '').replace(/[\^$]/g, '').replace(/\\(.)/g, '$1')
  const names = ['x', 'other', 'x_1', 'X', 'abc', '1', `${plain}x`, plain, `x${plain}`]
  return names.find(name => name !== '' && !isNamed(name) && fits(name)) ?? 'x'
}

/** The event with a value at a place, and the objects around it. */
function grown(base: Event, steps: readonly Step[], value: unknown): unknown {
  let event: unknown = base
  for (let i = 0; i < steps.length; i++) {
    const parent = at(event, steps.slice(0, i))
    const isThere = typeof steps[i] === 'number' ? Array.isArray(parent) : isObject(parent)
    if (!isThere) event = put(event, steps.slice(0, i), typeof steps[i] === 'number' ? [] : {})
  }
  return put(event, steps, value)
}
