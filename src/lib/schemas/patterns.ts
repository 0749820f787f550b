import { setFlagsFromString } from 'node:v8'
import { isSafePattern } from 'redos-detector'

/**
 * V8 has a second engine, whose time is linear in the text. With these flags a regular expression that goes back
 * 50,000 times is run again by it, so that `^(a+)+$` takes a millisecond and not a day; and the flag `l` tells
 * which expressions it can run: not those with lookarounds, back references or repetitions above 16. They cost
 * the others nothing, and hold for the whole process: names of streams and user agents are matched so, too.
 */
setFlagsFromString('--enable-experimental-regexp-engine-on-excessive-backtracks')
setFlagsFromString('--enable-experimental-regexp-engine')

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

function isLinear(pattern: string): boolean {
  try {
    new RegExp(pattern, 'l')
    return true
  } catch {
    return false
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
