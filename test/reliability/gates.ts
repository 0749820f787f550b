/** The gates of a run, one after the other. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Life } from './ledger.js'
import type { Started } from './service.js'

const SCRAPE_MS = 500

/** Starts a gate that listens on a port, and serves its metrics on another. */
export type Start = (port: number, metricsPort: number) => Promise<Started>

/** One gate after the other on the same port, and what is known of each. */
export class Gates {
  readonly lives: Life[] = []
  readonly url: string
  /** The load's; until it begins it is 0. */
  clock = () => 0
  readonly #start: Start
  readonly #port: number
  readonly #metricsPort: number
  #service: Started | undefined
  #started = 0
  #from = 0
  #counted: number | undefined
  #scraping: NodeJS.Timeout | undefined

  constructor(start: Start, ports: readonly number[]) {
    const [port = 0, metricsPort = 0] = ports
    this.#start = start
    this.#port = port
    this.#metricsPort = metricsPort
    this.url = `http://127.0.0.1:${port}/v1/events`
  }

  async start(): Promise<void> {
    this.#started = this.clock()
    this.#service = await this.#start(this.#port, this.#metricsPort)
    this.#from = this.clock()
    this.#counted = undefined
    this.#scraping = setInterval(() => void this.metrics(), SCRAPE_MS)
  }

  async end(): Promise<void> {
    await this.metrics()
    const service = this.#over('SIGTERM')
    await service?.close()
    const life = this.lives.at(-1)
    if (service && life) life.exitCode = service.process.exitCode
  }

  /** Of the gate that is there now. */
  get pid(): number | undefined {
    return this.#service?.process.pid
  }

  async kill(): Promise<void> {
    await this.#over('kill -9')?.kill9()
  }

  #over(ended: Life['ended']): Started | undefined {
    clearInterval(this.#scraping)
    const service = this.#service
    this.#service = undefined
    if (service)
      this.lives.push({
        started: this.#started,
        from: this.#from,
        to: this.clock(),
        ended,
        counted: this.#counted,
      })
    return service
  }

  /**
   * What was accepted hastily is settled, so that all that is lost of it is counted, and nothing waits in the spool.
   * Whether it was so within this time.
   */
  async whenNothingIsHeld(timeoutMs: number): Promise<boolean> {
    for (const end = this.clock() + timeoutMs; this.clock() < end; await sleep(SCRAPE_MS)) {
      const metrics = await this.metrics()
      const held = ['eventgate_in_flight_events', 'eventgate_spool_waiting_events']
      if (metrics === undefined || held.every(name => sum(metrics, name) === 0)) return true
    }
    return false
  }

  /** In Prometheus' format. Undefined where there are none: the gate is gone, or has no such thing. */
  async metrics(): Promise<string | undefined> {
    const service = this.#service
    try {
      const response = await fetch(`http://127.0.0.1:${this.#metricsPort}/metrics`)
      const metrics = await response.text()
      if (service === this.#service) this.#counted = sum(metrics, 'eventgate_hasty_events_lost_total')
      return metrics
    } catch {
      return undefined
    }
  }
}

/** All values of one metric of a text in Prometheus' format, added up. */
export function sum(metrics: string, name: string): number {
  const values = metrics
    .split('\n')
    .filter(line => line.startsWith(`${name}{`) || line.startsWith(`${name} `))
    .map(line => Number(line.slice(line.lastIndexOf(' '))))
  return values.reduce((a, b) => a + b, 0)
}
