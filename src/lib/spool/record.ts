import type { Delivery } from '../eventgate.js'

/** What is asked of the order of events: a partition, or all of a topic (−1) where the partition was not known yet. */
export interface Unit {
  readonly topic: string
  readonly partition: number
}

/** One event, as the spool is given it. */
export interface SpoolRecord extends Unit {
  readonly key: Buffer | null
  readonly value: string | Buffer
  /** The value's length in bytes. */
  readonly valueBytes: number
  /** Milliseconds since the epoch. */
  readonly timestamp: number
  /** Its headers with their number, as a record batch has them. */
  readonly headers?: Buffer | undefined
  /** The name by which its stream is counted. */
  readonly stream: string
  readonly delivery: Delivery
}

/** Where an event is in the spool, and what it counts for. */
export interface Place extends Unit {
  /** Grows from one event to the next, and belongs to its event for ever. */
  readonly position: number
  readonly stream: string
  readonly delivery: Delivery
}

/** An event as it is read from the spool. Its buffers are its own. */
export interface StoredRecord extends SpoolRecord, Place {
  readonly value: Buffer
  /** When it was spooled, milliseconds since the epoch. */
  readonly spooledAt: number
  /** What it takes on disk. */
  readonly bytes: number
}

/** A batch of the drain, before it is first sent: brokers know it by its identity and exactly these records. */
export interface Attempt {
  readonly topic: string
  /** Where it is sent to; its records may be of this unit, or of the whole topic's. */
  readonly partition: number
  /** −1 without idempotence, and epoch and sequence with it. */
  readonly producerId: number
  readonly epoch: number
  readonly sequence: number
  readonly records: readonly Place[]
}
