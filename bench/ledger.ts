/**
 * The ledger: every event that a client sends while brokers are killed and stopped is written down with its
 * answer, and then held against what Kafka has stored. A 201 is a promise, and so is "not stored".
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { type KafkaCluster, readRecords } from '../test/real-kafka.js'
import { type Answered, offer, quantile, type Verdict } from './ledger-load.js'

/** A service to be tested, started by the caller. */
export interface Service {
  /** Where events are posted. */
  url: string
  /** SIGTERM, and waits for its end: what it still sends then is in the books too. */
  close(): Promise<void>
}

export interface Fault {
  /** Not before this time of the load, in ms; nor before all replicas are in sync after the fault before it. */
  at: number
  /** `kill`: SIGKILL, and started again; `stop`: SIGSTOP and SIGCONT. Each hits a broker that leads a partition. */
  kind: 'kill' | 'stop'
  /** How long the broker is gone, in ms. */
  lasts: number
}

export interface LedgerOptions {
  /** At least; the load goes on until 20 s after the last fault, so that there is an "after" to look at. */
  seconds: number
  /** Events a second. */
  rate: number
  faults: readonly Fault[]
  /** The service's `request_timeout_ms`. */
  deadlineMs: number
  /** What an answer may take beyond it, for a machine that is busy. */
  slackMs?: number
  /** The streams and topics of the run; made by `createLedgerTopics`. */
  topics: readonly string[]
  log?: (line: string) => void
}

/** A minute's schedule, and half a minute's. Kafka needs some 9 s to notice a dead broker. */
export const FULL: Pick<LedgerOptions, 'seconds' | 'rate' | 'faults'> = {
  seconds: 60,
  rate: 300,
  faults: [
    { at: 5_000, kind: 'kill', lasts: 10_000 },
    { at: 30_000, kind: 'stop', lasts: 4_000 },
  ],
}
export const SHORT: Pick<LedgerOptions, 'seconds' | 'rate' | 'faults'> = {
  seconds: 30,
  rate: 300,
  faults: [
    { at: 1_000, kind: 'kill', lasts: 2_000 },
    { at: 10_000, kind: 'stop', lasts: 4_000 },
  ],
}

const SETTLED_MS = 15_000
const TAIL_MS = 5_000

export interface LedgerReport {
  seconds: number
  sent: number
  /** Events by what their answer said. */
  verdicts: Record<Verdict, number>
  /** Events by the status of their request; `0` is no answer. */
  statuses: Record<string, number>
  /** Failed events by code. */
  codes: Record<string, number>
  /** Whatever was answered. */
  storedOnce: number
  storedTwice: number
  /** Events whose answer was a promise that Kafka's records break: must be 0. */
  promisedButMissing: number
  deniedButStored: number
  /** Of those answered `unknown` or not at all. */
  unknownStored: number
  unknownMissing: number
  /** Records with an id that nobody sent: must be 0. */
  foreign: number
  overDeadline: number
  latency: { p50: number; p99: number; max: number }
  /** The longest time without an answer that says `stored`, in ms. */
  longestGap: number
  shareStored: number
  /** Of events sent later than 15 s after the last fault's end. */
  settled: { sent: number; shareStored: number; p50: number }
  faults: { kind: Fault['kind']; broker: number; from: number; to: number }[]
}

/** Topics of six partitions on three brokers, each broker leading two. */
export async function createLedgerTopics(kafka: KafkaCluster, topics: readonly string[]): Promise<void> {
  const ids = kafka.brokers.map(broker => broker.nodeId)
  const assignment = Array.from({ length: 6 }, (_, p) => ids.map((_, i) => ids[(p + i) % ids.length] ?? 0))
  for (const topic of topics) {
    await kafka.createTopic(topic, { assignment, config: { 'min.insync.replicas': '2' } })
  }
}

/** Offers the load, makes the faults, ends the service, reads Kafka back and compares. */
export async function runLedger(
  kafka: KafkaCluster,
  service: Service,
  options: LedgerOptions,
): Promise<LedgerReport> {
  const { rate, topics, deadlineMs, slackMs = 500, log = () => {} } = options
  const start = performance.now()
  const clock = () => performance.now() - start
  let end = Number.POSITIVE_INFINITY
  const load = offer({
    url: service.url,
    rate,
    streams: topics,
    more: elapsed => elapsed < end,
    giveUpMs: deadlineMs + 5000,
  })
  let faults: LedgerReport['faults'] = []
  try {
    faults = await makeFaults(kafka, options, clock, log)
  } finally {
    // Also when a fault could not be made: the load must end.
    end = Math.max(options.seconds * 1000, (faults.at(-1)?.to ?? 0) + SETTLED_MS + TAIL_MS)
    if (faults.length < options.faults.length) end = 0
  }
  const answered = await load
  log(`${seconds(clock())}: ${answered.length} events are answered; ending the service`)
  await service.close()
  await kafka.whenInSync([...topics])
  const stored = await storedIds(kafka, topics)
  return balance(answered, stored, faults, deadlineMs + slackMs)
}

const seconds = (ms: number) => `${(ms / 1000).toFixed(1)} s`

async function makeFaults(
  kafka: KafkaCluster,
  { faults, topics }: LedgerOptions,
  clock: () => number,
  log: (line: string) => void,
): Promise<LedgerReport['faults']> {
  const done: LedgerReport['faults'] = []
  const [topic = ''] = topics
  for (const { at, kind, lasts } of faults) {
    await sleep(Math.max(0, at - clock()))
    // Else a broker more would be missing than `min.insync.replicas` forgives, which is another test.
    await kafka.whenInSync([...topics])
    const leaders = (await kafka.partitionsOf(topic)).map(({ leader }) => leader)
    const hit = done.map(fault => fault.broker)
    const id = leaders.find(leader => !hit.includes(leader)) ?? leaders[0] ?? 0
    const broker = kafka.broker(id)
    const from = clock()
    if (kind === 'kill') {
      log(`${seconds(from)}: kill -9 of broker ${id}`)
      await broker.kill9()
      await sleep(lasts)
      await broker.restart()
    } else {
      log(`${seconds(from)}: SIGSTOP of broker ${id}`)
      broker.stop()
      await sleep(lasts)
      broker.cont()
    }
    log(`${seconds(clock())}: broker ${id} is back`)
    done.push({ kind, broker: id, from, to: clock() })
  }
  return done
}

async function storedIds(kafka: KafkaCluster, topics: readonly string[]): Promise<Map<string, number>> {
  const stored = new Map<string, number>()
  for await (const { value } of readRecords(kafka.bootstrap, [...topics])) {
    const { meta } = JSON.parse(String(value)) as { meta: { id: string } }
    stored.set(meta.id, (stored.get(meta.id) ?? 0) + 1)
  }
  return stored
}

/** The books: answers against records. */
export function balance(
  answered: readonly Answered[],
  stored: ReadonlyMap<string, number>,
  faults: LedgerReport['faults'],
  limitMs: number,
): LedgerReport {
  const verdicts: Record<Verdict, number> = {
    stored: 0,
    accepted: 0,
    not_stored: 0,
    unknown: 0,
    no_answer: 0,
    unexplained: 0,
  }
  const statuses: Record<string, number> = {}
  const codes: Record<string, number> = {}
  for (const { verdict, status, code } of answered) {
    verdicts[verdict]++
    statuses[status] = (statuses[status] ?? 0) + 1
    if (code !== undefined) codes[code] = (codes[code] ?? 0) + 1
  }
  const times = (event: Answered) => stored.get(event.id) ?? 0
  const count = (test: (event: Answered) => boolean) => answered.filter(test).length
  const isStored = (event: Answered) => event.verdict === 'stored'
  const isOpen = ({ verdict }: Answered) => !['stored', 'not_stored'].includes(verdict)
  const latencies = answered.map(event => event.latency)
  const lastFault = Math.max(0, ...faults.map(fault => fault.to))
  const settled = answered.filter(event => event.sentAt > lastFault + SETTLED_MS)
  const ids = new Set(answered.map(event => event.id))
  const answers = answered.filter(isStored).map(event => event.sentAt + event.latency)
  answers.sort((a, b) => a - b)
  return {
    seconds: Math.max(0, ...answered.map(event => event.sentAt)) / 1000,
    sent: answered.length,
    verdicts,
    statuses,
    codes,
    storedOnce: count(event => times(event) === 1),
    storedTwice: count(event => times(event) > 1),
    promisedButMissing: count(event => isStored(event) && times(event) === 0),
    deniedButStored: count(event => event.verdict === 'not_stored' && times(event) > 0),
    unknownStored: count(event => isOpen(event) && times(event) > 0),
    unknownMissing: count(event => isOpen(event) && times(event) === 0),
    foreign: [...stored.keys()].filter(id => !ids.has(id)).length,
    overDeadline: count(event => event.latency > limitMs),
    latency: {
      p50: quantile(latencies, 0.5),
      p99: quantile(latencies, 0.99),
      max: Math.max(0, ...latencies),
    },
    longestGap: answers.reduce((gap, at, i) => Math.max(gap, at - (answers[i - 1] ?? 0)), 0),
    shareStored: count(isStored) / answered.length,
    settled: {
      sent: settled.length,
      shareStored: settled.filter(isStored).length / settled.length,
      p50: quantile(
        settled.map(event => event.latency),
        0.5,
      ),
    },
    faults,
  }
}

/** What the report holds against the service, in words; empty if every promise was kept. */
export function violations(report: LedgerReport): string[] {
  const { verdicts, settled } = report
  const found: string[] = []
  const none = (count: number, what: string) => {
    if (count > 0) found.push(`${count} events ${what}`)
  }
  none(report.promisedButMissing, 'were answered 201 and are not stored')
  none(report.deniedButStored, 'were said to be not stored and are')
  none(report.storedTwice, 'are stored more than once')
  none(report.foreign, 'are stored that nobody sent')
  none(report.overDeadline, 'were answered after the deadline')
  none(verdicts.no_answer, 'got no answer')
  none(verdicts.unexplained, 'failed with no word about their fate')
  if (!(report.shareStored >= 0.9)) found.push(`only ${percent(report.shareStored)} were answered 201`)
  if (!(settled.shareStored === 1)) {
    found.push(`of those sent 15 s after the last fault only ${percent(settled.shareStored)} were`)
  }
  return found
}

const percent = (share: number) => `${(share * 100).toFixed(2)} %`
const ms = (value: number) => `${value.toFixed(value < 100 ? 1 : 0)} ms`
const listed = (counts: Record<string, number>) =>
  Object.entries(counts)
    .map(([name, count]) => `${name}: ${count}`)
    .join(', ') || 'none'

/** The report as a table of Markdown. */
export function table(report: LedgerReport): string {
  const { verdicts, latency, settled } = report
  const rows: [string, string | number][] = [
    ['sent', `${report.sent} in ${report.seconds.toFixed(1)} s`],
    [
      'faults',
      report.faults
        .map(f => `${f.kind} of broker ${f.broker} ${seconds(f.from)} to ${seconds(f.to)}`)
        .join('; '),
    ],
    ['statuses (events)', listed(report.statuses)],
    ['codes', listed(report.codes)],
    ['said to be stored (201)', verdicts.stored],
    ['stored once', report.storedOnce],
    ['**stored more than once**', report.storedTwice],
    ['**answered 201, missing**', report.promisedButMissing],
    ['**said to be not stored, stored**', report.deniedButStored],
    ['said to be not stored', verdicts.not_stored],
    ['said to be unknown (504)', verdicts.unknown],
    ['no answer', verdicts.no_answer],
    ['failed with no word about its fate', verdicts.unexplained],
    ['fate not known to the client: stored / not', `${report.unknownStored} / ${report.unknownMissing}`],
    ['**answered over the deadline**', report.overDeadline],
    ['latency p50 / p99 / max', [latency.p50, latency.p99, latency.max].map(ms).join(' / ')],
    ['longest time without a 201', ms(report.longestGap)],
    ['answered 201', percent(report.shareStored)],
    [
      'of those sent later than 15 s after the last fault',
      `${percent(settled.shareStored)} of ${settled.sent}, p50 ${ms(settled.p50)}`,
    ],
  ]
  return ['| | |', '|---|---|', ...rows.map(([name, value]) => `| ${name} | ${value} |`)].join('\n')
}
