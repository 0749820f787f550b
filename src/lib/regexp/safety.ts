import { isSafePattern } from 'redos-detector'
import { quote } from '../errors.js'
import { guarded, isLinear } from './linear.js'

/** Steps of the detector for one expression. Harmless ones take some 100; all of these take 0.4 s. */
const MAX_STEPS = 3000
/** Longer expressions are not checked. */
const MAX_LENGTH = 10_000
/** The detector's time for one document, or for one answer of the stream configuration (ms). */
const PATIENCE_MS = 500
const MAX_VERDICTS = 1000

/** No expression was found to be slow, but not all of them were checked. */
export class OutOfTime {}

const verdicts = new Map<string, boolean>()

/**
 * The first of these regular expressions that is not proven to be fast on any text. Verdicts are remembered, so that
 * the next call after OutOfTime gets further.
 */
export function slowPattern(
  patterns: Iterable<string>,
  patienceMs = PATIENCE_MS,
): string | OutOfTime | undefined {
  const inspection = new Inspection(patienceMs)
  for (const pattern of new Set(patterns)) {
    const fast = inspection.isFast(pattern)
    if (fast === undefined) return new OutOfTime()
    if (!fast) return pattern
  }
  return undefined
}

/** An operator's expression that no text makes slow. Throws an Error for one that is invalid or not proven fast. */
export function provenFast(pattern: string, inspection: Inspection): RegExp {
  const expression = guarded(pattern)
  const fast = inspection.isFast(pattern)
  if (fast) return expression
  throw new Error(
    `the regular expression ${quote(pattern)} ${fast === undefined ? 'could not be checked in time' : 'may take very long'}`,
  )
}

/** Checks several expressions, for a limited time. */
export class Inspection {
  readonly #patienceMs: number
  #until = Infinity
  #isOver = false

  constructor(patienceMs = PATIENCE_MS) {
    this.#patienceMs = patienceMs
  }

  /** Whether some were not checked. */
  get isOver(): boolean {
    return this.#isOver
  }

  /** Whether it is proven to be fast on any text; undefined if there was no time to check. */
  isFast(pattern: string): boolean | undefined {
    let fast = isLinear(pattern) || verdicts.get(pattern)
    if (fast === undefined) {
      // Each inspection checks at least one.
      if (performance.now() > this.#until) {
        this.#isOver = true
        return undefined
      }
      this.#until = Math.min(this.#until, performance.now() + this.#patienceMs)
      fast = isProvenFast(pattern)
      if (verdicts.size === MAX_VERDICTS) verdicts.clear()
      verdicts.set(pattern, fast)
    }
    return fast
  }
}

function isProvenFast(pattern: string): boolean {
  if (pattern.length > MAX_LENGTH) return false
  try {
    return isSafePattern(pattern, { maxSteps: MAX_STEPS }).safe
  } catch {
    return false
  }
}
