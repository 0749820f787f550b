import { decodeRecord, isFirstOfCommit, isRecord } from './codec.js'
import type { DiskFile } from './disk.js'
import { jsonFrame, jsonOf, readFrames } from './frames.js'
import type { PositionSet } from './position-set.js'
import type { Belonging, Group, Units } from './units.js'

/** The format of all files of a directory; a higher one is not touched. */
export const FORMAT = 1
/** A footer is followed by its length and this mark, so that it is found from the end. */
const TRAILER_BYTES = 8
const TRAILER_MARK = 0x4547_4654

/** How many records of a group a segment has. */
export interface Count {
  total: number
  bytes: number
  done: number
}

type WrittenCount = [
  topic: string,
  partition: number,
  stream: string,
  delivery: string,
  total: number,
  bytes: number,
]

interface Header {
  format: number
  base: number
  /** Only if it was compacted. */
  end?: number
  generation: number
}

/** One file of the log: the records of a range of positions, or those of them that were not done when it was compacted. */
export class Segment {
  /** Positions are below it. */
  end: number
  /** Of the file. What is beyond `readable` is not synced. */
  bytes = 0
  readable = 0
  /** From here on it may not be synced. */
  lastCommit = 0
  /** Complete, with a footer. */
  isSealed = false
  /** Written whole before it got its name: positions may be missing. */
  isCompacted = false
  /** Its counts are not known. */
  needsScan = false
  readonly counts = new Map<Group, Count>()
  records = 0
  undone = 0
  /** When its first record that is not done was spooled, as far as is known (ms since the epoch). */
  oldestAt: number | undefined
  /** All records before this place are done. */
  from = 0
  /** How often it could not be read. */
  readFailures = 0
  /** Where something was found that cannot be read. */
  readonly holes = new Set<number>()
  /** Where a pass stopped reading: no record below `position` is at `at` or beyond it. */
  bookmark: { position: number; at: number } | undefined

  constructor(
    readonly base: number,
    readonly generation: number,
    end = base,
  ) {
    this.end = end
  }

  get name(): string {
    return `${String(this.base).padStart(16, '0')}.${this.generation}.log`
  }

  get hasDone(): boolean {
    for (const { done } of this.counts.values()) if (done > 0) return true
    return false
  }

  /** What its records take that are not done, about. */
  get undoneBytes(): number {
    let bytes = 0
    for (const { total, done, bytes: all } of this.counts.values()) bytes += (all * (total - done)) / total
    return bytes
  }

  add(group: Group, bytes: number, count = 1): void {
    const counted = this.counts.get(group)
    if (counted) {
      counted.total += count
      counted.bytes += bytes
    } else this.counts.set(group, { total: count, bytes, done: 0 })
    this.records += count
    this.undone += count
  }

  /** A record of the group is done. The caller knows that it was not, and is in this segment. */
  markDone(group: Group): void {
    this.addDone(group, 1)
  }

  /** So many records of the group are done. */
  addDone(group: Group, done: number): void {
    const counted = this.counts.get(group)
    if (!counted) return
    const added = Math.min(done, counted.total - counted.done)
    counted.done += added
    this.undone -= added
  }

  header(): Buffer {
    const { base, end, generation, isCompacted } = this
    const header: Header = { format: FORMAT, base, generation, ...(isCompacted ? { end } : {}) }
    return jsonFrame(header)
  }

  footer(): Buffer {
    const counts: WrittenCount[] = [...this.counts].map(
      ([{ topic, partition, stream, delivery }, { total, bytes }]) => [
        topic,
        partition,
        stream,
        delivery,
        total,
        bytes,
      ],
    )
    const frame = jsonFrame({ end: this.end, oldestAt: this.oldestAt, counts })
    const trailer = Buffer.allocUnsafe(TRAILER_BYTES)
    trailer.writeUInt32BE(frame.length, 0)
    trailer.writeUInt32BE(TRAILER_MARK, 4)
    return Buffer.concat([frame, trailer])
  }
}

/** The base and the generation that a segment's name says. */
export function parseName(name: string): { base: number; generation: number } | undefined {
  const [, base, generation] = /^(\d{16})\.(\d+)\.log$/.exec(name) ?? []
  return base === undefined ? undefined : { base: Number(base), generation: Number(generation) }
}

/** The format of a file, by its first frame; undefined if that cannot be read. */
export async function formatOf(file: DiskFile, bytes: number): Promise<number | undefined> {
  const header = await headerOf(file, bytes)
  return typeof header?.format === 'number' ? header.format : undefined
}

async function headerOf(file: DiskFile, bytes: number): Promise<Header | undefined> {
  for await (const { frames } of readFrames(file, 0, Math.min(bytes, 256))) {
    const [frame] = frames
    return frame?.at === 0 ? (jsonOf(frame) as Header | undefined) : undefined
  }
  return undefined
}

/** What a segment's file says of itself. Without a footer its records are not counted: `scan` does. */
export async function examine(
  file: DiskFile,
  name: { base: number; generation: number },
  bytes: number,
  units: Units,
): Promise<Segment> {
  const segment = new Segment(name.base, name.generation)
  segment.bytes = bytes
  const header = await headerOf(file, bytes)
  if (header?.end !== undefined) {
    segment.end = header.end
    segment.isCompacted = true
  }
  const footer = await footerOf(file, bytes)
  segment.needsScan = !footer
  if (!footer) return segment
  segment.isSealed = true
  segment.readable = footer.at
  segment.end = footer.end
  segment.oldestAt = footer.oldestAt
  for (const [topic, partition, stream, delivery, total, size] of footer.counts)
    segment.add(units.groupOf({ topic, partition, stream, delivery } as Belonging), size, total)
  return segment
}

interface Footer {
  at: number
  end: number
  oldestAt: number | undefined
  counts: WrittenCount[]
}

async function footerOf(file: DiskFile, bytes: number): Promise<Footer | undefined> {
  if (bytes < TRAILER_BYTES) return undefined
  const trailer = await file.read(bytes - TRAILER_BYTES, TRAILER_BYTES)
  if (trailer.length < TRAILER_BYTES || trailer.readUInt32BE(4) !== TRAILER_MARK) return undefined
  const at = bytes - TRAILER_BYTES - trailer.readUInt32BE(0)
  if (at < 0) return undefined
  for await (const { frames } of readFrames(file, at, bytes - TRAILER_BYTES)) {
    const [frame] = frames
    const footer = frame?.at === at ? jsonOf(frame) : undefined
    return footer && ({ ...footer, at } as Footer)
  }
  return undefined
}

/**
 * Counts what can be read of a segment, with what is done of it. All before `promisedTo` was synced once; undefined if
 * the file has to tell. What was not is left out: it must be cut at `readable`. Answers how many records are damaged.
 */
export async function scan(
  file: DiskFile,
  segment: Segment,
  units: Units,
  done: PositionSet,
  promisedTo?: number,
): Promise<number> {
  const to = segment.isSealed ? segment.readable : segment.bytes
  const isPromised = segment.isSealed || segment.isCompacted
  const syncedTo = promisedTo ?? (isPromised ? to : await lastCommit(file, to))
  segment.lastCommit = isPromised ? 0 : syncedTo
  segment.counts.clear()
  segment.records = 0
  segment.undone = 0
  segment.readable = segment.isSealed ? to : 0
  segment.oldestAt = undefined
  let damaged = 0
  let next = segment.base
  for await (const { frames, holes } of readFrames(file, 0, to)) {
    const cut = holes.find(({ at }) => at >= syncedTo)
    for (const frame of frames) {
      if (cut && frame.at > cut.at) break
      if (!segment.isSealed) segment.readable = frame.end
      if (!isRecord(frame)) continue
      const record = decodeRecord(frame)
      segment.add(units.groupOf(record), record.bytes)
      if (done.has(record.position)) segment.markDone(units.groupOf(record))
      else segment.oldestAt ??= record.spooledAt
      // Positions of commits that failed are left out without any damage.
      if (holes.some(({ end }) => end === frame.at)) damaged += record.position - next
      next = record.position + 1
    }
    if (cut) break
  }
  segment.end = Math.max(segment.end, next)
  return damaged
}

/** Where the last commit of a file begins: all before it was synced. */
async function lastCommit(file: DiskFile, bytes: number): Promise<number> {
  let at = 0
  for await (const { frames } of readFrames(file, 0, bytes))
    for (const frame of frames) if (isRecord(frame) && isFirstOfCommit(frame)) at = frame.at
  return at
}
