import assert from 'node:assert/strict'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { load } from 'js-yaml'
import { dashboards, FOLDER, queries } from '../../helm/dashboards.js'
import { metricsIn } from '../../helm/names.js'
import { TRAFFIC_STREAMS, traffic, trafficConf } from '../../helm/traffic.js'
import { eventually, freePort, samples } from '../support/http.js'
import { anyKafka, topicName } from '../support/kafka.js'
import { ROOT, startService, temporary } from '../support/service.js'
import { ownMetrics } from './metrics.js'

const ALERTS = join(ROOT, 'helm/eventgate/alerts')
const yamlsIn = (folder: string) => readdirSync(folder).filter(name => name.endsWith('.yaml'))

interface Rule {
  alert: string
  expr: string
  labels: Record<string, string>
  annotations: Record<string, string>
}

interface AlertTest {
  promql_expr_test: { exp_samples: { labels: string }[] }[]
}

const rules = yamlsIn(ALERTS).flatMap(name => {
  const { groups } = load(readFileSync(join(ALERTS, name), 'utf8')) as { groups: { rules: Rule[] }[] }
  return groups.flatMap(group => group.rules)
})
const runbook = readFileSync(join(ROOT, 'docs/runbook.md'), 'utf8')

test('every alert says how bad it is, what it means, and where the runbook tells of it', () => {
  assert.ok(rules.length > 10)
  for (const { alert, labels, annotations } of rules) {
    assert.match(alert, /^EventGate[A-Z]\w+$/)
    assert.match(labels.severity ?? '', /^(critical|warning)$/, alert)
    assert.ok(annotations.summary && annotations.description, alert)
    assert.equal(annotations.runbook_url, `docs/runbook.md#${alert.toLowerCase()}`)
    const section = new RegExp(`^### ${alert}\\n([^#]|#(?!## ))*`, 'm').exec(runbook)?.[0] ?? ''
    for (const part of ['Means', 'Look at', 'Do']) assert.ok(section.includes(`**${part}.** `), alert)
  }
})

test('every section of the runbook is of an alert, and its links lead somewhere', () => {
  const sections = [...runbook.matchAll(/^### (EventGate\w+)$/gm)].map(match => match[1])
  assert.deepEqual(sections.toSorted(), rules.map(({ alert }) => alert).toSorted())
  for (const [, anchor] of runbook.matchAll(/\(#(eventgate\w+)\)/g))
    assert.ok(
      sections.some(name => name?.toLowerCase() === anchor),
      anchor,
    )
})

test('every alert has a test in which it fires', () => {
  const folder = join(ROOT, 'helm/alerts-tests')
  const tests = yamlsIn(folder).flatMap(
    name => (load(readFileSync(join(folder, name), 'utf8')) as { tests: AlertTest[] }).tests,
  )
  const firing = tests.flatMap(test => test.promql_expr_test.flatMap(({ exp_samples }) => exp_samples))
  for (const { alert } of rules)
    assert.ok(
      firing.some(({ labels }) => labels.includes(`alertname="${alert}",alertstate="firing"`)),
      alert,
    )
})

test('the dashboards are those of helm/dashboards.ts: npm run docs makes them', () => {
  const made = dashboards()
  assert.deepEqual(readdirSync(FOLDER).toSorted(), Object.keys(made).toSorted())
  for (const [name, text] of Object.entries(made))
    assert.equal(readFileSync(join(FOLDER, name), 'utf8'), text)
})

test('every metric of the service is on a dashboard', () => {
  const shown = new Set(queries().flatMap(({ expr }) => metricsIn(expr)))
  const isShown = (name: string) => ['', '_bucket', '_count', '_sum'].some(part => shown.has(name + part))
  assert.deepEqual(
    ownMetrics()
      .map(({ name }) => name)
      .filter(name => !isShown(name)),
    [],
  )
})

test('every metric that rules and dashboards name is there, in a service with Kafka under traffic', async t => {
  const kafka = await anyKafka()
  t.after(() => kafka.close())
  const port = await freePort()
  const streams = join(temporary(t), 'streams.json')
  writeFileSync(streams, JSON.stringify(TRAFFIC_STREAMS))
  const service = await startService(
    t,
    {
      ...trafficConf(streams),
      topic_prefix: `${topicName('alerts')}.`,
      kafka: { conf: { 'metadata.broker.list': kafka.bootstrap } },
    },
    { metrics: { type: 'prometheus', port } },
  )
  await traffic(service)
  const exprs = [...rules, ...queries()].map(({ expr }) => expr)
  const wanted = new Set(exprs.flatMap(metricsIn))
  assert.ok(wanted.size > 40)
  await eventually(async () => {
    const found = new Set([...(await samples(port)).keys()].map(sample => sample.replace(/\{.*/, '')))
    assert.deepEqual(
      [...wanted].filter(name => !found.has(name)),
      [],
    )
  })
})
