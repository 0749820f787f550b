import { Counter, type Metric, type Registry } from 'prom-client'
import { CheapHistogram } from './histogram.js'

export type Labels = Readonly<Record<string, string>>

/** Labels that several values have, scrape after scrape. Their text is made once. */
export class SharedLabels {
  #text: string | undefined

  constructor(readonly labels: Labels) {}

  get text(): string {
    this.#text ??= labelsText(this.labels)
    return this.#text
  }
}

/** A value of a metric that is read when metrics are asked for. */
export type Reading = readonly [labels: Labels | SharedLabels, value: number, more?: SharedLabels]

type Read = () => Iterable<Reading>

/** Labels in Prometheus's text format. */
export function labelsText(labels: Readonly<Record<string, string | number>>): string {
  return Object.entries(labels)
    .map(([label, value]) => `${label}="${escaped(String(value)).replaceAll('"', '\\"')}"`)
    .join(',')
}

/** A text of one line. */
export function escaped(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')
}

/** How the values of several workers become one: a bound or an amount is a sum, a state that of the worst. */
export type Fold = 'sum' | 'min' | 'max' | 'first'

/** The value of the label `service`. Null if the environment says that Prometheus adds it by itself. */
export function serviceLabel(metrics: unknown, name: string): string | null {
  if (process.env.METRICS_SERVICE_LABEL_ENABLED === 'false') return null
  return [(metrics ?? []) as { name?: string }[]].flat().find(({ name }) => name !== undefined)?.name ?? name
}

/** The metrics of one service. Each is declared in one call, with its name, what it tells, and its labels. */
export class MetricSet {
  readonly #registry: Registry
  readonly #service: Labels

  /** `service` are labels that every metric has. */
  constructor(registry: Registry, service: Labels) {
    this.#registry = registry
    this.#service = service
  }

  /** A counter that is increased by those who report. */
  counter(name: string, help: string, labels: readonly string[]): LabelledCounter {
    return new LabelledCounter(new Counter(this.#options(name, help, labels)), this.#service)
  }

  /** A counter that is read off something else. Those that are read `together` agree with each other. */
  readCounter(name: string, help: string, labels: readonly string[], read: Read, together = false): void {
    this.#register('counter', name, help, labels, read, together)
  }

  gauge(
    name: string,
    help: string,
    labels: readonly string[],
    read: Read,
    fold: Fold = 'sum',
    together = false,
  ): void {
    this.#register('gauge', name, help, labels, read, together, fold)
  }

  #register(
    type: 'counter' | 'gauge',
    name: string,
    help: string,
    labels: readonly string[],
    read: Read,
    together: boolean,
    aggregator: Fold = 'sum',
  ): void {
    const { labelNames } = this.#options(name, help, labels)
    const metric = new ReadMetric({ type, name, help, labelNames, together, aggregator }, this.#service, read)
    this.#registry.registerMetric(metric as unknown as Metric)
  }

  histogram(
    name: string,
    help: string,
    labels: readonly string[],
    bounds: readonly number[],
  ): CheapHistogram {
    const { labelNames } = this.#options(name, help, labels)
    return new CheapHistogram(this.#registry, { name, help, labelNames, bounds, service: this.#service })
  }

  #options(name: string, help: string, labels: readonly string[]) {
    const labelNames = [...Object.keys(this.#service), ...labels]
    return { name, help, labelNames, registers: [this.#registry] }
  }
}

interface Described {
  type: 'counter' | 'gauge'
  name: string
  help: string
  labelNames: readonly string[]
  together: boolean
  aggregator: Fold
}

/**
 * A metric that is read off something else. One of prom-client makes a key of the labels of each value, which takes too
 * long for thousands of streams. This one has only the members that a registry needs.
 */
export class ReadMetric {
  readonly type: Described['type']
  readonly name: string
  readonly help: string
  readonly labelNames: readonly string[]
  readonly aggregator: Fold
  readonly together: boolean
  readonly #service: SharedLabels
  readonly #read: Read

  constructor(described: Described, service: Labels, read: Read) {
    this.type = described.type
    this.name = described.name
    this.help = described.help
    this.labelNames = described.labelNames
    this.together = described.together
    this.aggregator = described.aggregator
    this.#service = new SharedLabels(service)
    this.#read = read
  }

  /** The values of this moment. Making lines of them takes longer, and may wait. */
  read(): readonly Reading[] {
    const readings = this.#read()
    return Array.isArray(readings) ? readings : [...readings]
  }

  lineOf([own, value, more]: Reading): string {
    const texts = [this.#service.text, own instanceof SharedLabels ? own.text : labelsText(own), more?.text]
    const labels = texts.filter(Boolean).join(',')
    return labels === '' ? `${this.name} ${value}\n` : `${this.name}{${labels}} ${value}\n`
  }

  async get() {
    const { name, help, type, aggregator } = this
    const values = this.read().map(([own, value, more]) => ({
      labels: {
        ...this.#service.labels,
        ...(own instanceof SharedLabels ? own.labels : own),
        ...more?.labels,
      },
      value,
    }))
    return { name, help, type, aggregator, values }
  }

  reset(): void {}
}

/** A counter whose labels are those of its service and its own. */
export class LabelledCounter {
  readonly #counter: Counter
  readonly #service: Labels

  constructor(counter: Counter, service: Labels) {
    this.#counter = counter
    this.#service = service
  }

  /** By 0 makes the series appear: Prometheus sees no increase where there was nothing before. */
  inc(labels: Labels, by = 1): void {
    this.#counter.inc({ ...this.#service, ...labels }, by)
  }
}

/**
 * Counts by two labels, cheaply enough for every event: a counter of prom-client's makes a key of its labels each
 * time.
 */
export class PairCounter {
  readonly #counts = new Map<string, Map<string, number>>()

  inc(first: string, second: string, by = 1): void {
    let counts = this.#counts.get(first)
    if (!counts) {
      counts = new Map()
      this.#counts.set(first, counts)
    }
    counts.set(second, (counts.get(second) ?? 0) + by)
  }

  has(first: string, second: string): boolean {
    return this.#counts.get(first)?.has(second) === true
  }

  /** Each pair of labels with its count. */
  *[Symbol.iterator](): Iterator<readonly [first: string, second: string, count: number]> {
    for (const [first, counts] of this.#counts)
      for (const [second, count] of counts) yield [first, second, count]
  }
}
