import assert from 'node:assert/strict'
import { readConfigFile } from '#src/lib/config/file.js'
import { ConfigError, type Problem } from '#src/lib/config/problems.js'

/** What a call reports as wrong with a configuration. */
export function problemsOf(read: () => unknown): readonly Problem[] {
  try {
    read()
  } catch (error) {
    assert.ok(error instanceof ConfigError, String(error))
    return error.problems
  }
  return []
}

/** What is wrong with these options, in a file with these properties. */
export function problemsIn(conf: object, top: object = {}): readonly Problem[] {
  return problemsOf(() => readConfigFile(JSON.stringify({ ...top, services: [{ name: 'x', conf }] }), {}))
}

export type WrongOption = [conf: object, path: string, message: RegExp]

/** Each of these options is refused, alone, at its path and with a message like this. */
export function assertRefused(cases: readonly WrongOption[]): void {
  for (const [conf, path, message] of cases) {
    const [problem, ...others] = problemsIn(conf)
    assert.deepEqual([problem?.path, others], [`services[0].conf.${path}`, []], JSON.stringify(conf))
    assert.match(String(problem?.message), message)
  }
}
