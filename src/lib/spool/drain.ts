import { GateError } from '../errors.js'
import type { Attempt, StoredRecord, Unit } from './record.js'
import type { Spool } from './spool.js'
import { Windows } from './windows.js'

/** Where the drain brings events. It keeps the order of each unit, and sends again until it knows. */
export interface Target {
  /** Resolves when the event is stored. Rejects with a GateError if it surely never will be, or cannot be sent now. */
  send(record: StoredRecord): Promise<unknown>
  /** Sends a batch of an earlier process again as it was, before anything else of its partition. */
  resume(attempt: Attempt, records: readonly StoredRecord[]): readonly Promise<unknown>[]
  /** Events of this unit are stored, and its new ones go to Kafka: what has failed before tells nothing any more. */
  recover(unit: Unit): void
}

export interface DrainObserver {
  drained?(record: StoredRecord): void
  possiblyTwice?(events: number): void
  deadLetter?(record: StoredRecord, reason: string): void
  trouble?(message: string): void
}

/** Refusals after which an event will never be stored. */
const FINAL = new Set(['record_refused', 'event_too_large'])
/** A unit that stores nothing for so long holds up no others. */
const PATIENCE_MS = 250
/** Between two passes. */
const PAUSE_MS = 20
/** After a refusal that need not be final, or a failure to read. */
const RETRY_MS = 1000
/** So many events of a unit may be left when it is handed over: they are read, sent and stored in a moment. */
const LAST_EVENTS = 500
/** Up to 2.8 a broker forgets a producer a day after its newest record; some is for clocks that differ. */
const FORGOTTEN_MS = 23 * 3_600_000

/** Brings what is in the spool to Kafka, in the order of each unit. A unit that is stuck holds up no other. */
export class Drain {
  readonly #windows = new Windows()
  #isStopped = false
  /** Another pass would find something. */
  #isWanted = false
  #notify: () => void = () => {}
  #onEmpty: (() => void)[] = []
  #ended: Promise<void> = Promise.resolve()

  constructor(
    readonly spool: Spool,
    readonly target: Target,
    readonly observer: DrainObserver = {},
  ) {
    spool.onSpooled = () => this.#want()
    spool.onDrained = unit => {
      this.#windows.forget(unit)
      this.target.recover(unit)
      if (spool.size === 0) for (const resolve of this.#onEmpty.splice(0)) resolve()
    }
  }

  start(): void {
    this.#ended = this.#run()
  }

  /** Resolves when nothing is left. */
  empty(): Promise<void> {
    if (this.spool.size === 0) return Promise.resolve()
    return new Promise(resolve => this.#onEmpty.push(resolve))
  }

  /** Reads no more. What is on its way is not waited for: its outcome still counts. */
  async stop(): Promise<void> {
    this.#isStopped = true
    this.#notify()
    await this.#ended
  }

  async #run(): Promise<void> {
    for (const attempt of this.spool.inDoubt) await this.#resume(attempt)
    let from = 0
    while (!this.#isStopped) {
      this.#isWanted = false
      // What was left out is read again.
      if (this.#windows.resume(this.#now)) from = 0
      try {
        await this.#pass(from)
        from = this.spool.passed
        this.#handOver()
      } catch (error) {
        from = 0
        this.observer.trouble?.(`the spool cannot be read: ${(error as Error).message}`)
        this.spool.clock.at(this.#now + RETRY_MS, () => this.#want())
      }
      await this.#next(PAUSE_MS)
      while (!this.#isWanted && !this.#isStopped) await this.#next()
    }
  }

  async #pass(from: number): Promise<void> {
    for await (const records of this.spool.pass(unit => this.#windows.isBlocked(unit), from)) {
      const left: StoredRecord[] = []
      for (const record of records) {
        const hasRoom = this.#windows.hasRoom(record) || (await this.#waitForRoom(record))
        if (hasRoom && !this.#isStopped) this.#follow(record, this.target.send(record))
        else left.push(record)
      }
      if (left.length > 0) this.spool.release(left)
      if (this.#isStopped) return
    }
  }

  /** Sends again what an earlier process may have sent. Brokers that remember it store it once. */
  async #resume(attempt: Attempt): Promise<void> {
    const records = await this.spool.recordsOf(attempt)
    const newest = Math.max(...(records ?? []).map(({ timestamp }) => timestamp))
    const isRecognised = attempt.producerId >= 0 && this.spool.clock.wall() - newest < FORGOTTEN_MS
    if (!isRecognised) this.observer.possiblyTwice?.(attempt.records.length)
    if (!records || attempt.producerId < 0) {
      this.spool.forget(attempt)
      return
    }
    for (const [i, outcome] of this.target.resume(attempt, records).entries())
      this.#follow(records[i] as StoredRecord, outcome)
  }

  /** Waits while others of a record's unit are stored; false if it is left for a later pass. */
  async #waitForRoom(record: StoredRecord): Promise<boolean> {
    const windows = this.#windows
    let stored = windows.storedOf(record)
    let until = this.#now + PATIENCE_MS
    while (!windows.isBlocked(record)) {
      if (windows.hasRoom(record)) return true
      if (!windows.isProven(record) || this.#now >= until) windows.block(record)
      else await this.#next(until - this.#now)
      if (this.#isStopped) return false
      if (windows.storedOf(record) === stored) continue
      stored = windows.storedOf(record)
      until = this.#now + PATIENCE_MS
    }
    return false
  }

  #follow(record: StoredRecord, outcome: Promise<unknown>): void {
    this.#windows.sent(record)
    void outcome.then(
      () => this.#stored(record),
      (error: unknown) => this.#refused(record, GateError.from(error)),
    )
  }

  #stored(record: StoredRecord): void {
    const wasBlocked = this.#windows.stored(record)
    this.spool.done(record)
    this.observer.drained?.(record)
    if (wasBlocked) this.#want()
    else this.#notify()
  }

  #refused(record: StoredRecord, { code, message }: GateError): void {
    if (!FINAL.has(code)) {
      this.#failed(record)
      return
    }
    this.spool.refuse(record, `${code}: ${message}`).then(
      () => {
        this.#windows.stored(record)
        this.observer.deadLetter?.(record, code)
        this.#want()
      },
      () => this.#failed(record),
    )
  }

  /** It stays in the spool, for another try. */
  #failed(record: StoredRecord): void {
    if (this.#isStopped) return
    const { clock } = this.spool
    const resumesAt = this.#now + RETRY_MS
    this.#windows.failed(record, resumesAt)
    this.spool.release([record])
    clock.at(resumesAt, () => this.#want())
  }

  /** Hands over the units of which next to nothing is left, so that it does not take their new events to keep it so. */
  #handOver(): void {
    const { spool } = this
    for (const unit of this.#windows.running) {
      const left = spool.undone(unit.topic, unit.partition) - unit.events
      if (left > LAST_EVENTS || spool.phase(unit.topic, unit.partition) !== 'spooling') continue
      this.target.recover(unit)
      spool.handOver(unit)
    }
  }

  get #now(): number {
    return this.spool.clock.now()
  }

  #want(): void {
    this.#isWanted = true
    this.#notify()
  }

  /** Resolves when something has happened, or after this time. */
  #next(ms?: number): Promise<void> {
    const { clock } = this.spool
    return new Promise(resolve => {
      const cancel = ms === undefined ? () => {} : clock.at(clock.now() + ms, resolve)
      this.#notify = () => {
        cancel()
        resolve()
      }
    })
  }
}
