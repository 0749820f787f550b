import type { Delivery } from '../eventgate.js'

/**
 * Why the spool does not take an event. `hasty_share`: hasty events use a quarter of it. `disk`: this write or sync
 * failed. `broken`: it takes none at all.
 */
export type SpoolRefusal = 'full' | 'hasty_share' | 'disk' | 'broken'

/** Told of what happens; none of it changes any outcome. */
export interface SpoolObserver {
  /** Events are on disk: written, and synced unless they are hasty. */
  spooled?(delivery: Delivery, events: number): void
  /** One sync of the disk took this long. */
  synced?(milliseconds: number): void
  refused?(delivery: Delivery, reason: SpoolRefusal): void
  /** Kafka acknowledged events of the spool. */
  drained?(topic: string, events: number): void
  /** Events that Kafka refuses for good are kept as dead letters. */
  deadLetters?(topic: string, events: number, reason: string): void
  /** Events were sent again where brokers may have forgotten that they had stored them. */
  possiblyTwice?(events: number): void
  /** Something failed and is tried again; this comes each time. */
  trouble?(message: string): void
  /** Something is wrong until an operator acts: what is broken, where, and the next step. This, too, comes each time. */
  complain?(message: string): void
}

/** What metrics and `/_info/health` tell of a spool. */
export interface SpoolState {
  /** Of everything in the directory. */
  readonly bytes: number
  readonly maxBytes: number
  /** Events that wait for Kafka. */
  readonly events: number
  /** When the oldest of them was spooled (ms since the epoch); undefined if none waits. */
  readonly oldestAt: number | undefined
  /** Dead letters in the directory. */
  readonly deadLetters: number
  /** Why it takes no events; undefined if it works. */
  readonly broken: string | undefined
}
