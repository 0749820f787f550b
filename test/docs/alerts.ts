import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { load } from 'js-yaml'
import { ROOT } from '../support/service.js'

const ALERTS = join(ROOT, 'helm/eventgate/alerts')
export const yamlsIn = (folder: string) => readdirSync(folder).filter(name => name.endsWith('.yaml'))

/** A rule of Prometheus that alerts. */
export interface AlertRule {
  alert: string
  expr: string
  labels: Record<string, string>
  annotations: Record<string, string>
}

export interface RecordingRule {
  record: string
  expr: string
}

/** The rules that the chart brings, also those that record. */
export const rules = yamlsIn(ALERTS).flatMap(name => {
  const { groups } = load(readFileSync(join(ALERTS, name), 'utf8')) as {
    groups: { rules: (AlertRule | RecordingRule)[] }[]
  }
  return groups.flatMap(group => group.rules)
})

export const alertRules = rules.filter(rule => 'alert' in rule)
