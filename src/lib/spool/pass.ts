import { decodeRecord, detach, isRecord, positionOf } from './codec.js'
import type { Disk, DiskFile } from './disk.js'
import { readFrames } from './frames.js'
import type { Index } from './log-index.js'
import type { StoredRecord, Unit } from './record.js'
import { Segment, scan } from './segment.js'
import { openSegment } from './tolerant.js'

/** If less than this part of what was read is wanted, the rest is not kept in memory with it. */
const SPARSE = 4

export interface ReaderListener {
  /** Records that were promised cannot be read. */
  damaged(records: number, segment: Segment): void
  /** The file of a segment is not there. */
  missing(segment: Segment): void
}

/** Reads the log: what is synced, not done and not taken. */
export class Reader {
  /** Where the last pass ended: a later one may go on from there. */
  passed = 0

  constructor(
    readonly index: Index,
    readonly disk: Disk,
    readonly listener: ReaderListener,
  ) {}

  async *pass(blocked: (unit: Unit) => boolean, from: number): AsyncGenerator<StoredRecord[]> {
    let position = from
    for (;;) {
      const segment = this.index.from(position)
      if (!segment) break
      const { end } = segment
      if (hasWork(segment, blocked)) {
        const file = await openSegment(this.disk, segment)
        if (file) yield* this.#read(segment, file, blocked, position)
        // It may have been compacted meanwhile.
        else if (this.index.segments.includes(segment)) this.listener.missing(segment)
        else continue
      }
      position = end
    }
    this.passed = position
  }

  /** These records, in this order; undefined if any of them is not there, or cannot be read. */
  async records(positions: readonly number[]): Promise<StoredRecord[] | undefined> {
    const found = new Map<number, StoredRecord>()
    const isLeft = (position: number) => !found.has(position)
    for (let next = positions.find(isLeft); next !== undefined; next = positions.find(isLeft)) {
      const segment = this.index.from(next)
      const file = segment && (await openSegment(this.disk, segment))
      const isRead = !file || (await this.#find(segment, file, new Set(positions.filter(isLeft)), found))
      // If it was compacted meanwhile, its records are in another.
      const isCompacted = segment && !this.index.segments.includes(segment)
      if (isRead && !isCompacted && isLeft(next)) return undefined
    }
    return positions.map(position => found.get(position) as StoredRecord)
  }

  /** Answers whether all of the segment was read. */
  async #find(
    segment: Segment,
    file: DiskFile,
    wanted: ReadonlySet<number>,
    found: Map<number, StoredRecord>,
  ): Promise<boolean> {
    try {
      for await (const { frames } of readFrames(file, 0, segment.readable))
        for (const frame of frames)
          if (isRecord(frame) && wanted.has(positionOf(frame)))
            found.set(positionOf(frame), detach(decodeRecord(frame)))
      return true
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EIO') throw error
      segment.readFailures++
      return false
    } finally {
      await file.close()
    }
  }

  async *#read(
    segment: Segment,
    file: DiskFile,
    blocked: (unit: Unit) => boolean,
    position: number,
  ): AsyncGenerator<StoredRecord[]> {
    const { index } = this
    try {
      const { bookmark } = segment
      const start = Math.max(segment.from, bookmark && bookmark.position <= position ? bookmark.at : 0)
      let isDone = start === segment.from
      let isDamaged = false
      for await (const { frames, holes } of readFrames(file, start, segment.readable)) {
        let chunk: StoredRecord[] = []
        let bytes = 0
        let all = 0
        for (const frame of frames) {
          all += frame.end - frame.at
          if (!isRecord(frame)) continue
          const at = positionOf(frame)
          if (index.done.has(at)) continue
          if (isDone) {
            isDone = false
            segment.from = frame.at
            segment.oldestAt = frame.payload.readUIntBE(14, 6)
          }
          if (at < position || index.taken.has(at)) continue
          const record = decodeRecord(frame)
          if (blocked(record)) continue
          index.taken.add(at)
          chunk.push(record)
          bytes += record.bytes
        }
        const last = frames.findLast(isRecord)
        if (last) segment.bookmark = { position: positionOf(last) + 1, at: last.end }
        for (const hole of holes)
          if (!segment.holes.has(hole.at)) {
            segment.holes.add(hole.at)
            isDamaged = true
          }
        if (bytes * SPARSE < all) chunk = chunk.map(detach)
        if (chunk.length > 0) yield chunk
      }
      if (isDamaged) await this.#recount(segment, file)
    } catch (error) {
      segment.readFailures++
      throw error
    } finally {
      await file.close()
    }
  }

  /** What cannot be read any more counts no more. */
  async #recount(segment: Segment, file: DiskFile): Promise<void> {
    for (;;) {
      const { undone, readable } = segment
      const counted = new Segment(segment.base, segment.generation)
      counted.bytes = readable
      await scan(file, counted, this.index.units, this.index.done, readable)
      // Some were done meanwhile.
      if (segment.undone !== undone || segment.readable !== readable) continue
      this.index.recount(segment, counted)
      if (undone > segment.undone) this.listener.damaged(undone - segment.undone, segment)
      return
    }
  }
}

/** Whether a segment has a record that is not done, of a unit that is not blocked. */
function hasWork({ undone, counts }: Segment, blocked: (unit: Unit) => boolean): boolean {
  if (undone === 0) return false
  for (const [group, { total, done }] of counts) if (total > done && !blocked(group)) return true
  return false
}
