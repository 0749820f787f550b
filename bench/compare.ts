/**
 * Compares the CPU that an event costs, in seconds per million events. It compares this checkout with another git
 * revision, several workers with one process, or a service with and without a spool. Only ratios of one moment count.
 * So both run at the same time and are measured in turn, in pairs whose order alternates. Prints a table, and writes
 * nothing.
 *
 *   npm run bench -- --against REF [--rounds 10 --seconds 3 --only guaranteed,hasty --node /path/to/node]
 *   npm run bench -- --workers 2
 *   npm run bench -- --spool --rounds 20
 *
 * `--only` names subjects: `memory`, `guaranteed`, `hasty`. Without the last two no Kafka is started.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { startKafka } from '../test/support/kafka.js'
import { SHAPES, type Shape, WIDE } from './event.js'
import { makeLoad } from './load.js'
import { hastyConf, ROOT, Servers, type Subject } from './subjects.js'

const CONNECTIONS = 64
const WARM_UP_S = 5
const ALL_CORES = `0-${cpus().length - 1}`
const SUBJECTS = ['memory', 'guaranteed', 'hasty'] as const

const { values } = parseArgs({
  options: {
    against: { type: 'string' },
    workers: { type: 'string' },
    spool: { type: 'boolean', default: false },
    rounds: { type: 'string', default: '10' },
    seconds: { type: 'string', default: '3' },
    only: { type: 'string', default: SUBJECTS.join() },
    node: { type: 'string', default: process.execPath },
  },
})
const only = values.only.split(',')
// A spool is for Kafka alone.
const subjects = SUBJECTS.filter(name => only.includes(name) && !(values.spool && name === 'memory'))

/** One of the two that are compared. */
interface Side {
  name: string
  servers: Servers
  workers: number
  /** Options that only this side has. */
  conf?: object
}

interface Sample {
  events: number
  cpuSeconds: number
}

const folder = mkdtempSync(join(tmpdir(), 'eventgate-compare-'))
const undo: (() => unknown)[] = [() => rmSync(folder, { recursive: true, force: true })]
try {
  console.log(await compare(sides()))
} catch (error) {
  console.error(error)
  process.exitCode = 1
} finally {
  for (const step of undo.reverse()) await step()
  process.exit()
}

function sides(): [Side, Side] {
  const { against, workers, spool, node } = values
  if (spool) {
    const directory = mkdtempSync(join(folder, 'spool'))
    return [
      { name: 'without a spool', servers: serversOf(node, 'without', {}), workers: 0 },
      {
        name: 'with a spool',
        servers: serversOf(node, 'with', {}),
        workers: 0,
        conf: { spool: { directory } },
      },
    ]
  }
  if (workers !== undefined) {
    // All run on all cores, so that only the number of processes differs.
    const servers = () => serversOf(node, 'cores', { cores: ALL_CORES })
    return [
      { name: 'one process', servers: servers(), workers: 0 },
      { name: `${workers} workers`, servers: servers(), workers: Number(workers) },
    ]
  }
  const { root, commit } = build(against as string)
  return [
    {
      name: against === commit ? commit : `${against} (${commit})`,
      servers: serversOf(node, 'before', { root }),
      workers: 0,
    },
    { name: 'this checkout', servers: serversOf(node, 'now', {}), workers: 0 },
  ]
}

function serversOf(node: string, name: string, place: { root?: string; cores?: string }): Servers {
  const servers = new Servers(node, mkdtempSync(join(folder, name)), place)
  undo.push(() => servers.stop())
  return servers
}

/** Builds a revision in a worktree. It shares the packages of this checkout if they are the same. */
function build(ref: string): { root: string; commit: string } {
  const git = (...args: string[]) => execFileSync('git', args, { cwd: ROOT, encoding: 'utf8' }).trim()
  const commit = git('rev-parse', '--short', `${ref}^{commit}`)
  const root = join(folder, 'worktree')
  git('worktree', 'add', '--detach', root, commit)
  undo.push(() => git('worktree', 'remove', '--force', root))
  const run = (command: string, ...args: string[]) => {
    const { status, stdout, stderr } = spawnSync(command, args, { cwd: root, encoding: 'utf8' })
    if (status !== 0) throw new Error(`${ref}: ${command} ${args.join(' ')} failed:\n${stdout}${stderr}`)
  }
  const lockOf = (path: string) => readFileSync(join(path, 'package-lock.json'), 'utf8')
  if (lockOf(root) === lockOf(ROOT)) symlinkSync(join(ROOT, 'node_modules'), join(root, 'node_modules'))
  else run('npm', 'ci', '--ignore-scripts')
  run('npm', 'run', 'build')
  if (!existsSync(join(root, 'schemas'))) cpSync(join(ROOT, 'schemas'), join(root, 'schemas'))
  return { root, commit }
}

async function compare(sides: [Side, Side]): Promise<string> {
  const needsKafka = subjects.some(name => name !== 'memory')
  const kafka = needsKafka
    ? await startKafka({ brokers: 1, prefix: ['taskset', '-c', '1'], javaOptions: [] })
    : undefined
  undo.push(() => kafka?.close())
  const bootstrap = kafka?.bootstrap ?? ''
  const load = makeLoad({
    folder,
    core: values.workers === undefined ? '1' : ALL_CORES,
    connections: CONNECTIONS,
  })
  const rows: string[] = []
  for (const name of subjects) {
    const pair = await Promise.all(
      sides.map(async ({ servers, workers, conf }, i) => {
        const topics = name === 'memory' ? undefined : `${name}.${i}.`
        for (const stream of topics ? WIDE : [])
          await kafka?.createTopic(`${topics}${stream}`, { partitions: 4 })
        if (topics) await kafka?.createTopic(`${topics}one`, { partitions: 1 })
        const subject = await servers.service(
          name,
          { ...confOf(name, bootstrap), ...conf },
          { topics, workers },
        )
        return name === 'hasty' ? { ...subject, url: `${subject.url}?hasty=true` } : subject
      }),
    )
    for (const shape of Object.values(SHAPES)) rows.push(await row(name, shape, pair as [Subject, Subject]))
    for (const { servers } of sides) servers.stop()
  }
  return [
    `CPU seconds per million events, with ${load.name}: medians of ${values.rounds} pairs of ${values.seconds} s. Events/s are of ${CONNECTIONS} connections.`,
    '',
    `| | ${sides.map(({ name }) => name).join(' | ')} | ratio | of the pairs | events/s |`,
    '|---|---|---|---|---|---|',
    ...rows,
  ].join('\n')

  async function row(name: string, shape: Shape, pair: [Subject, Subject]): Promise<string> {
    const measure = async (subject: Subject, seconds: number): Promise<Sample> => {
      const before = subject.cpuSeconds()
      const { requests, failed } = await load.run(subject.url, shape.bodies, seconds)
      if (failed > 0) throw new Error(`${name}, ${shape.name}: ${failed} requests failed`)
      await subject.idle()
      return { events: requests * shape.events, cpuSeconds: subject.cpuSeconds() - before }
    }
    for (const subject of pair) await measure(subject, WARM_UP_S)
    const samples: [Sample[], Sample[]] = [[], []]
    for (let round = 0; round < Number(values.rounds); round++) {
      for (const side of round % 2 ? ([1, 0] as const) : ([0, 1] as const))
        samples[side].push(await measure(pair[side], Number(values.seconds)))
    }
    const costs = samples.map(of => of.map(({ events, cpuSeconds }) => (cpuSeconds / events) * 1e6))
    const [first = [], second = []] = costs
    const ratios = second.map((cost, round) => cost / (first[round] as number)).sort((a, b) => a - b)
    const rates = samples.map(of => median(of.map(({ events }) => events / Number(values.seconds))))
    return `| ${name}: ${shape.name} | ${median(first).toFixed(1)} | ${median(second).toFixed(1)} | ${median(ratios).toFixed(3)} | ${(ratios[0] as number).toFixed(2)} to ${(ratios.at(-1) as number).toFixed(2)} | ${rates.map(Math.round).join(', ')} |`
  }
}

function confOf(name: (typeof SUBJECTS)[number], bootstrap: string): object {
  if (name === 'memory') return { producer: 'memory' }
  if (name === 'hasty') return hastyConf(bootstrap)
  return { kafka: { conf: { 'metadata.broker.list': bootstrap } } }
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const [low, high] = [sorted[(sorted.length - 1) >> 1], sorted[sorted.length >> 1]] as [number, number]
  return (low + high) / 2
}
