/**
 * A real Prometheus scrapes a service with a real Kafka under traffic. Every query of the dashboards must return data.
 * Prometheus must be able to evaluate every alert, and `promtool check metrics` must accept the scrape. Takes some 40 s.
 *
 *   npm run pretest && node .build/helm/check-dashboards.js
 */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { startKafka } from '../test/support/kafka.js'
import { ROOT, send } from '../test/support/service.js'
import { queries } from './dashboards.js'
import { WRONG_ACCOUNTS } from './names.js'
import { Prometheus, tool } from './prometheus.js'
import { startTraffic } from './traffic.js'

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
  const kafka = await startKafka()
  context.after(() => kafka.close())
  const { metricsPorts, send: sendSome } = await startTraffic(context, kafka.bootstrap)
  const prometheus = await Prometheus.start({
    ports: metricsPorts,
    rules: [join(ROOT, 'helm/eventgate/alerts/*.yaml')],
    interval: 1,
  })
  context.after(() => prometheus.close())

  for (const until = Date.now() + TRAFFIC_MS; Date.now() < until; await delay(200)) await sendSome()

  const problems: string[] = []
  for (const { panel, expr } of queries()) {
    const query = VARIABLES.reduce((text, [name, value]) => text.replaceAll(name, value), expr)
    const samples = await prometheus.query(query).catch((error: Error) => error)
    if (samples instanceof Error) problems.push(`${panel}: ${samples.message}: ${query}`)
    else if (samples.length === 0) problems.push(`${panel}: no data: ${query}`)
    else if (samples.every(({ value }) => value[1] === 'NaN'))
      problems.push(`${panel}: not a number: ${query}`)
  }
  for (const { metric } of await prometheus.query(WRONG_ACCOUNTS))
    problems.push(`an account does not add up: ${JSON.stringify(metric)}`)
  const rules = await prometheus.rules()
  if (rules.length < 10) problems.push(`only ${rules.length} rules are loaded`)
  for (const { name, health, lastError } of rules)
    if (health !== 'ok') problems.push(`${name}: ${health} ${lastError ?? ''}`)

  const scrape = await send(`http://127.0.0.1:${metricsPorts[0]}/metrics`)
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
