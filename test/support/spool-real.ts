import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { SpoolClock } from '#src/lib/spool/observer.js'
import { RealDisk } from '#src/lib/spool/real-disk.js'
import { Spool } from '#src/lib/spool/spool.js'
import { readAll } from './spool.js'

export const REAL_SPOOL_CLOCK: SpoolClock = {
  now: () => performance.now(),
  wall: () => Date.now(),
  at: (time, callback) => {
    const timer = setTimeout(callback, Math.max(0, time - performance.now()))
    return () => clearTimeout(timer)
  },
}

export const SETTINGS = { maxBytes: 50_000_000, segmentBytes: 100_000 }

/** What is known of a directory by what its processes have told. */
export class Witness {
  readonly acknowledged = new Set<string>()
  /** Values by partition, in the order in which brokers stored them. */
  readonly stored = new Map<string, string[]>()
  readonly violations: string[] = []
  readonly #identities = new Map<string, string>()
  inDoubt = 0
  lives = 0

  /** Lets a process live on a directory for so long, and kills it. */
  async live(directory: string, ms: number): Promise<void> {
    const life = ++this.lives
    const child: ChildProcess = spawn(
      process.execPath,
      [new URL('./spool-process.js', import.meta.url).pathname, directory, `${life * 1_000_000}`, `${life}`],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    )
    const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream })
    const ended = once(lines, 'close')
    const opened = new Promise<void>((resolve, reject) => {
      lines.on('line', line => {
        if (line === 'open') resolve()
        else this.#hear(line)
      })
      lines.on('close', () => reject(new Error('it did not start')))
    })
    await opened
    await new Promise(resolve => setTimeout(resolve, ms))
    child.kill('SIGKILL')
    await ended
  }

  /** Finishes what is left, as a last process would, and says what was wrong. */
  async finish(directory: string): Promise<string[]> {
    const spool = await Spool.open(SETTINGS, new RealDisk(directory), REAL_SPOOL_CLOCK, {
      damaged: (_, message) => this.violations.push(message),
    })
    for (const attempt of spool.inDoubt) {
      this.inDoubt++
      const records = (await spool.recordsOf(attempt)) ?? []
      if (records.length === 0) this.violations.push('an attempt in doubt cannot be read')
      const { partition, producerId, sequence } = attempt
      this.#store(
        `${partition}/${producerId}/${sequence}`,
        records.map(({ value }) => `${value}`.split(' ')[0]).join(),
      )
      for (const one of records) spool.done(one)
    }
    for (const { partition, value, position } of await readAll(spool))
      this.#store(`${partition}/0/${position}`, `${value}`.split(' ')[0] as string)
    await spool.close()
    return this.#check()
  }

  #hear(line: string): void {
    const [kind, first = '', values = ''] = line.split(' ')
    if (kind === 'a') this.acknowledged.add(first)
    else this.#store(first, values)
  }

  #store(identity: string, values: string): void {
    const before = this.#identities.get(identity)
    if (before !== undefined && before !== values)
      this.violations.push(`${identity}: ${before}, then ${values}`)
    if (before !== undefined) return
    this.#identities.set(identity, values)
    const [partition = ''] = identity.split('/')
    this.stored.set(partition, [...(this.stored.get(partition) ?? []), ...values.split(',')])
  }

  #check(): string[] {
    const all = [...this.stored.values()].flat()
    const seen = new Set(all)
    const violations = [...this.violations]
    if (seen.size < all.length) violations.push(`${all.length - seen.size} events are stored twice`)
    for (const value of this.acknowledged) if (!seen.has(value)) violations.push(`${value} is lost`)
    for (const [partition, values] of this.stored)
      if (values.some((value, index) => index > 0 && Number(value) < Number(values[index - 1])))
        violations.push(`partition ${partition} is out of order`)
    return violations
  }
}

/** Runs a command of the system, and tells what it said. Throws if it fails. */
export function run(command: string, ...args: string[]): string {
  return execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
}

/** Why no file system can be mounted here; false if one can. */
export function whyNoMount(): string | false {
  if (process.platform !== 'linux') return 'mounts are those of Linux'
  if (process.getuid?.() !== 0) return 'only root may mount a file system'
  try {
    run('unshare', '-m', 'mount', '-t', 'tmpfs', 'tmpfs', '/tmp')
    return false
  } catch (error) {
    return `no file system can be mounted: ${(error as Error).message.slice(0, 200)}`
  }
}
