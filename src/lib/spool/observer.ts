/** Time, as the spool sees it; a test brings its own. */
export interface SpoolClock {
  /** Milliseconds of a clock that never goes back. */
  now(): number
  /** Calls back once, at `time` or soon after; the answer cancels. */
  at(time: number, callback: () => void): () => void
  /** Milliseconds since the epoch. */
  wall(): number
}

/** Told of what happens; none of it changes anything. */
export interface SpoolObserver {
  /** Events were written and synced together. */
  synced?(ms: number, records: number, bytes: number): void
  /** Something failed that is tried again. */
  trouble?(message: string): void
  /** So many events that were promised cannot be read any more; 0 where their number is not known. */
  damaged?(records: number, message: string): void
}

/** What there is to tell of a spool. */
export interface SpoolState {
  /** All that the directory holds. */
  readonly bytes: number
  readonly maxBytes: number
  /** Events that are neither in Kafka nor refused for good, of which one was spooled first at this time (since the epoch). */
  readonly events: number
  readonly oldestAt: number | undefined
  readonly streams: ReadonlyMap<string, number>
  /** Events in the dead-letter files. */
  readonly deadLetters: number
  /** Why it takes no events; undefined if it does. */
  readonly broken: string | undefined
}
