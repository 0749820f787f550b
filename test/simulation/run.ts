import { GateError } from '#src/lib/errors.js'
import { Sender, type SenderSettings } from '#src/lib/kafka/sender.js'
import { randomFrom } from '../support/kafka-fake.js'
import { SETTINGS } from '../support/kafka-sender.js'
import { type ClientOptions, SimClient } from './client.js'
import { VirtualClock } from './clock.js'
import { EPOCH_MS, SimCluster, type SimPartition } from './cluster.js'
import { anyFault } from './faults.js'

/** What must hold; a violation names one of them. */
export const PROPERTIES = {
  outcome: 'each event has one outcome, by its deadline, and is not sent after it',
  lost: 'what was answered as stored is stored',
  twice: 'nothing is stored twice while the process lives (idempotent)',
  untrue: 'what was answered as not stored is not stored, and never will be',
  order: 'events of one partition are stored in the order in which they were accepted',
  liveness: 'after the faults everything is stored, and soon',
  isolation: 'a partition without faults of its own stores soon, whatever the others do',
  sound: 'nothing spins, throws, or is left over',
} as const
export type Property = keyof typeof PROPERTIES

/** Those that say that nothing untrue happens; the others, that it happens soon. */
export const SAFETY: readonly Property[] = ['outcome', 'lost', 'twice', 'untrue', 'order', 'sound']

export interface Violation {
  readonly property: Property
  readonly text: string
}

export interface Report {
  readonly seed: number
  readonly setup: string
  /** Simulated time. */
  readonly ms: number
  readonly events: number
  readonly outcomes: Record<Outcome, number>
  /** How often isolation and liveness were asked of an event. */
  readonly asked: { isolation: number; liveness: number }
  readonly slowest: number
  /** Events without a key, to topics of which some partitions are well and some are not: all, and those stored within `QUICK_MS`. */
  readonly unkeyed: { all: number; quick: number }
  readonly violations: readonly Violation[]
}

type Outcome = 'delivered' | 'not_stored' | 'unknown'

interface Event {
  readonly topic: string
  readonly key: string | null
  readonly sentAt: number
  readonly deadline: number
  answeredAt: number
  outcome: Outcome | undefined
  code: string | undefined
  reason?: string
}

/** From the end of a partition's own faults on it has this long to be well again. */
const RECOVERY_MS = 20_000
/** How long an event of a partition that is well takes at most. */
const SOON_MS = 3000
const QUICK_MS = 100
const WARM_UP_MS = 20_000
const METADATA_MAX_AGE_MS = 60_000
/** Events a second, in all. */
const RATE = 5
/** Of several violations of one property the first few tell enough. */
const MAX_VIOLATIONS = 5

const BROKERS = 5
const PARTITIONS = 200

interface Setup {
  readonly delivery: 'guaranteed' | 'hasty'
  readonly sender: SenderSettings
  readonly client: ClientOptions
  /** Mean time between two faults. */
  readonly gapMs: number
  readonly hurried: number
  readonly aged: number
  readonly bad: number
}

function setUp(random: () => number): Setup {
  const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)] as T
  const delivery = pick(['guaranteed', 'guaranteed', 'hasty'] as const)
  const kind = pick(['idempotent', 'idempotent', 'idempotent', 'idempotent', 'plain', 'weak'] as const)
  return {
    delivery,
    sender: {
      ...SETTINGS,
      acks: kind === 'weak' && delivery === 'hasty' ? pick([0, 1] as const) : -1,
      idempotent: kind === 'idempotent' || (kind === 'weak' && delivery === 'guaranteed'),
      timeoutMs: delivery === 'hasty' ? 300_000 : pick([8900, 8900, 4000, 18_900]),
      lingerMs: pick([0, 0, 5, 100]),
      batchMessages: pick([10_000, 10_000, 3]),
      batchBytes: 250_000,
      retries: pick([Infinity, Infinity, Infinity, Infinity, 20]),
      requestBytes: delivery === 'hasty' ? 250_000 : 1_000_000,
      // In proportion to the floods that there are here.
      maxQueuedBytes: 512 * 1024,
      metadataMaxAgeMs: METADATA_MAX_AGE_MS,
    },
    client: {
      rttMs: pick([0.5, 2, 10]),
      handshakes: pick([2, 5]),
      sessionMs: pick([Infinity, 60_000]),
      connectTimeoutMs: 30_000,
    },
    gapMs: pick([2000, 5000, 15_000, 40_000]),
    hurried: pick([0, 0, 0.2]),
    aged: pick([0, 0.05]),
    bad: pick([0, 0.01]),
  }
}

// Nobody reads the stacks of thousands of refusals.
Error.stackTraceLimit = 3

/** Plays one run: some minutes of random faults, then calm. Everything in it follows from the seed. */
export function play(seed: number, options: PlayOptions): Promise<Report> {
  const run = new Run(seed, options)
  options.prepare?.(run.cluster)
  return run.play()
}

interface PlayOptions {
  readonly minutes: number
  /** Told of all that happens. */
  readonly say?: (line: string) => void
  /** Of these events all that is sent and answered is told, too. */
  readonly follow?: readonly number[]
  /** Names of faults that do not come, to find out which of them it takes. */
  readonly without?: readonly string[]
  readonly prepare?: (cluster: SimCluster) => void
}

class Run {
  readonly clock = new VirtualClock()
  readonly random: () => number
  readonly setup: Setup
  readonly cluster: SimCluster
  readonly client: SimClient
  readonly sender: Sender
  readonly events: Event[] = []
  readonly violations: Violation[] = []
  readonly asked = { isolation: 0, liveness: 0 }
  slowest = 0
  readonly unkeyed = { all: 0, quick: 0 }
  /** Faults under way, by name. */
  readonly faults = new Map<number, string>()
  calmSince = Infinity
  readonly ms: number

  constructor(
    readonly seed: number,
    readonly options: PlayOptions,
  ) {
    this.ms = options.minutes * 60_000
    this.random = randomFrom(seed)
    this.setup = setUp(this.random)
    this.cluster = new SimCluster(this.clock, randomFrom(seed ^ 0x5bd1e995), BROKERS)
    const follow = new Set(options.follow)
    this.client = new SimClient(this.cluster, this.setup.client, (events, what) => {
      if (follow.size > 0 && events.some(event => follow.has(event))) this.#say(what())
    })
    this.sender = new Sender(this.setup.sender, this.client, this.clock, randomFrom(seed ^ 0x2545f491), {
      trouble: message => this.#say(message),
      complain: message => this.#say(message),
    })
  }

  async play(): Promise<Report> {
    this.#makeCluster()
    this.#makeTopics()
    const until = this.ms - 3 * RECOVERY_MS
    this.#offer(this.ms - RECOVERY_MS)
    this.#break(until)
    try {
      await this.clock.runUntil(until)
      while (this.faults.size > 0) await this.clock.runUntil(this.clock.time + 1000)
      this.calmSince = this.clock.time
      await this.clock.runUntil(Math.max(this.ms, this.calmSince + 2 * RECOVERY_MS))
      this.#checkAll()
    } catch (error) {
      this.#violated('sound', (error as Error).stack ?? String(error))
    }
    return this.#report()
  }

  #say(message: string): void {
    this.options.say?.(`${at(this.clock.time)} ${message}`)
  }

  /** What kind of cluster it is. */
  #makeCluster(): void {
    const { cluster, random } = this
    const [old, creates, late] = [random() < 0.3, random() < 0.5, random() < 0.2]
    cluster.isOld = old
    cluster.holdsThrottled = old
    cluster.namesRecords = !old
    cluster.createsTopics = creates
    // So that some partition comes to the last epoch there is.
    if (late) cluster.firstEpoch = 32_765
  }

  #makeTopics(): void {
    let left = PARTITIONS
    for (let i = 0; left > 0; i++) {
      const partitions = Math.min(left, this.cluster.pick([1, 1, 3, 6, 12, 24]))
      const replication = this.cluster.pick([1, 2, 3, 3, 3, 3])
      const minInsync = replication === 3 ? 2 : this.cluster.pick([1, replication])
      const maxBytes = this.cluster.pick([1_000_000, 1_000_000, 500])
      this.cluster.createTopic(`topic-${i}`, partitions, { replication, minInsync, maxBytes })
      left -= partitions
    }
  }

  // The load.

  #offer(until: number): void {
    const names = [...this.cluster.topics.keys()]
    for (const [index, name] of names.entries()) this.clock.at(200 * index, () => this.#send(name, null))
    // Most events go to a few topics, as they do; which ones changes.
    let hot = [this.cluster.pick(names), this.cluster.pick(names), this.cluster.pick(names)]
    const next = () => {
      if (this.clock.time > until) return
      if (this.random() < 0.005) hot = [0, 1, 2].map(() => this.cluster.pick(names))
      const topic = this.cluster.pick(this.random() < 0.5 ? hot : names)
      this.#send(topic, this.random() < 0.3 ? null : `key-${Math.floor(50 * this.random())}`)
      this.clock.after((-Math.log(1 - this.random()) * 1000) / RATE, next)
    }
    next()
  }

  #flood = (topic: string, ms: number): void => {
    const until = this.clock.time + ms
    const next = () => {
      if (this.clock.time > until) return
      this.#send(
        topic,
        this.random() < 0.5 ? null : `key-${Math.floor(50 * this.random())}`,
        'x'.repeat(2000),
      )
      this.clock.after(20 + 20 * this.random(), next)
    }
    next()
  }

  #send(topic: string, key: string | null, padding = ''): void {
    const { clock, random, setup } = this
    const id = this.events.length
    const timeoutMs = random() < setup.hurried ? Math.ceil(random() * setup.sender.timeoutMs) : Infinity
    const deadline = clock.time + Math.min(timeoutMs, setup.sender.timeoutMs)
    const event: Event = {
      topic,
      key,
      sentAt: clock.time,
      deadline,
      answeredAt: -1,
      outcome: undefined,
      code: undefined,
    }
    this.events.push(event)
    const isBad = random() < setup.bad
    const poison = isBad ? this.cluster.pick([' poison', ` ${'x'.repeat(2500)}`]) : ''
    const timestamp = EPOCH_MS + Math.floor(clock.time) - (random() < setup.aged ? 25 * 3_600_000 : 0)
    const answered = (outcome: Outcome, code?: string) => {
      if (event.answeredAt >= 0) this.#violated('outcome', `event ${id} has a second outcome, ${outcome}`)
      event.answeredAt = clock.time
      event.outcome = outcome
      event.code = code
      watch?.(event)
    }
    const watch = poison || padding || deadline - clock.time < SOON_MS ? undefined : this.#watch(id, event)
    this.sender
      .send(topic, key === null ? null : Buffer.from(key), `${id} ${padding}${poison}`, timestamp, timeoutMs)
      .then(
        () => answered('delivered'),
        error => {
          if (!(error instanceof GateError)) throw error
          event.reason = error.message
          answered(error.fate as Outcome, error.code)
        },
      )
  }

  /** Sees to it that an event of a partition that is well is stored soon, if it stays well meanwhile. */
  #watch(id: number, event: Event): ((event: Event) => void) | undefined {
    const { clock, cluster } = this
    const topic = cluster.topics.get(event.topic)
    const { sentAt } = event
    if (!topic || sentAt < WARM_UP_MS || sentAt - topic.resizedAt < METADATA_MAX_AGE_MS + RECOVERY_MS)
      return undefined
    const { partitions } = topic
    const own =
      event.key === null
        ? partitions
        : [partitions[this.#indexOf(event.key, partitions.length)] as SimPartition]
    const well = own.filter(partition => this.#hasRecovered(partition))
    if (well.length < own.length) {
      if (well.length > 0)
        return () => {
          this.unkeyed.all++
          if (
            event.outcome === 'delivered' &&
            event.answeredAt - sentAt <= QUICK_MS + this.setup.sender.lingerMs
          )
            this.unkeyed.quick++
        }
      return undefined
    }
    const property = sentAt - this.calmSince >= RECOVERY_MS ? 'liveness' : 'isolation'
    // Where the leader changed of late, and no event has come since, only a broker can tell who leads.
    const { silences, isSilent, controlTroubleSince = Infinity } = cluster
    const isLongKnown = own.every(
      ({ disturbedAt }) => controlTroubleSince - disturbedAt >= METADATA_MAX_AGE_MS + RECOVERY_MS,
    )
    if (isSilent && !isLongKnown) return undefined
    const before = own.map(({ disturbances }) => disturbances)
    const isUndisturbed = () =>
      own.every(({ disturbances }, i) => disturbances === before[i]) &&
      (isLongKnown || cluster.silences === silences)
    const others = [...new Set(this.faults.values())].join(', ') || 'nothing'
    const judge = (verdict: string) => {
      const text = `event ${id} at ${at(sentAt)} to ${own.length === 1 ? `${event.topic}-${own[0]?.index}` : event.topic}: ${verdict}; elsewhere: ${others}`
      this.#violated(property, text)
    }
    let isJudged = false
    clock.after(SOON_MS, () => {
      if (isJudged || !isUndisturbed()) return
      isJudged = true
      judge(`no outcome after ${SOON_MS} ms`)
    })
    return ({ outcome, code, reason, answeredAt }) => {
      if (isJudged || !isUndisturbed()) return
      isJudged = true
      this.asked[property]++
      this.slowest = Math.max(this.slowest, answeredAt - sentAt)
      if (outcome !== 'delivered') judge(`${code} after ${Math.round(answeredAt - sentAt)} ms (${reason})`)
    }
  }

  #indexOf(key: string, count: number): number {
    return this.setup.sender.partitioner(Buffer.from(key), count) as number
  }

  /** Whether a partition is well, and has been for long enough to be known to be. */
  #hasRecovered(partition: SimPartition): boolean {
    const { clock, cluster } = this
    if (!cluster.isWell(partition) || clock.time - partition.disturbedAt < RECOVERY_MS) return false
    // To find that out a client may need what any broker answers; what was well before that failed does not.
    const { controlTroubleSince, controlTroubleAt } = cluster
    if (controlTroubleSince === undefined) return clock.time - controlTroubleAt >= RECOVERY_MS
    return controlTroubleSince - partition.disturbedAt >= RECOVERY_MS
  }

  // The faults.

  #break(until: number): void {
    let count = 0
    const next = () => {
      if (this.clock.time > until) return
      this.clock.after(-Math.log(1 - this.cluster.random()) * this.setup.gapMs, next)
      const [name, fault] = anyFault(this.cluster)
      if (this.options.without?.includes(name)) return
      const number = count++
      this.#say(`== ${name}`)
      this.faults.set(number, name)
      Promise.resolve(fault(this.cluster, this.#flood)).then(
        () => this.faults.delete(number),
        error => this.#violated('sound', `${name}: ${error.stack}`),
      )
    }
    this.clock.at(WARM_UP_MS, next)
  }

  // The checks.

  #violated(property: Property, text: string): void {
    const same = this.violations.filter(other => other.property === property)
    this.#say(`!! ${property}: ${text}`)
    if (same.length < MAX_VIOLATIONS) this.violations.push({ property, text })
  }

  #checkAll(): void {
    const { cluster, setup } = this
    const copies = new Map<number, { partition: SimPartition; at: number }[]>()
    const all = [...cluster.partitions, ...cluster.graveyard]
    const remade = new Set(cluster.graveyard.map(({ topic }) => topic.name))
    for (const partition of cluster.partitions)
      if (!cluster.isWell(partition))
        this.#violated(
          'sound',
          `the simulation's own: ${partition.topic.name}-${partition.index} is not well in the end`,
        )
    for (const partition of all) {
      const leader = partition.leader >= 0 ? partition.leader : (partition.isr[0] as number)
      const entries = partition.log(leader).entries
      const seen = new Set<number>()
      // Where partitions come and go, events of other keys are placed anew behind later ones.
      const isLasting = partition.topic.resizedAt === 0 && !remade.has(partition.topic.name)
      const latest = new Map<string, number>()
      for (const { events, appendedAt } of entries) {
        for (const id of events) {
          const known = copies.get(id)
          if (known) known.push({ partition, at: appendedAt })
          else copies.set(id, [{ partition, at: appendedAt }])
          const { key, outcome } = this.events[id] as Event
          // Without an answer nobody knows what overtakes what.
          if (key === null || outcome !== 'delivered' || setup.sender.acks === 0) continue
          if (seen.has(id) || partition.forgotAt.length > 0) continue
          seen.add(id)
          const line = isLasting ? '' : key
          const before = latest.get(line) ?? -1
          if (id < before)
            this.#violated(
              'order',
              `event ${id} is stored after ${before} in ${partition.topic.name}-${partition.index}`,
            )
          latest.set(line, Math.max(before, id))
        }
      }
    }
    const lost = new Set(all.flatMap(partition => [...partition.lost]))
    for (const [id, event] of this.events.entries())
      this.#checkEvent(id, event, copies.get(id) ?? [], lost.has(id))
    const left = this.events.filter(({ outcome }) => outcome === undefined).length
    const { queuedMessages, queuedBytes } = this.sender
    if (queuedMessages !== left || queuedBytes > 0 !== left > 0)
      this.#violated(
        'sound',
        `${queuedMessages} events of ${queuedBytes} bytes are counted, ${left} are left`,
      )
  }

  #checkEvent(
    id: number,
    event: Event,
    stored: readonly { partition: SimPartition; at: number }[],
    wasLost: boolean,
  ): void {
    const { acks, idempotent } = this.setup.sender
    const { outcome, code, sentAt, answeredAt, deadline } = event
    const what = `event ${id} to ${event.topic} at ${at(sentAt)}: ${outcome} (${code ?? 'stored'}) after ${Math.round(answeredAt - sentAt)} ms, stored ${stored.length} times`
    if (outcome === undefined) {
      if (this.clock.time <= deadline && !this.cluster.topics.has(event.topic)) return
      this.#violated(
        this.clock.time > deadline ? 'outcome' : 'liveness',
        `event ${id} to ${event.topic} at ${at(sentAt)}: no outcome by the end`,
      )
      return
    }
    if (answeredAt > deadline) this.#violated('outcome', `late: ${what}`)
    if ((this.client.lastSent.get(id) ?? 0) > answeredAt)
      this.#violated('outcome', `sent after its answer: ${what}`)
    if (outcome === 'delivered' && stored.length === 0 && acks === -1 && !wasLost)
      this.#violated('lost', what)
    if (outcome === 'not_stored' && stored.length > 0) this.#violated('untrue', what)
    if (!idempotent || stored.length < 2) return
    for (let i = 1; i < stored.length; i++) {
      const [a, b] = [stored[i - 1], stored[i]] as { partition: SimPartition; at: number }[]
      if (!a || !b || a.partition !== b.partition) continue
      const [first, second] = a.at < b.at ? [a.at, b.at] : [b.at, a.at]
      if (!a.partition.forgotAt.some(time => time >= first && time <= second)) this.#violated('twice', what)
    }
  }

  #report(): Report {
    const outcomes = { delivered: 0, not_stored: 0, unknown: 0 }
    for (const { outcome } of this.events) if (outcome) outcomes[outcome]++
    const { delivery, sender, client, gapMs } = this.setup
    const kind = sender.acks !== -1 ? `acks ${sender.acks}` : sender.idempotent ? 'idempotent' : 'plain'
    return {
      seed: this.seed,
      setup: `${delivery}, ${kind}, timeout ${sender.timeoutMs} ms, linger ${sender.lingerMs} ms, round trip ${client.rttMs} ms, a fault each ${gapMs / 1000} s`,
      ms: this.clock.time,
      events: this.events.length,
      outcomes,
      asked: this.asked,
      slowest: this.slowest,
      unkeyed: this.unkeyed,
      violations: this.violations,
    }
  }
}

function at(ms: number): string {
  return `${(ms / 1000).toFixed(3)} s`
}
