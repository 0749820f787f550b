import { isMisfit } from './fates.js'
import type { Issued, Sequence } from './sequence.js'
import type { Clock, Transport } from './transport.js'

/** Producer ids: one for all partitions, until one of them needs another. */
export class Identities {
  /** Why none can be had, for a person; empty while there is nothing to say. */
  problem = ''
  /** Whether the latest answer was that we may have none. */
  refused = false
  #issued: Issued | undefined
  #issues = 0
  #asking = false
  #notBefore = 0

  constructor(
    readonly transport: Transport,
    readonly clock: Clock,
    readonly pauseMs: number,
    /** Called when an answer has come. */
    readonly turn: () => void,
  ) {}

  /** Gives a partition the latest id; false if there is none that it has not given up already. */
  give(sequence: Sequence): boolean {
    return this.#issued !== undefined && sequence.identify(this.#issued)
  }

  /** Partitions that come from now on get a new id. */
  renew(): void {
    this.#issued = undefined
  }

  /** Asks for a new id, unless that is under way. Answers when to try again, where no answer will say so. */
  ask(now: number): number {
    if (this.#asking) return Infinity
    if (this.#notBefore > now) return this.#notBefore
    this.#asking = true
    this.refused = false
    this.transport
      .producerId()
      .then(
        ({ producerId, epoch }) => {
          this.#issued = { producerId, epoch, issue: this.#issues++ }
          this.problem = ''
        },
        (error: Error) => {
          this.problem = error.message
          this.refused = isMisfit(error)
          this.#notBefore = this.clock.now() + this.pauseMs
        },
      )
      .then(() => {
        this.#asking = false
        this.turn()
      })
    return Infinity
  }
}
