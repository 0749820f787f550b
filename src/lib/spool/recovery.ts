import { DeadLetters } from './dead-letters.js'
import type { Disk, DiskFile } from './disk.js'
import { JOURNAL, readJournal } from './journal.js'
import { PositionSet } from './position-set.js'
import type { Attempt } from './record.js'
import { replay } from './replay.js'
import { examine, FORMAT, formatOf, parseName, type Segment, scan } from './segment.js'
import type { Units } from './units.js'

/** What earlier processes left in a directory. */
export interface Recovered {
  /** By position, with what is done in them. */
  readonly segments: Segment[]
  readonly done: PositionSet
  readonly inDoubt: Attempt[]
  readonly next: number
  readonly deadLetters: number
  /** Segments whose files are of no use. */
  readonly garbage: Segment[]
  readonly files: readonly { name: string; bytes: number }[]
  /** What was promised and is damaged, or not there. */
  readonly losses: { records: number; message: string }[]
}

/** Rejects if any file is of a newer format. */
export async function checkFormat(disk: Disk): Promise<void> {
  for (const { name, bytes } of await disk.list()) {
    if (name !== JOURNAL && !parseName(name) && !DeadLetters.has(name)) continue
    const format = await use(disk, name, file => formatOf(file, bytes))
    if (format !== undefined && format > FORMAT)
      throw new Error(
        `${disk.name} has format ${format}, and this version knows formats up to ${FORMAT}: use the version that wrote it, or another directory`,
      )
  }
}

/** Reads a directory. Changes nothing. */
export async function recover(disk: Disk, units: Units): Promise<Recovered> {
  const files = await disk.list()
  const losses: Recovered['losses'] = []
  const found: Segment[] = []
  for (const { name, bytes } of files) {
    const parsed = parseName(name)
    if (parsed) found.push(await use(disk, name, file => examine(file, parsed, bytes, units)))
  }
  found.sort((one, other) => one.base - other.base || other.generation - one.generation)
  const garbage: Segment[] = []
  let segments: Segment[] = []
  for (const segment of found) {
    const last = segments.at(-1)
    // A segment that was compacted has all that counts of those in its range.
    const isCovered = last && (segment.base === last.base || (last.isCompacted && segment.base < last.end))
    if (isCovered) garbage.push(segment)
    else segments.push(segment)
  }

  const journal = files.find(({ name }) => name === JOURNAL)
  if (!journal && found.length > 0)
    losses.push({ records: 0, message: 'the journal is missing, and all events are sent again' })
  const { entries, isDamaged } = journal
    ? await readJournal(disk, journal.bytes)
    : { entries: [], isDamaged: false }
  if (isDamaged) losses.push({ records: 0, message: 'the journal is damaged, and events may be sent again' })
  const replayed = replay(entries, segments, units)
  garbage.push(...segments.filter(({ base }) => replayed.removed.has(base)))
  segments = segments.filter(({ base }) => !replayed.removed.has(base))

  let { next } = replayed
  for (const segment of segments) {
    if (segment.needsScan) {
      const { name } = segment
      const damaged = await use(disk, name, file => scan(file, segment, units, replayed.done))
      if (damaged > 0) losses.push({ records: damaged, message: `${damaged} events of ${name} are damaged` })
    }
    next = Math.max(next, segment.base + 1, segment.end)
  }
  for (const base of replayed.expected)
    if (!segments.some(segment => base >= segment.base && (base === segment.base || base < segment.end)))
      losses.push({ records: 0, message: `the segment of position ${base} is missing` })
  const done = new PositionSet()
  for (const { base, end } of segments) done.import(replayed.done.export(base, end))
  const deadLetters = files.some(({ name }) => DeadLetters.has(name)) ? replayed.deadLetters : 0
  return { segments, done, inDoubt: replayed.inDoubt, next, deadLetters, garbage, files, losses }
}

/**
 * Makes what was read certain: cuts off what was never promised, and syncs the rest. After a sync that failed the last
 * commit may be in the page cache only, and count as written: it is written again.
 */
export async function repair(disk: Disk, segments: readonly Segment[]): Promise<void> {
  for (const segment of segments) {
    if (segment.isSealed) continue
    const { readable, bytes, lastCommit } = segment
    const file = await disk.open(segment.name, 'write')
    try {
      if (readable < bytes) await file.truncate(readable)
      const footer = segment.footer()
      const last = await file.read(lastCommit, readable - lastCommit)
      await file.write(Buffer.concat([last, footer]), lastCommit)
      await file.sync()
      segment.bytes = readable + footer.length
      segment.isSealed = true
    } finally {
      await file.close()
    }
  }
}

async function use<T>(disk: Disk, name: string, action: (file: DiskFile) => Promise<T>): Promise<T> {
  const file = await disk.open(name, 'read')
  try {
    return await action(file)
  } finally {
    await file.close()
  }
}
