import { join } from 'node:path'
import type { Config } from './lib/config/config.js'
import { GateError } from './lib/errors.js'
import type { Delivery, Stream } from './lib/eventgate.js'
import { Cluster } from './lib/kafka/cluster.js'
import type { KafkaSettings } from './lib/kafka/config.js'
import type { Sender, SenderSettings } from './lib/kafka/sender.js'
import type { Overflow, Spilled } from './lib/kafka/spill.js'
import { SpoolTarget } from './lib/kafka/spool-target.js'
import { REAL_CLOCK } from './lib/kafka/transport.js'
import type { Scheduler } from './lib/runtime/scheduler.js'
import { Drain } from './lib/spool/drain.js'
import type { SpoolState } from './lib/spool/observer.js'
import { RealDisk } from './lib/spool/real-disk.js'
import type { StoredRecord } from './lib/spool/record.js'
import { Spool } from './lib/spool/spool.js'
import type { StreamAccounts } from './lib/telemetry/accounts.js'
import type { SpoolReports } from './lib/telemetry/reporter.js'
import type { Self } from './lib/workers/self.js'

// Joins the senders, which know nothing of files, and the spool, which knows nothing of Kafka.

/** Before a directory that cannot be opened is tried again (ms): twice as long after each failure. */
const FIRST_RETRY_MS = 1000
const MAX_RETRY_MS = 60_000
const CLOCK = { now: REAL_CLOCK.now, at: REAL_CLOCK.at, wall: Date.now }

/** The part of the settings by which a sender has an overflow. */
export interface Spilling {
  readonly overflow: Overflow
  readonly holds: NonNullable<SenderSettings['holds']>
}

/** What a sender spills to. Without a spool, because its directory cannot be opened, nothing is taken. */
export function spilling(
  delivery: Delivery,
  afterMs: number,
  spoolOf: () => Spool | undefined,
  reports: Pick<SpoolReports, 'spooled' | 'refused'>,
): Spilling {
  const refuse = (spool: Spool | undefined) => {
    const isFull = spool !== undefined && spool.state.broken === undefined
    reports.refused(delivery, isFull ? 'full' : 'broken')
    return isFull
  }
  const overflow: Overflow = {
    afterMs,
    isPatient: delivery === 'hasty',
    get size() {
      return spoolOf()?.size ?? 0
    },
    phase: (topic, partition) => spoolOf()?.phase(topic, partition) ?? 'none',
    take({ origin, deadline, ...event }: Spilled, topic: string, partition: number) {
      if (origin?.spool === false) return undefined
      const spool = spoolOf()
      const { configuredAs, name = topic } = (origin ?? {}) as Partial<Stream>
      const record = { ...event, topic, partition, stream: configuredAs ?? name, delivery }
      const spooled = spool?.append(record, deadline)
      if (!spooled) {
        if (!refuse(spool) || spool?.phase(topic, partition) === 'none') return undefined
        // It must not overtake those that are in the spool already.
        return Promise.reject(new GateError('producer_full', `the spool is full: ${topic} waits for Kafka`))
      }
      spooled.then(
        () => reports.spooled(delivery, 1),
        () => reports.refused(delivery, 'disk'),
      )
      return spooled
    },
  }
  // What the spool has not taken, because it is broken, must not overtake what is in it.
  const holds = (topic: string, partition: number) =>
    overflow.size > 0 && overflow.phase(topic, partition) !== 'none'
  return { overflow, holds }
}

type Settings = NonNullable<Config['spool']>

/** Each worker has a directory of its own in that of the host. */
export function spoolOf(settings: Settings, self: Self | undefined): Settings {
  return self ? { ...settings, directory: join(settings.directory, `${self.number}`) } : settings
}

/** The spool of a service: opened in the background, drained while it runs, and closed at its end. */
export class GateSpool {
  /** What each sender spills to. */
  readonly spilling: Record<Delivery, Spilling>
  readonly #reports: SpoolReports
  #spool: Spool | undefined
  #problem = 'its directory is not open yet'
  #drain: Drain | undefined
  #target: SpoolTarget<StoredRecord> | undefined
  #cluster: Cluster | undefined
  #live: readonly Sender[] = []
  #isClosed = false

  constructor(
    readonly settings: Settings,
    readonly kafka: KafkaSettings,
    readonly scheduler: Scheduler,
    readonly accounts: Pick<StreamAccounts, 'spool' | 'drained'>,
    report: (state: () => SpoolState) => SpoolReports,
  ) {
    this.#reports = report(() => this.state)
    const of = (delivery: Delivery) => spilling(delivery, settings.afterMs, () => this.#spool, this.#reports)
    this.spilling = { guaranteed: of('guaranteed'), hasty: of('hasty') }
  }

  get state(): SpoolState {
    if (this.#spool) return this.#spool.state
    const { maxBytes } = this.settings
    const nothing = { bytes: 0, events: 0, oldestAt: undefined, streams: new Map(), deadLetters: 0 }
    return { ...nothing, maxBytes, broken: this.#problem }
  }

  /** Opens the directory, and begins to drain it beside these senders. Never rejects: it is tried again. */
  async start(live: readonly Sender[], retryMs = FIRST_RETRY_MS): Promise<void> {
    const { directory, maxBytes } = this.settings
    this.#live = live
    try {
      const spool = await Spool.open({ maxBytes }, new RealDisk(directory), CLOCK, this.#reports)
      if (this.#isClosed) return await spool.close()
      this.#spool = spool
      this.#begin(spool, live)
    } catch (error) {
      this.#problem = (error as Error).message
      this.#reports.complain(`the spool cannot be opened: ${this.#problem}`)
      const again = () => void this.start(live, Math.min(2 * retryMs, MAX_RETRY_MS))
      if (!this.#isClosed) setTimeout(again, retryMs).unref()
    }
  }

  /** A spool in another directory, which is drained beside the same senders and takes nothing. */
  beside(directory: string): Pick<GateSpool, 'state' | 'close'> & { start(): Promise<void> } {
    const accounts = {
      spool: undefined,
      drained: (...args: Parameters<StreamAccounts['drained']>) => this.accounts.drained(...args),
    }
    // What remains stays there.
    const settings = { ...this.settings, directory, persistent: true }
    const other = new GateSpool(settings, this.kafka, this.scheduler, accounts, () => this.#reports)
    return Object.assign(other, { start: () => GateSpool.prototype.start.call(other, this.#live) })
  }

  #begin(spool: Spool, live: readonly Sender[]): void {
    const { cluster, sender } = this.kafka.guaranteed
    const reports = this.#reports
    this.#cluster = new Cluster(cluster, message => reports.complain(message))
    // Encoding a batch takes as long as some requests do.
    const soon = (callback: () => void) => void this.scheduler.resume('hasty').then(callback)
    this.#target = new SpoolTarget<StoredRecord>(
      sender,
      this.#cluster,
      { ...REAL_CLOCK, soon },
      live,
      batches => spool.journal(batches),
      Math.random,
      {
        possiblyTwice: events => reports.possiblyTwice(events),
        trouble: message => reports.trouble(`drain: ${message}`),
        complain: message => reports.complain(`drain: ${message}`),
      },
    )
    const { accounts } = this
    accounts.spool = () => spool.state.streams
    this.#drain = new Drain(spool, this.#target, {
      drained({ stream }) {
        reports.drained(1)
        accounts.drained(stream, 1, 'delivered')
      },
      deadLetter({ stream, topic }, reason) {
        reports.deadLetter(topic, reason)
        accounts.drained(stream, 1, 'not_stored')
      },
      possiblyTwice: events => reports.possiblyTwice(events),
      trouble: message => reports.trouble(message),
    })
    this.#drain.start()
  }

  /** Ends it. A spool that does not outlive the process is drained first. Answers how many events are lost with it. */
  async close(graceMs: number): Promise<number> {
    this.#isClosed = true
    const spool = this.#spool
    if (!spool) return 0
    if (!this.settings.persistent && spool.size > 0) {
      const over = new Promise(resolve => void setTimeout(resolve, Math.max(0, graceMs)).unref())
      await Promise.race([this.#drain?.empty(), over])
    }
    await this.#drain?.stop()
    await this.#target?.sender.close(0)
    this.#cluster?.close()
    const left = spool.size
    await spool.close()
    return this.settings.persistent ? 0 : left
  }
}
