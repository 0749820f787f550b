/**
 * The ledger's part `isolation`: topics that are well, beside floods to one that is sick. And, for the rolling
 * restart, topics of which every partition changes its leader.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { type KafkaCluster, readRecords, startKafka } from '../support/kafka.js'
import { KAFKA_VERSION } from '../support/kafka-jars.js'
import { type Answered, offer, quantile } from './load.js'
import type { Result } from './report.js'
import { type Started, startEventGate } from './service.js'

const WELL = 'isolation.well'
const ROLLED = 'isolation.rolled'
const SICK = {
  leaderless: 'isolation.leaderless',
  never: 'isolation.never',
  few: 'isolation.few',
  followed: 'isolation.followed',
} as const

/** What is done to broker 3, which neither leads nor follows anything that is well. */
interface Sickness {
  readonly what: string
  readonly topics: readonly string[]
  /** Begins it; what this answers ends it. */
  begin(kafka: KafkaCluster): Promise<() => Promise<void>>
}

const nothing = async () => async () => {}

async function kill(kafka: KafkaCluster): Promise<() => Promise<void>> {
  await kafka.broker(3).kill9()
  return async () => {
    kafka.broker(3).start()
    await kafka.broker(3).whenServing(3)
    await kafka.whenInSync([SICK.leaderless, SICK.few, SICK.followed])
  }
}

/** Stopped and continued, again and again. */
function stopAndGo(stopMs: number, goMs: number): Sickness['begin'] {
  return async kafka => {
    const follower = kafka.broker(3)
    let isOver = false
    const done = (async () => {
      while (!isOver) {
        follower.stop()
        await sleep(stopMs)
        follower.cont()
        await sleep(goMs)
      }
    })()
    return async () => {
      isOver = true
      await done
      await kafka.whenInSync([SICK.few, SICK.followed])
    }
  }
}

const SICKNESSES: readonly Sickness[] = [
  { what: 'a topic without a leader', topics: [SICK.leaderless], begin: kill },
  { what: 'a topic that is never made', topics: [SICK.never], begin: nothing },
  { what: 'a topic with too few replicas', topics: [SICK.few], begin: kill },
  { what: 'a topic whose follower is stopped', topics: [SICK.followed], begin: stopAndGo(7000, 1) },
  { what: 'a topic whose follower is slow', topics: [SICK.followed], begin: stopAndGo(500, 20) },
  { what: 'the first three at a time', topics: [SICK.leaderless, SICK.never, SICK.few], begin: kill },
]

/** So that floods of seconds show what those of hours do: the room of each producer, in KiB. */
const ROOM_KB = 1024
const WELL_RATE = 60
const FLOOD_RATE = 250
const CALM_MS = 4000
const WARM_UP_MS = 2000
const FLOOD_MS = 14_000
const DEADLINE_MS = 9000
const RESTART_DEADLINE_MS = 19_000

interface Row {
  readonly what: string
  readonly flood: 'guaranteed' | 'hasty'
  readonly before: readonly Answered[]
  readonly meanwhile: readonly Answered[]
}

export async function run(say: (line: string) => void): Promise<Result> {
  say('starting three brokers')
  const kafka = await startKafka({ brokers: 3, properties: { 'auto.create.topics.enable': 'false' } })
  try {
    const config = { 'min.insync.replicas': '1' }
    const few = { 'min.insync.replicas': '2' }
    const both = [1, 2, 1, 2].map(leader => [leader, 3 - leader])
    await kafka.createTopic(WELL, { assignment: both, config })
    await kafka.createTopic(SICK.leaderless, { assignment: [[3]], config })
    await kafka.createTopic(SICK.few, { assignment: [[1, 3]], config: few })
    await kafka.createTopic(SICK.followed, {
      assignment: [
        [1, 3],
        [2, 3],
      ],
      config,
    })
    await kafka.createTopic(ROLLED, { partitions: 6, config: few })
    const rows: Row[] = []
    for (const sickness of SICKNESSES)
      for (const flood of ['guaranteed', 'hasty'] as const) {
        say(`${sickness.what}, ${flood}`)
        const row = await measure(kafka, sickness, flood)
        rows.push(row)
        const broken: string[] = []
        say([lineOf(row, undefined, broken), ...broken].join('\n'))
      }
    say('all brokers are restarted')
    const rolled = await roll(kafka)
    const stored = new Set<string>()
    for await (const { value } of readRecords(kafka.bootstrap, [WELL, ROLLED]))
      stored.add((JSON.parse(String(value)) as { meta: { id: string } }).meta.id)
    return resultOf(rows, rolled, stored)
  } finally {
    await kafka.close()
  }
}

function startGate(kafka: KafkaCluster, conf: Record<string, unknown>): Promise<Started> {
  const properties = { 'metadata.broker.list': kafka.bootstrap, 'queue.buffering.max.kbytes': ROOM_KB }
  return startEventGate(kafka.bootstrap, {
    kafka: { conf: properties },
    hasty_max_bytes: ROOM_KB * 1024,
    max_body_size: (ROOM_KB * 1024) / 2,
    ...conf,
  })
}

async function measure(kafka: KafkaCluster, sickness: Sickness, flood: Row['flood']): Promise<Row> {
  const gate = await startGate(kafka, { request_timeout_ms: DEADLINE_MS })
  try {
    let isOver = false
    const common = { url: gate.url, arrayOf: 1, giveUpMs: DEADLINE_MS + 5000 }
    const start = performance.now()
    const well = offer({ ...common, rate: WELL_RATE, streams: [WELL], more: () => !isOver, hastyEvery: 3 })
    await sleep(WARM_UP_MS + CALM_MS)
    const end = await sickness.begin(kafka)
    const begunAt = performance.now() - start
    await offer({
      ...common,
      rate: FLOOD_RATE,
      streams: sickness.topics,
      more: elapsed => elapsed < FLOOD_MS,
      hastyEvery: flood === 'hasty' ? 1 : 0,
      event: bigEvent,
    })
    isOver = true
    const events = await well
    await end()
    const between = (from: number, to: number) => events.filter(({ sentAt }) => sentAt >= from && sentAt < to)
    return {
      what: sickness.what,
      flood,
      before: between(WARM_UP_MS, WARM_UP_MS + CALM_MS),
      meanwhile: between(begunAt, Infinity),
    }
  } finally {
    await gate.close()
  }
}

function bigEvent(id: string, stream: string): unknown {
  return { $schema: '/ledger/event/1.0.0', meta: { stream, id, domain: 'x' }, test: 'x'.repeat(1000) }
}

/** Ends and starts each broker in its turn; after each, leaders move, and at the last there are more partitions. */
async function roll(kafka: KafkaCluster): Promise<Answered[]> {
  const gate = await startGate(kafka, { request_timeout_ms: RESTART_DEADLINE_MS })
  try {
    let isOver = false
    const load = offer({
      url: gate.url,
      rate: 2 * WELL_RATE,
      streams: [ROLLED],
      more: () => !isOver,
      giveUpMs: RESTART_DEADLINE_MS + 5000,
      hastyEvery: 4,
    })
    await sleep(WARM_UP_MS)
    for (const broker of kafka.brokers) {
      await broker.terminate()
      await sleep(1000)
      broker.start()
      await broker.whenServing(3)
      await kafka.whenInSync([ROLLED])
      await kafka.moveLeaders([ROLLED])
    }
    await kafka.addPartitions(ROLLED, 9)
    await sleep(3000)
    isOver = true
    return await load
  } finally {
    await gate.close()
  }
}

function resultOf(rows: readonly Row[], rolled: readonly Answered[], stored: ReadonlySet<string>): Result {
  const broken: string[] = []
  const lines = rows.map(row => lineOf(row, stored, broken))
  const asked = rolled.filter(({ delivery }) => delivery === 'guaranteed')
  const answered = asked.filter(({ verdict }) => verdict === 'stored')
  const lost = lostOf(rolled, stored)
  if (answered.length < asked.length)
    broken.push(
      `rolling restart: ${asked.length - answered.length} of ${asked.length} events were not answered 201`,
    )
  if (lost > 0) broken.push(`rolling restart: ${lost} hasty events were lost`)
  const latencies = answered.map(({ latency }) => latency)
  return {
    broken,
    text: `Three brokers of Apache Kafka ${KAFKA_VERSION}. Brokers 1 and 2 have all that is well, and \`request_timeout_ms\` is ${DEADLINE_MS}. Each producer has ${ROOM_KB} KiB of room. A flood of ${FLOOD_RATE} events a second of 1.2 kB fills it in five seconds if nothing holds the flood back. A third of the events to the well topic is hasty. Each row is a service of its own: ${CALM_MS / 1000} s before, then ${FLOOD_MS / 1000} s of flood.

| sick beside it | flood | the well topic: answered 201 | p50 before | p50 | p99 | hasty refused | hasty lost |
|---|---|---|---|---|---|---|---|
${lines.join('\n')}

A rolling restart: all three brokers shut down and started again, leaders moved after each, partitions added. With \`request_timeout_ms\` ${RESTART_DEADLINE_MS}, ${percent(answered.length, asked.length)} of ${asked.length} events were answered 201: p50 ${ms(quantile(latencies, 0.5))}, p99 ${ms(quantile(latencies, 0.99))}, max ${ms(Math.max(...latencies))}; ${lost} hasty events lost.
`,
  }
}

function lineOf(
  { what, flood, before, meanwhile }: Row,
  stored: ReadonlySet<string> | undefined,
  broken: string[],
): string {
  const of = (events: readonly Answered[], delivery: Answered['delivery']) =>
    events.filter(event => event.delivery === delivery)
  const asked = of(meanwhile, 'guaranteed')
  const answered = asked.filter(({ verdict }) => verdict === 'stored')
  const latencies = asked.map(({ latency }) => latency)
  const p50Before = quantile(
    of(before, 'guaranteed').map(({ latency }) => latency),
    0.5,
  )
  const [p50, p99] = [quantile(latencies, 0.5), quantile(latencies, 0.99)]
  const refused = of(meanwhile, 'hasty').filter(({ verdict }) => verdict !== 'accepted').length
  const lost = stored ? lostOf(meanwhile, stored) : 0
  const promise = (isKept: boolean, text: string) => {
    if (!isKept) broken.push(`beside ${what} (${flood}): ${text}`)
  }
  const codes = new Set(asked.flatMap(({ verdict, code }) => (verdict === 'stored' ? [] : [code])))
  promise(
    answered.length === asked.length,
    `${asked.length - answered.length} events were not answered 201 (${[...codes].join(', ')})`,
  )
  promise(p50 <= 3 * p50Before + 5, `p50 ${ms(p50)} after ${ms(p50Before)}`)
  promise(p99 <= 1000, `p99 ${ms(p99)}`)
  promise(refused === 0, `${refused} hasty events were refused`)
  promise(lost === 0, `${lost} hasty events were lost`)
  const share = percent(answered.length, asked.length)
  return `| ${what} | ${flood} | ${share} of ${asked.length} | ${ms(p50Before)} | ${ms(p50)} | ${ms(p99)} | ${refused} | ${lost} |`
}

/** Hasty events that were accepted, and are not stored. */
function lostOf(events: readonly Answered[], stored: ReadonlySet<string>): number {
  return events.filter(({ verdict, id }) => verdict === 'accepted' && !stored.has(id)).length
}

function percent(part: number, whole: number): string {
  return `${((100 * part) / whole).toFixed(2)} %`
}

function ms(value: number): string {
  return `${value.toFixed(1)} ms`
}
