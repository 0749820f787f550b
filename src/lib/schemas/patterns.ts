import { isSafePattern } from 'redos-detector'
import { isLinear } from '../regexp.js'

/** What the detector may do for one expression: what is innocent takes some 100 of these, the worst 0.4 s. */
const MAX_STEPS = 3000
/** A longer one is not looked at. */
const MAX_LENGTH = 10_000
/** The detector's time for one document, milliseconds. */
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
  let until = Infinity
  for (const pattern of new Set(patterns)) {
    let fast = isLinear(pattern) || verdicts.get(pattern)
    if (fast === undefined) {
      // At least one is looked at each time.
      if (performance.now() > until) return new OutOfTime()
      until = Math.min(until, performance.now() + patienceMs)
      fast = isProvenFast(pattern)
      if (verdicts.size === MAX_VERDICTS) verdicts.clear()
      verdicts.set(pattern, fast)
    }
    if (!fast) return pattern
  }
  return undefined
}

function isProvenFast(pattern: string): boolean {
  if (pattern.length > MAX_LENGTH) return false
  try {
    return isSafePattern(pattern, { maxSteps: MAX_STEPS }).safe
  } catch {
    return false
  }
}
