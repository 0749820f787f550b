import { GateError } from '../errors.js'
import type { Disk, DiskFile } from './disk.js'
import { jsonFrame, jsonOf, readFrames } from './frames.js'
import type { Entry } from './journal-entries.js'
import { FORMAT } from './segment.js'

export const JOURNAL = 'journal'
const TEMPORARY = 'journal.tmp'
/** A journal that is larger is begun anew. */
const MAX_BYTES = 4 * 1024 * 1024
/** After a failure nothing is tried again before this. */
const RETRY_MS = 1000

interface Pending {
  readonly frame: Buffer
  /** Of somebody who waits until it is synced. */
  readonly resolve?: () => void
  readonly reject?: (error: Error) => void
}

/** What became of the records of the log. One file that is appended to, and now and then replaced by what it amounts to. */
export class Journal {
  bytes = 0
  #file: DiskFile | undefined
  #pending: Pending[] = []
  #running: Promise<void> | undefined
  #isRunning = false
  #isStale = false
  #snapshotBytes = 0
  #syncedBytes = 0
  #retryAt = -Infinity
  #problem: Error | undefined

  /** `snapshot` tells what all entries so far amount to. */
  constructor(
    readonly disk: Disk,
    readonly clock: { now(): number },
    readonly snapshot: () => Entry[],
    readonly trouble: (message: string) => void,
  ) {}

  /** Writes an entry, without anybody waiting for it. */
  note(entry: Entry): void {
    this.#add({ frame: jsonFrame(entry) })
  }

  /**
   * Resolves once the entry, and all before it, is synced. If it rejects, the entry will not be found by a later
   * process, or nothing that is asked for in between. `synced` is called at once, before any later snapshot.
   */
  write(entry: Entry, synced: () => void = () => {}): Promise<void> {
    return this.#write(jsonFrame(entry), synced)
  }

  /** Resolves once all that was noted is synced. */
  sync(): Promise<void> {
    return this.#write(Buffer.alloc(0), () => {})
  }

  /** Has the journal begun anew with its next entry: what it amounts to has become less. */
  renew(): void {
    this.#isStale = true
  }

  /** Replaces an earlier process's journal. */
  begin(): Promise<void> {
    return this.#begin([])
  }

  async close(): Promise<void> {
    await this.#running
    await this.#file?.sync().catch(() => {})
    await this.#file?.close().catch(() => {})
    this.#file = undefined
  }

  #write(frame: Buffer, synced: () => void): Promise<void> {
    if (this.#problem && this.clock.now() < this.#retryAt) return Promise.reject(this.#problem)
    return new Promise((resolve, reject) => {
      const done = () => {
        synced()
        resolve()
      }
      this.#add({ frame, resolve: done, reject })
    })
  }

  #add(pending: Pending): void {
    this.#pending.push(pending)
    if (this.#isRunning) return
    this.#isRunning = true
    this.#running = this.#run()
  }

  async #run(): Promise<void> {
    // What is done in this turn of the event loop is written together.
    await undefined
    while (this.#pending.length > 0) {
      const pending = this.#pending
      this.#pending = []
      try {
        await this.#store(pending)
        this.#problem = undefined
        for (const { resolve } of pending) resolve?.()
      } catch (thrown) {
        await this.#distrust(thrown as Error, pending)
      }
    }
    this.#isRunning = false
  }

  async #store(pending: readonly Pending[]): Promise<void> {
    const data = Buffer.concat(pending.map(({ frame }) => frame))
    if (!this.#file || this.#isStale || this.bytes + data.length > MAX_BYTES + 2 * this.#snapshotBytes) {
      // What is only noted is in the snapshot already.
      if (pending.some(({ resolve }) => resolve) || this.#file) await this.#begin([data])
      return
    }
    const mustSync = pending.some(({ resolve }) => resolve)
    const all = mustSync ? Buffer.concat([jsonFrame({ synced: this.#syncedBytes }), data]) : data
    await this.#file.write(all, this.bytes)
    this.bytes += all.length
    if (!mustSync) return
    await this.#file.sync()
    this.#syncedBytes = this.bytes
  }

  async #distrust(problem: Error, pending: readonly Pending[]): Promise<void> {
    this.#problem = new GateError('produce_failed', `the journal cannot be written: ${problem.message}`)
    this.#retryAt = this.clock.now() + RETRY_MS
    this.trouble(`${this.disk.name}: ${this.#problem.message}`)
    const file = this.#file
    this.#file = undefined
    await file?.close().catch(() => {})
    for (const { reject } of pending) reject?.(this.#problem)
  }

  async #begin(more: readonly Buffer[]): Promise<void> {
    const entries = [jsonFrame({ format: FORMAT }), ...this.snapshot().map(jsonFrame), ...more]
    this.#isStale = false
    const old = this.#file
    this.#file = undefined
    await old?.close().catch(() => {})
    await this.disk.remove(TEMPORARY).catch(() => {})
    const file = await this.disk.open(TEMPORARY, 'create')
    try {
      const data = Buffer.concat(entries)
      await file.write(data, 0)
      await file.sync()
      await this.disk.rename(TEMPORARY, JOURNAL)
      await this.disk.syncDirectory()
      this.bytes = data.length
      this.#snapshotBytes = data.length
      this.#syncedBytes = data.length
    } catch (error) {
      await file.close().catch(() => {})
      throw error
    }
    this.#file = file
  }
}

/** The entries of an earlier process's journal, and whether any part of it cannot be read. */
export async function readJournal(
  disk: Disk,
  bytes: number,
): Promise<{ entries: Entry[]; isDamaged: boolean }> {
  const file = await disk.open(JOURNAL, 'read')
  try {
    const found: { entry: Entry; at: number }[] = []
    const damages: number[] = []
    let syncedTo = 0
    for await (const { frames, holes } of readFrames(file, 0, bytes)) {
      for (const { at } of holes) damages.push(at)
      for (const frame of frames) {
        const entry = jsonOf(frame)
        if (entry && 'kind' in entry) found.push({ entry: entry as Entry, at: frame.at })
        else syncedTo = Math.max(syncedTo, Number(entry?.synced ?? 0))
      }
    }
    // After the first entry that is missing without having been synced, none was.
    const cut = damages.find(at => at >= syncedTo) ?? Infinity
    return {
      entries: found.filter(({ at }) => at < cut).map(({ entry }) => entry),
      isDamaged: damages.some(at => at < syncedTo),
    }
  } finally {
    await file.close()
  }
}
