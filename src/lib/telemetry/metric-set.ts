import { Counter, type Metric, type Registry } from 'prom-client'
import { CheapHistogram } from './histogram.js'

export type Labels = Readonly<Record<string, string>>

/** A value of a metric that is read when metrics are asked for. */
export type Reading = readonly [labels: Labels, value: number]

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

  /** A counter that is read off something else. */
  readCounter(name: string, help: string, labels: readonly string[], read: () => Iterable<Reading>): void {
    this.#register('counter', name, help, labels, read)
  }

  gauge(
    name: string,
    help: string,
    labels: readonly string[],
    read: () => Iterable<Reading>,
    fold?: Fold,
  ): void {
    this.#register('gauge', name, help, labels, read, fold)
  }

  #register(
    type: 'counter' | 'gauge',
    name: string,
    help: string,
    labels: readonly string[],
    read: () => Iterable<Reading>,
    aggregator: Fold = 'sum',
  ): void {
    const service = this.#service
    const { labelNames } = this.#options(name, help, labels)
    // Those of prom-client make a key of the labels of each value: too slow for thousands of streams.
    const metric = {
      ...{ name, help, type, labelNames, aggregator },
      async get() {
        const values = Array.from(read(), ([own, value]) => ({ labels: { ...service, ...own }, value }))
        return { ...{ name, help, type, aggregator }, values }
      },
      reset() {},
    }
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
