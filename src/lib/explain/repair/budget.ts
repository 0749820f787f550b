import type { Meter } from '../../schemas/parts.js'

/** Validations that one search may do. Each takes some microseconds; compiling a sub-schema takes longer. */
const MAX_VALIDATIONS = 1000
const VALIDATIONS_A_COMPILATION = 10
/** Schemas within schemas that a search follows. */
export const MAX_DEPTH = 12

/** What one search may spend: validations, and time until a moment of `performance.now()`. */
export class Budget implements Meter {
  readonly #until: number
  #left = MAX_VALIDATIONS

  constructor(until: number) {
    this.#until = until
  }

  /** Whether the search must end, finished or not. */
  get isExhausted(): boolean {
    return this.#left <= 0 || performance.now() >= this.#until
  }

  validated(): void {
    this.#left--
  }

  compiled(): void {
    this.#left -= VALIDATIONS_A_COMPILATION
  }

  gaveUp(): void {
    this.#left = 0
  }
}
