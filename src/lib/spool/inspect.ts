import { readDeadLetters } from './dead-letters.js'
import type { Disk } from './disk.js'
import type { Unit } from './record.js'
import { checkFormat, type Recovered, recover } from './recovery.js'
import { Units } from './units.js'

/** What a directory holds. */
export interface Listing {
  readonly segments: readonly { name: string; bytes: number; events: number }[]
  /** Events that wait for Kafka. `oldestAt`: none was spooled before it (ms since the epoch). */
  readonly waiting: readonly (Unit & { events: number; bytes: number; oldestAt: number | undefined })[]
  /** Of them, those that may be in Kafka already: they were being sent when the process ended. */
  readonly inDoubt: readonly (Unit & { events: number })[]
  readonly deadLetters: readonly (Unit & { reason: string; events: number; oldestAt: number })[]
  /** What is damaged or missing. */
  readonly losses: readonly string[]
}

/** How often a directory is read again that a process changes meanwhile. */
const ATTEMPTS = 5

/** Reads a directory. Changes nothing, and may be done while a process uses it. */
export async function inspect(disk: Disk): Promise<Listing> {
  for (let attempt = 1; ; attempt++)
    try {
      await checkFormat(disk)
      return await listing(disk, await recover(disk, new Units()))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || attempt === ATTEMPTS) throw error
    }
}

async function listing(disk: Disk, { segments, inDoubt, losses }: Recovered): Promise<Listing> {
  const waiting = new Sums<{ bytes: number; oldestAt: number | undefined }>()
  for (const { counts, oldestAt = Infinity } of segments)
    for (const [{ topic, partition }, { total, done, bytes }] of counts) {
      if (total === done) continue
      const unit = waiting.add({ topic, partition }, total - done, { bytes: 0, oldestAt: undefined })
      unit.bytes += Math.round((bytes * (total - done)) / total)
      unit.oldestAt = Math.min(unit.oldestAt ?? oldestAt, oldestAt)
    }
  const letters = new Sums<{ reason: string; oldestAt: number }>()
  for await (const { reason, record } of readDeadLetters(disk)) {
    const { topic, partition, spooledAt } = record
    const sum = letters.add({ topic, partition }, 1, { reason, oldestAt: spooledAt }, reason)
    sum.oldestAt = Math.min(sum.oldestAt, spooledAt)
  }
  return {
    segments: segments.map(({ name, bytes, undone }) => ({ name, bytes, events: undone })),
    waiting: waiting.all,
    inDoubt: inDoubt.map(({ topic, partition, records }) => ({ topic, partition, events: records.length })),
    deadLetters: letters.all,
    losses: losses.map(({ message }) => message),
  }
}

/** Events by unit, and by something else if there is more than one kind. */
class Sums<More extends object> {
  readonly #sums = new Map<string, Unit & { events: number } & More>()

  add({ topic, partition }: Unit, events: number, more: More, kind = ''): More {
    const key = JSON.stringify([topic, partition, kind])
    const sum = this.#sums.get(key) ?? { topic, partition, events: 0, ...more }
    sum.events += events
    this.#sums.set(key, sum)
    return sum
  }

  get all(): (Unit & { events: number } & More)[] {
    return [...this.#sums.values()]
  }
}
