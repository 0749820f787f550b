/** The ledger's part `faults`: brokers, the network and the gate itself fail, one after the other, under load. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePorts, type KafkaCluster, readRecords, startKafka } from '../support/kafka.js'
import { KAFKA_VERSION } from '../support/kafka-jars.js'
import { blackhole, startToxiproxy, type Toxic, type Toxiproxy } from '../support/toxiproxy.js'
import { Gates, type Start } from './gates.js'
import {
  balance,
  createLedgerTopics,
  type Disturbance,
  type LedgerReport,
  SETTLED_MS,
  seconds,
  table,
  violations,
} from './ledger.js'
import { offer } from './load.js'
import { createNeighbourTopics, measureNeighbours, type NeighbourReport } from './neighbours.js'
import type { Result } from './report.js'
import { type How, type Started, startEventGate, startNaive } from './service.js'

/** One thing that is done, and for how long, in ms. Without a number, the broker is one that leads a partition. */
export type Fault =
  /** SIGKILL; SIGSTOP, then SIGCONT; SIGTERM, at which a broker hands its leaderships over. Then it is started again. */
  | { kind: 'kill' | 'stop' | 'shutdown'; broker?: number; lasts: number }
  /** SIGTERM, and started again with another version of Kafka. */
  | { kind: 'upgrade'; broker: number; version: string }
  /** Every partition gets another leader, by reassignment and election. */
  | { kind: 'leaders' }
  /** The topic of this fault's own is deleted, and made again. */
  | { kind: 'topic'; lasts: number }
  /** SIGTERM or SIGKILL, and a new gate on the same port. */
  | { kind: 'gate ended' | 'gate killed'; lasts: number }
  /** All connections between gate and brokers end, and new ones are refused. */
  | { kind: 'cut'; lasts: number }
  | { kind: 'poison'; what: string; toxics: readonly Toxic[]; lasts: number }

export interface Schedule {
  /** Events a second. */
  rate: number
  faults: readonly Fault[]
  /** From a fault's end to the next one's beginning; longer where replicas are not in sync by then. */
  pauseMs: number
}

const both = (type: Toxic['type'], attributes: Toxic['attributes']): Toxic[] => [
  { type, stream: 'upstream', attributes },
  { type, stream: 'downstream', attributes },
]

/** Seven minutes. Kafka needs some 9 s to notice a dead broker; nothing notices the end of a network cut. */
export const FULL: Schedule = {
  rate: 300,
  pauseMs: SETTLED_MS + 4000,
  faults: [
    { kind: 'kill', broker: 1, lasts: 10_000 },
    // A broker that was killed leads nothing once it is back; here it does again.
    { kind: 'leaders' },
    { kind: 'kill', broker: 2, lasts: 10_000 },
    { kind: 'leaders' },
    { kind: 'kill', broker: 3, lasts: 10_000 },
    { kind: 'leaders' },
    { kind: 'stop', broker: 1, lasts: 4_000 },
    // Long enough to be taken for dead: it wakes as the leader that it no longer is.
    { kind: 'stop', broker: 2, lasts: 12_000 },
    { kind: 'shutdown', broker: 3, lasts: 2_000 },
    { kind: 'topic', lasts: 3_000 },
    { kind: 'gate ended', lasts: 500 },
    { kind: 'gate killed', lasts: 500 },
    { kind: 'cut', lasts: 5_000 },
    {
      kind: 'poison',
      what: 'network swallows everything',
      toxics: [blackhole('upstream'), blackhole('downstream')],
      lasts: 5_000,
    },
    // What a producer without idempotence stores twice.
    {
      kind: 'poison',
      what: 'network swallows the brokers’ answers',
      toxics: [blackhole('downstream')],
      lasts: 5_000,
    },
    {
      kind: 'poison',
      what: 'network slow: 300 ms more each way, 60 kB/s a broker, in small pieces',
      toxics: [
        ...both('latency', { latency: 300, jitter: 100 }),
        ...both('bandwidth', { rate: 60 }),
        ...both('slicer', { average_size: 200, size_variation: 100, delay: 100 }),
      ],
      lasts: 10_000,
    },
    {
      kind: 'poison',
      what: 'network narrow: 10 kB/s a broker, a third of what comes in',
      toxics: both('bandwidth', { rate: 10 }),
      lasts: 6_000,
    },
  ],
}

/** What of it fails brokers. */
export const BROKERS: Schedule = {
  ...FULL,
  faults: FULL.faults.filter(({ kind }) => ['kill', 'leaders', 'stop', 'shutdown'].includes(kind)),
}

/** A rolling upgrade, which stops half-way for a while, and a rolling downgrade. */
function upgradeOf(from: string, to: string): Schedule {
  const all = (version: string) => [1, 2, 3].map(broker => ({ kind: 'upgrade' as const, broker, version }))
  return { rate: 300, pauseMs: 8000, faults: [...all(to), ...all(from)] }
}

/** For the tests: nothing that needs toxiproxy, and no time between faults. */
export const SHORT: Schedule = {
  rate: 300,
  pauseMs: 1000,
  faults: [
    { kind: 'kill', lasts: 2_000 },
    { kind: 'stop', lasts: 4_000 },
    { kind: 'leaders' },
    { kind: 'gate ended', lasts: 200 },
    { kind: 'gate killed', lasts: 200 },
  ],
}

/** After the last fault's 15 s, for there must be something sent then. */
const TAIL_MS = 5_000
const START_MS = 1_000
/** What is held, in memory or in a spool, is settled within this time: well above any deadline. */
const DRAIN_MS = 60_000
/** Production's; what a kill -9 costs. */
const HASTY_LINGER_MS = 1000

/** Deleted and made anew; a tenth of the events, for those from before are no proof of anything. */
const FLEETING = 'ledger.fleeting'
const LASTING = ['ledger.one', 'ledger.two'] as const
/** What the load goes to. */
export const TOPICS: readonly string[] = [...LASTING, FLEETING]
const STREAMS = [...LASTING, ...LASTING, ...LASTING, ...LASTING, LASTING[0], FLEETING]

export interface LedgerOptions extends Schedule {
  start: Start
  /** The service's `request_timeout_ms`. */
  deadlineMs: number
  /** What an answer may take beyond it, for a machine that is busy. */
  slackMs?: number
  /** Between gate and brokers, for schedules that fail the network. */
  network?: Toxiproxy
  say?: (line: string) => void
}

/** Offers the load, makes the faults, ends the service, reads Kafka back and compares. */
export async function runLedger(kafka: KafkaCluster, options: LedgerOptions): Promise<LedgerReport> {
  const { rate, deadlineMs, slackMs = 500, say = () => {} } = options
  const gates = new Gates(options.start, await freePorts(2))
  await gates.start()
  const loop = monitorEventLoopDelay()
  loop.enable()
  let end = Number.POSITIVE_INFINITY
  const load = offer({
    url: gates.url,
    rate,
    streams: STREAMS,
    more: elapsed => elapsed < end,
    hastyEvery: 4,
    giveUpMs: deadlineMs + slackMs + 5000,
  })
  const run = new Run(kafka, gates, options)
  try {
    await run.makeFaults()
    end = run.clock() + SETTLED_MS + TAIL_MS
    const answered = await load
    loop.disable()
    say(`${seconds(run.clock())}: ${answered.length} events are answered; ending the service`)
    await gates.whenNothingIsHeld(DRAIN_MS)
    const accounts = await gates.metrics()
    await gates.end()
    await kafka.whenInSync([...TOPICS])
    const stored = await storedIds(kafka)
    const { faults, deleted } = run
    const history = { faults, deleted, lives: gates.lives, heldUpMs: loop.max / 1e6, accounts }
    const report = balance(answered, stored, history, deadlineMs + slackMs)
    for (const suspect of report.suspects) say(`to be explained: ${JSON.stringify(suspect)}`)
    return report
  } finally {
    // Also when a fault could not be made: the load must end, and the gate.
    end = 0
    await gates.kill()
  }
}

async function storedIds(kafka: KafkaCluster): Promise<Map<string, number>> {
  const stored = new Map<string, number>()
  for await (const { value } of readRecords(kafka.bootstrap, [...TOPICS])) {
    const { meta } = JSON.parse(String(value)) as { meta: { id: string } }
    stored.set(meta.id, (stored.get(meta.id) ?? 0) + 1)
  }
  return stored
}

/** One run of a schedule. */
class Run {
  readonly faults: Disturbance[] = []
  readonly deleted: { topic: string; recreatedAt: number }[] = []
  readonly clock: () => number
  readonly #hit: number[] = []

  constructor(
    readonly kafka: KafkaCluster,
    readonly gates: Gates,
    readonly options: LedgerOptions,
  ) {
    const start = performance.now()
    this.clock = () => performance.now() - start
    gates.clock = this.clock
  }

  async makeFaults(): Promise<void> {
    const { faults, pauseMs, say = () => {} } = this.options
    await sleep(START_MS)
    for (const [i, fault] of faults.entries()) {
      // Else a broker more would be missing than `min.insync.replicas` forgives, which is another test.
      const pause = i === 0 ? undefined : sleep(pauseMs)
      await this.kafka.whenInSync([...TOPICS])
      await pause
      const from = this.clock()
      const what = await this.#make(fault)
      const to = this.clock()
      this.faults.push({ what, from, to })
      say(`${seconds(from)} to ${seconds(to)}: ${what}`)
    }
  }

  /** Does it, and undoes it; answers what it was. */
  async #make(fault: Fault): Promise<string> {
    switch (fault.kind) {
      case 'kill':
      case 'stop':
      case 'shutdown':
        return this.#failBroker(fault.kind, fault.broker ?? (await this.#someLeader()), fault.lasts)
      case 'upgrade':
        await this.kafka.broker(fault.broker).upgrade(fault.version)
        return `broker ${fault.broker} shut down (SIGTERM), and started again as Kafka ${fault.version}`
      case 'leaders':
        await this.kafka.moveLeaders(TOPICS)
        return 'all leaders moved'
      case 'topic':
        await this.kafka.deleteTopic(FLEETING)
        await sleep(fault.lasts)
        this.deleted.push({ topic: FLEETING, recreatedAt: this.clock() })
        await createLedgerTopics(this.kafka, [FLEETING])
        return `one topic of three deleted, and made anew after ${seconds(fault.lasts)}`
      case 'gate ended':
        await this.gates.end()
        await sleep(fault.lasts)
        await this.gates.start()
        return 'gate ended with SIGTERM, and a new one'
      case 'gate killed':
        await this.gates.kill()
        await sleep(fault.lasts)
        await this.gates.start()
        return 'gate killed with -9, and a new one'
      case 'cut':
        await this.#onNetwork(network => network.cut(), fault.lasts)
        return 'network cut: connections end, and none is made'
      case 'poison':
        await this.#onNetwork(network => network.poison(fault.toxics), fault.lasts)
        return fault.what
    }
  }

  async #failBroker(kind: 'kill' | 'stop' | 'shutdown', id: number, lasts: number): Promise<string> {
    this.#hit.push(id)
    const broker = this.kafka.broker(id)
    if (kind === 'stop') {
      broker.stop()
      await sleep(lasts)
      broker.cont()
      return `broker ${id} stopped (SIGSTOP) for ${seconds(lasts)}`
    }
    await (kind === 'kill' ? broker.kill9() : broker.terminate())
    await sleep(lasts)
    await broker.restart()
    return `broker ${id} ${kind === 'kill' ? 'killed with -9' : 'shut down (SIGTERM)'}, and started again`
  }

  /** Another one each time, as long as there is one. */
  async #someLeader(): Promise<number> {
    const leaders = (await this.kafka.partitionsOf(LASTING[0])).map(({ leader }) => leader)
    return leaders.find(leader => !this.#hit.includes(leader)) ?? leaders[0] ?? 0
  }

  async #onNetwork(spoil: (network: Toxiproxy) => Promise<void>, lasts: number): Promise<void> {
    const { network } = this.options
    if (!network) throw new Error('this schedule needs a network that can fail')
    await spoil(network)
    await sleep(lasts)
    await network.heal()
  }
}

export interface FaultsOptions {
  short?: boolean
  naive?: boolean
  /** Options of the service. */
  conf?: Record<string, unknown>
  deadlineMs?: number
  /** The network is well. */
  brokersOnly?: boolean
  /** With a spool, of which each gate drains what the one before left. */
  spool?: boolean
  /** To which version brokers are upgraded, which is then all that happens. */
  upgrade?: string | undefined
}

/** Enough for requests that are under way to have their deadline before what is left is given up. */
export const shutdownMs = (deadlineMs: number) => 1.5 * deadlineMs

/** The part as a whole, with the measure of what a stopped follower costs partitions that it does not follow. */
export async function run(say: (line: string) => void, options: FaultsOptions = {}): Promise<Result> {
  const { short = false, naive = false, brokersOnly = false, spool = false, upgrade } = options
  const { deadlineMs = upgrade ? 19_000 : 9000 } = options
  const schedule = upgrade ? upgradeOf(KAFKA_VERSION, upgrade) : short ? SHORT : brokersOnly ? BROKERS : FULL
  const network = schedule === FULL ? await startToxiproxy() : undefined
  let kafka: KafkaCluster | undefined
  const directory = spool ? await mkdtemp(join(tmpdir(), 'eventgate-spool-')) : undefined
  try {
    say('starting three brokers')
    kafka = await startKafka({
      brokers: 3,
      ...(network && { through: (_, address) => network.before(address) }),
    })
    const bootstrap = network ? kafka.bootstrapThrough : kafka.bootstrap
    const conf = {
      ...{ request_timeout_ms: deadlineMs, shutdown_timeout_ms: shutdownMs(deadlineMs) },
      ...(directory !== undefined && { spool: { directory } }),
      ...options.conf,
    }
    const start = (port: number, metricsPort?: number) =>
      naive
        ? startNaive(bootstrap, port)
        : startGate(bootstrap, { port, ...conf }, metricsPort, { streams: TOPICS })
    await createLedgerTopics(kafka, TOPICS)
    await createNeighbourTopics(kafka)

    const first = await start(0)
    const neighbours = await measureNeighbours(kafka, first, { deadlineMs }).finally(() => first.close())
    await kafka.whenInSync([...TOPICS])
    const report = await runLedger(kafka, {
      ...schedule,
      start,
      deadlineMs,
      say,
      ...(network && { network }),
    })
    const least = upgrade ? 1 : short ? 0.6 : 0.9
    return resultOf(report, neighbours, { deadlineMs, least, spool, hasNetwork: network !== undefined })
  } finally {
    await kafka?.close()
    await network?.close()
    if (directory !== undefined) await rm(directory, { recursive: true, force: true })
  }
}

/** A gate as the ledger wants it: hasty events wait for company as in production, and metrics if there is a port for them. */
export function startGate(
  bootstrap: string,
  conf: Record<string, unknown>,
  metricsPort?: number,
  how: How = {},
): Promise<Started> {
  const kafka = {
    conf: { 'metadata.broker.list': bootstrap },
    hasty: { conf: { 'queue.buffering.max.ms': HASTY_LINGER_MS } },
  }
  return startEventGate(bootstrap, { kafka, ...conf }, { metricsPort, ...how })
}

interface ResultOptions {
  deadlineMs: number
  least: number
  spool: boolean
  hasNetwork: boolean
}

function resultOf(
  report: LedgerReport,
  neighbours: NeighbourReport,
  { deadlineMs, least, spool, hasNetwork }: ResultOptions,
): Result {
  const figures = ({ count, p50, p99 }: { count: number; p50: number; p99: number }) =>
    `p50 ${p50.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms (${count} events)`
  // The short form is little but faults.
  const broken = violations(report, least, spool)
  // Or as slow as before: on a machine that is busy with other things.
  const { healthy, healthyBefore } = neighbours
  if (!(healthy.p50 < Math.max(50, healthyBefore.p50)))
    broken.push('healthy partitions wait for a stopped follower of others')
  const text = `Three brokers of Apache Kafka ${KAFKA_VERSION}, replication 3, \`min.insync.replicas\` 2, \`request_timeout_ms\` ${deadlineMs}, \`shutdown_timeout_ms\` ${shutdownMs(deadlineMs)}. Events arrive at a steady rate; none is sent twice. A tenth of the requests is an array of five. A quarter is hasty, with \`queue.buffering.max.ms\` ${HASTY_LINGER_MS}.${hasNetwork ? ' Toxiproxy runs between gate and brokers.' : ''}${spool ? ' Each gate has the spool that the one before left. "Answered 201" includes guaranteed events that were answered 202: they are in Kafka or on disk.' : ''}

${table(report)}

One follower stopped for 4 s. Partitions that it does not follow, before: ${figures(neighbours.healthyBefore)}; meanwhile: ${figures(neighbours.healthy)}. Partitions of the same leaders that it follows: ${figures(neighbours.held)}.
`
  return { text, broken }
}
