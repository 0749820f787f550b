import { isSafePattern } from 'redos-detector'
import { quote } from '../errors.js'
import { guarded, isLinear } from './linear.js'

/** What the detector may do for one expression: what is innocent takes some 100 of these, the worst 0.4 s. */
const MAX_STEPS = 3000
/** A longer one is not looked at. */
const MAX_LENGTH = 10_000
/** The detector's time for one document, and for one answer of the stream configuration, milliseconds. */
const PATIENCE_MS = 500
const MAX_VERDICTS = 1000

/** No expression was found to be slow, but not all of them were looked at. */
export class OutOfTime {}

const verdicts = new Map<string, boolean>()

/**
 * The first of these regular expressions of which it is not known that it is fast on any text. Verdicts are
 * remembered, so that who comes again after OutOfTime gets further.
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

/**
 * An expression of an operator's that no text makes slow. Throws an Error where it is none, or where that is not
 * known of it.
 */
export function provenFast(pattern: string, inspection: Inspection): RegExp {
  const expression = guarded(pattern)
  const fast = inspection.isFast(pattern)
  if (fast) return expression
  throw new Error(
    `the regular expression ${quote(pattern)} ${fast === undefined ? 'could not be looked at in time' : 'may take very long'}`,
  )
}

/** A look at several expressions, for a limited time. */
export class Inspection {
  readonly #patienceMs: number
  #until = Infinity
  #isOver = false

  constructor(patienceMs = PATIENCE_MS) {
    this.#patienceMs = patienceMs
  }

  /** Whether some were not looked at. */
  get isOver(): boolean {
    return this.#isOver
  }

  /** Whether it is proven to be fast on any text; undefined where there was no time to look. */
  isFast(pattern: string): boolean | undefined {
    let fast = isLinear(pattern) || verdicts.get(pattern)
    if (fast === undefined) {
      // At least one is looked at each time.
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
