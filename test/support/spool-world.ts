import { Sender, type SenderSettings } from '#src/lib/kafka/sender.js'
import { SpoolTarget } from '#src/lib/kafka/spool-target.js'
import { Drain } from '#src/lib/spool/drain.js'
import type { Attempt, StoredRecord } from '#src/lib/spool/record.js'
import { Spool } from '#src/lib/spool/spool.js'
import { spilling } from '#src/wiring-spool.js'
import { FakeClock, FakeCluster, randomFrom } from './kafka-fake.js'
import { SETTINGS } from './kafka-sender.js'
import { SimulatedDisk } from './simulated-disk.js'

export const AFTER_MS = 1000
const WALL_MS = 1_700_000_000_000

/** Brokers that fail: from a time on, until another. */
export interface Outage {
  from: number
  until: number
  /** Undefined: all. */
  broker?: number
}

/** A sender of guaranteed events with a spool, and the drain of that, beside a cluster in memory. */
export class SpoolWorld {
  readonly clock = new FakeClock()
  readonly cluster: FakeCluster
  readonly outages: Outage[] = []
  readonly answers = new Map<string, { at: number; how: string }>()
  readonly counts = {
    drained: 0,
    possiblyTwice: 0,
    spooled: 0,
    refused: [] as string[],
    dead: [] as string[],
  }
  readonly journaled: Attempt[] = []
  readonly troubles: string[] = []
  readonly machine = new SimulatedDisk({ random: randomFrom(3) })
  spool!: Spool
  sender!: Sender
  target!: SpoolTarget<StoredRecord>
  drain!: Drain
  /** Its sync fails. */
  isJournalSick = false

  constructor(
    readonly settings: Partial<SenderSettings> = {},
    faults: ConstructorParameters<typeof FakeCluster>[1] = {},
  ) {
    const isAway = (broker?: number) =>
      this.outages.some(
        outage =>
          this.clock.time >= outage.from &&
          this.clock.time < outage.until &&
          (outage.broker ?? broker) === broker,
      )
    this.cluster = new FakeCluster(this.clock, {
      connect: broker => (isAway(broker) ? 'refused' : undefined),
      request: broker => (isAway(broker) ? 'lost' : undefined),
      metadata: () => (isAway() ? 'fails' : undefined),
      producerId: () => (isAway() ? 'fails' : undefined),
      ...faults,
    })
  }

  /** Opens the spool, and everything that uses it. */
  async start(): Promise<void> {
    const { clock } = this
    const spoolClock = { now: () => clock.now(), at: clock.at.bind(clock), wall: () => WALL_MS + clock.time }
    const opening = Spool.open({ maxBytes: 1e9 }, this.machine.mount(), spoolClock, {
      trouble: message => this.troubles.push(message),
      damaged: (_records, message) => this.troubles.push(message),
    })
    await clock.runUntil(clock.time)
    this.spool = await opening
    const { overflow, holds } = spilling('guaranteed', AFTER_MS, () => this.spool, {
      spooled: () => {
        this.counts.spooled++
      },
      refused: (_delivery, reason) => this.counts.refused.push(reason),
    })
    const own = { ...SETTINGS, ...this.settings }
    this.sender = new Sender({ ...own, overflow, holds }, this.cluster, clock, randomFrom(1))
    this.target = new SpoolTarget<StoredRecord>(
      own,
      this.cluster,
      clock,
      [this.sender],
      async attempts => {
        if (this.isJournalSick) throw new Error('EIO')
        this.journaled.push(...attempts)
        await this.spool.journal(attempts)
      },
      randomFrom(2),
      {
        possiblyTwice: events => {
          this.counts.possiblyTwice += events
        },
      },
    )
    this.drain = new Drain(this.spool, this.target, {
      drained: () => {
        this.counts.drained++
      },
      possiblyTwice: events => {
        this.counts.possiblyTwice += events
      },
      deadLetter: ({ value }) => this.counts.dead.push(`${value}`),
    })
    this.drain.start()
  }

  send(value: string, topic = 't', key: string | null = null, origin?: { spool: boolean }): void {
    const keyBytes = key === null ? null : Buffer.from(key)
    this.sender.send(topic, keyBytes, value, WALL_MS, Infinity, undefined, origin).then(
      how => this.answers.set(value, { at: this.clock.time, how: how ?? 'stored' }),
      error => this.answers.set(value, { at: this.clock.time, how: error.code }),
    )
  }

  how(value: string): string | undefined {
    return this.answers.get(value)?.how
  }

  async runFor(ms: number): Promise<void> {
    await this.clock.runUntil(this.clock.time + ms)
  }
}
