import { setFlagsFromString } from 'node:v8'

/**
 * V8 has a second engine, whose time is linear in the text. With these flags an expression that goes back 50,000
 * times is run again by it, so that `^(a+)+$` takes a millisecond and not a day; and the flag `l` tells which it
 * can run: not those with lookarounds, back references or repetitions above 16. They hold for the process: V8
 * compiles an expression when it is first run, and again later. For each character the second engine takes as
 * long as the first does for twenty: an expression of ours over whole bodies has a lookahead, to keep it out.
 */
setFlagsFromString('--enable-experimental-regexp-engine-on-excessive-backtracks')
setFlagsFromString('--enable-experimental-regexp-engine')

/**
 * An expression of an operator's, to be run on what strangers send. Throws a SyntaxError where it is none. Where
 * isLinear denies it, a text may still take it for ever: `patterns.ts` finds out.
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
