import type { Admission } from './admission.js'
import type { Connections } from './connections.js'
import type { Delivery } from './eventgate.js'
import type { Producer } from './producer.js'
import type { SchemaRepository } from './schemas.js'
import type { StreamConfigs } from './streams.js'

/** What health is told by. */
export interface HealthSources {
  connections: Connections
  admission: Admission
  schemas: SchemaRepository
  /** Undefined where any schema may go to any stream. */
  configs: StreamConfigs | undefined
  producers: Record<Delivery, Producer>
}

/** Why a service is not to be sent requests. */
export interface NotReady {
  code: 'draining' | 'not_ready'
  reason: string
}

const DELIVERIES = ['guaranteed', 'hasty'] as const

/**
 * What the service knows of its own state. Readiness asks nothing of anybody, and least of all a produce: in
 * production a slow broker once made every pod unready at the same moment (CONTRACT 1.5).
 */
export class Health {
  readonly #sources: HealthSources
  readonly #unreadyWithoutKafkaMs: number
  readonly #since = performance.now()

  /** `unreadyWithoutKafkaMs` 0: Kafka's state is none of readiness's business. */
  constructor(sources: HealthSources, unreadyWithoutKafkaMs: number) {
    this.#sources = sources
    this.#unreadyWithoutKafkaMs = unreadyWithoutKafkaMs
  }

  /** Undefined when it is ready. */
  notReady(): NotReady | undefined {
    if (this.#sources.connections.closing)
      return { code: 'draining', reason: 'the service is shutting down: send requests elsewhere' }
    const ms = this.#msWithoutKafka()
    if (this.#unreadyWithoutKafkaMs === 0 || ms < this.#unreadyWithoutKafkaMs) return undefined
    // Without requests nothing else would find out that Kafka is back.
    for (const delivery of DELIVERIES) void this.#sources.producers[delivery].probe?.()
    const seconds = Math.floor(ms / 1000)
    return { code: 'not_ready', reason: `no broker can be reached, and nothing was stored for ${seconds} s` }
  }

  /** For how long nothing was stored, if no broker that was asked can be reached; else 0. */
  #msWithoutKafka(): number {
    let ms = performance.now() - this.#since
    let isTried = false
    for (const delivery of DELIVERIES) {
      const { state } = this.#sources.producers[delivery]
      if (!state) continue
      if (state.brokers.some(broker => broker.state === 'reachable')) return 0
      isTried ||= state.brokers.some(broker => broker.state === 'unreachable')
      ms = Math.min(ms, state.msSinceStored ?? Infinity)
    }
    return isTried ? ms : 0
  }

  /** All of it, for a person and for programs that watch. */
  report(): object {
    const { connections, admission, schemas, configs, producers } = this.#sources
    const notReady = this.notReady()
    const byDelivery = (of: (delivery: Delivery) => object) =>
      Object.fromEntries(DELIVERIES.map(delivery => [delivery, of(delivery)]))
    return {
      status: notReady?.code ?? 'ready',
      reason: notReady?.reason,
      uptime_seconds: Math.round((performance.now() - this.#since) / 1000),
      connections: { open: connections.count, bound: connections.limits.max },
      in_flight: byDelivery(delivery => {
        const { bytes, events } = admission.inFlight(delivery)
        const { maxBytes, maxEvents } = admission.room(delivery)
        return { bytes, events, bounds: { bytes: maxBytes, events: maxEvents } }
      }),
      producers: byDelivery(delivery => producerReport(producers[delivery])),
      schemas: { held: schemas.size, repositories: schemas.repositories },
      stream_configuration: configs && {
        streams: configs.table.size,
        age_seconds: Math.round(configs.ageSeconds),
        problem: configs.failure,
      },
    }
  }
}

function producerReport({ name, state }: Producer): object {
  if (!state) return { name }
  const { queued, bounds, msSinceStored, brokers } = state
  const since = msSinceStored === undefined ? undefined : Math.round(msSinceStored / 1000)
  return { name, queued: { ...queued, bounds }, seconds_since_stored: since, brokers }
}
