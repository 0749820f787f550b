import { setTimeout as delay } from 'node:timers/promises'
import type { Lookups } from '../eventgate.js'
import type { Connections } from './connections.js'

/** Schemas that a request may have fetched from remote repositories. Hasty ones get as many more each second. */
export const MAX_LOOKUPS = 16
const RENEWED_MS = 1000
/** For how long hasty ones get more (ms). */
const LOADING_MS = 30_000

/** Those of a hasty request. Nobody waits for it, so it may have later what it may not have at once. */
export class HastyLookups implements Lookups {
  left = MAX_LOOKUPS
  denied = false
  readonly #connections: Pick<Connections, 'closing'>
  readonly #until = Date.now() + LOADING_MS

  constructor(connections: Pick<Connections, 'closing'>) {
    this.#connections = connections
  }

  async renew(): Promise<boolean> {
    if (this.#connections.closing || Date.now() >= this.#until) return false
    await delay(RENEWED_MS)
    this.left = MAX_LOOKUPS
    return true
  }
}
