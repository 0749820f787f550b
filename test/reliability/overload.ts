/**
 * More than the service can take. First, five times the connections that saturate it with guaranteed events. Then
 * hasty events, as fast as possible, beside guaranteed ones.
 */
import { readFileSync } from 'node:fs'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { cpus, loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { dump } from 'js-yaml'
import { benchSchema } from '../../bench/event.js'
import { type KafkaCluster, startKafka } from '../support/kafka.js'
import { type CrowdReport, crowd, hasTaskset, pinned, startCrowd } from './crowd.js'
import { quantile } from './load.js'
import type { Result } from './report.js'
import { nodeOptions, startEventGate } from './service.js'

/** The service has one, and its clients and Kafka the other. */
export const SERVICE_CORE = '0'
export const OTHER_CORE = '1'
/** Of the pod that production gives it. */
export const POD_MIB = 300
export const NODE_OPTIONS = nodeOptions()

const ARRAY = 50
/** Numbers of connections that are tried for the peak. */
const STEPS = [1, 2, 4, 8, 16, 32]
const STEP_S = 6
const CROWD_S = 15
const FACTOR = 5
/** For information. */
const FAR_FACTOR = 20

const STREAMS = ['overload.guaranteed']
const HASTY_STREAMS = ['overload.hasty']
const RATE = 200
const HASTY_CONNECTIONS = 128
const BESIDE_S = 15
const ROUNDS = 5
const HASTY = [
  { name: 'single events', shape: {} },
  { name: 'single events and arrays of 50 by turns', shape: { arrayOf: ARRAY, every: 2 } },
]
/** Of a process's times in /proc: 100 on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100

const PARTS = { crowd: { brokers: 3, measure: measureCrowd }, hasty: { brokers: 1, measure: measureHasty } }

export async function run(
  say: (line: string) => void,
  parts: readonly (keyof typeof PARTS)[] = ['crowd', 'hasty'],
): Promise<Result> {
  const before = loadBefore()
  const folder = await mkdtemp(join(tmpdir(), 'eventgate-overload-'))
  await mkdir(join(folder, 'bench/event'), { recursive: true })
  await writeFile(join(folder, 'bench/event/1.0.0.yaml'), dump(benchSchema()))
  try {
    const results: Result[] = []
    for (const part of parts) {
      const { brokers, measure } = PARTS[part]
      say(`starting ${brokers} broker(s)`)
      const kafka = await startKafka({ brokers, prefix: pinned(OTHER_CORE, []), javaOptions: [] })
      try {
        for (const topic of [...STREAMS, ...HASTY_STREAMS]) await kafka.createTopic(topic, { partitions: 6 })
        results.push(await measure(kafka, folder, say))
      } finally {
        await kafka.close()
      }
    }
    return {
      text: [...results.map(r => r.text), before].join('\n\n'),
      broken: results.flatMap(r => r.broken),
    }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** The producers are set up as in production. */
function startGate(kafka: KafkaCluster, folder: string) {
  return startEventGate(
    kafka.bootstrap,
    {
      schema_base_uris: [folder],
      schema_precache_uris: ['/bench/event/1.0.0'],
      kafka: {
        conf: { 'metadata.broker.list': kafka.bootstrap, 'compression.codec': 'snappy' },
        hasty: { conf: { 'queue.buffering.max.ms': 1000 } },
      },
    },
    { prefix: pinned(SERVICE_CORE, []), env: { NODE_OPTIONS } },
  )
}

/** Times that were measured on a machine which had other things to do say little. */
export function loadBefore(): string {
  return `The machine's load before: ${(loadavg()[0] as number).toFixed(1)}, on ${cpus().length} processors.`
}

/** For how long the main thread was ready to run, and others had the processor: what the machine is to blame for. */
export function waitedSeconds(pid: number | undefined): number {
  return Number(readFileSync(`/proc/${pid}/task/${pid}/schedstat`, 'utf8').split(' ')[1]) / 1e9
}

/** A figure of /proc/PID/status, in MiB. */
export function memoryOf(pid: number | undefined, figure: 'VmRSS' | 'VmHWM'): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  return Number(new RegExp(`${figure}:\\s+(\\d+)`).exec(status)?.[1]) / 1024
}

interface Figures {
  /** Events a second that were accepted: answered 201 or 202. */
  goodput: number
  /** Of requests that were accepted. */
  p50: number
  p99: number
  statuses: Record<number, number>
  /** 503s that do not say when to come back. */
  unwaited: number
  lateMs: number
}

type Step = Figures & { connections: number }

function figuresOf({ replies, lateMs }: CrowdReport, seconds: number): Figures {
  const accepted = replies.filter(({ status }) => status === 201 || status === 202)
  const statuses: Record<number, number> = {}
  for (const { status } of replies) statuses[status] = (statuses[status] ?? 0) + 1
  const latencies = accepted.map(reply => reply.ms)
  return {
    goodput: accepted.reduce((sum, reply) => sum + reply.events, 0) / seconds,
    p50: quantile(latencies, 0.5),
    p99: quantile(latencies, 0.99),
    statuses,
    unwaited: replies.filter(reply => reply.status === 503 && Number.isNaN(reply.retryAfter)).length,
    lateMs,
  }
}

async function measureCrowd(
  kafka: KafkaCluster,
  folder: string,
  say: (line: string) => void,
): Promise<Result> {
  const gate = await startGate(kafka, folder)
  try {
    const { pid } = gate.process
    const offer = async (connections: number, seconds: number) => {
      const clients = {
        url: gate.url,
        core: OTHER_CORE,
        obeyed: true,
        streams: STREAMS,
        events: 'bench' as const,
      }
      const report = await crowd({ ...clients, connections, seconds, arrayOf: ARRAY })
      const figures = { connections, ...figuresOf(report, seconds) }
      say(
        `${connections} connections: ${JSON.stringify(figures)}, RSS ${memoryOf(pid, 'VmRSS').toFixed(0)} MiB`,
      )
      return figures
    }
    await offer(32, 15)
    const steps: Step[] = []
    for (const connections of STEPS) steps.push(await offer(connections, STEP_S))
    const peak = Math.max(...steps.map(step => step.goodput))
    // Who adds more than this gains nothing more.
    const saturating = steps.find(step => step.goodput >= 0.95 * peak) as Step
    const promised = await offer(FACTOR * saturating.connections, CROWD_S)
    const most = memoryOf(pid, 'VmHWM')
    const beyond = await offer(FAR_FACTOR * saturating.connections, CROWD_S)
    const broken: string[] = []
    const { goodput, p99, unwaited, statuses } = promised
    if (goodput < 0.8 * peak) broken.push(`goodput is ${percent(goodput / peak)} of the peak`)
    if (!(p99 < 1000)) broken.push(`the p99 of what is accepted is ${p99.toFixed(0)} ms`)
    if (unwaited + beyond.unwaited > 0) broken.push(`${unwaited + beyond.unwaited} 503s have no Retry-After`)
    const others = Object.keys(statuses).filter(status => status !== '201' && status !== '503')
    if (others.length > 0) broken.push(`there were answers ${others.join(', ')}`)
    if (most > POD_MIB) broken.push(`the service took ${most.toFixed(0)} MiB, more than its pod's ${POD_MIB}`)
    const row = (f: Step) =>
      `| ${f.connections} | ${f.goodput.toFixed(0)} | ${percent(f.goodput / peak)} | ${f.p50.toFixed(0)} | ${f.p99.toFixed(0)} | ${f.statuses[503] ?? 0} |`
    const text = `Arrays of ${ARRAY} guaranteed events of production's size, three brokers, default bounds. Node.js: \`${NODE_OPTIONS}\`${where()}. Each client sends its next request after the previous answer, and after a 503 when \`Retry-After\` allows. ${saturating.connections} connections saturate the service.

| connections | events/s answered 201 | of the peak | p50 ms | p99 ms | 503s |
|---|---|---|---|---|---|
${[...steps, promised, beyond].map(row).join('\n')}

Promised are ${FACTOR} times the connections that saturate it; the last row shows what becomes of more. Memory at its highest, up to the promise: ${most.toFixed(0)} MiB, of the pod's ${POD_MIB}; with the last row ${memoryOf(pid, 'VmHWM').toFixed(0)}.`
    return { text, broken }
  } finally {
    await gate.close()
  }
}

async function measureHasty(
  kafka: KafkaCluster,
  folder: string,
  say: (line: string) => void,
): Promise<Result> {
  const gate = await startGate(kafka, folder)
  try {
    const clients = { url: gate.url, core: OTHER_CORE, events: 'bench' as const }
    const guaranteed = (seconds: number) =>
      crowd({ ...clients, seconds, connections: 1000, rate: RATE, streams: STREAMS })
    const hasty = (seconds: number, shape: object) =>
      startCrowd({
        ...clients,
        ...{
          seconds,
          connections: HASTY_CONNECTIONS,
          hasty: true,
          modest: true,
          streams: HASTY_STREAMS,
          ...shape,
        },
      })
    for (const { shape } of HASTY) await Promise.all([guaranteed(8), hasty(8, shape).report])
    const rows: string[] = []
    const broken: string[] = []
    for (const { name, shape } of HASTY) {
      const ratios: number[] = []
      for (let round = 0; round < ROUNDS; round++) {
        await sleep(3000)
        const alone = figuresOf(await guaranteed(BESIDE_S), BESIDE_S)
        const crowd = hasty(BESIDE_S + 4, shape)
        await sleep(2000)
        const before = cpuSeconds(gate.process.pid)
        const beside = figuresOf(await guaranteed(BESIDE_S), BESIDE_S)
        const busy = (cpuSeconds(gate.process.pid) - before) / BESIDE_S
        const load = figuresOf(await crowd.report, BESIDE_S + 4)
        say(JSON.stringify({ name, alone, beside, load, busy }))
        const ratio = beside.p99 / alone.p99
        ratios.push(ratio)
        const figures = [alone.p50, alone.p99, beside.p50, beside.p99].map(ms => ms.toFixed(1))
        rows.push(
          `| ${[name, ...figures, ratio.toFixed(2), load.goodput.toFixed(0), load.statuses[503] ?? 0, percent(busy)].join(' | ')} |`,
        )
        for (const status of Object.keys(beside.statuses))
          if (status !== '201') broken.push(`beside hasty events guaranteed ones were answered ${status}`)
      }
      const ratio = quantile(ratios, 0.5)
      if (!(ratio <= 2))
        broken.push(
          `beside hasty ${name} the p99 of guaranteed ones is ${ratio.toFixed(1)} times what it is alone`,
        )
    }
    const text = `Guaranteed events, ${RATE} single ones a second, alone and beside hasty ones. ${HASTY_CONNECTIONS} connections post the hasty events as fast as they are answered, 503 or not, with the CPU that Kafka leaves them. One broker${where()}. ${ROUNDS} rounds of ${BESIDE_S} s each; the median of their ratios must be 2 at most.

| hasty | alone: p50 ms | p99 ms | beside: p50 ms | p99 ms | p99 ÷ alone | hasty events/s answered 202 | 503s | the service's CPU |
|---|---|---|---|---|---|---|---|---|
${rows.join('\n')}

Memory at its highest: ${memoryOf(gate.process.pid, 'VmHWM').toFixed(0)} MiB.`
    return { text, broken }
  } finally {
    await gate.close()
  }
}

/** User and system, of all its threads. */
function cpuSeconds(pid: number | undefined): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND
}

function where(): string {
  return hasTaskset ? '; the service on one core, its clients and the brokers on the other' : ''
}

const percent = (share: number) => `${(share * 100).toFixed(0)} %`
