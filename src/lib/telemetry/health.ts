import { DELIVERIES, type Delivery } from '../eventgate.js'
import type { Admission } from '../http/admission.js'
import type { Connections } from '../http/connections.js'
import type { Producer, ProducerState } from '../producers/producer.js'
import type { SchemaRepository } from '../schemas/repository.js'
import type { SpoolState } from '../spool/observer.js'
import type { StreamConfigs } from '../streams/config-source.js'
import type { StreamAccounts } from './accounts.js'

/** The parts whose state is reported. */
export interface HealthSources {
  connections: Connections
  admission: Admission
  schemas: SchemaRepository
  /** Undefined where any schema may go to any stream. */
  configs: StreamConfigs | undefined
  producers: Record<Delivery, Producer>
  /** The state of the spool, where there is one. */
  spool?: (() => SpoolState) | undefined
  accounts: Pick<StreamAccounts, 'totals'>
}

/** Why a service should not get requests. */
export interface NotReady {
  code: 'draining' | 'not_ready'
  reason: string
}

/** From this part of its room on a spool may refuse events at any moment: one segment is kept free. */
const NEARLY_FULL = 0.75
/** Time between two probes of Kafka (ms). */
const PROBE_PAUSE_MS = 1000

/**
 * What the service knows about its own state. Readiness waits for no other service, and never for a produce: a slow
 * broker once made every pod unready at the same moment (docs/contract.md 1.5).
 */
export class Health {
  readonly #sources: HealthSources
  readonly #unreadyWithoutKafkaMs: number
  readonly #since = performance.now()
  #probeAt = 0

  /** With `unreadyWithoutKafkaMs` 0, readiness does not depend on Kafka. */
  constructor(sources: HealthSources, unreadyWithoutKafkaMs: number) {
    this.#sources = sources
    this.#unreadyWithoutKafkaMs = unreadyWithoutKafkaMs
  }

  /** Undefined if the service is ready. In doubt it has Kafka probed, for the next answer. */
  notReady(): NotReady | undefined {
    const now = performance.now()
    // An idle producer knows only what its brokers were like when it last asked them.
    if (this.#isLong && this.#kafka.some(isCutOff) && now >= this.#probeAt) {
      this.#probeAt = now + PROBE_PAUSE_MS
      for (const delivery of DELIVERIES) void this.#sources.producers[delivery].probe?.()
    }
    return this.unreadiness
  }

  /** As `notReady`, without a probe. */
  get unreadiness(): NotReady | undefined {
    if (this.#sources.connections.closing)
      return { code: 'draining', reason: 'the service is shutting down: send requests elsewhere' }
    const states = this.#kafka
    const isAway = states.some(isCutOff) && !states.some(isReached)
    if (!isAway || !this.#isLong || this.#isSpooling) return undefined
    const seconds = Math.floor(this.#msSinceStored / 1000)
    return { code: 'not_ready', reason: `no broker can be reached, and nothing was stored for ${seconds} s` }
  }

  /** The state in two words. */
  get condition(): { status: string; reason: string | undefined } {
    const notReady = this.unreadiness
    return { status: notReady?.code ?? 'ready', reason: notReady?.reason }
  }

  /** Whether events are accepted without Kafka. */
  get #isSpooling(): boolean {
    const state = this.#sources.spool?.()
    return state !== undefined && state.broken === undefined && state.bytes < NEARLY_FULL * state.maxBytes
  }

  get #kafka(): ProducerState[] {
    return DELIVERIES.flatMap(delivery => this.#sources.producers[delivery].state ?? [])
  }

  /** Since any producer stored an event, or since the start. */
  get #msSinceStored(): number {
    const since = performance.now() - this.#since
    return Math.min(since, ...this.#kafka.map(({ msSinceStored }) => msSinceStored ?? Infinity))
  }

  get #isLong(): boolean {
    return this.#unreadyWithoutKafkaMs > 0 && this.#msSinceStored >= this.#unreadyWithoutKafkaMs
  }

  /** The whole state, for people and for programs that watch. */
  report(): object {
    const { connections, admission, schemas, configs, producers, accounts, spool } = this.#sources
    const byDelivery = (of: (delivery: Delivery) => object) =>
      Object.fromEntries(DELIVERIES.map(delivery => [delivery, of(delivery)]))
    return {
      ...this.condition,
      uptime_seconds: Math.round((performance.now() - this.#since) / 1000),
      connections: { open: connections.count, bound: connections.limits.max },
      in_flight: byDelivery(delivery => {
        const { bytes, events } = admission.inFlight(delivery)
        const { maxBytes, maxEvents } = admission.room(delivery)
        return { bytes, events, bounds: { bytes: maxBytes, events: maxEvents } }
      }),
      events: accounts.totals(),
      producers: byDelivery(delivery => producerReport(producers[delivery])),
      spool: spool && spoolReport(spool()),
      schemas: { held: schemas.size, repositories: schemas.repositories },
      stream_configuration: configs && {
        streams: configs.table.size,
        age_seconds: Math.round(configs.ageSeconds),
        problem: configs.failure,
      },
    }
  }
}

function isReached({ brokers }: ProducerState): boolean {
  return brokers.some(({ state }) => state === 'reachable')
}

/** Whether it asked brokers and cannot reach any. */
function isCutOff(producer: ProducerState): boolean {
  return !isReached(producer) && producer.brokers.some(({ state }) => state === 'unreachable')
}

function producerReport({ name, state }: Producer): object {
  if (!state) return { name }
  const { queued, bounds, msSinceStored, brokers, notIdempotent } = state
  const since = msSinceStored === undefined ? undefined : Math.round(msSinceStored / 1000)
  const idempotence = { active: notIdempotent === undefined, reason: notIdempotent }
  return { name, queued: { ...queued, bounds }, seconds_since_stored: since, idempotence, brokers }
}

function spoolReport({ bytes, maxBytes, events, oldestAt, deadLetters, broken }: SpoolState): object {
  const age = oldestAt === undefined ? undefined : Math.max(0, Math.round((Date.now() - oldestAt) / 1000))
  const waiting = { events, oldest_age_seconds: age }
  return { bytes, bound: maxBytes, waiting, dead_letters: deadLetters, problem: broken }
}
