import type { Registry } from 'prom-client'
import { yieldToEventLoop } from '../runtime/event-loop.js'

interface Sample {
  metricName?: string
  labels?: Readonly<Record<string, string | number>>
  value: number
}

interface Family {
  name: string
  help: string
  type: string
  values: readonly Sample[]
}

/** Lines that are written before other work gets its turn. */
const SLICE = 1000

/**
 * What a registry has, in Prometheus's text format, in pieces. All is read at one moment, so that accounts add up, and
 * written in slices: thousands of streams would otherwise hold up the events.
 */
export async function exposition(registry: Registry): Promise<string[]> {
  const pieces: string[] = []
  const readings = registry.getMetricsAsArray().map(metric => (metric as unknown as Gettable).get())
  for (const { name, help, type, values } of await Promise.all(readings)) {
    pieces.push(`# HELP ${name} ${escaped(help)}\n# TYPE ${name} ${type}\n`)
    for (let from = 0; from < values.length; from += SLICE) {
      const lines = values.slice(from, from + SLICE).map(sample => lineOf(name, sample))
      pieces.push(lines.join(''))
      if (lines.length === SLICE) await yieldToEventLoop()
    }
  }
  return pieces
}

interface Gettable {
  get(): Promise<Family>
}

function lineOf(name: string, { metricName = name, labels = {}, value }: Sample): string {
  let text = ''
  for (const label in labels) {
    const given = labels[label] as string | number
    const quoted = typeof given === 'string' ? escaped(given).replaceAll('"', '\\"') : given
    text += `${text === '' ? '' : ','}${label}="${quoted}"`
  }
  return text === '' ? `${metricName} ${numberOf(value)}\n` : `${metricName}{${text}} ${numberOf(value)}\n`
}

function numberOf(value: number): string {
  if (Number.isFinite(value)) return String(value)
  return Number.isNaN(value) ? 'NaN' : value > 0 ? '+Inf' : '-Inf'
}

function escaped(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')
}
