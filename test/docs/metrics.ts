/** Makes the tables of docs/metrics.md of what the code registers. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { pino } from 'pino'
import { Registry } from 'prom-client'
import type { Health, HealthSources } from '#src/lib/telemetry/health.js'
import { collectProcessMetrics, Reporter } from '#src/lib/telemetry/reporter.js'
import { ROOT } from '../support/service.js'

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
  // Only looked at when metrics are asked for, which nobody does here.
  const sources = { configs: {}, schemas: { counts: {} } } as unknown as HealthSources
  reporter.watch(sources, {} as Health, '0')
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

const TABLES: Record<string, () => string[]> = {
  own: () => rows(ownMetrics()),
  // What there is to know of a process differs from system to system: the page tells of Linux.
  ...(process.platform === 'linux' ? { process: () => rows(defaultMetrics()) } : {}),
}

/** The page with its tables made anew: each stands between `<!-- generated: name -->` and `<!-- end -->`. */
export function generated(): string {
  return readFileSync(PAGE, 'utf8').replace(
    /<!-- generated: (\w+) -->[\s\S]*?<!-- end -->/g,
    (table, name: string) => {
      const make = TABLES[name]
      return make ? `<!-- generated: ${name} -->\n${make().join('\n')}\n<!-- end -->` : table
    },
  )
}
