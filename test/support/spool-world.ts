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
  /** Of the process that runs. */
  #life: { isOver: boolean } | undefined

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
    const life = { isOver: false }
    this.#life = life
    const alive = (callback: () => void) => () => {
      if (!life.isOver) callback()
    }
    const clock = {
      now: () => this.clock.now(),
      at: (time: number, callback: () => void) => this.clock.at(time, alive(callback)),
      soon: (callback: () => void) => this.clock.soon(alive(callback)),
      wall: () => WALL_MS + this.clock.time,
    }
    const opening = Spool.open({ maxBytes: 1e9, segmentBytes: 64 * 1024 }, this.machine.mount(), clock, {
      trouble: message => this.troubles.push(message),
      damaged: (_records, message) => this.troubles.push(message),
    })
    await this.runFor(0)
    const spool = await opening
    const { counts } = this
    const twice = (events: number) => {
      counts.possiblyTwice += events
    }
    const { overflow, holds } = spilling('guaranteed', AFTER_MS, () => spool, {
      spooled: () => {
        counts.spooled++
      },
      refused: (_delivery, reason) => counts.refused.push(reason),
    })
    const own = { ...SETTINGS, ...this.settings }
    const sender = new Sender({ ...own, overflow, holds }, this.cluster, clock, randomFrom(1))
    const journal = async (attempts: readonly Attempt[]) => {
      if (this.isJournalSick) throw new Error('EIO')
      this.journaled.push(...attempts)
      await spool.journal(attempts)
    }
    this.target = new SpoolTarget<StoredRecord>(own, this.cluster, clock, [sender], journal, randomFrom(2), {
      possiblyTwice: twice,
    })
    this.spool = spool
    this.sender = sender
    this.drain = new Drain(spool, this.target, {
      drained: () => {
        counts.drained++
      },
      possiblyTwice: twice,
      deadLetter: ({ value }) => counts.dead.push(`${value}`),
    })
    this.drain.start()
  }

  /** The process is killed, or its machine loses its power. The next one opens what is left of the spool. */
  async restart(how: 'kill' | 'crash'): Promise<void> {
    if (this.#life) this.#life.isOver = true
    this.machine[how]()
    await this.start()
  }

  send(value: string, topic = 't', key: string | null = null, origin?: { spool: boolean }): void {
    const keyBytes = key === null ? null : Buffer.from(key)
    const life = this.#life
    const answer = (how: string) => {
      if (!life?.isOver) this.answers.set(value, { at: this.clock.time, how })
    }
    this.sender.send(topic, keyBytes, value, WALL_MS, Infinity, undefined, origin).then(
      how => answer(how ?? 'stored'),
      error => answer(error.code),
    )
  }

  how(value: string): string | undefined {
    return this.answers.get(value)?.how
  }

  async runFor(ms: number): Promise<void> {
    await this.clock.runUntil(this.clock.time + ms)
  }
}
