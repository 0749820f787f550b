import type { MetricSet, Reading } from './metric-set.js'

/** What a primary knows of a worker. */
interface WorkerState {
  worker: number
  isReady: boolean
  restarts: number
}

/** Declares the metrics of the workers of a host, which are there if `num_workers` is not 0. */
export function registerWorkerGauges(metrics: MetricSet, states: () => readonly WorkerState[]): void {
  metrics.gauge('eventgate_worker_up', 'Whether a worker serves; only with num_workers', ['worker'], () =>
    states().map(({ worker, isReady }): Reading => [{ worker: `${worker}` }, isReady ? 1 : 0]),
  )
  metrics.readCounter(
    'eventgate_worker_restarts_total',
    'How often a worker was started again because it had ended; only with num_workers',
    ['worker'],
    () => states().map(({ worker, restarts }): Reading => [{ worker: `${worker}` }, restarts]),
  )
}
