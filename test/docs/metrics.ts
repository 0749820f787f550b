/** Makes the tables of docs/metrics.md of what the code registers. */
import { join } from 'node:path'
import { pino } from 'pino'
import { Registry } from 'prom-client'
import type { SpoolState } from '#src/lib/spool/observer.js'
import { ByPattern } from '#src/lib/streams/by-pattern.js'
import type { Health, HealthSources } from '#src/lib/telemetry/health.js'
import { MetricSet } from '#src/lib/telemetry/metric-set.js'
import { collectProcessMetrics, Reporter } from '#src/lib/telemetry/reporter.js'
import { registerWorkerGauges } from '#src/lib/telemetry/worker-gauges.js'
import { ROOT } from '../support/service.js'
import { withTables } from './tables.js'

export const PAGE = join(ROOT, 'docs/metrics.md')

/** What a registry knows of a metric. */
export interface Described {
  name: string
  help: string
  type: string
  labelNames: readonly string[]
}

/** Every metric of the service's own, without the samples. */
export function ownMetrics(): Described[] {
  const registry = new Registry()
  const reporter = new Reporter(registry, pino({ level: 'silent' }), 'eventgate')
  reporter.keepAccounts({
    ...{ streamField: undefined, eventTimeField: undefined, destination: undefined, errorStream: undefined },
    ...{ quietAfter: false, classes: new ByPattern<string>([]), countsExperiments: false },
  })
  // Only looked at when metrics are asked for, which nobody does here.
  const sources = { configs: {}, schemas: { counts: {} } } as unknown as HealthSources
  reporter.watch(sources, {} as Health, '0')
  reporter.ofSpool(() => ({}) as SpoolState)
  registerWorkerGauges(new MetricSet(registry, { service: 'eventgate' }), () => [])
  return described(registry)
}

/** Those of Node and the process. */
export function defaultMetrics(): Described[] {
  const registry = new Registry()
  collectProcessMetrics(registry)
  return described(registry)
}

function described(registry: Registry): Described[] {
  const all = registry.getMetricsAsArray() as unknown as Described[]
  return all.toSorted((a, b) => (a.name < b.name ? -1 : 1))
}

function rows(metrics: readonly Described[]): string[] {
  return [
    '| metric | type | labels | |',
    '|---|---|---|---|',
    ...metrics.map(({ name, type, labelNames, help }) => {
      const labels = labelNames.filter(label => label !== 'service').map(label => `\`${label}\``)
      return `| \`${name}\` | ${type} | ${labels.join(' ')} | ${help.replace(/\.$/, '')} |`
    }),
  ]
}

/** The page as the code has it now. */
export function generated(): string {
  return withTables('docs/metrics.md', {
    own: () => rows(ownMetrics()),
    // The metrics of a process differ from system to system: the page has those of Linux.
    process: process.platform === 'linux' ? () => rows(defaultMetrics()) : undefined,
  })
}
