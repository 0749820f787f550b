/** The service under the fuzzer: a process of its own, whose log, memory and handles are watched. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { dump } from 'js-yaml'
import { nodeOptions } from '../reliability/service.js'
import { ROOT } from '../support/service.js'
import { SECRET } from './corpus.js'

const COLLECT = new URL('collect.js', import.meta.url)
/** Given to what is under way to come to its end, and then to the collection of what it leaves, milliseconds. */
const SETTLE_MS = 3000
const COLLECT_MS = 1000

/** Of one line: what an operator's pipeline may be asked to take at `info`. */
const MAX_LINE = 8 * 1024

export interface Watched {
  readonly port: number
  readonly process: ChildProcess
  readonly log: LogWatch
  /** Its exit code, or the signal that ended it; undefined while it runs. */
  ended(): string | undefined
  /** Resident memory, MB. */
  rss(): number
  /** The most that there was since `resetPeak`, MB. */
  peak(): number
  resetPeak(): void
  handles(): number
  /** Lets it come to rest, and has it collect its garbage. */
  settle(): Promise<void>
  /** SIGTERM, and its exit code. */
  stop(): Promise<number | null>
  kill(): void
}

/** Reads a log as it is written and keeps what is wrong with it, not its lines. */
export class LogWatch {
  lines = 0
  longest = 0
  readonly problems: string[] = []
  /** Code → lines by second. */
  readonly #seconds = new Map<string, Map<string, number>>()
  /** What is not JSON, at the end of a process's life above all. */
  readonly rubbish: string[] = []
  #rest = ''

  take(chunk: string): void {
    const lines = (this.#rest + chunk).split('\n')
    this.#rest = lines.pop() ?? ''
    for (const line of lines) if (line !== '') this.#line(line)
  }

  #line(line: string): void {
    this.lines++
    this.longest = Math.max(this.longest, line.length)
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
    if (/[\x00-\x1f\x7f-\x9f\u2028\u2029]/.test(line)) this.#complain('a control character', line)
    if (line.includes(SECRET)) this.#complain("an event's text", line)
    if (line.length > MAX_LINE) this.#complain(`${line.length} characters`, line)
    let entry: { code?: string; time?: string }
    try {
      entry = JSON.parse(line)
    } catch {
      if (this.rubbish.length < 50) this.rubbish.push(line.slice(0, 300))
      return
    }
    if (entry.code === undefined || entry.time === undefined) return
    const seconds = this.#seconds.get(entry.code) ?? new Map<string, number>()
    this.#seconds.set(entry.code, seconds)
    const second = entry.time.slice(0, 19)
    const count = (seconds.get(second) ?? 0) + 1
    seconds.set(second, count)
    // One that counts, and the first of the next interval: two may fall into one second, and a late one.
    if (count === 4) this.#complain(`${count} lines with one code in one second`, line)
  }

  #complain(what: string, line: string): void {
    if (this.problems.length < 20)
      this.problems.push(`a log line with ${what}: ${JSON.stringify(line.slice(0, 400))}`)
  }
}

/** Starts the service with these options; resolves when it is ready. */
export async function startWatched(
  folder: string,
  conf: object,
  { metricsPort, heapMb = 200, root = ROOT }: { metricsPort?: number; heapMb?: number; root?: string } = {},
): Promise<Watched> {
  const config = join(folder, `config-${Math.random().toString(36).slice(2)}.yaml`)
  const metrics = metricsPort === undefined ? {} : { metrics: { type: 'prometheus', port: metricsPort } }
  const whole = { port: 0, interface: '127.0.0.1', ...conf }
  writeFileSync(config, dump({ num_workers: 0, ...metrics, services: [{ name: 'eventgate', conf: whole }] }))
  const child = spawn(process.execPath, ['dist/server.js', '-c', config], {
    cwd: root,
    env: { ...process.env, NODE_OPTIONS: `${nodeOptions(heapMb)} --import=${COLLECT}` },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const kill = () => void child.kill('SIGKILL')
  process.once('exit', kill)
  let ended: string | undefined
  const exit = once(child, 'exit').then(([code, signal]) => {
    process.removeListener('exit', kill)
    ended = String(code ?? signal)
    return code as number | null
  })
  const log = new LogWatch()
  let start = ''
  const port = await new Promise<number>((resolve, reject) => {
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => log.take(chunk))
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      log.take(chunk)
      if (start.length > 100_000) return
      start += chunk
      const ready = /"port":(\d+),"msg":"eventgate \S+ is ready/.exec(start)
      if (ready) resolve(Number(ready[1]))
    })
    exit.then(() =>
      reject(new Error(`the service ended with ${ended}:\n${start}\n${log.rubbish.join('\n')}`)),
    )
  })
  const status = (field: string) => {
    const found = new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(
      readFileSync(`/proc/${child.pid}/status`, 'utf8'),
    )
    return Number(found?.[1]) / 1024
  }
  return {
    port,
    process: child,
    log,
    ended: () => ended,
    rss: () => (ended === undefined ? status('VmRSS') : Number.NaN),
    peak: () => (ended === undefined ? status('VmHWM') : Number.NaN),
    resetPeak: () => writeFileSync(`/proc/${child.pid}/clear_refs`, '5'),
    handles: () => (ended === undefined ? readdirSync(`/proc/${child.pid}/fd`).length : Number.NaN),
    async settle() {
      await sleep(SETTLE_MS)
      child.kill('SIGWINCH')
      await sleep(COLLECT_MS)
    },
    async stop() {
      child.kill('SIGTERM')
      const timer = setTimeout(kill, 20_000)
      return exit.finally(() => clearTimeout(timer))
    },
    kill,
  }
}
