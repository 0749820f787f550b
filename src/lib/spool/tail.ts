import type { Disk, DiskFile } from './disk.js'
import type { Journal } from './journal.js'
import type { Index } from './log-index.js'
import { Segment } from './segment.js'

export interface TailListener {
  trouble(message: string): void
  /** A segment is not written to any more. */
  left(): void
}

interface Open {
  readonly segment: Segment
  readonly file: DiskFile
}

/** The segment that is written to, if any. */
export class Tail {
  #open: Open | undefined

  constructor(
    readonly segmentBytes: number,
    readonly disk: Disk,
    readonly index: Index,
    readonly journal: Journal,
    /** The position of the next record. */
    public next: number,
    readonly listener: TailListener,
  ) {}

  get segment(): Segment | undefined {
    return this.#open?.segment
  }

  /** The segment for this much more: a new one if the last is full. */
  async room(bytes: number): Promise<Segment> {
    const { segment } = this
    if (segment && (segment.readable + bytes <= this.segmentBytes || segment.counts.size === 0))
      return segment
    await this.leave()
    return this.begin()
  }

  /** Writes and syncs, or makes sure that nothing of it is found later. Answers where it ends. */
  async write(data: Buffer): Promise<number> {
    const { segment, file } = this.#open as Open
    const at = segment.readable
    try {
      await file.write(data, at)
      await file.sync()
      return at + data.length
    } catch (thrown) {
      // The pages of a failed sync may be clean and wrong: what is written after them must not depend on them.
      this.#open = undefined
      segment.end = this.next
      try {
        await file.truncate(at)
        await file.sync()
      } catch {
        throw new Unsettled(thrown as Error)
      } finally {
        await file.close().catch(() => {})
      }
      throw thrown
    }
  }

  async begin(): Promise<Segment> {
    // A base is never used again, not even if this fails.
    const segment = new Segment(this.next++, 0)
    const file = await this.disk.open(segment.name, 'create')
    try {
      const header = segment.header()
      await file.write(header, 0)
      await file.sync()
      await this.disk.syncDirectory()
      segment.bytes = header.length
      segment.readable = header.length
    } catch (error) {
      await file.close().catch(() => {})
      await this.disk.remove(segment.name).catch(() => {})
      throw error
    }
    // From here on the journal may name it: it is only removed as others are.
    const add = () => this.index.segments.push(segment)
    try {
      await this.journal.write({ kind: 'opened', base: segment.base }, () => {
        add()
        this.#open = { segment, file }
      })
    } catch (error) {
      await file.close().catch(() => {})
      add()
      this.listener.left()
      throw error
    }
    return segment
  }

  /** Completes the segment. If that fails it is as good without its footer. */
  async leave(): Promise<void> {
    if (!this.#open) return
    const { segment, file } = this.#open
    this.#open = undefined
    segment.end = this.next
    try {
      const footer = segment.footer()
      await file.write(footer, segment.readable)
      await file.sync()
      segment.bytes = segment.readable + footer.length
      segment.isSealed = true
    } catch (error) {
      this.listener.trouble(`${this.disk.name}: ${segment.name} has no footer: ${(error as Error).message}`)
    } finally {
      await file.close().catch(() => {})
      this.listener.left()
    }
  }

  /** Its file is not there any more. */
  abandon(segment: Segment): void {
    if (this.#open?.segment !== segment) return
    void this.#open.file.close().catch(() => {})
    this.#open = undefined
  }
}

/** A write failed, and what it left behind may be found later. */
export class Unsettled extends Error {
  constructor(readonly problem: Error) {
    super(problem.message)
  }
}
