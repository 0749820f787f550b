import { backoffMs } from './backoff.js'
import type { SenderObserver } from './observer.js'
import { isMisfit, KafkaError, Misfit } from './response-codes.js'
import type { Issued, Plainness, Sequence } from './sequence.js'
import type { Clock, ControlQuestions, Waker } from './transport.js'

export interface ProducerIdSettings {
  /** Whether brokers are to recognise what is sent again. */
  readonly idempotent: boolean
  /** Whether nothing is sent that they would not recognise. */
  readonly requiresIdempotence: boolean
  readonly retryBackoffMs: number
  readonly retryBackoffMaxMs: number
}

export interface ProducerIdHost extends Waker {
  readonly observer: SenderObserver
}

/** Brokers that refuse identities are asked again after this long. */
const ASK_AGAIN_MS = 10 * 60_000

/** Producer ids. If brokers refuse them, as before 2.8 without the right IdempotentWrite, batches go without. */
export class ProducerIds implements Plainness {
  plain: boolean
  /** Why there is no id, for a person; empty while there is nothing to say. */
  problem = ''
  /** Whether brokers refused the latest request for one. */
  refused = false
  #issued: Issued | undefined
  #issues = 0
  #asking = false
  #notBefore = 0
  #failures = 0

  constructor(
    readonly settings: ProducerIdSettings,
    readonly control: ControlQuestions,
    readonly clock: Clock,
    readonly host: ProducerIdHost,
  ) {
    this.plain = !settings.idempotent
  }

  /** Gives a partition the latest id; false if it has given that up already, or there is not any. */
  give(sequence: Sequence): boolean {
    return this.#issued !== undefined && sequence.identify(this.#issued)
  }

  /** Asks for the id that a partition needs soon, so that no event has to wait for it. */
  prefetch(sequence: Sequence, now: number): void {
    if (sequence.isEnding(this.#issued)) this.ask(now)
  }

  /** Partitions that come from now on get a new id. */
  renew(): void {
    this.#issued = undefined
  }

  /** Brokers refuse identities. Answers whether batches may go without. */
  deny(problem: string): boolean {
    if (this.settings.requiresIdempotence) return false
    if (!this.plain)
      this.host.observer.warn?.(
        `Kafka refuses idempotence (${problem}): events are stored at least once, some perhaps twice. ` +
          `It is asked again every ${ASK_AGAIN_MS / 60_000} minutes`,
      )
    this.plain = true
    this.problem = problem
    this.#issued = undefined
    this.#notBefore = this.clock.now() + ASK_AGAIN_MS
    return true
  }

  /** While batches go without an identity because it was refused: asks from time to time whether that is over. */
  recheck(now: number): void {
    if (this.plain && this.settings.idempotent && this.#notBefore <= now) this.ask(now)
  }

  /** Asks for a new id, unless that is under way. */
  ask(now: number): void {
    if (this.#asking) return
    if (this.#notBefore > now) {
      this.host.wake(this.#notBefore)
      return
    }
    this.#asking = true
    this.refused = false
    void this.control
      .producerId()
      .then(
        ({ producerId, epoch }) => {
          this.#issued = { producerId, epoch, issue: this.#issues++ }
          this.problem = ''
          this.#failures = 0
          if (this.plain) this.host.observer.warn?.('Kafka takes idempotent batches again')
          this.plain = false
        },
        (error: Error) => {
          const { message } = error
          if (isDenial(error) && this.deny(message)) return
          if (!this.plain) this.problem = message
          this.refused = isMisfit(error)
          const { retryBackoffMs, retryBackoffMaxMs } = this.settings
          const pauseMs = backoffMs(this.#failures++, retryBackoffMs, retryBackoffMaxMs)
          this.#notBefore = this.clock.now() + pauseMs
        },
      )
      .then(() => {
        this.#asking = false
        this.host.wake()
      })
  }
}

/** 31: the right is missing. 35: this broker gives no ids, though it takes batches. */
function isDenial(error: Error): boolean {
  return error instanceof KafkaError && !(error instanceof Misfit) && [31, 35].includes(error.code)
}
