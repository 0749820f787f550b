import type { Registry } from 'prom-client'
import { yieldToEventLoop } from '../runtime/event-loop.js'
import { escaped, labelsText, type Reading, ReadMetric } from './metric-set.js'

interface Sample {
  metricName?: string
  labels?: Readonly<Record<string, string | number>>
  value: number
}

/** What a registry needs of a metric. */
interface Family {
  readonly name: string
  readonly help: string
  readonly type: string
  get(): Promise<{ values: readonly Sample[] }>
}

/** Lines that are made before other work gets its turn. */
const SLICE = 500

/**
 * What a registry has, in Prometheus's text format. What belongs together is read now, at one moment, so that accounts
 * add up. The rest is read, and the text made, in slices: thousands of streams would otherwise hold up the events.
 */
export async function* exposition(registry: Registry): AsyncGenerator<string> {
  const families = registry.getMetricsAsArray() as unknown as Family[]
  const now = new Map<Family, readonly Reading[]>()
  for (const family of families)
    if (family instanceof ReadMetric && family.together) now.set(family, family.read())
  for (const family of families) {
    const { name, help, type } = family
    yield `# HELP ${name} ${escaped(help)}\n# TYPE ${name} ${type}\n`
    if (family instanceof ReadMetric)
      yield* slices(now.get(family) ?? family.read(), reading => family.lineOf(reading))
    else yield* slices((await family.get()).values, sample => lineOf(name, sample))
  }
}

async function* slices<Item>(items: readonly Item[], lineOf: (item: Item) => string): AsyncGenerator<string> {
  for (let from = 0; from < items.length; from += SLICE) {
    yield items
      .slice(from, from + SLICE)
      .map(lineOf)
      .join('')
    if (items.length > SLICE) await yieldToEventLoop()
  }
}

function lineOf(name: string, { metricName = name, labels = {}, value }: Sample): string {
  const text = labelsText(labels)
  return text === ''
    ? `${metricName} ${numberText(value)}\n`
    : `${metricName}{${text}} ${numberText(value)}\n`
}

/** A value in Prometheus's format. */
export function numberText(value: number): string {
  if (Number.isFinite(value)) return String(value)
  return Number.isNaN(value) ? 'NaN' : value > 0 ? '+Inf' : '-Inf'
}
