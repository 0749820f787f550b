import { GateError } from '../errors.js'
import type { Delivery } from '../eventgate.js'
import { encodeRecord } from './codec.js'
import { MAX_PAYLOAD } from './frames.js'
import type { Index } from './log-index.js'
import type { SpoolClock, SpoolObserver } from './observer.js'
import type { SpoolRecord } from './record.js'
import { type Tail, Unsettled } from './tail.js'
import type { Group } from './units.js'

/** What one commit writes, unless a single event is larger. Hasty events get a part of it, and go last. */
const COMMIT_BYTES = 1024 * 1024
const HASTY_COMMIT_BYTES = 256 * 1024
/** What may wait for its commit. */
const MAX_WAITING_BYTES = 32 * 1024 * 1024
/** A disk that takes longer for one commit takes nothing more until it has answered. */
const STALL_MS = 4000
/** Of these so many are counted anew after the rest: a process that was held up itself reads its answers first. */
const LAST_MS = 250
/** After a failure a new segment is tried after this, and each time after twice as long up to the maximum. */
const RETRY_MS = 1000
const MAX_RETRY_MS = 30_000
/** A segment that is done and larger is not written to any more. */
const SMALL_BYTES = 8 * 1024 * 1024

interface Waiting {
  readonly record: SpoolRecord
  readonly group: Group
  readonly bytes: number
  readonly deadline: number
  readonly resolve: () => void
  readonly reject: (error: GateError) => void
}

/** Appends events to the last segment: one writer, and one sync for all that came during the one before. */
export class Log {
  /** Why it takes nothing; undefined if it does. */
  broken: string | undefined
  /** What waits for its commit, or is part of one. */
  waitingBytes = 0
  waitingHastyBytes = 0
  readonly #waiting: Record<Delivery, Waiting[]> = { guaranteed: [], hasty: [] }
  #running: Promise<void> | undefined
  #isRunning = false
  #mustRetry = false
  #buffer = Buffer.allocUnsafeSlow(64 * 1024)
  #failures = 0
  #cancelRetry: (() => void) | undefined
  #isStalled = false
  #isClosed = false

  constructor(
    readonly tail: Tail,
    readonly clock: SpoolClock,
    readonly index: Index,
    readonly observer: SpoolObserver,
    /** Events were synced. */
    readonly onSynced: () => void,
  ) {}

  /** Whether a record of this size can be taken now. */
  takes(delivery: Delivery, bytes: number): boolean {
    const waiting = delivery === 'hasty' ? this.waitingHastyBytes * 4 : this.waitingBytes
    return (
      this.broken === undefined &&
      !this.#isClosed &&
      waiting + bytes <= MAX_WAITING_BYTES &&
      bytes <= MAX_PAYLOAD
    )
  }

  append(record: SpoolRecord, bytes: number, deadline: number): Promise<void> {
    const { delivery } = record
    const group = this.index.units.groupOf(record)
    this.index.units.add(group)
    this.waitingBytes += bytes
    if (delivery === 'hasty') this.waitingHastyBytes += bytes
    return new Promise((resolve, reject) => {
      this.#waiting[delivery].push({ record, group, bytes, deadline, resolve, reject })
      this.#start()
    })
  }

  /** Leaves the last segment if all of it is done, so that it can be removed. */
  retire(): void {
    if (this.#isOver) this.#start()
  }

  /** Takes nothing more; resolves when all that waits is synced or refused. */
  async close(): Promise<void> {
    this.#isClosed = true
    this.#cancelRetry?.()
    await this.#running
    await this.tail.leave()
  }

  get #isOver(): boolean {
    const { undone = 1, bytes = 0 } = this.tail.segment ?? {}
    return undone === 0 && bytes > SMALL_BYTES && this.index.units.size === 0
  }

  #start(): void {
    if (this.#isRunning) return
    this.#isRunning = true
    this.#running = this.#run()
  }

  async #run(): Promise<void> {
    // What comes in this turn of the event loop is written together.
    await undefined
    for (;;) {
      if (this.#mustRetry) await this.#retry()
      const commit = this.#nextCommit()
      if (commit.length > 0) await this.#commit(commit)
      else if (this.#isOver) await this.tail.leave()
      else if (!this.#mustRetry) break
    }
    this.#isRunning = false
  }

  /** The events of the next commit, guaranteed ones first. Those whose time is up are refused. */
  #nextCommit(): Waiting[] {
    const commit: Waiting[] = []
    const now = this.clock.now()
    const take = (waiting: Waiting[], room: number) => {
      let bytes = 0
      let count = 0
      for (const one of waiting) {
        if (bytes > 0 && bytes + one.bytes > room) break
        count++
        if (one.deadline < now)
          this.#settle(
            one,
            new GateError('deadline_not_stored', 'the spool had no time left to write the event'),
          )
        else {
          commit.push(one)
          bytes += one.bytes
        }
      }
      waiting.splice(0, count)
    }
    take(this.#waiting.guaranteed, COMMIT_BYTES)
    take(this.#waiting.hasty, HASTY_COMMIT_BYTES)
    return commit
  }

  async #commit(commit: readonly Waiting[]): Promise<void> {
    const { clock, index, observer } = this
    const began = clock.now()
    let cancel = clock.at(began + STALL_MS - LAST_MS, () => {
      cancel = clock.at(clock.now() + LAST_MS, () => this.#stall())
    })
    try {
      let bytes = 0
      for (const one of commit) bytes += one.bytes
      const segment = await this.tail.room(bytes)
      const end = await this.tail.write(this.#encode(commit, bytes))
      if (segment.undone === 0) {
        segment.from = segment.readable
        segment.oldestAt = clock.wall()
      }
      for (const { group, bytes: size } of commit) {
        segment.add(group, size)
        if (group.delivery === 'hasty') index.hastyBytes += size
      }
      segment.end = this.tail.next
      segment.bytes = end
      segment.readable = end
      this.#failures = 0
      if (this.#isStalled) this.#recover()
      observer.synced?.(clock.now() - began, commit.length, bytes)
      for (const one of commit) this.#settle(one)
      this.onSynced()
    } catch (thrown) {
      this.#fail(thrown as Error)
      const code = thrown instanceof Unsettled ? 'produce_unknown' : 'produce_failed'
      for (const one of commit) this.#settle(one, this.#error(code))
      this.#refuseWaiting()
    } finally {
      cancel()
    }
  }

  #encode(commit: readonly Waiting[], bytes: number): Buffer {
    if (bytes > this.#buffer.length) this.#buffer = Buffer.allocUnsafeSlow(2 * bytes)
    const spooledAt = this.clock.wall()
    let at = 0
    for (const [index, { record }] of commit.entries())
      at = encodeRecord(this.#buffer, at, record, this.tail.next++, spooledAt, index === 0)
    return this.#buffer.subarray(0, at)
  }

  #settle(one: Waiting, error?: GateError): void {
    this.waitingBytes -= one.bytes
    if (one.record.delivery === 'hasty') this.waitingHastyBytes -= one.bytes
    if (error) {
      this.index.units.remove(one.group)
      one.reject(error)
    } else one.resolve()
  }

  #error(code: 'produce_failed' | 'produce_unknown'): GateError {
    return new GateError(code, `the spool cannot be written: ${this.broken}`)
  }

  #refuseWaiting(): void {
    for (const waiting of Object.values(this.#waiting))
      for (const one of waiting.splice(0)) this.#settle(one, this.#error('produce_failed'))
  }

  #stall(): void {
    this.#isStalled = true
    this.broken = `the disk has not answered for ${STALL_MS} ms`
    this.observer.trouble?.(`${this.tail.disk.name}: ${this.broken}`)
    this.#refuseWaiting()
  }

  #recover(): void {
    this.broken = undefined
    this.#isStalled = false
  }

  #fail(problem: Error): void {
    this.#isStalled = false
    this.broken = problem.message
    this.observer.trouble?.(`${this.tail.disk.name}: the spool cannot be written: ${problem.message}`)
    const delay = Math.min(MAX_RETRY_MS, RETRY_MS * 2 ** this.#failures++)
    if (this.#isClosed) return
    this.#cancelRetry?.()
    this.#cancelRetry = this.clock.at(this.clock.now() + delay, () => {
      this.#mustRetry = true
      this.#start()
    })
  }

  /** Whether the disk works again is tried before any event depends on it. */
  async #retry(): Promise<void> {
    this.#mustRetry = false
    try {
      if (!this.tail.segment) await this.tail.begin()
      this.#recover()
    } catch (error) {
      this.#fail(error as Error)
    }
  }
}
