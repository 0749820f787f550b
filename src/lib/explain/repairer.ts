import type { SchemaError } from '../errors.js'
import type { Schema } from '../eventgate.js'
import { at } from '../json-pointer.js'
import type { SubSchema } from '../schemas/json-schema.js'
import { type Complaint, partsOf, type SchemaParts } from '../schemas/parts.js'
import { GONE, put } from './json-patch.js'
import { Budget, MAX_DEPTH } from './repair/budget.js'
import { type Change, candidates } from './repair/candidates.js'
import { sample } from './repair/samples.js'

const SEARCH_MS = 1000
/** Steps of one climb, and fixes of what a fix broke. */
const MAX_ROUNDS = 100
const MAX_FOLLOW_UPS = 20

/** A search in a schema; undefined for a schema that was not compiled here. */
export function repairerFor(schema: Schema, until?: number): Repairer | undefined {
  const parts = partsOf(schema)
  return parts && new Repairer(parts, until)
}

/**
 * One search for a value that a schema accepts: hill climbing on the number of complaints. Each step tries the
 * candidate changes for a complaint and takes the first that removes it. A sample is a trivial value that was fixed.
 * Whatever the search returns, it has validated.
 */
export class Repairer {
  readonly parts: SchemaParts
  readonly budget: Budget

  /** Ends unfinished at this time of `performance.now()`. */
  constructor(parts: SchemaParts, until = performance.now() + SEARCH_MS) {
    this.parts = parts
    this.budget = new Budget(until)
  }

  /** What the schema complains of in an event, which stays as it is. */
  complaints(event: unknown): Complaint[] {
    return this.parts.complaints(event, this.budget)
  }

  /** Whether a sub-schema accepts a value. */
  accepts(schema: SubSchema, value: unknown): boolean {
    return this.parts.accepts(schema, value, this.budget)
  }

  /**
   * The event with one complaint fixed, and without new ones if possible; undefined if no fix is found. `before` are
   * all its complaints.
   */
  fixOne(event: unknown, complaint: Complaint, before: readonly Complaint[]): unknown {
    let best: { value: unknown; left: number } | undefined
    const known = new Set(before.map(other => signatureOf(other)))
    for (const change of this.#changes(complaint, event, 0)) {
      const settled = this.#settle(put(event, change.steps, change.value), complaint, known)
      if (!settled) continue
      if (settled.left < (best?.left ?? Infinity)) best = settled
      if (settled.left < before.length) break
    }
    return best?.value
  }

  /** The event with everything fixed; undefined if no way is found. */
  fix(event: unknown): unknown {
    return this.#climb(event, value => this.complaints(value), 0)
  }

  /** An event from nothing. */
  sample(): unknown {
    return sample(this, this.parts.root, 0)
  }

  /** A value near to this one that a sub-schema accepts; undefined if none is found. */
  climb(value: unknown, schema: SubSchema, depth: number): unknown {
    return this.#climb(value, value => this.parts.complaintsOf(schema, value, this.budget), depth)
  }

  /** As `climb`, and undefined beyond the greatest depth. */
  fit(value: unknown, schema: SubSchema, depth = 0): unknown {
    return depth > MAX_DEPTH || schema === false ? undefined : this.climb(value, schema, depth)
  }

  /** Fixes the new complaints that a change brought; undefined if the one it was made for came back. */
  #settle(
    value: unknown,
    complaint: Complaint,
    known: ReadonlySet<string>,
  ): { value: unknown; left: number } | undefined {
    for (let round = 0; round < MAX_FOLLOW_UPS && !this.budget.isExhausted; round++) {
      const complaints = this.complaints(value)
      if (complaints.some(other => signatureOf(other) === signatureOf(complaint))) return undefined
      const added = complaints.find(other => !known.has(signatureOf(other)))
      if (!added) return { value, left: complaints.length }
      const next = this.#step(value, [added], next => this.complaints(next), 1)
      if (next === undefined) return { value, left: complaints.length + 1 }
      value = next
    }
    return undefined
  }

  #climb(value: unknown, check: (value: unknown) => Complaint[], depth: number): unknown {
    const seen = new Set<string>([JSON.stringify(value)])
    for (let round = 0; round < MAX_ROUNDS && !this.budget.isExhausted; round++) {
      const complaints = check(value)
      if (complaints.length === 0) return value
      const next = this.#step(value, complaints, check, depth, seen)
      if (next === undefined) return undefined
      value = next
    }
    return undefined
  }

  /** The value with the first complaint fixed that can be. */
  #step(
    value: unknown,
    complaints: readonly Complaint[],
    check: (value: unknown) => Complaint[],
    depth: number,
    seen = new Set<string>(),
  ): unknown {
    for (const complaint of complaints) {
      const signature = signatureOf(complaint)
      const alike = (all: readonly Complaint[]) =>
        all.filter(other => signatureOf(other, false) === signatureOf(complaint, false)).length
      const before = alike(check(value))
      for (const change of this.#changes(complaint, value, depth)) {
        if (this.budget.isExhausted) return undefined
        const next = put(value, change.steps, change.value)
        const text = JSON.stringify(next)
        if (seen.has(text)) continue
        const left = check(next)
        if (left.some(other => signatureOf(other) === signature) && alike(left) >= before) continue
        seen.add(text)
        return next
      }
    }
    return undefined
  }

  /** Changes that may fix a complaint, the smallest first. The last one removes the value. */
  *#changes(complaint: Complaint, root: unknown, depth: number): Generator<Change> {
    const { steps, schema } = complaint
    const value = at(root, steps) ?? complaint.value
    for (const change of candidates({ complaint, value, depth, search: this }))
      yield { steps: [...steps, ...change.steps], value: change.value }
    if (steps.length === 0) return
    const made = sample(this, schema, depth + 1)
    if (made !== undefined) yield { steps, value: made }
    yield { steps, value: GONE }
  }
}

/** What tells one complaint from another; without its place, one kind from another. */
function signatureOf(complaint: SchemaError & { propertyName?: string }, withPlace = true): string {
  const { keyword, dataPath, schemaPath, params, propertyName = '' } = complaint
  return `${keyword} ${schemaPath} ${JSON.stringify(params)} ${propertyName} ${withPlace ? dataPath : ''}`
}
