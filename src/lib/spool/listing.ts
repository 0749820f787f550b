import { readDeadLetters } from './dead-letters.js'
import type { Disk } from './disk.js'
import { checkFormat, recover } from './recovery.js'
import type { Segment } from './segment.js'
import { Units } from './units.js'

/** Events that belong together. */
interface Listed {
  topic: string
  /** −1: it was not known when they were spooled. */
  partition: number
  events: number
}

interface Waiting extends Listed {
  bytes: number
  /** None of them was spooled earlier (ms since the epoch). */
  oldestAt: number | undefined
}

interface Letters extends Listed {
  reason: string
  oldestAt: number
}

/** What is in a directory. */
export interface Listing {
  /** Of all files. */
  readonly bytes: number
  /** Events that wait for Kafka. */
  readonly waiting: readonly Waiting[]
  /** Batches that may or may not be in Kafka. Their events wait too. */
  readonly inDoubt: readonly Listed[]
  /** Events that Kafka refused for good. */
  readonly deadLetters: readonly Letters[]
  readonly segments: readonly { name: string; bytes: number; events: number; waiting: number }[]
  /** What was promised and is damaged or missing, in words. */
  readonly losses: readonly string[]
}

/** Lists a directory, without changing anything. It need not be locked: another process may use it meanwhile. */
export async function listSpool(disk: Disk): Promise<Listing> {
  await checkFormat(disk)
  const { segments, inDoubt, files, losses } = await recover(disk, new Units())
  return {
    bytes: files.reduce((sum, { bytes }) => sum + bytes, 0),
    waiting: waitingIn(segments),
    inDoubt: inDoubt.map(({ topic, partition, records }) => ({ topic, partition, events: records.length })),
    deadLetters: await deadLettersOf(disk),
    segments: segments.map(({ name, bytes, records, undone }) => ({
      ...{ name, bytes },
      ...{ events: records, waiting: undone },
    })),
    losses: losses.map(({ message }) => message),
  }
}

function waitingIn(segments: readonly Segment[]): Waiting[] {
  const units = new Map<string, Waiting>()
  for (const { counts, oldestAt } of segments)
    for (const [{ topic, partition }, { total, done, bytes }] of counts) {
      if (done === total) continue
      const key = `${topic}/${partition}`
      const unit = units.get(key) ?? { topic, partition, events: 0, bytes: 0, oldestAt }
      unit.events += total - done
      unit.bytes += Math.round((bytes * (total - done)) / total)
      units.set(key, unit)
    }
  return [...units.values()]
}

async function deadLettersOf(disk: Disk): Promise<Letters[]> {
  const found = new Map<string, Letters>()
  for await (const { reason, record } of readDeadLetters(disk)) {
    const { topic, partition, spooledAt } = record
    const key = `${topic}/${partition}/${reason}`
    const letters = found.get(key) ?? { topic, partition, reason, events: 0, oldestAt: spooledAt }
    letters.events++
    letters.oldestAt = Math.min(letters.oldestAt, spooledAt)
    found.set(key, letters)
  }
  return [...found.values()]
}
