import { setTimeout as delay } from 'node:timers/promises'
import type { Destination, Event } from '../eventgate.js'
import type { Producer, ProducerState } from '../producers/producer.js'
import { Cluster } from './cluster.js'
import { ANSWER_MARGIN_MS, type ProducerSettings } from './config.js'
import { Unanswered } from './control.js'
import type { SenderObserver } from './observer.js'
import { isMisfit } from './response-codes.js'
import { Sender } from './sender.js'
import { type Clock, REAL_CLOCK } from './transport.js'

/** A start waits so long for its connections to Kafka. */
const PREPARE_MS = 5000

/** Produces events to Kafka. A service has two that share nothing, so that hasty events cannot hold up others. */
export class KafkaProducer implements Producer {
  readonly name: string
  readonly sender: Sender
  readonly #cluster: Cluster
  readonly #observer: SenderObserver
  #probing: Promise<void> | undefined

  /** Connects when the first event comes, or to `prepare`. `soon` runs its callbacks in slices of the event loop. */
  constructor(
    { cluster, sender }: ProducerSettings,
    observer: SenderObserver = {},
    soon: Clock['soon'] = REAL_CLOCK.soon,
  ) {
    this.name = `kafka ${cluster.bootstrap.map(({ host, port }) => `${host}:${port}`).join(',')}`
    this.#observer = observer
    this.#cluster = new Cluster(cluster, message => observer.complain?.(message))
    this.sender = new Sender(sender, this.#cluster, { ...REAL_CLOCK, soon }, Math.random, observer)
  }

  get state(): ProducerState {
    const { queuedMessages, queuedBytes, settings, lastStoredAt } = this.sender
    return {
      queued: { events: queuedMessages, bytes: queuedBytes },
      bounds: { events: settings.maxQueuedMessages, bytes: settings.maxQueuedBytes },
      msSinceStored: lastStoredAt === undefined ? undefined : REAL_CLOCK.now() - lastStoredAt,
      brokers: this.#cluster.brokers,
      notIdempotent: this.sender.plainBecause,
    }
  }

  /** Finds out whether a broker can be reached, where no event does. Never rejects; for `state` to tell. */
  probe(): Promise<void> {
    this.#probing ??= this.reach()
      .catch((error: Error) => {
        if (isMisfit(error)) this.#observer.complain?.(error.message)
      })
      .then(() => {
        this.#probing = undefined
      })
    return this.#probing
  }

  produce(event: Event, destination: Destination, deadline = Infinity): Promise<'spooled' | undefined> {
    const { topic, key, timestamp, trace, stream } = destination
    const value = JSON.stringify(event)
    const keyBytes = key === null ? null : Buffer.from(key)
    // Sooner than its request, so that it is known whether it was stored when that is answered.
    const left = Math.max(0, deadline - Date.now())
    const timeoutMs = left - Math.min(ANSWER_MARGIN_MS, left / 10)
    return this.sender.send(topic, keyBytes, value, timestamp, timeoutMs, trace, stream)
  }

  /** Asks all brokers: rejects if none answers in the time that a connection has. For a start that must fail without Kafka. */
  async reach(): Promise<void> {
    const until = REAL_CLOCK.now() + this.#cluster.settings.connectTimeoutMs
    for (;;) {
      try {
        await this.#cluster.control.metadata([], false)
        return
      } catch (error) {
        if (!(error instanceof Unanswered) || REAL_CLOCK.now() >= until) throw error
      }
    }
  }

  /** Makes what the first event needs, within a few seconds. Never rejects: without Kafka events say so themselves. */
  async prepare(): Promise<void> {
    const patience = new AbortController()
    const late = delay(PREPARE_MS, undefined, { signal: patience.signal }).catch(() => {})
    await Promise.race([Promise.all([this.probe(), this.sender.prepare()]), late])
    patience.abort()
  }

  /** From now on nothing lingers; resolves once every event that it has is answered. */
  flush(): Promise<void> {
    return this.sender.flush()
  }

  async close(graceMs: number): Promise<void> {
    await this.sender.close(graceMs)
    this.#cluster.close()
  }
}
