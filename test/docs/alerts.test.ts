import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { load } from 'js-yaml'
import { dashboards, FOLDER, queries } from '../../helm/dashboards.js'
import { metricsIn } from '../../helm/names.js'
import { ROOT } from '../support/service.js'
import { alertRules, yamlsIn } from './alerts.js'
import { blocksOf } from './documents.js'
import { ownMetrics } from './metrics.js'

interface AlertTest {
  promql_expr_test: { exp_samples: { labels: string }[] }[]
}

const runbook = readFileSync(join(ROOT, 'docs/runbook.md'), 'utf8')

test('every alert says how bad it is, what it means, and where the runbook tells of it', () => {
  assert.ok(alertRules.length > 10)
  for (const { alert, labels, annotations } of alertRules) {
    assert.match(alert, /^EventGate[A-Z]\w+$/)
    assert.match(labels.severity ?? '', /^(critical|warning)$/, alert)
    assert.ok(annotations.summary && annotations.description, alert)
    assert.equal(annotations.runbook_url, `docs/runbook.md#${alert.toLowerCase()}`)
    const section = new RegExp(`^### ${alert}\\n([^#]|#(?!## ))*`, 'm').exec(runbook)?.[0] ?? ''
    for (const part of ['Means', 'Look at', 'Do']) assert.ok(section.includes(`**${part}.**`), alert)
  }
})

test('every section of the runbook is of an alert, and its links lead somewhere', () => {
  const sections = [...runbook.matchAll(/^### (EventGate\w+)$/gm)].map(match => match[1])
  assert.deepEqual(sections.toSorted(), alertRules.map(({ alert }) => alert).toSorted())
  for (const [, anchor] of runbook.matchAll(/\(#(eventgate\w+)\)/g))
    assert.ok(
      sections.some(name => name?.toLowerCase() === anchor),
      anchor,
    )
})

test("the inhibition in the runbook is one of Alertmanager's, and of alerts that exist", () => {
  const [block, ...others] = blocksOf(runbook)
  assert.deepEqual(others, [])
  const { inhibit_rules } = load(block?.text ?? '') as { inhibit_rules: Record<string, string[]>[] }
  const names = alertRules.map(({ alert }) => alert)
  for (const { source_matchers = [], target_matchers = [], equal, ...rest } of inhibit_rules) {
    assert.deepEqual(rest, {})
    assert.deepEqual(equal, ['namespace', 'service'])
    const [silencing, silenced] = [source_matchers, target_matchers].map(([matcher = '']) => {
      const [, expression = ''] = /^alertname =~ "(.+)"$/.exec(matcher) ?? []
      return names.filter(name => new RegExp(`^(?:${expression})$`).test(name))
    })
    assert.equal(silencing?.length, 3)
    assert.deepEqual(silenced?.toSorted(), [
      'EventGateClassErrorBudgetFast',
      'EventGateClassErrorBudgetSlow',
      'EventGateStreamFailing',
      'EventGateStreamQuiet',
    ])
  }
})

test('every panel that the runbook names is on a dashboard', () => {
  const titles = new Set(
    Object.values(dashboards()).flatMap(text =>
      [...text.matchAll(/"title": "([^"]+)"/g)].map(([, title]) => title),
    ),
  )
  const named = [...runbook.matchAll(/(?<!\w)_([A-Z][^_]+)_(?!\w)/g)].map(([, name]) => name)
  const rights = ['IdempotentWrite']
  assert.ok(named.length > 30)
  assert.deepEqual(
    named.filter(name => !titles.has(name) && !rights.includes(name ?? '')),
    [],
  )
})

test('every alert has a test in which it fires', () => {
  const folder = join(ROOT, 'helm/alerts-tests')
  const tests = yamlsIn(folder).flatMap(
    name => (load(readFileSync(join(folder, name), 'utf8')) as { tests: AlertTest[] }).tests,
  )
  const firing = tests.flatMap(test => test.promql_expr_test.flatMap(({ exp_samples }) => exp_samples))
  for (const { alert } of alertRules)
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
