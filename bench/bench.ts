/**
 * Measures what an event costs: CPU of the server process (user and system, all threads). The yardstick is a bare
 * node:http handler that reads the body, parses it and answers 201. All are measured in turn, round by round, in
 * one run, because only ratios count. What was acknowledged is read back from Kafka. Writes bench/RESULTS.md.
 *
 *   npm run bench [-- --seconds 3 --rounds 4 --events 1000000 --nodes node,/path/to/another/node]
 *
 * compare.ts has what `--against` and `--workers` do.
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, tmpdir, totalmem } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { nodeOptions } from '../test/reliability/service.js'
import { type KafkaCluster, startKafka } from '../test/support/kafka.js'
import { readRecords } from '../test/support/kafka-read.js'
import { SHAPES, type Shape, WIDE } from './event.js'
import { makeLoad } from './load.js'
import { ROOT, type Subject, startSubjects } from './subjects.js'

const LOAD_CORE = '1'
const CONNECTIONS = 64
/** Until the compilers of Node and of Java are done, and Kafka has made the files of its partitions. */
const WARM_UP_S = 5

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '3' },
    rounds: { type: 'string', default: '4' },
    events: { type: 'string', default: '1000000' },
    nodes: { type: 'string', default: process.execPath },
  },
})

/** One measurement. */
interface Sample {
  eventsPerSecond: number
  microsPerEvent: number
  p50: number
  p99: number
  rssMiB: number
}

const folder = mkdtempSync(join(tmpdir(), 'eventgate-bench-'))
const kafka = await startKafka({ brokers: 1, prefix: ['taskset', '-c', LOAD_CORE], javaOptions: [] })
try {
  const sections: string[] = []
  for (const node of values.nodes.split(',')) sections.push(await bench(node))
  const [model] = cpus()
  const machine = `${cpus().length} cores of ${model?.model.trim()}, ${Math.round(totalmem() / 2 ** 30)} GiB`
  const head = `# Benchmark

Written by \`npm run bench\` on ${new Date().toISOString().slice(0, 10)}; read the ratios. ${machine}; Apache Kafka 4.2.0, one broker. The server has one core, the load (${makeLoad({ folder, core: LOAD_CORE, connections: CONNECTIONS }).name}, ${CONNECTIONS} connections, as fast as they are answered) and the broker have the other. Events of ${SHAPES.one.bodies[0]?.length} bytes and 58 properties; \`acks\` all. CPU is user and system of the server process, all its threads (µs an event are seconds per million events), started with \`${nodeOptions()}\`. Medians of ${values.rounds} rounds of ${values.seconds} s, each ratio to the bare handler with single events of its round.
`
  writeFileSync(join(ROOT, 'bench/RESULTS.md'), [head, ...sections].join('\n'))
} catch (error) {
  console.error(error)
  process.exitCode = 1
} finally {
  await kafka.close()
  setTimeout(() => process.exit(), 1000).unref()
  rmSync(folder, { recursive: true, force: true })
}

async function bench(node: string): Promise<string> {
  const version = spawnSync(node, ['-v'], { encoding: 'utf8' }).stdout.trim()
  const run = `${version.replace(/\W/g, '_')}_${Date.now()}`
  await createTopics(kafka, run)
  const subjects = await startSubjects(node, folder, kafka.bootstrap, run)
  try {
    const { bare, memory, guaranteed, snappy, production, naive } = subjects
    const hasty = { ...subjects.hasty, url: `${subjects.hasty.url}?hasty=true` }
    const { one, wide, fifty } = SHAPES
    const all: [name: string, Subject, Shape][] = [
      ['bare handler', bare, one],
      ['memory producer', memory, one],
      ['memory producer', memory, fifty],
      ...[one, wide, fifty].map((shape): [string, Subject, Shape] => ['guaranteed', guaranteed, shape]),
      ...[one, wide, fifty].map((shape): [string, Subject, Shape] => ['production', production, shape]),
      ...[one, wide, fifty].map((shape): [string, Subject, Shape] => ['guaranteed, snappy', snappy, shape]),
      ...[one, wide, fifty].map((shape): [string, Subject, Shape] => ['hasty', hasty, shape]),
      ...[one, wide, fifty].map((shape): [string, Subject, Shape] => ['naive', naive, shape]),
    ]
    const load = makeLoad({ folder, core: LOAD_CORE, connections: CONNECTIONS })
    const ledger = new Map<Subject['topics'], { acknowledged: number; underWay: number }>()
    const measure = async (subject: Subject, shape: Shape, seconds: number): Promise<Sample> => {
      const before = subject.cpuSeconds()
      const { requests, failed, p50, p99 } = await load.run(subject.url, shape.bodies, seconds)
      if (failed > 0 && subject !== naive)
        throw new Error(`${shape.name} at ${subject.url}: ${failed} failed`)
      await subject.idle()
      const used = subject.cpuSeconds() - before
      const events = requests * shape.events
      if (subject.topics) {
        const entry = ledger.get(subject.topics) ?? { acknowledged: 0, underWay: 0 }
        entry.acknowledged += events
        // What the load cut off at its end may have been stored.
        entry.underWay += CONNECTIONS * shape.events
        ledger.set(subject.topics, entry)
      }
      return {
        eventsPerSecond: events / seconds,
        microsPerEvent: (used / events) * 1e6,
        p50,
        p99,
        rssMiB: subject.rssMiB(),
      }
    }
    for (const [, subject, shape] of all) await measure(subject, shape, WARM_UP_S)
    const samples = all.map((): Sample[] => [])
    for (let round = 0; round < Number(values.rounds); round++) {
      for (const [i, [, subject, shape]] of all.entries())
        samples[i]?.push(await measure(subject, shape, Number(values.seconds)))
    }
    const rss: number[] = []
    for (let sent = 0; sent < Number(values.events); ) {
      const sample = await measure(guaranteed, one, 2)
      sent += sample.eventsPerSecond * 2
      rss.push(sample.rssMiB)
    }
    const stored = await readBack(ledger)
    const start = subjects.firstAnswerMs
    return section(
      version,
      all.map(([name, , shape]) => `${name}: ${shape.name}`),
      samples,
      rss,
      stored,
      start,
    )
  } finally {
    subjects.stop()
  }
}

async function createTopics(kafka: KafkaCluster, run: string): Promise<void> {
  for (const prefix of [
    `${run}.plain.`,
    `${run}.hasty.`,
    `${run}.snappy.`,
    `${run}.production.`,
    `${run}.naive.`,
  ]) {
    await kafka.createTopic(`${prefix}one`, { partitions: 1 })
    for (const stream of WIDE) await kafka.createTopic(prefix + stream, { partitions: 4 })
  }
}

/** Holds what is in Kafka against what was acknowledged. Throws if a promise was broken. */
async function readBack(
  ledger: ReadonlyMap<Subject['topics'], { acknowledged: number; underWay: number }>,
): Promise<string[]> {
  const rows: string[] = []
  for (const [prefix, { acknowledged, underWay }] of ledger) {
    const ids = new Set<string>()
    let stored = 0
    for await (const { value } of readRecords(kafka.bootstrap, [
      `${prefix}one`,
      ...WIDE.map(stream => prefix + stream),
    ])) {
      stored++
      ids.add(/"id":"([0-9a-f-]{36})"/.exec(String(value))?.[1] ?? '')
    }
    const name = prefix?.split('.')[1]
    rows.push(`| ${name} | ${acknowledged} | ${stored} | ${acknowledged + underWay} | ${stored - ids.size} |`)
    if (name === 'naive') continue
    if (stored < acknowledged) throw new Error(`${name}: ${acknowledged} acknowledged, ${stored} stored`)
    if (stored > acknowledged + underWay)
      throw new Error(`${name}: ${stored} stored, at most ${acknowledged + underWay} sent`)
    if (ids.size !== stored) throw new Error(`${name}: ${stored - ids.size} ids are stored twice`)
  }
  return rows
}

function section(
  version: string,
  names: readonly string[],
  samples: readonly Sample[][],
  rss: readonly number[],
  stored: readonly string[],
  start: number,
): string {
  const rows = names.map((name, i) => {
    const taken = samples[i] as Sample[]
    const ratios = taken.map(
      (sample, round) => sample.microsPerEvent / (samples[0]?.[round]?.microsPerEvent as number),
    )
    const of = (key: keyof Sample) => median(taken.map(sample => sample[key]))
    return `| ${name} | ${Math.round(of('eventsPerSecond'))} | ${shown(of('microsPerEvent'), 1)} | ${shown(median(ratios), 2)} | ${of('p50').toFixed(1)} | ${of('p99').toFixed(1)} | ${Math.round(of('rssMiB'))} |`
  })
  const fifth = Math.floor(rss.length / 5)
  const mean = (part: readonly number[]) => part.reduce((sum, value) => sum + value, 0) / part.length
  const second = mean(rss.slice(fifth, 2 * fifth))
  const last = mean(rss.slice(-fifth))
  return `## Node ${version.slice(1)}

| | events/s | CPU µs an event | ÷ bare | p50 ms | p99 ms | RSS MiB |
|---|---|---|---|---|---|---|
${rows.join('\n')}

RSS over ${values.events} single events, guaranteed: at most ${Math.round(Math.max(...rss))} MiB; the last fifth ${Math.round(last)}, the second ${Math.round(second)}, ${(last / second).toFixed(2)} of it. From the start of the process to its first 201: ${Math.round(start)} ms.

| read back from Kafka | acknowledged | stored | sent at most | ids stored twice |
|---|---|---|---|---|
${stored.join('\n')}
`
}

/** A figure, or a dash if no event was stored. */
function shown(value: number, digits: number): string {
  return Number.isFinite(value) ? value.toFixed(digits) : '–'
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] as number
}
