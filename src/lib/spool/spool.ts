import { GateError } from '../errors.js'
import type { Disk } from './disk.js'
import type { Attempt, Place, SpoolRecord, StoredRecord, Unit } from './record.js'
import { type Phase, Units } from './units.js'

export interface SpoolSettings {
  /** All that the directory may hold. */
  readonly maxBytes: number
}

/** Time, as the spool sees it; a test brings its own. */
export interface SpoolClock {
  /** Milliseconds of a clock that never goes back. */
  now(): number
  /** Calls back once, at `time` or soon after; the answer cancels. */
  at(time: number, callback: () => void): () => void
  /** Milliseconds since the epoch. */
  wall(): number
}

/** Told of what happens; none of it changes anything. */
export interface SpoolObserver {
  /** Events were written and synced together. */
  synced?(ms: number, records: number, bytes: number): void
  /** Something works again, or less well, and this says what an operator can do. */
  trouble?(message: string): void
  /** Events that were promised cannot be read any more. */
  damaged?(records: number, message: string): void
}

/** What there is to tell of a spool. */
export interface SpoolState {
  /** All that the directory holds. */
  readonly bytes: number
  readonly maxBytes: number
  /** Events that are neither in Kafka nor refused for good, of which one was spooled first at this time (since the epoch). */
  readonly events: number
  readonly oldestAt: number | undefined
  readonly streams: ReadonlyMap<string, number>
  /** Events in the dead-letter files. */
  readonly deadLetters: number
  /** Why it takes no events; undefined if it does. */
  readonly broken: string | undefined
}

/** Events on disk that wait for Kafka. It knows nothing of Kafka, nor of who brings the events. */
export class Spool {
  /** Called when the last event of a unit is done. */
  onDrained: (unit: Unit) => void = () => {}
  /** Called when there is something new to read. */
  onSpooled: () => void = () => {}
  readonly #units = new Units(unit => this.onDrained(unit))
  readonly #records = new Map<number, StoredRecord>()
  readonly #taken = new Set<number>()
  #next = 0

  private constructor(
    readonly settings: SpoolSettings,
    readonly clock: SpoolClock,
    readonly observer: SpoolObserver,
  ) {}

  /** Opens a directory, and finds what earlier processes left in it. Rejects if it cannot be used; then it is untouched. */
  static async open(
    settings: SpoolSettings,
    _disk: Disk | undefined,
    clock: SpoolClock,
    observer: SpoolObserver = {},
  ): Promise<Spool> {
    return new Spool(settings, clock, observer)
  }

  /** Events that are not done; if there are none there is nothing to ask. */
  get size(): number {
    return this.#units.size
  }

  get state(): SpoolState {
    const first = this.#records.values().next().value
    return {
      bytes: 0,
      maxBytes: this.settings.maxBytes,
      events: this.size,
      oldestAt: first?.spooledAt,
      streams: this.#units.streams,
      deadLetters: 0,
      broken: undefined,
    }
  }

  /** Whether an event of this partition must go through the spool. −1: its partition is not known. */
  phase(topic: string, partition: number): Phase {
    return this.#units.phase(topic, partition)
  }

  /** Events of exactly this unit that are not done. */
  undone(topic: string, partition: number): number {
    return this.#units.undone(topic, partition)
  }

  /**
   * Takes an event, in the order of the calls; from then on its unit spools. Undefined if it cannot: it is full, or
   * broken. Resolves once the event is synced. Rejects with a GateError that says whether it surely is not stored.
   * It is not written after `deadline`, by the clock.
   */
  append(record: SpoolRecord, deadline = Infinity): Promise<void> | undefined {
    if (deadline < this.clock.now())
      return Promise.reject(new GateError('deadline_not_stored', 'the event came too late'))
    const position = this.#next++
    const value = Buffer.from(record.value)
    this.#records.set(position, {
      ...record,
      value,
      position,
      spooledAt: this.clock.wall(),
      bytes: value.length,
    })
    this.#units.add(record)
    return Promise.resolve().then(() => this.onSpooled())
  }

  /**
   * Reads what is synced and not done, in order, in chunks, up to the newest. What it answers is taken: other passes
   * leave it out until `release`. Units that are `blocked` are left out.
   */
  async *pass(blocked: (unit: Unit) => boolean): AsyncGenerator<StoredRecord[]> {
    for (const [position, record] of this.#records) {
      if (this.#taken.has(position) || blocked(record)) continue
      this.#taken.add(position)
      yield [record]
    }
  }

  /** The drain does not send them now: a later pass has them again. */
  release(records: readonly Place[]): void {
    for (const { position } of records) this.#taken.delete(position)
  }

  /** Resolves once it is on disk that these batches are about to be sent. Free for what was journaled already. */
  async journal(_attempts: readonly Attempt[]): Promise<void> {}

  /** It is in Kafka. */
  done(record: Place): void {
    this.#taken.delete(record.position)
    if (this.#records.delete(record.position)) this.#units.remove(record)
  }

  /** It is refused for good: resolves when it is among the dead letters. Rejects if it cannot be; then it is not done. */
  async refuse(record: StoredRecord, _reason: string): Promise<void> {
    this.done(record)
  }

  /** What an earlier process was sending when it ended; to be sent again first, unchanged. */
  get inDoubt(): readonly Attempt[] {
    return []
  }

  /** The records of an attempt in doubt, in its order; undefined if they cannot all be read any more. */
  async recordsOf(_attempt: Attempt): Promise<StoredRecord[] | undefined> {
    return undefined
  }

  /** It is not known whether brokers have stored this attempt, and never will be: its records are sent as any others. */
  forget(attempt: Attempt): void {
    this.release(attempt.records)
  }

  /** New events of the unit go to Kafka again. They wait in the sender until its last ones here are done. */
  handOver(unit: Unit): void {
    this.#units.handOver(unit)
  }

  /** Takes nothing more; resolves when all it has taken is synced or refused, and the directory is free. */
  async close(): Promise<void> {}
}
