/** A real Prometheus, which `helm/tools.sh` installs, for what operators get of it. */
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { dump } from 'js-yaml'
import { freePort } from '../test/support/http.js'
import { send } from '../test/support/service.js'

const TOOLS_DIR =
  process.env.TOOLS_DIR ?? join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'eventgate-tools')
const READY_MS = 30_000

/** The path of a tool. */
export function tool(name: string): string {
  const path = join(TOOLS_DIR, 'bin', name)
  if (!existsSync(path)) throw new Error(`${name} is missing: helm/tools.sh ${name} installs it`)
  return path
}

/** One series of an instant query's result. */
export interface Sample {
  metric: Record<string, string>
  value: [time: number, value: string]
}

/** A rule, and how its last evaluation went. */
export interface LoadedRule {
  name: string
  health: string
  lastError?: string
}

interface Options {
  /** Ports of metrics on this machine. */
  ports: readonly number[]
  /** Paths of rule files, or patterns. */
  rules: readonly string[]
  /** Between scrapes, and between evaluations of the rules (s). */
  interval: number
  /** Labels that the scrape adds. */
  labels?: Record<string, string>
}

export class Prometheus {
  private constructor(
    readonly url: string,
    readonly close: () => void,
  ) {}

  /** Starts one that scrapes at once; it keeps its data in a temporary folder. */
  static async start({ ports, rules, interval, labels = {} }: Options): Promise<Prometheus> {
    const folder = mkdtempSync(join(tmpdir(), 'eventgate-prometheus-'))
    const file = join(folder, 'prometheus.yaml')
    const targets = ports.map(port => `127.0.0.1:${port}`)
    const config = {
      global: { scrape_interval: `${interval}s`, evaluation_interval: `${interval}s` },
      rule_files: rules,
      scrape_configs: [{ job_name: 'eventgate', static_configs: [{ targets, labels }] }],
    }
    writeFileSync(file, dump(config))
    const address = `127.0.0.1:${await freePort()}`
    const options = [`--config.file=${file}`, `--storage.tsdb.path=${join(folder, 'data')}`]
    const child = spawn(tool('prometheus'), [...options, `--web.listen-address=${address}`], {
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    const kill = () => child.kill('SIGKILL')
    process.once('exit', kill)
    let said = ''
    child.stderr.on('data', chunk => {
      said = (said + chunk).slice(-2000)
    })
    const prometheus = new Prometheus(`http://${address}`, () => {
      process.off('exit', kill)
      kill()
      rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
    })
    try {
      await prometheus.#whenReady()
    } catch (cause) {
      prometheus.close()
      throw new Error(`Prometheus is not ready: ${said}`, { cause })
    }
    return prometheus
  }

  async #whenReady(): Promise<void> {
    for (const until = Date.now() + READY_MS; ; await delay(200)) {
      const status = await send(`${this.url}/-/ready`).then(
        reply => reply.status,
        (error: Error) => error.message,
      )
      if (status === 200) return
      if (Date.now() > until) throw new Error(`/-/ready: ${status}`)
    }
  }

  /** The result of an instant query. */
  async query(expr: string): Promise<Sample[]> {
    return (await this.#ask(`query?query=${encodeURIComponent(expr)}`)).result
  }

  async rules(): Promise<LoadedRule[]> {
    const { groups } = await this.#ask('rules')
    return groups.flatMap((group: { rules: LoadedRule[] }) => group.rules)
  }

  // biome-ignore lint/suspicious/noExplicitAny: Prometheus's answers are looked into freely
  async #ask(path: string): Promise<any> {
    const { status, error, data } = (await send(`${this.url}/api/v1/${path}`)).json()
    if (status !== 'success') throw new Error(error)
    return data
  }
}
