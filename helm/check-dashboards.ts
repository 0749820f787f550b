/**
 * A real Prometheus scrapes a service with a real Kafka under traffic. Every query of the dashboards must return data.
 * Prometheus must be able to evaluate every alert, and `promtool check metrics` must accept the scrape. Takes some 40 s.
 *
 *   npm run pretest && node .build/helm/check-dashboards.js
 */
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { dump } from 'js-yaml'
import { freePort } from '../test/support/http.js'
import { startKafka } from '../test/support/kafka.js'
import { ROOT, send, startService } from '../test/support/service.js'
import { queries } from './dashboards.js'
import { TRAFFIC_STREAMS, traffic, trafficConf } from './traffic.js'

const TOOLS_DIR =
  process.env.TOOLS_DIR ?? join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'eventgate-tools')
/** Short enough that every window has at least two scrapes. */
const TRAFFIC_MS = 20_000
const READY_MS = 30_000
/** Values of the dashboards' variables. */
const VARIABLES: [string, string][] = [
  ['$__rate_interval', '10s'],
  ['$namespace', '.*'],
  ['$service', '.*'],
  ['$stream', '.*'],
]

const ends: (() => unknown)[] = []
/** The tests' helpers only use `after`. */
const context = { after: (end: () => unknown) => ends.unshift(end) } as unknown as TestContext

function tool(name: string): string {
  const path = join(TOOLS_DIR, 'bin', name)
  if (!existsSync(path)) throw new Error(`${name} is missing: helm/tools.sh ${name} installs it`)
  return path
}

async function check(): Promise<string[]> {
  const prometheus = tool('prometheus')
  const promtool = tool('promtool')
  const folder = mkdtempSync(join(tmpdir(), 'eventgate-dashboards-'))
  context.after(() => rmSync(folder, { recursive: true, force: true }))

  const kafka = await startKafka()
  context.after(() => kafka.close())
  const streams = join(folder, 'streams.json')
  writeFileSync(streams, JSON.stringify(TRAFFIC_STREAMS))
  const [metricsPort, prometheusPort] = [await freePort(), await freePort()]
  const service = await startService(
    context,
    { ...trafficConf(streams), kafka: { conf: { 'metadata.broker.list': kafka.bootstrap } } },
    { metrics: { type: 'prometheus', port: metricsPort } },
  )

  const file = join(folder, 'prometheus.yaml')
  writeFileSync(
    file,
    dump({
      global: { scrape_interval: '1s', evaluation_interval: '1s' },
      rule_files: [join(ROOT, 'helm/eventgate/alerts/*.yaml')],
      scrape_configs: [
        { job_name: 'eventgate', static_configs: [{ targets: [`127.0.0.1:${metricsPort}`] }] },
      ],
    }),
  )
  const url = `http://127.0.0.1:${prometheusPort}`
  const options = [`--config.file=${file}`, `--storage.tsdb.path=${join(folder, 'data')}`]
  const child = spawn(prometheus, [...options, `--web.listen-address=127.0.0.1:${prometheusPort}`], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  context.after(() => child.kill('SIGKILL'))
  let said = ''
  child.stderr.on('data', chunk => {
    said = (said + chunk).slice(-2000)
  })
  await ready(url).catch(() => {
    throw new Error(`Prometheus is not ready: ${said}`)
  })

  for (const until = Date.now() + TRAFFIC_MS; Date.now() < until; await delay(200)) await traffic(service)

  const problems: string[] = []
  for (const { panel, expr } of queries()) {
    const query = VARIABLES.reduce((text, [name, value]) => text.replaceAll(name, value), expr)
    const { status, error, data } = await ask(url, `query?query=${encodeURIComponent(query)}`)
    const values: string[] = (data?.result ?? []).map(({ value }: { value: string[] }) => value[1])
    if (status !== 'success') problems.push(`${panel}: ${error}: ${query}`)
    else if (values.length === 0) problems.push(`${panel}: no data: ${query}`)
    else if (values.every(value => value === 'NaN')) problems.push(`${panel}: not a number: ${query}`)
  }
  const { data } = await ask(url, 'rules')
  const rules = data.groups.flatMap((group: { rules: object[] }) => group.rules)
  if (rules.length < 10) problems.push(`only ${rules.length} rules are loaded`)
  for (const { name, health, lastError } of rules)
    if (health !== 'ok') problems.push(`${name}: ${health} ${lastError ?? ''}`)

  const scrape = await send(`http://127.0.0.1:${metricsPort}/metrics`)
  const lint = spawnSync(promtool, ['check', 'metrics'], { input: scrape.body, encoding: 'utf8' })
  if (lint.status !== 0) problems.push(`promtool check metrics: ${lint.stderr}`)
  console.log(
    `${queries().length} queries, ${rules.length} rules, ${scrape.body.split('\n').length} lines of metrics`,
  )
  return problems
}

async function ready(url: string): Promise<void> {
  for (const until = Date.now() + READY_MS; ; await delay(200)) {
    try {
      if ((await send(`${url}/-/ready`)).status === 200) return
    } catch (error) {
      if (Date.now() > until) throw error
    }
  }
}

// biome-ignore lint/suspicious/noExplicitAny: Prometheus's answers are looked into freely
async function ask(url: string, path: string): Promise<any> {
  return (await send(`${url}/api/v1/${path}`)).json()
}

async function main(): Promise<number> {
  try {
    const problems = await check()
    for (const problem of problems) console.error(problem)
    return problems.length === 0 ? 0 : 1
  } catch (error) {
    console.error(`check-dashboards: ${(error as Error).message}`)
    return 1
  } finally {
    for (const end of ends) await end()
  }
}

process.exit(await main())
