import { setTimeout as delay } from 'node:timers/promises'
import type { Delivery, EventGate } from '../eventgate.js'
import type { Producer } from '../producers/producer.js'
import { yieldToEventLoop } from '../runtime/event-loop.js'
import type { GateServer } from './server.js'

/** When each phase ends after the signal (ms). */
export interface ShutdownTimes {
  /** Idle connections are closed. Until then a request that is on its way on one is taken. */
  idleMs: number
  /** Every request has its answer. Events that are undecided then are not stored, or of unknown fate. */
  answerMs: number
  /** Hasty events, for which nobody waits, are given up. */
  endMs: number
}

/** The whole time if it is not configured. The defaults of supervisors are not shorter. */
export const SHUTDOWN_TIMEOUT_MS = 10_000
/** The share of the time after which what is left is given up, in order. */
const GRACE_SHARE = 0.8
/**
 * Proxies in front keep an idle connection for less (Envoy for 4.5 s), so that they close it first. A request that is
 * sent at the moment of closing is lost, and Envoy sends it again (helm/check-roll.ts).
 */
const IDLE_MS = 5000
/** Time that is left for requests that come even then (ms). If there is no more, idle connections have a share. */
const FINISH_MS = 5000
const IDLE_SHARE = 0.1
/** Charts that were made for the original leave two seconds, without configuring them (ms). */
const UNTOLD_ANSWER_MS = 1500
const UNTOLD_IDLE_MS = 1200

/**
 * A kill leaves clients without an answer, which some take for success. If the time is not configured, requests are
 * answered within the shortest time that is usual. Hasty events may still take the default, because an earlier kill
 * makes no answer untrue.
 */
export function shutdownTimes(configuredMs: number | undefined): ShutdownTimes {
  if (configuredMs === undefined) {
    return { idleMs: UNTOLD_IDLE_MS, answerMs: UNTOLD_ANSWER_MS, endMs: GRACE_SHARE * SHUTDOWN_TIMEOUT_MS }
  }
  const endMs = GRACE_SHARE * configuredMs
  const idleMs = Math.min(IDLE_MS, Math.max(IDLE_SHARE * configuredMs, configuredMs - FINISH_MS))
  return { idleMs, answerMs: endMs, endMs }
}

type StoppableProducer = Pick<Producer, 'flush' | 'close'>

/** What an orderly end stops. */
export interface Stoppable {
  server: Pick<GateServer, 'drain' | 'refuseIncomplete' | 'closeUnanswered' | 'closeAllConnections'>
  gate: Pick<EventGate, 'waiting' | 'expire'>
  producers: Readonly<Record<Delivery, StoppableProducer>>
  /** Resolves when no request is under way. */
  closeRequests(): Promise<void>
  /** Resolves when no error event is under way. */
  errorEventsIdle(): Promise<void>
  /** Stops what works in the background. */
  closeRest(): void
  /** Told how many requests had to be answered before the outcomes of their events were known. */
  undecided(requests: number): void
}

export interface ShutdownClock {
  now(): number
  /** Does not keep the process alive. */
  delay(ms: number): Promise<void>
}

const CLOCK: ShutdownClock = {
  now: Date.now,
  delay: ms => delay(ms, undefined, { ref: false }),
}

/** Ends a service in phases, which share one deadline. To be used once. */
export class Shutdown {
  readonly #service: Stoppable
  readonly #times: ShutdownTimes
  readonly #clock: ShutdownClock
  readonly #startedAt: number
  /** Those that are still open. Both deliveries may have the same. */
  readonly #open: Set<StoppableProducer>
  #connectionsClosed = Promise.resolve()
  #workFinished = Promise.resolve()
  #isAnswered = false
  #isInTime = false
  #undecided = 0

  constructor(service: Stoppable, times: ShutdownTimes, clock: ShutdownClock = CLOCK) {
    this.#service = service
    this.#times = times
    this.#clock = clock
    this.#startedAt = clock.now()
    this.#open = new Set(Object.values(service.producers))
  }

  /** Resolves when all is closed, with whether all work was finished by itself. */
  async run(): Promise<boolean> {
    this.#stopAccepting()
    await this.#waitForIdleConnections()
    await this.#waitForWork()
    if (!this.#isInTime) await this.#answerUndecided()
    await this.#closeProducers()
    await this.#closeConnections()
    return this.#isInTime && this.#undecided === 0
  }

  #stopAccepting(): void {
    this.#connectionsClosed = this.#service.server.drain(this.#times.idleMs)
    this.#service.closeRest()
    for (const producer of this.#open) void producer.flush?.()
  }

  /** Requests that are on their way come until then, even if nothing else is in flight. */
  async #waitForIdleConnections(): Promise<void> {
    await Promise.race([this.#connectionsClosed, this.#clock.delay(this.#times.idleMs)])
  }

  async #waitForWork(): Promise<void> {
    const requests = this.#service.closeRequests().then(() => {
      this.#isAnswered = true
    })
    this.#workFinished = requests.then(() => this.#service.errorEventsIdle())
    await this.#waitUntil(this.#times.answerMs)
  }

  /** Producers know best what became of their events. The gate answers the rest. Hasty events may have more time. */
  async #answerUndecided(): Promise<void> {
    const { gate, producers, server } = this.#service
    const { answerMs, endMs } = this.#times
    this.#undecided = gate.waiting
    const closing = [...this.#open].filter(producer => answerMs === endMs || producer !== producers.hasty)
    await Promise.all(closing.map(producer => producer.close(0)))
    for (const producer of closing) this.#open.delete(producer)
    gate.expire()
    await yieldToEventLoop()
    this.#undecided += server.refuseIncomplete()
    if (this.#undecided > 0) this.#service.undecided(this.#undecided)
    await this.#waitUntil(endMs)
  }

  /** Producers settle what cannot be finished in time, so that it is counted as lost. */
  async #closeProducers(): Promise<void> {
    const left = this.#left(this.#times.endMs)
    await Promise.all([...this.#open].map(producer => producer.close(left)))
  }

  /** Clients that still send are not waited for. */
  async #closeConnections(): Promise<void> {
    const { server } = this.#service
    if (this.#isInTime || this.#isAnswered) server.closeUnanswered()
    else server.closeAllConnections()
    await this.#workFinished
    await this.#connectionsClosed
  }

  /** Waits until all work is finished, or this time after the start has come. */
  async #waitUntil(ms: number): Promise<void> {
    this.#isInTime = await Promise.race([
      this.#workFinished.then(() => true),
      this.#clock.delay(this.#left(ms)).then(() => false),
    ])
  }

  #left(ms: number): number {
    return Math.max(0, this.#startedAt + ms - this.#clock.now())
  }
}
