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
  const started: ChildProcess[] = []
  process.once('exit', () => {
    for (const child of started) child.kill('SIGKILL')
  })
  const start = async (args: string[], topics?: string, env: NodeJS.ProcessEnv = {}): Promise<Subject> => {
    const child: ChildProcess = spawn('taskset', ['-c', SERVER_CORE, node, ...args], {
      cwd: ROOT,
      env: { ...process.env, NODE_OPTIONS: nodeOptions(), ...env },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    started.push(child)
    return subject(child, await portOf(child), topics)
  }
  const service = (name: string, conf: object, topics?: string) =>
    start(
      ['dist/server.js', '-c', writeConfig(folder, name, { ...conf, topic_prefix: topics ?? '' })],
      topics,
    )
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
    bare: await start(['.build/bench/bare.js']),
    guaranteed: await service('plain', { kafka: { conf: kafka } }, `${run}.plain.`),
    // Nothing holds back who waits for nothing: what is taken in a round must fit.
    hasty: await service(
      'hasty',
      {
        hasty_max_bytes: '1gb',
        hasty_max_events: 1_000_000,
        kafka: {
          conf: {
            ...kafka,
            'queue.buffering.max.messages': 1_000_000,
            'queue.buffering.max.kbytes': 1024 * 1024,
            'message.timeout.ms': 60_000,
          },
        },
      },
      `${run}.hasty.`,
    ),
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
    naive: await start(['.build/test/reliability/naive.js'], `${run}.naive.`, {
      BOOTSTRAP: bootstrap,
      TOPIC_PREFIX: `${run}.naive.`,
    }),
    stop() {
      for (const child of started) child.kill('SIGKILL')
    },
  }
}

function subject({ pid }: ChildProcess, port: string, topics: string | undefined): Subject {
  const cpuSeconds = () => {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
    return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND
  }
  return {
    url: `http://127.0.0.1:${port}/v1/events`,
    topics,
    cpuSeconds,
    rssMiB: () => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024,
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

function writeConfig(folder: string, name: string, conf: object): string {
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
  writeFileSync(path, dump({ services: [{ name: 'eventgate', conf: whole }] }))
  return path
}
