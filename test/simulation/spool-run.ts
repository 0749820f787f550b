import { GateError } from '#src/lib/errors.js'
import { DELIVERIES, type Delivery } from '#src/lib/eventgate.js'
import { Sender, type SenderSettings } from '#src/lib/kafka/sender.js'
import { SpoolTarget } from '#src/lib/kafka/spool-target.js'
import type { Clock, Lane, Link, Transport } from '#src/lib/kafka/transport.js'
import { readDeadLetters } from '#src/lib/spool/dead-letters.js'
import { Drain } from '#src/lib/spool/drain.js'
import type { StoredRecord } from '#src/lib/spool/record.js'
import { Spool } from '#src/lib/spool/spool.js'
import { spilling } from '#src/wiring-spool.js'
import { randomFrom } from '../support/kafka-fake.js'
import { SETTINGS } from '../support/kafka-sender.js'
import { failure, SimulatedDisk } from '../support/simulated-disk.js'
import { SimClient } from './client.js'
import { VirtualClock } from './clock.js'
import { EPOCH_MS, SimCluster } from './cluster.js'
import { FAULTS } from './faults.js'
import { eventOf } from './replica.js'

/** What became of an event, as its client knows; `open`: nothing, because the process ended. */
type Outcome = 'open' | 'stored' | 'spooled' | 'not_stored' | 'unknown'

interface Event {
  readonly topic: string
  readonly key: string
  readonly delivery: Delivery
  outcome: Outcome
}

export interface SpoolReport {
  readonly seed: number
  readonly violations: string[]
  readonly outcomes: Record<Outcome, number>
  readonly lives: number
  readonly dead: number
  readonly inDoubt: number
  readonly possiblyTwice: number
  readonly drained: number
}

/** Faults after which nobody can keep all, or all in order: records vanish, or keys have other partitions. */
const UNFAIR = [
  'an unclean election',
  'partitions are added',
  'a topic is deleted, and made anew',
  'a flood to something sick',
  'a flood to nothing',
]
const TOPICS = 6
const PARTITIONS = 3
/** Events a second. */
const RATE = 20
const AFTER_MS = 1000
const CALM_MS = 120_000

/** A process: its clock stops when it ends, and nothing that it still does reaches anybody. */
class Life {
  isDead = false
  readonly clock: Clock & { wall(): number }

  constructor(clock: VirtualClock) {
    const alive = (callback: () => void) => () => {
      if (!this.isDead) callback()
    }
    this.clock = {
      now: () => clock.now(),
      at: (time, callback) => clock.at(time, alive(callback)),
      soon: callback => clock.soon(alive(callback)),
      wall: () => EPOCH_MS + Math.floor(clock.time),
    }
  }

  /** A way to the cluster that ends with it. What is on its way arrives. */
  transport(client: SimClient): Transport {
    const links: Link[] = []
    const life = this
    return {
      control: client.control,
      async connect(broker: number, lane: Lane): Promise<Link> {
        const link = await client.connect(broker, lane)
        links.push(link)
        return {
          get open() {
            return link.open
          },
          get broken() {
            return link.broken
          },
          produce: request => (life.isDead ? new Promise<never>(() => {}) : link.produce(request)),
          close: () => link.close(),
        }
      },
    }
  }
}

/**
 * Plays minutes of one service with a spool beside a cluster. Brokers fail, often all of them, and the disk fails. The
 * process is killed, or its machine loses power. Then calm. Everything follows from the seed.
 */
export function playSpool(
  seed: number,
  minutes: number,
  say: (line: string) => void = () => {},
): Promise<SpoolReport> {
  return new SpoolRun(seed, minutes * 60_000, say).play()
}

class SpoolRun {
  readonly clock = new VirtualClock()
  readonly random: () => number
  readonly cluster: SimCluster
  readonly machine: SimulatedDisk
  readonly events: Event[] = []
  readonly violations: string[] = []
  lives = 0
  dead = 0
  inDoubt = 0
  possiblyTwice = 0
  drained = 0
  #life: Life | undefined
  #spool: Spool | undefined
  #senders: Partial<Record<Delivery, Sender>> = {}
  #isDiskSick = false

  constructor(
    readonly seed: number,
    readonly ms: number,
    readonly say: (line: string) => void,
  ) {
    this.random = randomFrom(seed)
    this.cluster = new SimCluster(this.clock, randomFrom(seed ^ 0x5bd1e995), 3)
    this.cluster.isOld = this.random() < 0.3
    this.machine = new SimulatedDisk({
      random: randomFrom(seed ^ 0x2545f491),
      wait: call => this.clock.sleep(call === 'sync' ? 1 + 4 * this.random() : 0.1),
    })
    this.machine.fault = call => {
      if (this.#isDiskSick && call !== 'read' && call !== 'list' && this.random() < 0.3) throw failure('EIO')
    }
  }

  async play(): Promise<SpoolReport> {
    for (let i = 0; i < TOPICS; i++)
      this.cluster.createTopic(`topic-${i}`, PARTITIONS, { replication: 3, minInsync: 2 })
    void this.#liveOn()
    this.#offer()
    this.#break()
    await this.clock.runUntil(this.ms)
    // One more process has all the time that it needs.
    this.#end(true)
    await this.clock.runUntil(this.ms + CALM_MS)
    for (let waited = 0; (this.#spool?.size ?? 1) > 0 && waited < 30; waited++)
      await this.clock.runUntil(this.clock.time + 10_000)
    if (this.#spool?.size !== 0) this.violations.push(`${this.#spool?.size} events are left in the spool`)
    const reading = this.#deadLetters()
    await this.clock.runUntil(this.clock.time + 60_000)
    this.#check(await reading)
    const outcomes = { open: 0, stored: 0, spooled: 0, not_stored: 0, unknown: 0 }
    for (const { outcome } of this.events) outcomes[outcome]++
    const { seed, violations, lives, dead, inDoubt, possiblyTwice, drained } = this
    return { seed, violations, outcomes, lives, dead, inDoubt, possiblyTwice, drained }
  }

  #say(line: string): void {
    this.say(`${(this.clock.time / 1000).toFixed(3)} ${line}`)
  }

  // The process.

  async #liveOn(): Promise<void> {
    const life = new Life(this.clock)
    this.#life = life
    this.lives++
    try {
      await this.#start(life)
    } catch (error) {
      if (life.isDead) return
      if (!this.#isDiskSick) this.violations.push(`the spool does not open: ${(error as Error).stack}`)
      this.#say(`the spool does not open: ${(error as Error).message}`)
      life.clock.at(this.clock.time + 1000, () => {
        if (this.#life === life) void this.#liveOn()
      })
    }
  }

  async #start(life: Life): Promise<void> {
    const { clock } = life
    const options = { rttMs: 1, handshakes: 2, sessionMs: Infinity, connectTimeoutMs: 5000 }
    const spool = await Spool.open({ maxBytes: 1e9, segmentBytes: 20_000 }, this.machine.mount(), clock, {
      damaged: (_, message) => this.violations.push(message),
      trouble: message => this.#say(message),
    })
    if (life.isDead) return
    this.#say(`a process begins with ${spool.size} events, ${spool.inDoubt.length} batches in doubt`)
    this.inDoubt += spool.inDoubt.length
    const client = () => life.transport(new SimClient(this.cluster, options))
    const settings: SenderSettings = { ...SETTINGS, maxRequestBytes: 1_000_000 }
    const senders = Object.fromEntries(
      DELIVERIES.map(delivery => {
        const spills = spilling(delivery, AFTER_MS, () => spool, { spooled: () => {}, refused: () => {} })
        const timeoutMs = delivery === 'hasty' ? 300_000 : settings.timeoutMs
        return [
          delivery,
          new Sender(
            { ...settings, timeoutMs, ...spills },
            client(),
            clock,
            randomFrom(this.seed ^ this.lives),
          ),
        ]
      }),
    ) as Record<Delivery, Sender>
    const target = new SpoolTarget<StoredRecord>(
      settings,
      client(),
      clock,
      Object.values(senders),
      batches => spool.journal(batches),
      randomFrom(this.seed ^ -this.lives),
      {
        possiblyTwice: events => {
          this.possiblyTwice += life.isDead ? 0 : events
        },
      },
    )
    const drain = new Drain(spool, target, {
      drained: () => {
        this.drained += life.isDead ? 0 : 1
      },
      possiblyTwice: events => {
        this.possiblyTwice += life.isDead ? 0 : events
      },
      deadLetter: () => {
        this.dead++
      },
    })
    drain.start()
    this.#spool = spool
    this.#senders = senders
  }

  /** Ends the process; another begins after a while. */
  #end(isCalm = false): void {
    const { machine } = this
    // Another is about to begin already.
    if (!this.#life) return
    this.#life.isDead = true
    this.#life = undefined
    this.#spool = undefined
    this.#senders = {}
    const isCrash = this.random() < 0.5
    this.#say(isCrash ? '== the power is lost' : '== the process is killed')
    if (isCrash) machine.crash()
    else machine.kill()
    this.clock.after(isCalm ? 0 : 200 + 3000 * this.random(), () => void this.#liveOn())
  }

  // The load.

  #offer(): void {
    const next = () => {
      if (this.clock.time > this.ms) return
      this.#send()
      this.clock.after((-Math.log(1 - this.random()) * 1000) / RATE, next)
    }
    next()
  }

  #send(): void {
    const delivery: Delivery = this.random() < 0.2 ? 'hasty' : 'guaranteed'
    const sender = this.#senders[delivery]
    const life = this.#life
    if (!sender) return
    const id = this.events.length
    const topic = `topic-${Math.floor(TOPICS * this.random())}`
    const key = `key-${Math.floor(8 * this.random())}`
    const event: Event = { topic, key, delivery, outcome: 'open' }
    this.events.push(event)
    const value = `${id} ${' '.repeat(200 * this.random())}`
    const answered = (outcome: Outcome, why = '') => {
      if (life?.isDead) return
      event.outcome = outcome
      this.#say(`${id} to ${topic} ${key}: ${outcome} ${why}`)
    }
    sender
      .send(topic, Buffer.from(key), value, EPOCH_MS + Math.floor(this.clock.time), Infinity, undefined)
      .then(
        how => answered(how === 'spooled' ? 'spooled' : 'stored'),
        error => {
          if (error instanceof GateError) answered(error.fate as Outcome, error.code)
          else this.violations.push(`${id}: ${(error as Error).stack}`)
        },
      )
  }

  // The faults.

  #break(): void {
    const faults = Object.entries(FAULTS).filter(([name]) => !UNFAIR.includes(name))
    const until = this.ms - 90_000
    const repeat = (meanMs: number, act: () => void) => {
      const next = () => {
        if (this.clock.time > until) return
        act()
        this.clock.after(-Math.log(1 - this.random()) * meanMs, next)
      }
      this.clock.after(-Math.log(1 - this.random()) * meanMs, next)
    }
    repeat(20_000, () => {
      const [name, [, fault]] = this.cluster.pick(faults)
      this.#say(`== ${name}`)
      void Promise.resolve(fault(this.cluster, () => {})).catch(error =>
        this.violations.push(`${name}: ${error}`),
      )
    })
    repeat(60_000, () => void this.#takeKafkaAway(3000 + 40_000 * this.random()))
    repeat(40_000, () => this.#end())
    repeat(80_000, () => {
      this.#say('== the disk is sick')
      this.#isDiskSick = true
      this.clock.after(5000 * this.random(), () => {
        this.#isDiskSick = false
      })
    })
    this.clock.at(this.ms - 60_000, () => {
      this.#isDiskSick = false
    })
  }

  async #takeKafkaAway(ms: number): Promise<void> {
    this.#say(`== Kafka is away for ${Math.round(ms)} ms`)
    await Promise.all(this.cluster.brokers.map(broker => this.cluster.mute(broker, ms)))
  }

  // The checks.

  async #deadLetters(): Promise<Set<number>> {
    const dead = new Set<number>()
    for await (const { record } of readDeadLetters(this.machine.mount())) dead.add(eventOf(record.value))
    return dead
  }

  #check(dead: ReadonlySet<number>): void {
    const copies = new Map<number, number>()
    for (const partition of this.cluster.partitions) {
      const latest = new Map<string, number>()
      const seen = new Set<number>()
      for (const { events } of partition.log(partition.leader).entries)
        for (const id of events) {
          copies.set(id, (copies.get(id) ?? 0) + 1)
          const { key, delivery, outcome } = this.events[id] as Event
          if (seen.has(id) || (outcome !== 'stored' && outcome !== 'spooled')) continue
          seen.add(id)
          const line = `${key} ${delivery}`
          const before = latest.get(line) ?? -1
          if (id < before)
            this.violations.push(
              `${id} (${outcome}) is stored after ${before}: ${line} of ${partition.topic.name}`,
            )
          latest.set(line, Math.max(id, before))
        }
    }
    let twice = 0
    for (const [id, { outcome, topic }] of this.events.entries()) {
      const count = copies.get(id) ?? 0
      const isPromised = outcome === 'stored' || outcome === 'spooled'
      if (count === 0 && isPromised && !dead.has(id))
        this.violations.push(`${id} (${outcome}, ${topic}) is lost`)
      if (count > 0 && outcome === 'not_stored') this.violations.push(`${id} (not stored) is stored`)
      twice += Math.max(0, count - 1)
      if (count > 1 && twice > this.possiblyTwice)
        this.violations.push(`${id} (${outcome}) is stored ${count} times`)
    }
  }
}
