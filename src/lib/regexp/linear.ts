import { setFlagsFromString } from 'node:v8'

// V8 has a second engine, whose time is linear in the text. With these flags it takes over from an expression that
// backtracked 50,000 times, so that `^(a+)+$` takes a millisecond and not a day. The flag `l` tells what it can run:
// no lookarounds, back references or repetitions above 16. The flags hold for the whole process. The second engine
// is twenty times slower per character, so expressions over whole bodies have a lookahead to keep it out.
setFlagsFromString('--enable-experimental-regexp-engine-on-excessive-backtracks')
setFlagsFromString('--enable-experimental-regexp-engine')

/**
 * An operator's expression, which will run on what strangers send. Throws a SyntaxError for an invalid one. If it is
 * not linear, a text may still take it forever: `safety.ts` finds out.
 */
export function guarded(pattern: string, flags = ''): RegExp {
  return new RegExp(pattern, flags)
}

/** Whether a guarded expression is fast on any text. */
export function isLinear(pattern: string): boolean {
  try {
    new RegExp(pattern, 'l')
    return true
  } catch {
    return false
  }
}
