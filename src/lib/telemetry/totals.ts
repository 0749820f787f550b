import type { Registry } from 'prom-client'
import { yieldToEventLoop } from '../runtime/event-loop.js'
import { exposition, numberText } from './exposition.js'

/** What a process tells of its metrics. */
export interface Told {
  /** In Prometheus's format. */
  text: string
  /** How values of several processes become one, by metric, unless it is their sum. */
  folds: Readonly<Record<string, string>>
}

/** A metric of several processes. */
interface Family {
  readonly name: string
  readonly help: string
  readonly type: string
  readonly fold: string
  /** By name and labels, as they are in the text. */
  readonly values: Map<string, number>
}

type Families = Map<string, Family>

/** Lines that are read or made before other work gets its turn. */
const SLICE = 2000

/** What this process tells. */
export async function tell(registry: Registry): Promise<Told> {
  const folds: Record<string, string> = {}
  for (const { name, aggregator } of registry.getMetricsAsArray())
    if ((aggregator as string) !== 'sum') folds[name] = aggregator as string
  let text = ''
  for await (const piece of exposition(registry)) text += piece
  return { text, folds }
}

/**
 * The metrics of a host whose workers come and go. Counters and histograms of workers that are gone stay in the sums,
 * because a counter must not go back. Gauges go with their worker.
 */
export class Totals {
  readonly #latest = new Map<object, Told>()
  readonly #gone: Families = new Map()

  /** The newest values of a worker. */
  set(worker: object, told: Told): void {
    this.#latest.set(worker, told)
  }

  /** A worker is gone. */
  retire(worker: object): void {
    const told = this.#latest.get(worker)
    if (!told) return
    this.#latest.delete(worker)
    const families: Families = new Map()
    for (const _ of add(families, told));
    settle(families)
    for (const family of families.values())
      if (family.type === 'counter' || family.type === 'histogram')
        for (const [key, value] of family.values) fold(familyOf(this.#gone, family), key, value)
  }

  /** All of it in Prometheus's format. `own` are the primary's metrics. */
  async *text(own: Registry): AsyncGenerator<string> {
    const families: Families = new Map()
    const primary = await tell(own)
    // What cannot be folded, such as the start of the process, is that of the primary.
    const folds = Object.entries(primary.folds).map(([name, how]) => [name, how === 'omit' ? 'first' : how])
    const all = [{ ...primary, folds: Object.fromEntries(folds) }, ...this.#latest.values()]
    for (const [name, family] of this.#gone) families.set(name, { ...family, values: new Map(family.values) })
    for (const told of all) for (const _ of add(families, told)) await yieldToEventLoop()
    for (const { name, help, type, values } of families.values()) {
      yield `${help}\n# TYPE ${name} ${type}\n`
      let lines = ''
      let count = 0
      for (const [key, value] of values) {
        lines += `${key} ${numberText(value)}\n`
        if (++count % SLICE > 0) continue
        yield lines
        lines = ''
        await yieldToEventLoop()
      }
      yield lines
    }
  }
}

/** Adds what a process tells, and stops after each slice. */
function* add(families: Families, { text, folds }: Told): Generator<void> {
  let help = ''
  let family: Family | undefined
  let count = 0
  for (let at = 0; at < text.length; ) {
    const end = text.indexOf('\n', at)
    const line = text.slice(at, end)
    at = end + 1
    if (line.startsWith('# HELP ')) help = line
    else if (line.startsWith('# TYPE ')) {
      const [, , name = '', type = ''] = line.split(' ')
      const fold = folds[name] ?? 'sum'
      family = fold === 'omit' ? undefined : familyOf(families, { name, help, type, fold })
    } else if (family) {
      const space = line.lastIndexOf(' ')
      fold(family, line.slice(0, space), numberOf(line.slice(space + 1)))
    }
    if (++count % SLICE === 0) yield
  }
}

function familyOf(families: Families, { name, help, type, fold }: Omit<Family, 'values'>): Family {
  let family = families.get(name)
  if (!family) {
    family = { name, help, type, fold, values: new Map() }
    families.set(name, family)
  }
  return family
}

function fold({ fold, values }: Family, key: string, value: number): void {
  const before = values.get(key)
  if (before === undefined) values.set(key, value)
  else if (fold === 'min') values.set(key, Math.min(before, value))
  else if (fold === 'max') values.set(key, Math.max(before, value))
  else if (fold === 'sum') values.set(key, before + value)
}

/** What became of the events that a worker had when it died is unknown. So accounts still add up without it. */
function settle(families: Families): void {
  const outcomes = families.get('eventgate_stream_events_total')
  for (const [key, events] of families.get('eventgate_stream_in_flight_events')?.values ?? []) {
    if (events === 0 || !outcomes) continue
    const labels = key.slice(key.indexOf('{'), -1)
    const unknown = `${outcomes.name}${labels},outcome="unknown",code="produce_unknown"}`
    fold(outcomes, unknown, events)
  }
}

function numberOf(text: string): number {
  return text.endsWith('Inf') ? (text.startsWith('-') ? -Infinity : Infinity) : Number(text)
}
