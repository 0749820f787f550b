/**
 * The ledger's parts `spool` and `spool-topic`: Kafka is away, or one topic is, under load, and the gate has a spool.
 * Every answer is compared with what is in Kafka at the end.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePorts, type KafkaCluster, readRecords, startKafka } from '../support/kafka.js'
import { KAFKA_VERSION } from '../support/kafka-jars.js'
import { pinned } from './crowd.js'
import { startGate } from './faults.js'
import { Gates, sum } from './gates.js'
import { KeyedAudit, type KeyedBooks, KeyedLoad, type Sent } from './keyed-load.js'
import { createLedgerTopics } from './ledger.js'
import { quantile } from './load.js'
import { MARK, whenServing } from './outage.js'
import { loadBefore, memoryOf, NODE_OPTIONS, OTHER_CORE, SERVICE_CORE } from './overload.js'
import type { Result } from './report.js'

export interface SpoolOptions {
  healthyS?: number
  /** How long Kafka, or the topic, is away. */
  outageS?: number
  /** A gate is killed with -9 so often meanwhile. */
  killEveryS?: number
  afterS?: number
  /** Guaranteed and hasty events a second. */
  guaranteed?: number
  hasty?: number
  /** For half a minute in the tests: brokers start fast, and no figure is measured. */
  short?: boolean
}

const DEADLINE_MS = 9000
const AFTER_MS = 1000
/** The hasty producer's linger, and what a busy machine needs. */
const IN_MEMORY_MS = AFTER_MS + 1000 + 1500
/** Kafka is away since then: who came before has waited its time, and each topic spools. */
const SPOOLS_MS = AFTER_MS + 2000
const DRAIN_MS = 300_000
/** Of answers without Kafka, p99. */
const PROMPT_MS = 20
const SAMPLE_MS = 1000
const GATE_PAUSE_MS = 200

const TOPICS = ['spool.one', 'spool.two', 'spool.three']

/** What is done, and what is seen, while a load is offered. Times are those of `performance.now`. */
class Watch {
  readonly killedAt: number[] = []
  readonly rss: [at: number, mib: number][] = []
  readonly waiting: [at: number, events: number][] = []
  readonly lateMs: number[] = []
  possiblyTwice = 0
  readonly #gates: Gates
  readonly #timers: NodeJS.Timeout[]
  #sinceGate = 0

  constructor(gates: Gates) {
    this.#gates = gates
    let last = performance.now()
    this.#timers = [
      setInterval(() => void this.#sample(), SAMPLE_MS),
      setInterval(() => {
        const now = performance.now()
        this.lateMs.push(now - last - 20)
        last = now
      }, 20),
    ]
  }

  close(): void {
    for (const timer of this.#timers) clearInterval(timer)
  }

  async kill(): Promise<void> {
    await this.#sample()
    this.killedAt.push(performance.now())
    await this.#gates.kill()
    this.possiblyTwice += this.#sinceGate
    this.#sinceGate = 0
    await sleep(GATE_PAUSE_MS)
    await this.#gates.start()
  }

  /** Resolves when the spool is empty, or after this time; tells when. */
  async whenDrained(timeoutMs: number): Promise<number | undefined> {
    for (const end = performance.now() + timeoutMs; performance.now() < end; await sleep(250))
      if ((await this.#sample()) === 0) return performance.now()
    return undefined
  }

  /** How many events wait in the spool. */
  async #sample(): Promise<number | undefined> {
    const { pid } = this.#gates
    if (pid === undefined) return undefined
    try {
      this.rss.push([performance.now(), memoryOf(pid, 'VmRSS')])
    } catch {
      return undefined // it has just ended
    }
    const metrics = await this.#gates.metrics()
    if (metrics === undefined) return undefined
    const waiting = sum(metrics, 'eventgate_spool_waiting_events')
    this.waiting.push([performance.now(), waiting])
    this.#sinceGate = sum(metrics, 'eventgate_spool_possibly_twice_total')
    return waiting
  }

  /** Of all gates. */
  get twicePossibly(): number {
    return this.possiblyTwice + this.#sinceGate
  }

  most(of: readonly [at: number, value: number][], from = 0, to = Infinity): number {
    return of.reduce((most, [at, value]) => (at >= from && at < to ? Math.max(most, value) : most), 0)
  }
}

/** A folder for the spool and the stream configuration, where events have keys. */
async function makeFolder(streams: readonly string[]): Promise<{ folder: string; conf: object }> {
  const folder = await mkdtemp(join(tmpdir(), 'eventgate-spool-'))
  const settings = { schema_title: 'ledger/event', message_key_fields: { domain: 'meta.domain' } }
  const uri = join(folder, 'streams.json')
  await writeFile(uri, JSON.stringify(Object.fromEntries(streams.map(name => [name, settings]))))
  const spool = { directory: join(folder, 'spool'), after_ms: AFTER_MS }
  return { folder, conf: { stream_config_uri: uri, request_timeout_ms: DEADLINE_MS, spool } }
}

async function audit(kafka: KafkaCluster, topics: readonly string[], load: KeyedLoad): Promise<KeyedAudit> {
  const audit = new KeyedAudit(load)
  for await (const { topic, partition, offset, value } of readRecords(kafka.bootstrap, [...topics])) {
    const text = String(value)
    if (text === MARK) continue
    const { meta } = JSON.parse(text) as { meta: { id: string } }
    audit.add(meta.id, `${topic}-${partition}@${offset}`)
  }
  return audit
}

/** All brokers are killed, and started again; meanwhile gates are killed too. */
export async function run(say: (line: string) => void, options: SpoolOptions = {}): Promise<Result> {
  const { short = false, healthyS = 20, outageS = 600, killEveryS = 60, afterS = 10 } = options
  const { guaranteed = short ? 200 : 1000, hasty = guaranteed / 2 } = options
  const before = loadBefore()
  const { folder, conf } = await makeFolder(TOPICS)
  say('starting three brokers')
  const kafka = await startKafka({
    ...{ brokers: 3, prefix: pinned(OTHER_CORE, []) },
    ...(short ? {} : { javaOptions: [] }),
  })
  try {
    await createLedgerTopics(kafka, TOPICS)
    const how = { prefix: pinned(SERVICE_CORE, []), env: { NODE_OPTIONS } }
    const gates = new Gates(
      (port, metricsPort) => startGate(kafka.bootstrap, { port, ...conf }, metricsPort, how),
      await freePorts(2),
    )
    gates.clock = () => performance.now()
    await gates.start()
    const watch = new Watch(gates)
    const load = new KeyedLoad(TOPICS)
    const common = { url: gates.url, arrayOf: short ? 5 : 50, giveUpMs: DEADLINE_MS + 5000 }
    const offered = Promise.all([
      load.offer({ ...common, delivery: 'guaranteed', rate: guaranteed }),
      load.offer({ ...common, delivery: 'hasty', rate: hasty }),
    ])
    try {
      const begun = performance.now()
      await sleep(healthyS * 1000)
      say(`${load.size} events are sent; kill -9 of all brokers`)
      const away = performance.now()
      await Promise.all(kafka.brokers.map(broker => broker.kill9()))
      const gone = performance.now()
      const until = away + outageS * 1000
      for (let next = away + killEveryS * 1000; next < until; next += killEveryS * 1000) {
        await sleep(next - performance.now())
        await watch.kill()
        const [, waiting = 0] = watch.waiting.at(-1) ?? []
        say(`${((performance.now() - away) / 1000).toFixed(0)} s: a gate was killed; ${waiting} events wait`)
      }
      await sleep(until - performance.now())
      const started = performance.now()
      say(`${watch.waiting.at(-1)?.[1]} events wait; starting the brokers again`)
      for (const broker of kafka.brokers) broker.start()
      await whenServing(kafka, TOPICS)
      const back = performance.now()
      say(`Kafka serves after ${((back - started) / 1000).toFixed(1)} s`)
      const drained = await watch.whenDrained(short ? 60_000 : 2 * DRAIN_MS)
      say(drained === undefined ? 'not drained' : `drained ${((drained - back) / 1000).toFixed(1)} s later`)
      await sleep(afterS * 1000)
      load.stop()
      await offered
      const isSettled = await gates.whenNothingIsHeld(60_000)
      await gates.end()
      await kafka.whenInSync(TOPICS)
      say('reading Kafka back')
      const memoryMs = short ? DEADLINE_MS : IN_MEMORY_MS
      const books = (await audit(kafka, TOPICS, load)).balance(watch.killedAt, memoryMs, gone)
      const at = [gone, ...watch.killedAt].map(time => time.toFixed(0)).join(', ')
      if (books.suspects.length > 0) say(`Kafka was away, and gates were killed, at ${at}`)
      for (const [code, message] of load.messages) say(`${code}: ${message}`)
      for (const suspect of books.suspects) say(`to be explained: ${JSON.stringify(suspect)}`)
      const exit = gates.lives.at(-1)?.exitCode
      const counted = gates.lives.reduce((sum, life) => sum + (life.counted ?? 0), 0)
      return report({
        ...{
          load,
          watch,
          books,
          begun,
          away,
          started,
          back,
          drained,
          isSettled,
          exit,
          counted,
          before,
          short,
        },
        ...{ guaranteed, hasty, killEveryS, arrayOf: common.arrayOf },
      })
    } finally {
      load.stop()
      watch.close()
      await gates.kill()
    }
  } finally {
    await kafka.close()
    await rm(folder, { recursive: true, force: true })
  }
}

interface Outcome {
  load: KeyedLoad
  watch: Watch
  books: KeyedBooks
  begun: number
  away: number
  started: number
  back: number
  drained: number | undefined
  isSettled: boolean
  exit: number | null | undefined
  /** Hasty events that gates themselves say they lost. */
  counted: number
  before: string
  short: boolean
  guaranteed: number
  hasty: number
  killEveryS: number
  arrayOf: number
}

/** On a machine that is too busy to be timed, requests miss their deadlines, and disks do not answer in time. */
function brokenPromises(books: KeyedBooks, away: number, isTimed = true, counted = 0): string[] {
  const broken: string[] = []
  const none = (count: number, what: string) => {
    if (count > 0) broken.push(`${count} events ${what}`)
  }
  none(books.missing, 'were answered 201 or 202 and are not in Kafka')
  none(books.twice, 'are in Kafka more than once')
  none(books.denied, 'were said to be not stored and are')
  none(books.disordered, 'came to Kafka before one of their key that was sent earlier')
  none(books.foreign, 'are in Kafka that nobody sent')
  const { lost } = books.hasty
  none(isTimed ? lost : Math.max(0, lost - counted), 'were hasty, and lost though no gate was killed')
  if (!isTimed) return broken
  none(books.refused, 'were refused (503) by a gate with a spool')
  none(
    books.unknownAt.filter(at => at > away + SPOOLS_MS).length,
    'were in doubt (504) later than at the cut',
  )
  return broken
}

function report(run: Outcome): Result {
  const { load, watch, books, begun, away, started, back, drained, isSettled, exit, before, short } = run
  const guaranteed = load.requests.filter(({ delivery }) => delivery === 'guaranteed')
  const sent = (from: number, to: number) =>
    guaranteed.filter(({ sentAt, status }) => sentAt >= from && sentAt < to && status > 0)
  const drainedAt = drained ?? Infinity
  const healthy = sent(begun + 2000, away - AFTER_MS)
  const without = sent(away + SPOOLS_MS, started)
  const draining = sent(back, drainedAt)
  const lives = [away, ...watch.killedAt.filter(at => at > away), started]
  const peaks = lives.slice(1).map((end, i) => watch.most(watch.rss, lives[i], end))
  const broken = brokenPromises(books, away, !short, run.counted)
  const waiting = watch.most(watch.waiting)
  if (waiting === 0) broken.push('nothing was spooled, so nothing was tested')
  if (drained === undefined) broken.push('the spool was not drained')
  else if (drained - back > DRAIN_MS) broken.push(`draining took ${seconds(drained - back)}`)
  if (!isSettled) broken.push('something was still held at the end')
  if (exit !== 0) broken.push(`the last gate ended with ${exit}`)
  const prompt = quantile(without.map(timeOf), 0.99)
  // A short run measures nothing.
  if (!short && !(prompt <= PROMPT_MS)) broken.push(`without Kafka p99 is ${prompt.toFixed(1)} ms`)
  const [first = 0] = peaks
  const last = Math.max(...peaks.slice(-2))
  if (!short && last > 1.2 * first + 20)
    broken.push(
      `memory grew: at most ${first.toFixed(0)} MiB in the first life, ${last.toFixed(0)} in the last`,
    )
  const { hasty, verdicts } = books
  const inDoubt = books.unknownAt.length
  const rows: [string, string | number][] = [
    ['events sent', load.size],
    ['by delivery and what was said', listed(verdicts)],
    ['codes', listed(load.codes)],
    ['**guaranteed, answered 201 or 202, missing**', books.missing],
    ['**more than once in Kafka**', books.twice],
    ['**said to be not stored, stored**', books.denied],
    ['**out of order within their key**', books.disordered],
    ['**guaranteed, refused (503)**', books.refused],
    ['guaranteed, in doubt (504), in Kafka / in all', `${books.unknownStored} / ${inDoubt}`],
    ['guaranteed, answered 202 because of events on disk', books.spooled],
    ['hasty, answered 202 / in Kafka', `${hasty.accepted} / ${hasty.stored}`],
    [`hasty, lost by \`kill -9\` within ${short ? DEADLINE_MS : IN_MEMORY_MS} ms before`, hasty.lostByKill],
    ['hasty, in doubt when Kafka went away, and lost by the first `kill -9`', hasty.inDoubt],
    [
      '**hasty, lost otherwise** / counted by `eventgate_hasty_events_lost_total`',
      `${hasty.lost} / ${run.counted}`,
    ],
    ['counted as possibly twice', watch.twicePossibly],
    ['most events that waited in the spool', waiting],
    ['guaranteed requests before: p50 / p99 / max', latencies(healthy)],
    ['**without Kafka**: p50 / p99 / max', latencies(without)],
    ['while it drains: p50 / p99 / max', latencies(draining)],
    [
      '**drained after Kafka served again**',
      drained === undefined ? 'never' : `${seconds(drained - back)}, ${rateOf(waiting, drained - back)}`,
    ],
    ['MiB at most, of each gate without Kafka', peaks.map(mib => mib.toFixed(0)).join(', ')],
    ["delay of the clients' own event loop, p99", `${quantile(watch.lateMs, 0.99).toFixed(1)} ms`],
  ]
  const text = `Three brokers of Apache Kafka ${KAFKA_VERSION} are killed (\`kill -9\`) and started again after ${seconds(started - away)}. Meanwhile the gate is killed with -9 every ${run.killEveryS} s (${watch.killedAt.length} times). The load is ${run.guaranteed} guaranteed events a second, single and in arrays of ${run.arrayOf}, and ${run.hasty} hasty ones. They are of three streams of six partitions, with 500 keys. \`spool.after_ms\` is ${AFTER_MS}, \`request_timeout_ms\` ${DEADLINE_MS}. "Without Kafka" begins ${seconds(SPOOLS_MS)} after the kill. Order: no event is in Kafka before one of its key and delivery that was answered before it was sent. Kafka served ${seconds(back - started)} after its start.

${table(rows)}

${before}`
  return { text, broken }
}

const timeOf = ({ sentAt, answeredAt }: Sent) => answeredAt - sentAt
const seconds = (ms: number) => `${(ms / 1000).toFixed(1)} s`
const rateOf = (events: number, ms: number) => `${Math.round(events / (ms / 1000))} events/s of the backlog`
const table = (rows: readonly (readonly [string, string | number])[]) =>
  ['| | |', '|---|---|', ...rows.map(([name, value]) => `| ${name} | ${value} |`)].join('\n')
const listed = (counts: Record<string, number>) =>
  Object.entries(counts)
    .map(([name, count]) => `${name}: ${count}`)
    .join(', ') || 'none'

function latencies(requests: readonly Sent[]): string {
  const times = requests.map(timeOf)
  const [p50, p99, max] = [0.5, 0.99, 1].map(q => `${quantile(times, q).toFixed(1)} ms`)
  return `${p50} / ${p99} / ${max} (${times.length})`
}

const SICK = 'spool.sick'
const WELL = Array.from({ length: 60 }, (_, i) => `spool.well.${i}`)
const WELL_RATE = 300
const SICK_RATE = 50

/** One topic has no leader; sixty others are well. */
export async function runTopic(say: (line: string) => void, options: SpoolOptions = {}): Promise<Result> {
  const { healthyS = 60, outageS = 300, afterS = 20 } = options
  const before = loadBefore()
  const { folder, conf } = await makeFolder([SICK, ...WELL])
  say('starting three brokers')
  const kafka = await startKafka({ brokers: 3, prefix: pinned(OTHER_CORE, []), javaOptions: [] })
  try {
    const config = { 'min.insync.replicas': '1' }
    const assignment = [
      [1, 2],
      [2, 1],
    ]
    for (const topic of WELL) await kafka.createTopic(topic, { assignment, config })
    await kafka.createTopic(SICK, { assignment: [[3]], config })
    const how = { prefix: pinned(SERVICE_CORE, []), env: { NODE_OPTIONS } }
    const gates = new Gates(
      (port, metricsPort) => startGate(kafka.bootstrap, { port, ...conf }, metricsPort, how),
      await freePorts(2),
    )
    gates.clock = () => performance.now()
    await gates.start()
    const watch = new Watch(gates)
    const [well, sick] = [new KeyedLoad(WELL), new KeyedLoad([SICK])]
    const common = { url: gates.url, arrayOf: 1, giveUpMs: DEADLINE_MS + 5000 }
    const offered = Promise.all([
      well.offer({ ...common, delivery: 'guaranteed', rate: WELL_RATE }),
      sick.offer({ ...common, delivery: 'guaranteed', rate: SICK_RATE }),
      sick.offer({ ...common, delivery: 'hasty', rate: SICK_RATE }),
    ])
    try {
      const begun = performance.now()
      await sleep(healthyS * 1000)
      say('kill -9 of the broker that leads one topic')
      const away = performance.now()
      await kafka.broker(3).kill9()
      await sleep(outageS * 1000)
      const started = performance.now()
      say(`${watch.waiting.at(-1)?.[1]} events wait; starting it again`)
      kafka.broker(3).start()
      await kafka.broker(3).whenServing(3)
      const back = performance.now()
      const drained = await watch.whenDrained(DRAIN_MS)
      say(drained === undefined ? 'not drained' : `drained ${seconds(drained - back)} later`)
      await sleep(afterS * 1000)
      for (const load of [well, sick]) load.stop()
      await offered
      await gates.whenNothingIsHeld(60_000)
      await gates.end()
      const wellBooks = (await audit(kafka, WELL, well)).balance([], 0)
      const sickBooks = (await audit(kafka, [SICK], sick)).balance([], 0)
      for (const suspect of [...wellBooks.suspects, ...sickBooks.suspects])
        say(`to be explained: ${JSON.stringify(suspect)}`)
      const times = { begun, away, started, back, drained }
      return reportTopic({ well, sick, wellBooks, sickBooks, watch, before, ...times })
    } finally {
      for (const load of [well, sick]) load.stop()
      watch.close()
      await gates.kill()
    }
  } finally {
    await kafka.close()
    await rm(folder, { recursive: true, force: true })
  }
}

interface TopicOutcome {
  well: KeyedLoad
  sick: KeyedLoad
  wellBooks: KeyedBooks
  sickBooks: KeyedBooks
  watch: Watch
  before: string
  begun: number
  away: number
  started: number
  back: number
  drained: number | undefined
}

function reportTopic(run: TopicOutcome): Result {
  const { well, sick, wellBooks, sickBooks, watch, begun, away, started, back, drained } = run
  const sent = (load: KeyedLoad, from: number, to: number) =>
    load.requests.filter(({ sentAt, delivery }) => delivery === 'guaranteed' && sentAt >= from && sentAt < to)
  // The first events of sixty topics wait for metadata and connections.
  const warm = begun + 10_000
  const healthy = sent(well, warm, away)
  const meanwhile = sent(well, away, started)
  const draining = sent(well, back, drained ?? Infinity)
  const broken = [...brokenPromises(wellBooks, away), ...brokenPromises(sickBooks, away)]
  const promise = (isKept: boolean, text: string) => {
    if (!isKept) broken.push(text)
  }
  const at = (requests: readonly Sent[], q: number) => quantile(requests.map(timeOf), q)
  const failed = sent(well, warm, Infinity).filter(({ status }) => status !== 201).length
  promise(failed === 0, `${failed} requests to well topics were not answered 201`)
  promise(wellBooks.spooled === 0, `${wellBooks.spooled} events of well topics were spooled`)
  promise(sickBooks.spooled > 0, 'nothing was spooled, so nothing was tested')
  promise(drained !== undefined, 'the spool was not drained')
  // A machine that does other things beside has tails of its own.
  promise(at(meanwhile, 0.5) <= 1.25 * at(healthy, 0.5) + 1, 'the p50 of well topics rose')
  promise(at(meanwhile, 0.99) <= 1.5 * at(healthy, 0.99) + 10, 'the p99 of well topics rose')
  promise(at(draining, 0.99) <= 2 * at(healthy, 0.99) + 10, 'the p99 of well topics rose while it drained')
  const rows: [string, string | number][] = [
    ['events to well topics: by what was said', listed(wellBooks.verdicts)],
    ['events to the topic without a leader', listed(sickBooks.verdicts)],
    ['their codes', listed(sick.codes)],
    ['**answered 201 or 202, missing**', wellBooks.missing + sickBooks.missing],
    ['**more than once in Kafka**', wellBooks.twice + sickBooks.twice],
    ['**out of order within their key**', wellBooks.disordered + sickBooks.disordered],
    ['**events of well topics that were spooled**', wellBooks.spooled],
    ['most events that waited in the spool', watch.most(watch.waiting)],
    ['well topics before: p50 / p99 / max', latencies(healthy)],
    ['**well topics meanwhile**', latencies(meanwhile)],
    ['well topics while it drains', latencies(draining)],
    ['the topic without a leader, meanwhile', latencies(sent(sick, away + SPOOLS_MS, started))],
    [
      'the spool was empty after the broker served again',
      drained === undefined ? 'never' : seconds(drained - back),
    ],
    ["delay of the clients' own event loop, p99", `${quantile(watch.lateMs, 0.99).toFixed(1)} ms`],
  ]
  const text = `One topic's only broker is killed (\`kill -9\`), and started again after ${seconds(started - away)}. Sixty topics on two other brokers are well. The load is ${WELL_RATE} guaranteed events a second to the sixty, and ${SICK_RATE} guaranteed and ${SICK_RATE} hasty ones to the one.

${table(rows)}

${run.before}`
  return { text, broken }
}
