import type { Step } from '../../json-pointer.js'
import type { SubSchema } from '../../schemas/json-schema.js'
import type { SchemaParts } from '../../schemas/parts.js'
import type { Budget } from './budget.js'

/** A value to put at these steps, or `GONE`. */
export interface Change {
  steps: readonly Step[]
  value: unknown
}

/** What the makers of candidates and samples may use of the search that they serve. */
export interface Search {
  readonly parts: SchemaParts
  readonly budget: Budget
  /** Whether a sub-schema accepts a value. */
  accepts(schema: SubSchema, value: unknown): boolean
  /** A value near to this one that a sub-schema accepts; undefined if none is found. */
  climb(value: unknown, schema: SubSchema, depth: number): unknown
  /** As `climb`, and undefined beyond the greatest depth. */
  fit(value: unknown, schema: SubSchema, depth: number): unknown
}
