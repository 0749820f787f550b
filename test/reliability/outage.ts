/** Three minutes without Kafka, under load: what the service answers, what it takes of memory, and how it comes back. */
import { createReadStream } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import kafkajs from 'kafkajs'
import { type KafkaCluster, readRecords, startKafka } from '../support/kafka.js'
import { type CrowdReport, type Entry, pinned, type Reply, startCrowd } from './crowd.js'
import { createLedgerTopics } from './ledger.js'
import { quantile } from './load.js'
import {
  loadBefore,
  memoryOf,
  NODE_OPTIONS,
  OTHER_CORE,
  POD_MIB,
  SERVICE_CORE,
  waitedSeconds,
} from './overload.js'
import type { Result } from './report.js'
import { startBare, startEventGate } from './service.js'

export interface OutageOptions {
  healthyS?: number
  outageS?: number
  afterS?: number
}

const TOPICS = ['outage.one', 'outage.two']
const HASTY_TOPICS = ['outage.hasty']
/** Every tenth request is an array of 50, so that ten requests are 59 events: 1000 events/s. */
const LOAD = { rate: 1000 / 5.9, arrayOf: 50, every: 10 }
/** So many that their bound is reached within the first minute: what comes after that takes no more memory. */
const HASTY_RATE = 500
/** To the bare handler, which stands for what the machine itself is late by. */
const BARE_RATE = 100
const DEADLINE_MS = 9000
/** Time within which each request is answered after the first timeout. */
const PROMPT_MS = 50
const BACK_MS = 5000
const MAX_CONNECTIONS = 2500
/** Memory is read so often. */
const SAMPLE_MS = 1000
/** Marks the records that found out that Kafka is back. */
export const MARK = 'is Kafka back?'

export async function run(
  say: (line: string) => void,
  { healthyS = 30, outageS = 180, afterS = 40 }: OutageOptions = {},
): Promise<Result> {
  const load = loadBefore()
  const folder = await mkdtemp(join(tmpdir(), 'eventgate-outage-'))
  say('starting three brokers')
  const kafka = await startKafka({ brokers: 3, prefix: pinned(OTHER_CORE, []), javaOptions: [] })
  try {
    await createLedgerTopics(kafka, [...TOPICS, ...HASTY_TOPICS])
    const gate = await startEventGate(
      kafka.bootstrap,
      { request_timeout_ms: DEADLINE_MS },
      { prefix: pinned(SERVICE_CORE, []), env: { NODE_OPTIONS } },
    )
    const bare = await startBare({ prefix: pinned(SERVICE_CORE, []) })
    const rss: [at: number, mib: number][] = []
    const sampling = setInterval(() => rss.push([Date.now(), memoryOf(gate.process.pid, 'VmRSS')]), SAMPLE_MS)
    const clients = { url: gate.url, core: OTHER_CORE, seconds: 3600, events: 'ledger' as const }
    const ledger = join(folder, 'guaranteed')
    const guaranteed = startCrowd({
      ...{ ...clients, ...LOAD, streams: TOPICS, connections: MAX_CONNECTIONS },
      ...{ giveUpMs: DEADLINE_MS + 5000, ledger },
    })
    const hasty = startCrowd({
      ...{ ...clients, rate: HASTY_RATE, streams: HASTY_TOPICS, connections: 500, hasty: true },
    })
    const control = startCrowd({
      ...{ ...clients, url: bare.url, rate: BARE_RATE, streams: TOPICS, connections: 100 },
    })
    const all = [guaranteed, hasty, control]
    try {
      await sleep(healthyS * 1000)
      say('kill -9 of all brokers')
      const away = Date.now()
      const waitedBefore = waitedSeconds(gate.process.pid)
      await Promise.all(kafka.brokers.map(broker => broker.kill9()))
      await sleep(outageS * 1000)
      say('starting them again')
      const started = Date.now()
      const waitedShare = (waitedSeconds(gate.process.pid) - waitedBefore) / ((started - away) / 1000)
      for (const broker of kafka.brokers) broker.start()
      const back = await whenServing(kafka)
      say(`Kafka serves after ${((back - started) / 1000).toFixed(1)} s`)
      await sleep(afterS * 1000)
      for (const each of all) each.stop()
      const [answers, beside, bareReport] = (await Promise.all(all.map(each => each.report))) as Reports
      clearInterval(sampling)
      await gate.close()
      await kafka.whenInSync([...TOPICS])
      const books = await compare(ledger, kafka)
      const { text, broken } = report({
        answers,
        beside,
        control: bareReport,
        books,
        rss,
        away,
        started,
        back,
        waitedShare,
      })
      return { text: `${text}\n\n${load}`, broken }
    } finally {
      clearInterval(sampling)
      for (const each of all) each.stop()
      await bare.close()
      await gate.close()
    }
  } finally {
    await kafka.close()
    await rm(folder, { recursive: true, force: true })
  }
}

/** When each partition of the topics, which have six, has taken a record of a client that is new to it. */
export async function whenServing(kafka: KafkaCluster, topics: readonly string[] = TOPICS): Promise<number> {
  const partitions = [0, 1, 2, 3, 4, 5]
  for (;;) {
    const client = new kafkajs.Kafka({
      brokers: kafka.brokers.map(broker => broker.address),
      logLevel: kafkajs.logLevel.NOTHING,
      connectionTimeout: 500,
      requestTimeout: 2000,
      retry: { retries: 0 },
    })
    const producer = client.producer({ createPartitioner: kafkajs.Partitioners.DefaultPartitioner })
    try {
      await producer.connect()
      const messages = partitions.map(partition => ({ partition, value: MARK }))
      await producer.sendBatch({ acks: -1, topicMessages: topics.map(topic => ({ topic, messages })) })
      return Date.now()
    } catch {
      await sleep(50)
    } finally {
      await producer.disconnect().catch(() => {})
    }
  }
}

interface Books {
  /** Events by what was said of them. */
  verdicts: Record<string, number>
  codes: Record<string, number>
  /** Said to be stored, and not. */
  missing: number
  /** Said not to be, and are. */
  denied: number
  twice: number
  unknownStored: number
}

/** Holds what was answered against what is in Kafka. */
async function compare(ledger: string, kafka: KafkaCluster): Promise<Books> {
  const stored = new Map<string, number>()
  for await (const { value } of readRecords(kafka.bootstrap, TOPICS)) {
    const id = /"id":"([^"]+)"/.exec(String(value))?.[1]
    if (id !== undefined) stored.set(id, (stored.get(id) ?? 0) + 1)
  }
  const books: Books = { verdicts: {}, codes: {}, missing: 0, denied: 0, twice: 0, unknownStored: 0 }
  for (const count of stored.values()) if (count > 1) books.twice++
  for await (const line of createInterface({ input: createReadStream(ledger) })) {
    const { id, verdict, code } = JSON.parse(line) as Entry
    books.verdicts[verdict] = (books.verdicts[verdict] ?? 0) + 1
    if (code !== undefined) books.codes[code] = (books.codes[code] ?? 0) + 1
    const isStored = stored.has(id)
    if (verdict === 'stored' && !isStored) books.missing++
    if (verdict === 'not_stored' && isStored) books.denied++
    if (verdict === 'unknown' && isStored) books.unknownStored++
  }
  return books
}

type Reports = [CrowdReport, CrowdReport, CrowdReport]

interface Run {
  answers: CrowdReport
  beside: CrowdReport
  control: CrowdReport
  books: Books
  rss: readonly [at: number, mib: number][]
  away: number
  started: number
  back: number
  /** Of the time without Kafka, what the service waited for a processor. */
  waitedShare: number
}

function report({ answers, beside, control, books, rss, away, started, back, waitedShare }: Run): Result {
  const { replies, skipped, lateMs } = answers
  const sent = (from: number, to = Infinity) => replies.filter(({ at }) => at >= from && at < to)
  const healthy = sent(0, away - DEADLINE_MS)
  // From then on the first event that timed out has been answered.
  const vain = away + DEADLINE_MS + 1000
  const during = sent(vain, started)
  const prompt = during.filter(({ ms }) => ms < PROMPT_MS)
  const machine = control.replies.filter(({ at }) => at >= vain && at < started)
  const machineShare = machine.filter(({ ms }) => ms < PROMPT_MS).length / machine.length
  const refused = during.filter(({ status }) => status === 503)
  const late = during.filter(({ ms }) => ms >= 1000)
  const failed = replies.filter(({ at, status }) => at >= started && status !== 201)
  const wellAt = failed.reduce((latest, { at }) => Math.max(latest, at), started)
  const overDeadline = replies.filter(({ ms }) => ms > DEADLINE_MS + 500).length
  const most = (from: number, to: number) =>
    Math.max(...rss.filter(([at]) => at >= from && at < to).map(([, mib]) => mib))
  const memory = {
    healthy: most(0, away),
    first: most(away, away + 30_000),
    settled: most(away + 30_000, away + 60_000),
    end: most(Math.max(away + 60_000, started - 120_000), started),
    after: most(started, Infinity),
  }
  const share = (part: number, whole: number) => `${((100 * part) / whole).toFixed(2)} %`
  const broken: string[] = []
  const none = (count: number, what: string) => {
    if (count > 0) broken.push(`${count} ${what}`)
  }
  none(books.missing, 'events were answered 201 and are not stored')
  none(books.denied, 'events were said to be not stored and are')
  none(books.twice, 'events are stored more than once')
  none(books.verdicts.no_answer ?? 0, 'events got no answer')
  none(books.verdicts.unexplained ?? 0, 'events failed with no word about their fate')
  none(overDeadline, 'requests were answered after their deadline')
  none(skipped, 'requests could not be sent')
  none(during.length - refused.length, 'requests were not answered 503 while Kafka was away')
  none(
    during.length - prompt.length,
    `requests were not answered within ${PROMPT_MS} ms while Kafka was away`,
  )
  none(healthy.filter(({ status }) => status !== 201).length, 'requests failed before')
  if (memory.end > 1.1 * memory.settled) broken.push('memory grew while Kafka was away')
  if (Math.max(...rss.map(([, mib]) => mib)) > POD_MIB)
    broken.push(`the service took more than ${POD_MIB} MiB`)
  if (wellAt > back + BACK_MS) broken.push(`requests failed up to ${wellAt - back} ms after Kafka's return`)

  const ms = (of: readonly Reply[]) => {
    const latencies = of.map(reply => reply.ms)
    return [0.5, 0.99, 0.999, 1].map(q => `${quantile(latencies, q).toFixed(1)}`).join(' / ')
  }
  const listed = (counts: Record<string, number>) =>
    Object.entries(counts)
      .map(([name, count]) => `${name}: ${count}`)
      .join(', ') || 'none'
  const statuses = (of: readonly Reply[]) => {
    const counts: Record<string, number> = {}
    for (const { status } of of) counts[status] = (counts[status] ?? 0) + 1
    return listed(counts)
  }
  const since = wellAt - back
  const rows: [string, string | number][] = [
    ['requests before: by status', statuses(healthy)],
    ['their p50 / p99 / p99.9 / max, ms', ms(healthy)],
    ['of the first deadline without Kafka: by status', statuses(sent(away, vain))],
    ['later, without Kafka: by status', statuses(during)],
    ['their p50 / p99 / p99.9 / max, ms', ms(during)],
    [`**answered within ${PROMPT_MS} ms**`, `${share(prompt.length, during.length)} of ${during.length}`],
    [
      `those of a bare handler on the same processor: p50 / p99 / p99.9 / max; within ${PROMPT_MS} ms`,
      `${ms(machine)}; ${share(machineShare, 1)}`,
    ],
    ['of that time the service waited for a processor', share(waitedShare, 1)],
    ['answered after more than 1 s', late.length],
    [
      'hasty ones, meanwhile: by status',
      statuses(beside.replies.filter(({ at }) => at >= vain && at < started)),
    ],
    [
      '**the last to fail was sent, after Kafka served again**',
      since <= 0 ? 'none' : `${(since / 1000).toFixed(1)} s`,
    ],
    ['events by what was said of them', listed(books.verdicts)],
    ['codes', listed(books.codes)],
    ['**answered 201, missing**', books.missing],
    ['**said to be not stored, stored**', books.denied],
    ['**stored more than once**', books.twice],
    ['of unknown fate, stored', books.unknownStored],
    ['answered over the deadline', overDeadline],
    [
      'MiB at most: before; without Kafka, first 30 s, next 30 s, **last 2 minutes**; after',
      `${memory.healthy.toFixed(0)}; ${[memory.first, memory.settled].map(mib => mib.toFixed(0)).join(', ')}, ${memory.end.toFixed(0)}; ${memory.after.toFixed(0)}`,
    ],
  ]
  const text = `All three brokers are killed (\`kill -9\`), and started again after ${((started - away) / 1000).toFixed(0)} s. The load is 1000 guaranteed events a second, single and in arrays of ${LOAD.arrayOf}, over two streams of six partitions, and ${HASTY_RATE} hasty ones. Node.js: \`${NODE_OPTIONS}\`. "Without Kafka" begins ${((vain - away) / 1000).toFixed(0)} s after the kill, when the first deadline has passed. Kafka served again ${((back - started) / 1000).toFixed(1)} s after its start: then each partition had taken a record of a new client. The clients' own delay, p99: ${lateMs.toFixed(1)} ms.

| | |
|---|---|
${rows.map(([name, value]) => `| ${name} | ${value} |`).join('\n')}`
  return { text, broken }
}
