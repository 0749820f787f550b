import type { Destination, Event } from '../eventgate.js'
import type { RemoteState } from '../remote/reachability.js'

/** How a producer to a cluster fares. */
export interface ProducerState {
  /** Events that have no outcome yet, and the most that there may be. */
  queued: { events: number; bytes: number }
  bounds: { events: number; bytes: number }
  /** Since an event was last stored; undefined before the first. */
  msSinceStored: number | undefined
  brokers: readonly RemoteState[]
  /** Why what is sent again may be stored twice; undefined where brokers recognise it. */
  notIdempotent: string | undefined
}

/** Stores events. A file, memory and Kafka are one type. */
export interface Producer {
  /** What it writes to, for a person: `file /dev/stdout`. */
  readonly name: string
  /** Where there is more to tell than that it is there. */
  readonly state?: ProducerState
  /** Finds out anew whether what it writes to can be reached, for `state` to tell. Never rejects. */
  probe?(): Promise<void>
  /**
   * Resolves once the event is stored; with 'spooled' if that is on disk, for Kafka to get it later. Rejects with a
   * GateError: with one whose `fate` is `not_stored` only if the event surely is not stored and never will be. Serialises the event before it returns. Nobody waits
   * beyond `deadline`, milliseconds since the epoch.
   */
  produce(event: Event, destination: Destination, deadline?: number): Promise<unknown>
  /** From now on nothing waits for company; resolves when all that it has is settled. */
  flush?(): Promise<void>
  /** Takes nothing more; resolves when all that it had is settled, which it makes sure of after `graceMs`. */
  close(graceMs: number): Promise<void>
}
