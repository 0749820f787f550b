import { AggregatorRegistry, type Registry } from 'prom-client'

/** A metric as a registry gives it. */
interface Metric {
  readonly name: string
  readonly type: string
  readonly aggregator: string
}
/** Metrics of a process. */
export type Metrics = readonly Metric[]

/** These only grow. */
const LASTING = new Set(['counter', 'histogram'])

/**
 * The metrics of a host whose workers come and go. Counters and histograms of workers that are gone stay in the sums,
 * because a counter must not go back. Gauges go with their worker.
 */
export class Totals {
  readonly #latest = new Map<object, Metrics>()
  #gone: Metrics = []

  /** The newest values of a worker. */
  set(worker: object, metrics: Metrics): void {
    this.#latest.set(worker, metrics)
  }

  /** A worker is gone. */
  retire(worker: object): void {
    const metrics = this.#latest.get(worker)
    if (!metrics) return
    this.#latest.delete(worker)
    this.#gone = asMetrics(folded([this.#gone, metrics.filter(({ type }) => LASTING.has(type))]))
  }

  /** All of it in Prometheus's form. `own` are the primary's metrics. */
  async text(own: Registry): Promise<string> {
    const primary = (await own.getMetricsAsJSON()) as unknown as Metrics
    // What prom-client leaves out of sums, such as the start of the process, is that of the primary.
    const kept = primary.map(metric =>
      metric.aggregator === 'omit' ? { ...metric, aggregator: 'first' } : metric,
    )
    const workers = [...this.#latest.values()].map(metrics =>
      metrics.filter(({ aggregator }) => aggregator !== 'omit'),
    )
    return folded([kept, ...workers, this.#gone]).metrics()
  }
}

function folded(metrics: readonly Metrics[]): Registry {
  return AggregatorRegistry.aggregate([...metrics])
}

function asMetrics(registry: Registry): Metrics {
  return registry.getMetricsAsArray() as unknown as Metrics
}
