/** Bystanders beside hostile clients: what one client sends, no other is to notice. */
import { createReadStream, existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { nodeOptions } from '../reliability/service.js'
import { freePort, samples } from '../support/http.js'
import { TcpBroker } from '../support/kafka-broker.js'
import { ROOT, send } from '../support/service.js'
import { ATTACKS, type Attack, generated, writeSchemas } from './attacks.js'
import { BYSTANDERS, type Report } from './bystander.js'
import { makeCorpus } from './corpus.js'
import { Fate, startRegistry, type Target } from './hostile.js'
import { Random } from './random.js'
import { startWatched, type Watched } from './service.js'

export interface BystanderOptions {
  seed: number
  /** Attacks that are put together at random, beside those that are written down. */
  generated: number
  /** The beginning of an attack's name; all of them if undefined. */
  only?: string | undefined
  /** The folder of the service, built. */
  service?: string | undefined
  heapMb?: number
  /** Guaranteed answers and `/_info` are late after so many milliseconds; never if undefined. */
  lateMs?: number | undefined
  /** For how long each attack goes on at the most, seconds. */
  seconds?: number | undefined
  log?: (line: string) => void
}

/** What became of everybody beside one attack. */
export interface Row {
  name: string
  report: Report
  fate: Fate
  /** MiB at the most. */
  peak: number
  ended: string | undefined
  broken: string[]
}

const WORKER = new URL('bystander.js', import.meta.url)
/** The smallest pods have so much, MiB. */
const MAX_RSS = 300
const WARM_MS = 500
const CALM_MS = 500

export async function runBystanders(options: BystanderOptions): Promise<Row[]> {
  const { seed, only, log = () => {} } = options
  const attacks = [...ATTACKS, ...generated(seed, options.generated)].filter(
    ({ name }) => only === undefined || name.startsWith(only),
  )
  const rows: Row[] = []
  for (const [n, attack] of attacks.entries()) {
    const row = await runOne(attack, Random.of(seed, n), options)
    log(rowOf(row))
    if (row.broken.length > 0) log(brokenLine(row, seed))
    rows.push(row)
  }
  return rows
}

async function runOne(attack: Attack, random: Random, options: BystanderOptions): Promise<Row> {
  const folder = mkdtempSync(join(tmpdir(), 'eventgate-bystanders-'))
  const root = options.service ?? ROOT
  const file = join(folder, 'events.ndjson')
  const registry = await startRegistry(attack.mood ?? 'missing')
  const closing: (() => void)[] = [() => registry.close()]
  let service: Watched | undefined
  try {
    writeSchemas(folder)
    const { repositories } = makeCorpus(folder)
    const broker = attack.kafka
      ? await TcpBroker.start({ after: (fn: () => void) => closing.push(fn) } as never)
      : undefined
    const metricsPort = await freePort()
    service = await startWatched(
      folder,
      {
        schema_base_uris: [...repositories, join(root, 'schemas'), registry.url],
        ...(broker
          ? { kafka: { conf: { 'metadata.broker.list': `127.0.0.1:${broker.port}` } } }
          : { output_path: file }),
        ...attack.conf,
      },
      { metricsPort, heapMb: options.heapMb ?? 200, root },
    )
    const { port } = service
    await warmUp(port)
    const bystanders = new Worker(WORKER, { workerData: { port } })
    const reported = new Promise<Report>((resolve, reject) => {
      bystanders.once('message', resolve)
      bystanders.once('error', reject)
    })
    const fate = new Fate()
    await sleep(WARM_MS)
    const seconds = Math.min(attack.seconds ?? 6, options.seconds ?? Number.POSITIVE_INFINITY)
    // Their bodies are made before the first of them asks.
    let until: number | undefined
    const target: Target = {
      ...{ port, random, fate, registry },
      going: () => {
        until ??= Date.now() + seconds * 1000
        return Date.now() < until && service?.ended() === undefined
      },
      metrics: () => samples(metricsPort),
    }
    try {
      await attack.run(target)
    } catch (error) {
      if (service.ended() === undefined) throw error
    }
    await sleep(CALM_MS)
    bystanders.postMessage('stop')
    const report = await reported
    const peak = service.peak()
    const ended = service.ended()
    if (ended === undefined) await service.stop()
    const stored = existsSync(file) ? await idsIn(file) : undefined
    const row = { name: attack.name, report, fate, peak, ended }
    return { ...row, broken: brokenPromises(row, stored, options.lateMs) }
  } finally {
    service?.kill()
    for (const close of closing) close()
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Until both ways are compiled, and the schema is in memory. */
async function warmUp(port: number): Promise<void> {
  const body = '{"$schema":"/test/event/1.0.0","meta":{"stream":"bystander.warm"}}'
  for (const query of ['', '?hasty=true']) {
    const url = `http://127.0.0.1:${port}/v1/events${query}`
    for (let i = 0; i < 20; i++)
      await send(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body })
  }
}

/** Ids of the bystanders' events that are stored. */
async function idsIn(file: string): Promise<Set<string>> {
  const ids = new Set<string>()
  for await (const line of createInterface({ input: createReadStream(file) })) {
    const [, id] = /"id":"((?:guaranteed|hasty)-\d+)"/.exec(line.slice(0, 1000)) ?? []
    if (id !== undefined) ids.add(id)
  }
  return ids
}

function brokenPromises(
  { report, fate, peak, ended }: Omit<Row, 'broken'>,
  stored: Set<string> | undefined,
  lateMs: number | undefined,
): string[] {
  const broken: string[] = []
  if (ended !== undefined) broken.push(`the service ended with ${ended}`)
  for (const name of BYSTANDERS) {
    const { refused, lost, slowest, taken } = report[name]
    for (const [what, count] of Object.entries(refused)) broken.push(`${name}: ${count} refused, ${what}`)
    for (const [what, count] of Object.entries(lost))
      broken.push(`${name}: ${count} without an answer, ${what}`)
    if (name !== 'hasty' && lateMs !== undefined && slowest > lateMs)
      broken.push(`${name}: an answer after ${slowest.toFixed(0)} ms`)
    const missing = stored && name !== 'info' ? taken.filter(id => !stored.has(id)).length : 0
    if (missing > 0 && ended === undefined) broken.push(`${name}: ${missing} taken, and not stored`)
  }
  if (peak > MAX_RSS) broken.push(`${peak.toFixed(0)} MiB of memory`)
  for (const line of new Set(fate.broken)) broken.push(line)
  return broken
}

const sum = (counts: Record<string, number>) => Object.values(counts).reduce((a, b) => a + b, 0)

function rowOf({ name, report, fate, peak, ended }: Row): string {
  const all = BYSTANDERS.map(bystander => report[bystander])
  const refused = all.reduce((total, { refused }) => total + sum(refused), 0)
  const lost = all.reduce((total, { lost }) => total + sum(lost), 0)
  const slowest = BYSTANDERS.map(bystander => report[bystander].slowest.toFixed(0)).join(' / ')
  const memory = Number.isNaN(peak) ? '' : peak.toFixed(0)
  return `| ${name} | ${fate} | ${refused} | ${lost} | ${slowest} | ${ended === undefined ? memory : `ended: ${ended}`} |`
}

/** What was broken, and the input that did it. */
export function brokenLine({ name, broken }: Row, seed: number): string {
  return `BROKEN: ${name} (seed ${seed}): ${broken.join('; ')}`
}

/** Markdown of all rows. */
export function bystanderTable(rows: readonly Row[], { seed, heapMb = 200 }: BystanderOptions): string {
  const slowest = (name: (typeof BYSTANDERS)[number]) =>
    Math.max(...rows.map(({ report }) => report[name].slowest)).toFixed(0)
  const count = (of: 'refused' | 'lost') =>
    rows.reduce(
      (total, { report }) => total + BYSTANDERS.reduce((n, name) => n + sum(report[name][of]), 0),
      0,
    )
  const sent = rows.reduce((n, { report }) => n + BYSTANDERS.reduce((m, name) => m + report[name].sent, 0), 0)
  return [
    `Beside each kind of hostile client three bystanders: 50 small guaranteed events a second, 50 hasty ones, and \`GET /_info\` each second. Each kind meets a new service with default bounds and \`${nodeOptions(heapMb)}\`, which writes to a file; seed ${seed}. What a bystander's thread was held up itself is not counted.`,
    [
      '| | |',
      '|---|---|',
      `| kinds of hostile clients | ${rows.length} |`,
      `| bystanders' requests | ${sent} |`,
      `| **refused** | ${count('refused')} |`,
      `| **without an answer** | ${count('lost')} |`,
      `| slowest answer, ms: guaranteed, hasty, \`/_info\` | ${slowest('guaranteed')}, ${slowest('hasty')}, ${slowest('info')} |`,
      `| memory at the most, MiB | ${Math.max(...rows.map(({ peak }) => peak || 0)).toFixed(0)} |`,
      `| ends of the service | ${rows.filter(({ ended }) => ended !== undefined).length} |`,
    ].join('\n'),
    [
      '| hostile clients | their requests | refused | without an answer | slowest, ms: guaranteed / hasty / `/_info` | MiB |',
      '|---|---|---|---|---|---|',
      ...rows.map(rowOf),
    ].join('\n'),
  ].join('\n\n')
}
