/**
 * A real Prometheus scrapes a service with a real Kafka under traffic. Every query of the dashboards must return data.
 * Prometheus must be able to evaluate every alert, and `promtool check metrics` must accept the scrape. Takes some 40 s.
 *
 *   npm run pretest && node .build/helm/check-dashboards.js
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { freePort } from '../test/support/http.js'
import { startKafka } from '../test/support/kafka.js'
import { ROOT, send, startService, testEvent } from '../test/support/service.js'
import { queries } from './dashboards.js'
import { Prometheus, tool } from './prometheus.js'
import { TRAFFIC_STREAMS, traffic, trafficConf } from './traffic.js'

/** Short enough that every window has at least two scrapes. */
const TRAFFIC_MS = 20_000
/** Values of the dashboards' variables. */
const VARIABLES: [string, string][] = [
  ['$__rate_interval', '10s'],
  ['$__range', '10s'],
  ['$namespace', '.*'],
  ['$service', '.*'],
  ['$stream', '.*'],
]

const ends: (() => unknown)[] = []
/** The tests' helpers only use `after`. */
const context = { after: (end: () => unknown) => ends.unshift(end) } as unknown as TestContext

async function check(): Promise<string[]> {
  const promtool = tool('promtool')
  const folder = mkdtempSync(join(tmpdir(), 'eventgate-dashboards-'))
  context.after(() => rmSync(folder, { recursive: true, force: true }))

  const kafka = await startKafka()
  context.after(() => kafka.close())
  const streams = join(folder, 'streams.json')
  writeFileSync(streams, JSON.stringify(TRAFFIC_STREAMS))
  const [metricsPort, withoutKafkaPort] = [await freePort(), await freePort()]
  const startOn = (port: number, bootstrap: string, top: object) =>
    startService(
      context,
      {
        ...trafficConf(streams),
        kafka: { conf: { 'metadata.broker.list': bootstrap } },
        spool: { directory: join(folder, `spool-${port}`) },
      },
      { ...top, metrics: { type: 'prometheus', port } },
    )
  const service = await startOn(metricsPort, kafka.bootstrap, {})
  // Its events go to the spool, and its workers have metrics too.
  const withoutKafka = await startOn(withoutKafkaPort, `127.0.0.1:${await freePort()}`, { num_workers: 2 })

  const prometheus = await Prometheus.start({
    ports: [metricsPort, withoutKafkaPort],
    rules: [join(ROOT, 'helm/eventgate/alerts/*.yaml')],
    interval: 1,
  })
  context.after(() => prometheus.close())

  for (const until = Date.now() + TRAFFIC_MS; Date.now() < until; await delay(200)) {
    await traffic(service)
    void withoutKafka.post(testEvent()).catch(() => {})
  }

  const problems: string[] = []
  for (const { panel, expr } of queries()) {
    const query = VARIABLES.reduce((text, [name, value]) => text.replaceAll(name, value), expr)
    const samples = await prometheus.query(query).catch((error: Error) => error)
    if (samples instanceof Error) problems.push(`${panel}: ${samples.message}: ${query}`)
    else if (samples.length === 0) problems.push(`${panel}: no data: ${query}`)
    else if (samples.every(({ value }) => value[1] === 'NaN'))
      problems.push(`${panel}: not a number: ${query}`)
  }
  const rules = await prometheus.rules()
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
