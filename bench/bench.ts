/**
 * CPU per event of the service with the memory producer, against a bare node:http handler that reads the body,
 * parses it and answers 201. Both are measured in turn in one run: the ratio is what counts. Writes
 * bench/RESULTS.md.
 *
 *   npm run bench [-- --seconds 4 --rounds 5]
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { dump } from 'js-yaml'
import { benchEvent, benchSchema } from './event.js'
import { makeLoad } from './load.js'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const SERVER_CORE = '0'
const LOAD_CORE = '1'
const CONNECTIONS = 64
/** Of a process's times in /proc: 100 on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100

interface Subject {
  name: string
  url: string
  process: ChildProcess
  body: string
  events: number
}

interface Sample {
  eventsPerSecond: number
  microsPerEvent: number
  rssMiB: number
}

const { values } = parseArgs({
  options: { seconds: { type: 'string', default: '4' }, rounds: { type: 'string', default: '5' } },
})

const folder = mkdtempSync(join(tmpdir(), 'eventgate-bench-'))
const started: ChildProcess[] = []
try {
  await main()
} finally {
  for (const child of started) child.kill('SIGKILL')
  rmSync(folder, { recursive: true, force: true })
}

async function main(): Promise<void> {
  const seconds = Number(values.seconds)
  const single = JSON.stringify(benchEvent())
  const fifty = JSON.stringify(Array.from({ length: 50 }, () => benchEvent()))
  const bare = await start('the bare handler', ['.build/bench/bare.js'])
  const service = await start('the service', ['dist/server.js', '-c', writeConfig()])
  const subjects: Subject[] = [
    { name: 'bare handler, single events', ...bare, body: single, events: 1 },
    { name: 'service, single events', ...service, body: single, events: 1 },
    {
      name: 'service, single events, hasty',
      ...service,
      url: `${service.url}?hasty=true`,
      body: single,
      events: 1,
    },
    { name: 'service, arrays of 50', ...service, body: fifty, events: 50 },
  ]
  const load = makeLoad({ folder, core: LOAD_CORE, connections: CONNECTIONS })
  for (const subject of subjects) await measure(subject, 2)
  const samples = subjects.map((): Sample[] => [])
  for (let round = 0; round < Number(values.rounds); round++) {
    for (const [i, subject] of subjects.entries()) samples[i]?.push(await measure(subject, seconds))
  }
  report(subjects, samples, load.name, single.length)

  async function measure({ process, url, body, events }: Subject, seconds: number): Promise<Sample> {
    const before = cpuSeconds(process.pid)
    const answered = await load.run(url, body, seconds)
    const used = cpuSeconds(process.pid) - before
    const stored = answered * events
    return {
      eventsPerSecond: stored / seconds,
      microsPerEvent: (used / stored) * 1e6,
      rssMiB: rssMiB(process.pid),
    }
  }
}

async function start(name: string, args: string[]): Promise<{ url: string; process: ChildProcess }> {
  const child = spawn('taskset', ['-c', SERVER_CORE, process.execPath, ...args], {
    cwd: ROOT,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  started.push(child)
  const port = await new Promise<string>((resolve, reject) => {
    child.stdout.on('data', chunk => {
      const ready = /"port":(\d+)/.exec(String(chunk))
      if (ready) resolve(ready[1] as string)
    })
    once(child, 'exit').then(([code]) => reject(new Error(`${name} ended with ${code}`)))
  })
  return { url: `http://127.0.0.1:${port}/v1/events`, process: child }
}

function writeConfig(): string {
  const repository = join(folder, 'schemas')
  mkdirSync(join(repository, 'bench/event'), { recursive: true })
  writeFileSync(join(repository, 'bench/event/1.0.0.yaml'), dump(benchSchema()))
  const path = join(folder, 'config.yaml')
  const conf = {
    port: 0,
    producer: 'memory',
    schema_base_uris: [repository],
    schema_precache_uris: ['/bench/event/1.0.0'],
  }
  writeFileSync(path, dump({ services: [{ name: 'eventgate', conf }] }))
  return path
}

/** User and system time of a process, all its threads. */
function cpuSeconds(pid: number | undefined): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND
}

function rssMiB(pid: number | undefined): number {
  const kiB = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
  return Number(kiB) / 1024
}

function report(
  subjects: readonly Subject[],
  samples: readonly Sample[][],
  load: string,
  bytes: number,
): void {
  const micros = samples.map(taken => median(taken.map(sample => sample.microsPerEvent)))
  const [model] = cpus()
  console.log(
    `\nNode ${process.version}, ${model?.model.trim()}, ${cpus().length} cores, load by ${load}, ${bytes} bytes an event; medians\n`,
  )
  console.log('| | events/s | CPU µs an event | ÷ bare, median of rounds | RSS MiB |\n|---|---|---|---|---|')
  for (const [i, { name }] of subjects.entries()) {
    const taken = samples[i] as Sample[]
    const ratios = taken.map(
      (sample, round) => sample.microsPerEvent / (samples[0]?.[round]?.microsPerEvent as number),
    )
    const rate = Math.round(median(taken.map(sample => sample.eventsPerSecond)))
    const rss = Math.round(taken.at(-1)?.rssMiB as number)
    console.log(`| ${name} | ${rate} | ${micros[i]?.toFixed(1)} | ${median(ratios).toFixed(2)} | ${rss} |`)
  }
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] as number
}
