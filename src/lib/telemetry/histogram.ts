import type { Metric, Registry } from 'prom-client'

type Labels = Readonly<Record<string, string>>

/** The distribution of values over buckets. An observation costs a few additions. */
export class Distribution {
  readonly #bounds: readonly number[]
  /** The number of values in each bucket and beyond the last. Not cumulative. */
  readonly #counts: number[]
  #sum = 0

  constructor(bounds: readonly number[]) {
    this.#bounds = bounds
    this.#counts = new Array(bounds.length + 1).fill(0)
  }

  observe(value: number): void {
    let bucket = 0
    while (bucket < this.#bounds.length && value > (this.#bounds[bucket] as number)) bucket++
    ;(this.#counts[bucket] as number)++
    this.#sum += value
  }

  /** The samples of a histogram in Prometheus's form, whose buckets are cumulative. */
  samples(name: string, labels: Labels): { metricName: string; labels: object; value: number }[] {
    let total = 0
    const buckets = this.#counts.map((count, i) => {
      total += count
      const le = this.#bounds[i] ?? '+Inf'
      return { metricName: `${name}_bucket`, labels: { le, ...labels }, value: total }
    })
    return [
      ...buckets,
      { metricName: `${name}_sum`, labels, value: this.#sum },
      { metricName: `${name}_count`, labels, value: total },
    ]
  }
}

interface HistogramOptions {
  name: string
  help: string
  labelNames: readonly string[]
  bounds: readonly number[]
  /** Labels that all of its series have. */
  service?: Labels
}

/**
 * A histogram that is cheap enough to be observed with every event. That of prom-client makes a key of its labels each
 * time. It has only the members that a registry needs.
 */
export class CheapHistogram {
  readonly name: string
  readonly help: string
  readonly labelNames: readonly string[]
  readonly type = 'histogram'
  readonly aggregator = 'sum'
  readonly #bounds: readonly number[]
  readonly #service: Labels
  readonly #series = new Map<string, { labels: Labels; distribution: Distribution }>()

  constructor(registry: Registry, { name, help, labelNames, bounds, service = {} }: HistogramOptions) {
    this.name = name
    this.help = help
    this.labelNames = labelNames
    this.#bounds = bounds
    this.#service = service
    registry.registerMetric(this as unknown as Metric)
  }

  /** The series with these labels. Callers should keep it. */
  of(labels: Labels): Distribution {
    const key = JSON.stringify(Object.values(labels))
    let series = this.#series.get(key)
    if (!series) {
      series = { labels: { ...this.#service, ...labels }, distribution: new Distribution(this.#bounds) }
      this.#series.set(key, series)
    }
    return series.distribution
  }

  async get() {
    const { name, help, type, aggregator } = this
    const values = [...this.#series.values()].flatMap(({ labels, distribution }) =>
      distribution.samples(name, labels),
    )
    return { name, help, type, aggregator, values }
  }

  reset(): void {
    this.#series.clear()
  }
}
