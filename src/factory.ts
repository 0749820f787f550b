import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { basename, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { GateError } from './lib/errors.js'
import type { Steps } from './lib/eventgate.js'
import type { Log } from './lib/telemetry/log.js'

/** What an operator's module gets. */
export interface FactoryOptions {
  /** The service's options as they are in the configuration. */
  conf: Readonly<Record<string, unknown>>
  log: Log
  /** What a step throws to refuse an event. A module outside of this package cannot import it. */
  GateError: typeof GateError
  /** The steps of an event's way, to be wrapped or replaced. */
  steps: Steps
}

/** What an operator's module exports, as its default or as `factory`. */
export type Factory = (options: FactoryOptions) => Steps | Promise<Steps>

const STEPS = ['load', 'schemaFor', 'streamFor', 'enrich', 'route', 'produce'] as const

const BUILT_IN = 'eventgate-wikimedia.js'

/** Whether this is the module that Wikimedia's configurations name. The service has its behaviour built in. */
export function isBuiltIn(module: string): boolean {
  return basename(module) === BUILT_IN
}

/**
 * Lets an operator's module replace steps. `module` is the path or the package name of an ES or CommonJS module; paths
 * are relative to the working directory. Rejects with an Error that names the problem.
 */
export async function applyFactory(
  module: string | null,
  options: Omit<FactoryOptions, 'GateError'>,
): Promise<Steps> {
  if (module === null) return options.steps
  if (isBuiltIn(module) && !isThere(module)) {
    options.log.info(
      `eventgate_factory_module ${JSON.stringify(module)} does not exist: the behaviour of ${BUILT_IN} is built in, and is used`,
    )
    return options.steps
  }
  const complain = (what: string, cause?: unknown) =>
    new Error(`eventgate_factory_module ${JSON.stringify(module)} ${what}`, { cause })
  // Within a promise, because `addressOf` throws if there is no such module.
  const loading = Promise.resolve().then(() => import(addressOf(module)))
  const loaded = await loading.catch(error => {
    throw complain(`cannot be loaded: ${error instanceof Error ? error.message : error}`, error)
  })
  const factory: unknown = [loaded.factory, loaded.default?.factory, loaded.default].find(
    found => typeof found === 'function',
  )
  if (typeof factory !== 'function')
    throw complain('exports no function, as its default or by the name factory')
  let steps: Partial<Steps> | undefined
  try {
    steps = await (factory as Factory)({ ...options, GateError })
  } catch (error) {
    throw complain(`failed: ${error instanceof Error ? error.message : error}`, error)
  }
  const lacking = STEPS.find(step => typeof steps?.[step] !== 'function')
  if (lacking) throw complain(`makes steps without a function ${lacking}: spread the steps that it is given`)
  return steps as Steps
}

function isThere(module: string): boolean {
  try {
    return existsSync(new URL(addressOf(module)))
  } catch {
    return false
  }
}

function addressOf(module: string): string {
  if (module.startsWith('file:')) return module
  if (/^\.{0,2}\//.test(module)) return pathToFileURL(resolve(module)).href
  try {
    return pathToFileURL(createRequire(resolve('package.json')).resolve(module)).href
  } catch (error) {
    // A package for ES modules only: Node.js looks for it from this file.
    if ((error as NodeJS.ErrnoException).code === 'ERR_PACKAGE_PATH_NOT_EXPORTED') return module
    throw error
  }
}
