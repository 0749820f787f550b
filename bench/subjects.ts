import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { dump } from 'js-yaml'
import { nodeOptions } from '../test/reliability/service.js'
import { benchEvent, benchSchema, benchStreams } from './event.js'

/** The checkout's root, from `.build/bench/`. */
export const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const SERVER_CORE = '0'
/** Of a process's times in /proc: 100 on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100

/** A server that is measured. */
export interface Subject {
  url: string
  /** What its topics' names begin with; undefined if it has none. */
  topics: string | undefined
  cpuSeconds(): number
  rssMiB(): number
  /** Resolves when all that it was sent is done. */
  idle(): Promise<void>
}

interface Subjects {
  bare: Subject
  memory: Subject
  guaranteed: Subject
  hasty: Subject
  snappy: Subject
  naive: Subject
  /** As `guaranteed`, with 5,000 configured streams, keys, and all that is filled in. */
  production: Subject
  /** From a start of the service to its first 201, milliseconds. */
  firstAnswerMs: number
  stop(): void
}

/** Starts all that is measured, on one core. */
export async function startSubjects(
  node: string,
  folder: string,
  bootstrap: string,
  run: string,
): Promise<Subjects> {
  const servers = new Servers(node, folder)
  const service = (name: string, conf: object, topics?: string) => servers.service(name, conf, { topics })
  const kafka = { 'metadata.broker.list': bootstrap }

  const before = performance.now()
  const memory = await service('memory', { producer: 'memory' })
  const body = JSON.stringify(benchEvent('one'))
  const first = await fetch(memory.url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body,
  })
  if (first.status !== 201) throw new Error(`the first answer is ${first.status}`)
  const firstAnswerMs = performance.now() - before

  return {
    memory,
    firstAnswerMs,
    bare: await servers.start(['.build/bench/bare.js']),
    guaranteed: await service('plain', { kafka: { conf: kafka } }, `${run}.plain.`),
    hasty: await service('hasty', hastyConf(bootstrap), `${run}.hasty.`),
    snappy: await service(
      'snappy',
      { kafka: { conf: { ...kafka, 'compression.codec': 'snappy' } } },
      `${run}.snappy.`,
    ),
    production: await service(
      'production',
      {
        stream_config_uri: writeStreams(folder),
        stream_config_ttl: 60,
        destination_event_service: 'bench',
        error_stream: 'one',
        transforms: ['eventgateWikimediaDefaults', 'processEdgeUniques', 'testKitchen'],
        test_kitchen: { ua_denylist: ['bingbot/2.0'] },
        kafka: { conf: kafka },
      },
      `${run}.production.`,
    ),
    naive: await servers.start(['.build/test/reliability/naive.js'], `${run}.naive.`, {
      BOOTSTRAP: bootstrap,
      TOPIC_PREFIX: `${run}.naive.`,
    }),
    stop: () => servers.stop(),
  }
}

/** Nothing holds back who waits for nothing: what is taken in a round must fit. */
export function hastyConf(bootstrap: string): object {
  const conf = {
    'metadata.broker.list': bootstrap,
    'queue.buffering.max.messages': 1_000_000,
    'queue.buffering.max.kbytes': 1024 * 1024,
    'message.timeout.ms': 60_000,
  }
  return { hasty_max_bytes: '1gb', hasty_max_events: 1_000_000, kafka: { conf } }
}

/** Where servers run, and what of. */
interface Place {
  /** The checkout whose build is started. */
  root?: string
  /** As taskset takes them. */
  cores?: string
}

/** Processes of one checkout that are measured. */
export class Servers {
  readonly #node: string
  readonly #folder: string
  readonly #place: Required<Place>
  readonly #started: ChildProcess[] = []

  /** `folder` is for configurations. */
  constructor(node: string, folder: string, { root = ROOT, cores = SERVER_CORE }: Place = {}) {
    this.#node = node
    this.#folder = folder
    this.#place = { root, cores }
    process.once('exit', () => this.stop())
  }

  async start(args: string[], topics?: string, env: NodeJS.ProcessEnv = {}): Promise<Subject> {
    const { root, cores } = this.#place
    const child: ChildProcess = spawn('taskset', ['-c', cores, this.#node, ...args], {
      cwd: root,
      env: { ...process.env, NODE_OPTIONS: nodeOptions(), ...env },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    this.#started.push(child)
    return subject(child, await portOf(child), topics)
  }

  /** The service with these options. With `workers` it is ready when all of them are. */
  async service(
    name: string,
    conf: object,
    { topics, workers = 0 }: { topics?: string | undefined; workers?: number } = {},
  ): Promise<Subject> {
    const given = { ...conf, topic_prefix: topics ?? '' }
    const config = writeConfig(this.#folder, name, given, workers)
    const subject = await this.start(['dist/server.js', '-c', config], topics)
    while (workers > 0 && (await readyWorkers(subject)) < workers)
      await new Promise(resolve => setTimeout(resolve, 100))
    return subject
  }

  stop(): void {
    for (const child of this.#started) child.kill('SIGKILL')
  }
}

async function readyWorkers({ url }: Subject): Promise<number> {
  const health = await fetch(new URL('/_info/health', url))
  const { workers = [] } = (await health.json()) as { workers?: { status: string }[] }
  return workers.filter(({ status }) => status === 'ready').length
}

/** A process and its workers. */
function family(pid: number): number[] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean)
  return [pid, ...children.flatMap(child => family(Number(child)))]
}

function subject({ pid = 0 }: ChildProcess, port: string, topics: string | undefined): Subject {
  const cpuOf = (of: number) => {
    const fields = readFileSync(`/proc/${of}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
    return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND
  }
  const rssOf = (of: number) =>
    Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${of}/status`, 'utf8'))?.[1]) / 1024
  const sum = (values: number[]) => values.reduce((total, value) => total + value, 0)
  const cpuSeconds = () => sum(family(pid).map(cpuOf))
  return {
    url: `http://127.0.0.1:${port}/v1/events`,
    topics,
    cpuSeconds,
    rssMiB: () => sum(family(pid).map(rssOf)),
    async idle() {
      for (let before = -1; before !== cpuSeconds(); ) {
        before = cpuSeconds()
        await new Promise(resolve => setTimeout(resolve, 100))
      }
    },
  }
}

async function portOf(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    child.stdout?.on('data', chunk => {
      const ready = /"port":(\d+)/.exec(String(chunk))
      if (ready) resolve(ready[1] as string)
    })
    once(child, 'exit').then(([code]) => reject(new Error(`${child.spawnargs.join(' ')} ended with ${code}`)))
  })
}

function writeStreams(folder: string): string {
  const path = join(folder, 'streams.json')
  writeFileSync(path, JSON.stringify(benchStreams(5000)))
  return path
}

function writeConfig(folder: string, name: string, conf: object, workers: number): string {
  const repository = join(folder, 'schemas')
  mkdirSync(join(repository, 'bench/event'), { recursive: true })
  writeFileSync(join(repository, 'bench/event/1.0.0.yaml'), dump(benchSchema()))
  const path = join(folder, `${name}.yaml`)
  const whole = {
    port: 0,
    schema_base_uris: [repository],
    schema_precache_uris: ['/bench/event/1.0.0'],
    ...conf,
  }
  // Versions before workers took 0 only.
  writeFileSync(path, dump({ num_workers: workers, services: [{ name: 'eventgate', conf: whole }] }))
  return path
}
