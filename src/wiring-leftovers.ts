import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { inspect } from './lib/spool/inspect.js'
import { isLocked } from './lib/spool/lock.js'
import { RealDisk } from './lib/spool/real-disk.js'
import type { Self } from './lib/workers/self.js'

/** A spool that somebody left. */
interface Left {
  start(): Promise<void>
  readonly state: { readonly events: number; readonly broken?: string | undefined }
  close(graceMs: number): Promise<number>
}

/** Between two looks for directories, and between two at what is left in one (ms). */
const LOOK_MS = 60_000
const PROGRESS_MS = 100

/**
 * Drains the spools of a host that no live process has. They are of workers that there are no more, because
 * `num_workers` is smaller now, or of the spare one of a restart. Worker 0 does so, or the process that serves alone.
 */
export class Leftovers {
  readonly #directory: string
  readonly #self: Self | undefined
  readonly #open: (directory: string) => Left
  readonly #say: (message: string) => void
  /** Directories in which nothing waits, with the time of their last change. */
  readonly #empty = new Map<string, number>()
  #looking = Promise.resolve()
  #isClosed = false

  /** `directory` is that of the host. */
  constructor(
    directory: string,
    self: Self | undefined,
    open: (directory: string) => Left,
    say: (message: string) => void,
  ) {
    this.#directory = directory
    this.#self = self
    this.#open = open
    this.#say = say
  }

  /** Looks now, and then once a minute. */
  start(everyMs = LOOK_MS): void {
    if (this.#isClosed || (this.#self && this.#self.number > 0)) return
    this.#looking = this.look().catch(error => this.#say(`looking for spools left behind: ${error.message}`))
    void this.#looking.then(() => void setTimeout(() => this.start(everyMs), everyMs).unref())
  }

  /** Drains what is there, one directory after the other. */
  async look(): Promise<void> {
    for (const name of leftNames(await readdir(this.#directory).catch(() => []), this.#self)) {
      const path = join(this.#directory, name)
      const { mtimeMs } = await stat(path)
      if (this.#isClosed || this.#empty.get(path) === mtimeMs || (await isLocked(path))) continue
      const { waiting, inDoubt } = await inspect(new RealDisk(path))
      if (waiting.length > 0 || inDoubt.length > 0) await this.#drain(path)
      else this.#empty.set(path, mtimeMs)
    }
  }

  async #drain(path: string): Promise<void> {
    const spool = this.#open(path)
    await spool.start()
    const { events, broken } = spool.state
    if (broken === undefined) this.#say(`${events} events were left in ${path}: bringing them to Kafka`)
    while (!this.#isClosed && spool.state.broken === undefined && spool.state.events > 0)
      await delay(PROGRESS_MS)
    const left = spool.state.events
    await spool.close(0)
    if (broken === undefined) this.#say(`${left} events are left in ${path}`)
  }

  async close(): Promise<void> {
    this.#isClosed = true
    await this.#looking
  }
}

/** Of the directories in the host's, those that no worker has. Workers do not use `.`, the host's own. */
export function leftNames(names: readonly string[], self: Self | undefined): string[] {
  const numbered = names.filter(name => /^\d+$/.test(name))
  return self ? ['.', ...numbered.filter(name => Number(name) >= self.count)] : numbered
}
