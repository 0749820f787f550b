import cluster, { type Worker } from 'node:cluster'
import { fileURLToPath } from 'node:url'
import { Registry } from 'prom-client'
import { type ConfigFile, HEARTBEAT_MS, type MetricsEndpoint } from './lib/config/file.js'
import type { Log } from './lib/telemetry/log.js'
import { MetricSet, serviceLabel } from './lib/telemetry/metric-set.js'
import { serveMetrics } from './lib/telemetry/metrics-server.js'
import { collectProcessMetrics } from './lib/telemetry/reporter.js'
import { type Told, Totals } from './lib/telemetry/totals.js'
import { registerWorkerGauges } from './lib/telemetry/worker-gauges.js'
import { Link } from './lib/workers/link.js'
import { Port, type Recipient } from './lib/workers/port.js'
import { envOf } from './lib/workers/self.js'
import {
  type Condition,
  Supervisor,
  type SupervisorObserver,
  type WorkerEvents,
  type WorkerProcess,
} from './lib/workers/supervisor.js'

/** Time for a worker to tell its metrics. Without an answer its last ones count. */
const METRICS_TIMEOUT_MS = 5000
/** How often metrics are read even if nobody asks: what a worker counted since is lost if it is killed. */
const READ_METRICS_MS = 10_000

export interface PrimaryOptions {
  file: ConfigFile
  /** The path of the configuration. */
  path: string
  /** How many workers there are. */
  count: number
  /** Time for workers to finish what is in flight (ms). */
  graceMs: number
  log: Log
}

/** Runs the primary of a host: it holds the port and the metrics, and keeps the workers running. */
export async function lead({ file, path, count, graceMs, log }: PrimaryOptions): Promise<void> {
  cluster.setupPrimary({ exec: server, args: ['-c', path] })
  const crew = new Crew(count)
  const { worker_heartbeat_timeout: heartbeat = HEARTBEAT_MS } = file
  const supervisor = new Supervisor({
    count,
    graceMs,
    heartbeatMs: heartbeat === false ? 0 : heartbeat,
    start: (number, events) => crew.start(number, events, () => supervisor.reports()),
    observer: observerOf(log),
  })
  const end = (code: number, message: string) => {
    log[code === 0 ? 'info' : 'warn'](message)
    supervisor.kill()
    process.exit(code)
  }
  let asked = 0
  const stop = async (signal: string) => {
    if (++asked > 1) return end(1, `${signal} again: ending at once`)
    log.info(`${signal}: all workers finish what is in flight`)
    await crew.closePort()
    const isClean = await supervisor.drain()
    end(isClean ? 0 : 1, isClean ? 'ended' : 'some workers could not finish what was in flight')
  }
  process.on('SIGTERM', stop)
  process.on('SIGINT', stop)
  process.on('SIGHUP', () => void supervisor.roll())
  process.on('SIGUSR2', () => log.info('SIGUSR2 has no meaning here'))

  const endpoint = [file.metrics ?? []].flat().find(({ type }) => type === 'prometheus')
  if (endpoint?.port !== undefined) await crew.serveMetrics(endpoint, supervisor, nameOf(file), log)
  void supervisor.failed.then(code => end(code, `the workers cannot be started: ending with ${code}`))
  await supervisor.start()
  log.info({ workers: count }, `all workers are ready: ${count}`)
}

const server = fileURLToPath(new URL('server.js', import.meta.url))

function nameOf({ metrics, services }: ConfigFile): string | null {
  return serviceLabel(metrics, services[0]?.name ?? '')
}

/** The processes of the workers, and what they tell. */
class Crew {
  readonly #count: number
  readonly #totals = new Totals()
  readonly #links = new Map<Worker, Link>()
  readonly #port = new Port()

  constructor(count: number) {
    this.#count = count
  }

  start(number: number, events: WorkerEvents, reports: () => Promise<unknown>): WorkerProcess {
    const worker = cluster.fork(envOf({ number, count: this.#count }))
    const link = new Link(worker, {
      ready: () => events.ready(),
      metrics: told => this.#totals.set(worker, told as Told),
      workers: reports,
    })
    this.#links.set(worker, link)
    const leave = this.#port.join(worker.process as Recipient)
    const gone = (code: number | null, signal: string | null) => {
      if (!this.#links.delete(worker)) return
      link.close()
      leave()
      this.#totals.retire(worker)
      events.gone(code, signal)
    }
    // What it said last may come after its end.
    worker.once('exit', (code, signal) => {
      if (worker.isConnected()) worker.once('disconnect', () => gone(code, signal))
      else gone(code, signal)
    })
    worker.on('error', () => worker.process.pid === undefined && gone(1, null))
    return {
      pid: worker.process.pid,
      drain: () => void link.tell('drain'),
      kill: () => void worker.process.kill('SIGKILL'),
      condition: async timeoutMs => (await link.ask('condition', timeoutMs)) as Condition | undefined,
    }
  }

  /** Takes no more connections. */
  closePort(): Promise<void> {
    return this.#port.close()
  }

  async serveMetrics(
    endpoint: MetricsEndpoint,
    supervisor: Supervisor,
    service: string | null,
    log: Log,
  ): Promise<void> {
    const own = new Registry()
    collectProcessMetrics(own)
    registerWorkerGauges(new MetricSet(own, service === null ? {} : { service }), () => supervisor.states)
    await serveMetrics(endpoint, () => this.#metrics(own), log)
    setInterval(() => void this.#readMetrics(), READ_METRICS_MS).unref()
  }

  async *#metrics(own: Registry): AsyncGenerator<string> {
    await this.#readMetrics()
    yield* this.#totals.text(own)
  }

  async #readMetrics(): Promise<void> {
    const links = [...this.#links]
    await Promise.all(
      links.map(async ([worker, link]) => {
        const told = await link.ask('metrics', METRICS_TIMEOUT_MS)
        if (told && this.#links.has(worker)) this.#totals.set(worker, told as Told)
      }),
    )
  }
}

function observerOf(log: Log): SupervisorObserver {
  return {
    died: (worker, how, pauseMs) =>
      log.error({ worker }, `worker ${worker} ended with ${how}: starting it again in ${pauseMs} ms`),
    hung: worker => log.error({ worker }, `worker ${worker} does not answer: killing it`),
    rolling: step => log.info(`SIGHUP: restart of all workers, one after the other: ${step}`),
  }
}
