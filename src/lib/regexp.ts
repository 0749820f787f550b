import { setFlagsFromString } from 'node:v8'

/**
 * V8 has a second engine, whose time is linear in the text. An expression that is made while these flags are on
 * is run again by it once it has gone back 50,000 times, so that `^(a+)+$` takes a millisecond and not a day; and
 * the flag `l` tells which expressions it can run: not those with lookarounds, back references or repetitions
 * above 16. The flags are off again for all others: for each character the second engine takes as long as the
 * first does for twenty, and an innocent expression over megabytes of a body goes back more often than that.
 */
function withLinearEngine<T>(make: () => T): T {
  setFlagsFromString('--enable-experimental-regexp-engine-on-excessive-backtracks')
  setFlagsFromString('--enable-experimental-regexp-engine')
  try {
    return make()
  } finally {
    setFlagsFromString('--no-enable-experimental-regexp-engine-on-excessive-backtracks')
    setFlagsFromString('--no-enable-experimental-regexp-engine')
  }
}

/** An expression of an operator's, to be run on what strangers send. Throws a SyntaxError where it is none. */
export function guarded(pattern: string, flags = ''): RegExp {
  return withLinearEngine(() => new RegExp(pattern, flags))
}

/** Whether a guarded expression is fast on any text. */
export function isLinear(pattern: string): boolean {
  try {
    withLinearEngine(() => new RegExp(pattern, 'l'))
    return true
  } catch {
    return false
  }
}
