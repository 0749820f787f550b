import type { Schema } from '../eventgate.js'
import { partsOf } from '../schemas/parts.js'
import type { SchemaRepository } from '../schemas/repository.js'
import type { Comparison, Verdict } from './comparison.js'

/** What an edit of a schema's file means for events that it accepted before. */
export type Edit = { at: string; uri: string } & Verdict

const MAX_EDITS = 20

/** The latest edits of schemas, for the development page. */
export class SchemaEdits {
  readonly #comparison: Comparison
  readonly #schemas: Pick<SchemaRepository, 'refresh'>
  readonly #edits: Edit[] = []

  constructor(comparison: Comparison, schemas: Pick<SchemaRepository, 'refresh'>) {
    this.#comparison = comparison
    this.#schemas = schemas
  }

  /** Compares a schema as it was with what its file says now. Takes up to a second. */
  changed(older: Schema, newer: Schema): void {
    const [before, after] = [partsOf(older), partsOf(newer)]
    if (!before || !after) return
    const verdict = this.#comparison.compare(
      { schema: older, parts: before },
      { schema: newer, parts: after },
    )
    this.#edits.unshift({ at: new Date().toISOString(), uri: newer.uri, ...verdict })
    this.#edits.length = Math.min(this.#edits.length, MAX_EDITS)
  }

  /** The newest first. Looks at the files before, so that the last edits are among them. */
  async latest(): Promise<readonly Edit[]> {
    await this.#schemas.refresh()
    return this.#edits
  }
}
