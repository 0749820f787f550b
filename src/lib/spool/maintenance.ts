import { decodeRecord, isRecord } from './codec.js'
import type { Disk, DiskFile } from './disk.js'
import { FRAME_BYTES, readFrames } from './frames.js'
import type { Journal } from './journal.js'
import type { Index } from './log-index.js'
import type { SpoolClock } from './observer.js'
import { Segment } from './segment.js'
import { openSegment } from './tolerant.js'
import type { Group } from './units.js'

/** What is written at one time. */
const WRITE_BYTES = 512 * 1024
/** Small segments that are next to one another become one when there are so many. */
const MANY = 8
const RETRY_MS = 1000
const ROOM_EVERY_MS = 100
const TEMPORARY = 'compacted.tmp'

export interface MaintenanceListener {
  trouble(message: string): void
  /** Records that were promised cannot be read. */
  damaged(records: number, segment: Segment): void
  /** The sizes of files have changed. */
  changed(): void
  /** Whether there is little room left. */
  isFull(): boolean
}

/** Removes segments that are done, and writes those anew of which most is. One thing at a time. */
export class Maintenance {
  /** What the file takes that is being written. */
  bytes = 0
  #running: Promise<void> | undefined
  #isRunning = false
  #retryAt = -Infinity
  #madeRoomAt = -Infinity
  #cancelRetry: (() => void) | undefined
  #isClosed = false

  constructor(
    readonly segmentBytes: number,
    readonly disk: Disk,
    readonly clock: SpoolClock,
    readonly index: Index,
    readonly journal: Journal,
    /** Segments whose files are to be gone. */
    readonly garbage: Segment[],
    /** The segment that is written to. */
    readonly active: () => Segment | undefined,
    readonly listener: MaintenanceListener,
  ) {}

  /** Where files may be left of segments that are no more. */
  get removed(): number[] {
    const bases = new Set(this.index.segments.map(({ base }) => base))
    return this.garbage.map(({ base }) => base).filter(base => !bases.has(base))
  }

  /** There is no room for an event. Not looked at for each of them. */
  makeRoom(): void {
    const now = this.clock.now()
    if (now < this.#madeRoomAt + ROOM_EVERY_MS) return
    this.#madeRoomAt = now
    this.wake()
  }

  /** Something may have become possible. */
  wake(): void {
    if (this.#isRunning || this.#isClosed || this.clock.now() < this.#retryAt || !this.#job()) return
    this.#isRunning = true
    this.#running = this.#run()
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#cancelRetry?.()
    await this.#running
  }

  async #run(): Promise<void> {
    await undefined
    for (let job = this.#job(); job && !this.#isClosed; job = this.#job())
      try {
        await job()
        this.listener.changed()
      } catch (error) {
        this.listener.trouble(`${this.disk.name}: segments cannot be tidied: ${(error as Error).message}`)
        this.#retryAt = this.clock.now() + RETRY_MS
        if (!this.#isClosed) this.#cancelRetry = this.clock.at(this.#retryAt, () => this.wake())
        break
      }
    this.#isRunning = false
  }

  #job(): (() => Promise<void>) | undefined {
    if (this.garbage.length > 0) return () => this.#delete()
    const active = this.active()
    const done = this.index.segments.filter(segment => segment.undone === 0 && segment !== active)
    if (done.length > 0) return () => this.#remove(done)
    const sparse = this.#sparse(active)
    return sparse && (() => this.#compact(sparse))
  }

  /** One of which at least half is done, or many small ones. If room is short, the one of which most is done. */
  #sparse(active: Segment | undefined): Segment[] | undefined {
    let run: Segment[] = []
    let bytes = 0
    let best: Segment | undefined
    for (const segment of this.index.segments) {
      if (segment === active) break
      if (segment.hasDone && 2 * segment.undoneBytes <= segment.bytes) return [segment]
      if (freed(segment) > (best ? freed(best) : segment.bytes / 8)) best = segment
      const isSmall = 4 * segment.bytes <= this.segmentBytes
      if (!isSmall || bytes + segment.bytes > this.segmentBytes) {
        run = []
        bytes = 0
      }
      if (!isSmall) continue
      run.push(segment)
      bytes += segment.bytes
      if (run.length === MANY) return run
    }
    return best && this.listener.isFull() ? [best] : undefined
  }

  async #remove(segments: readonly Segment[]): Promise<void> {
    const removed = (segment: Segment) => {
      this.index.replace([segment], undefined)
      this.garbage.push(segment)
    }
    await Promise.all(
      segments.map(segment =>
        this.journal.write({ kind: 'removed', base: segment.base }, () => removed(segment)),
      ),
    )
  }

  /** A file must not come back while the journal does not know that it is to be gone. */
  async #delete(): Promise<void> {
    const garbage = [...this.garbage]
    for (const { name } of garbage) await removeIfThere(this.disk, name)
    await this.disk.syncDirectory()
    this.garbage.splice(0, garbage.length)
  }

  async #compact(old: readonly Segment[]): Promise<void> {
    const first = old[0] as Segment
    const end = (old.at(-1) as Segment).end
    const compacted = new Segment(first.base, Math.max(...old.map(({ generation }) => generation)) + 1, end)
    compacted.isCompacted = true
    await removeIfThere(this.disk, TEMPORARY)
    const file = await this.disk.open(TEMPORARY, 'create')
    let copied: [number, Group][]
    try {
      copied = await this.#copy(old, compacted, file)
      // What was left out because it is done must be known as done to a process that finds only the new file.
      await this.journal.sync()
      await this.disk.rename(TEMPORARY, compacted.name)
      await this.disk.syncDirectory()
    } catch (error) {
      // Its file may have its name all the same.
      this.garbage.push(compacted)
      await removeIfThere(this.disk, TEMPORARY).catch(() => {})
      throw error
    } finally {
      this.bytes = 0
      await file.close().catch(() => {})
    }
    // What was done while it was copied.
    for (const [position, group] of copied) if (this.index.done.has(position)) compacted.markDone(group)
    const undone = old.reduce((sum, segment) => sum + segment.undone, 0)
    this.index.replace(old, compacted)
    this.garbage.push(...old)
    this.journal.renew()
    if (undone > compacted.undone) this.listener.damaged(undone - compacted.undone, first)
  }

  async #copy(old: readonly Segment[], to: Segment, file: DiskFile): Promise<[number, Group][]> {
    const copied: [number, Group][] = []
    const { index } = this
    let pending: Buffer[] = [to.header()]
    let pendingBytes = 0
    const flush = async () => {
      const data = Buffer.concat(pending)
      pending = []
      pendingBytes = 0
      await file.write(data, to.bytes)
      to.bytes += data.length
      this.bytes = to.bytes
    }
    await flush()
    for (const segment of old) {
      const from = await openSegment(this.disk, segment)
      try {
        if (!from) continue
        for await (const { frames } of readFrames(from, segment.from, segment.readable)) {
          for (const frame of frames) {
            if (!isRecord(frame)) continue
            const record = decodeRecord(frame)
            if (index.done.has(record.position)) continue
            const group = index.units.groupOf(record)
            to.add(group, record.bytes)
            to.oldestAt ??= record.spooledAt
            copied.push([record.position, group])
            pending.push(reframed(frame.payload))
            pendingBytes += record.bytes
            if (pendingBytes >= WRITE_BYTES) await flush()
          }
        }
      } finally {
        await from?.close()
      }
      if (this.#isClosed) throw new Error('the spool is closing')
    }
    if (pendingBytes > 0) await flush()
    to.readable = to.bytes
    const footer = to.footer()
    await file.write(footer, to.bytes)
    to.bytes += footer.length
    to.isSealed = true
    await file.sync()
    return copied
  }
}

/** What is gained by writing it anew. */
function freed(segment: Segment): number {
  return segment.hasDone ? segment.readable - segment.undoneBytes : 0
}

async function removeIfThere(disk: Disk, name: string): Promise<void> {
  await disk.remove(name).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error
  })
}

/** The frame of a payload that is part of what was read with it. */
function reframed(payload: Buffer): Buffer {
  return Buffer.from(payload.buffer, payload.byteOffset - FRAME_BYTES, payload.length + FRAME_BYTES)
}
