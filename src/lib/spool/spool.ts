import type { Delivery } from '../eventgate.js'
import { Attempts } from './attempts.js'
import { recordBytes } from './codec.js'
import { DeadLetters } from './dead-letters.js'
import type { Disk } from './disk.js'
import { Journal } from './journal.js'
import { type Entry, runsOf, stateOf } from './journal-entries.js'
import { Log } from './log.js'
import { Index } from './log-index.js'
import { Maintenance } from './maintenance.js'
import type { SpoolClock, SpoolObserver, SpoolState } from './observer.js'
import { Reader } from './pass.js'
import type { Attempt, Place, SpoolRecord, StoredRecord, Unit } from './record.js'
import { checkFormat, type Recovered, recover, repair } from './recovery.js'
import type { Segment } from './segment.js'
import { Tail } from './tail.js'
import type { Phase } from './units.js'

export interface SpoolSettings {
  /** All that the directory may hold. Room for one segment is kept free, to write others anew. */
  readonly maxBytes: number
  readonly segmentBytes?: number
}

/** From this part of `maxBytes` on less must be done of a segment for it to be written anew. */
const FULL = 0.8
/** What a disk has for the end. */
const CLOSE_MS = 2000
const SEGMENT_BYTES = 64 * 1024 * 1024
/** The part of it that hasty events may use. */
const HASTY_SHARE = 4

/** Events on disk that wait for Kafka. It knows nothing of Kafka, nor of who brings the events. */
export class Spool {
  /** Called when the last event of a unit is done. */
  onDrained: (unit: Unit) => void = () => {}
  /** Called when there is something new to read. */
  onSpooled: () => void = () => {}
  readonly #index: Index
  readonly #journal: Journal
  readonly #attempts: Attempts
  readonly #tail: Tail
  readonly #log: Log
  readonly #reader: Reader
  readonly #maintenance: Maintenance
  readonly #deadLetters: DeadLetters
  #segmentsBytes = 0
  #cancelLate = () => {}

  private constructor(
    readonly settings: SpoolSettings,
    readonly disk: Disk,
    readonly clock: SpoolClock,
    readonly observer: SpoolObserver,
    index: Index,
    { segments, garbage, done, inDoubt, next, deadLetters, files }: Recovered,
    readonly unlock: () => void,
  ) {
    const trouble = (message: string) => observer.trouble?.(message)
    const damaged = (records: number, { name }: Segment) =>
      this.#damaged(records, `${records} events of ${name} are damaged`)
    const { maxBytes, segmentBytes = SEGMENT_BYTES } = settings
    this.#index = index
    index.adopt(segments, done)
    index.units.onDrained = unit => this.onDrained(unit)
    this.#journal = new Journal(disk, clock, () => this.#snapshot(), trouble)
    this.#attempts = new Attempts(this.#journal, inDoubt)
    for (const { records } of inDoubt) for (const { position } of records) index.taken.add(position)
    this.#tail = new Tail(segmentBytes, disk, index, this.#journal, next, {
      trouble,
      left: () => {
        this.#measure()
        this.#maintenance.wake()
      },
    })
    this.#log = new Log(this.#tail, clock, index, observer, () => {
      this.#measure()
      this.onSpooled()
    })
    this.#reader = new Reader(index, disk, { damaged, missing: segment => this.#missing(segment) })
    this.#maintenance = new Maintenance(
      segmentBytes,
      disk,
      clock,
      index,
      this.#journal,
      garbage,
      () => this.#tail.segment,
      {
        trouble,
        damaged,
        changed: () => this.#measure(),
        isFull: () => this.#bytes > FULL * maxBytes,
      },
    )
    this.#deadLetters = new DeadLetters(disk, files, deadLetters)
  }

  /** Opens a directory, and finds what earlier processes left in it. Rejects if it cannot be used. */
  static async open(
    settings: SpoolSettings,
    disk: Disk,
    clock: SpoolClock,
    observer: SpoolObserver = {},
  ): Promise<Spool> {
    let unlock = () => {}
    try {
      await checkFormat(disk)
      unlock = await disk.lock()
      const index = new Index()
      const recovered = await recover(disk, index.units)
      await repair(disk, recovered.segments)
      const spool = new Spool(settings, disk, clock, observer, index, recovered, unlock)
      await spool.#journal.begin()
      for (const { records, message } of recovered.losses) spool.#damaged(records, message)
      spool.#measure()
      spool.#maintenance.wake()
      return spool
    } catch (error) {
      unlock()
      const { code, message } = error as NodeJS.ErrnoException
      if (code === undefined) throw error
      const advice = 'check its permissions, and the disk'
      throw Object.assign(new Error(`${disk.name} cannot be used: ${message}: ${advice}`), { code })
    }
  }

  /** Events that are not done. At 0 there is nothing to ask. */
  get size(): number {
    return this.#index.units.size
  }

  get state(): SpoolState {
    const { units, segments } = this.#index
    return {
      bytes: this.#bytes,
      maxBytes: this.settings.maxBytes,
      events: units.size,
      oldestAt: segments.find(({ undone }) => undone > 0)?.oldestAt,
      streams: units.streams,
      deadLetters: this.#deadLetters.count,
      broken: this.#log.broken,
    }
  }

  /** Where the last pass ended. A later one may go on from there. */
  get passed(): number {
    return this.#reader.passed
  }

  /** Whether an event of this partition must go through the spool. −1: its partition is not known. */
  phase(topic: string, partition: number): Phase {
    return this.#index.units.phase(topic, partition)
  }

  /** Events of exactly this unit that are not done. */
  undone(topic: string, partition: number): number {
    return this.#index.units.undone(topic, partition)
  }

  /** Whether it would take an event of so many bytes now. */
  accepts(delivery: Delivery, bytes = 0): boolean {
    const { maxBytes } = this.settings
    if (!this.#log.takes(delivery, bytes)) return false
    if (this.#bytes + this.#log.waitingBytes + bytes + this.#tail.segmentBytes > maxBytes) return false
    const hastyBytes = this.#index.hastyBytes + this.#log.waitingHastyBytes + bytes
    return delivery === 'guaranteed' || hastyBytes * HASTY_SHARE <= maxBytes
  }

  /**
   * Takes an event, in the order of the calls; from then on its unit spools. Undefined if it cannot: it is full, or
   * broken. Resolves once the event is synced. Rejects with a GateError that says whether it surely is not stored.
   * It is not written after `deadline`, by the clock.
   */
  append(record: SpoolRecord, deadline = Infinity): Promise<void> | undefined {
    const { delivery } = record
    const bytes = recordBytes(record)
    if (this.accepts(delivery, bytes)) return this.#log.append(record, bytes, deadline)
    this.#maintenance.makeRoom()
    return undefined
  }

  /**
   * Reads what is synced and not done, in order, in chunks, up to the newest. What it answers is taken: other passes
   * leave it out until `release`. Units that are `blocked` are left out. `from`: what an earlier pass has read is too.
   */
  pass(blocked: (unit: Unit) => boolean, from = 0): AsyncGenerator<StoredRecord[]> {
    return this.#reader.pass(blocked, from)
  }

  /** The drain does not send them now: a later pass has them again. */
  release(records: readonly Place[]): void {
    for (const { position } of records) this.#index.taken.delete(position)
  }

  /** Resolves once it is on disk that these batches are about to be sent. Free for what was journaled already. */
  journal(attempts: readonly Attempt[]): Promise<void> {
    return this.#attempts.begin(attempts)
  }

  /** It is in Kafka. */
  done(record: Place): void {
    if (!this.#markDone(record) || this.#attempts.done(record)) return
    this.#journal.note({ kind: 'gone', dead: false, ...runsOf(record.topic, [record]) })
  }

  /** It is refused for good: resolves when it is a dead letter, after a crash, too. Rejects if it cannot be; then it is not done. */
  async refuse(record: StoredRecord, reason: string): Promise<void> {
    await this.#deadLetters.add(record, reason)
    if (!this.#markDone(record)) return
    this.#deadLetters.count++
    this.#attempts.refused(record)
    this.#journal.note({ kind: 'gone', dead: true, ...runsOf(record.topic, [record]) })
    await this.#journal.sync().catch(() => {})
  }

  /** What an earlier process was sending when it ended; to be sent again first, unchanged. */
  get inDoubt(): readonly Attempt[] {
    return this.#attempts.inDoubt
  }

  /** The records of an attempt in doubt, in its order; undefined if they cannot all be read any more. */
  recordsOf({ records }: Attempt): Promise<StoredRecord[] | undefined> {
    return this.#reader.records(records.map(({ position }) => position))
  }

  /** It is not known whether brokers have stored this attempt, and never will be: its records are sent as any others. */
  forget(attempt: Attempt): void {
    this.#attempts.forget(attempt)
    this.release(attempt.records)
  }

  /** New events of the unit go to Kafka again. They wait in the sender until its last ones here are done. */
  handOver(unit: Unit): void {
    this.#index.units.handOver(unit)
  }

  /** Takes nothing more; resolves when all it has taken is synced or refused, and the directory is free. */
  async close(): Promise<void> {
    const { clock } = this
    // A disk that does not answer must not keep the process from its end.
    const late = new Promise<void>(resolve => {
      this.#cancelLate = clock.at(clock.now() + CLOSE_MS, resolve)
    })
    await Promise.race([this.#end(), late])
    this.#cancelLate()
    this.unlock()
  }

  async #end(): Promise<void> {
    await this.#maintenance.close()
    await this.#log.close()
    await this.#deadLetters.close()
    await this.#journal.close()
  }

  get #bytes(): number {
    return this.#segmentsBytes + this.#journal.bytes + this.#deadLetters.bytes + this.#maintenance.bytes
  }

  #markDone(record: Place): boolean {
    const { taken, units } = this.#index
    taken.delete(record.position)
    const segment = this.#index.markDone(record)
    if (!segment) return false
    if (units.size === 0) this.#log.retire()
    if (segment.undone === 0 || segment.undone === segment.records >> 1) this.#maintenance.wake()
    return true
  }

  #measure(): void {
    this.#segmentsBytes = this.#index.segments.reduce((sum, { bytes }) => sum + bytes, 0)
  }

  #missing(segment: Segment): void {
    const { undone, base } = segment
    this.#index.replace([segment], undefined)
    this.#tail.abandon(segment)
    this.#journal.note({ kind: 'removed', base })
    this.#damaged(undone, `${segment.name} is missing, with ${undone} events`)
  }

  #damaged(records: number, message: string): void {
    this.observer.damaged?.(
      records,
      `${this.disk.name}: ${message}. Check the disk, and who else writes to the directory`,
    )
  }

  /** What the entries of the journal amount to. */
  #snapshot(): Entry[] {
    const { segments, done } = this.#index
    return [
      { kind: 'begin', next: this.#tail.next, deadLetters: this.#deadLetters.count },
      ...this.#maintenance.removed.map(base => ({ kind: 'removed', base }) as const),
      ...segments.map(segment => stateOf(segment, done)),
      ...this.#attempts.entries,
    ]
  }
}
