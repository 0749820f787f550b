import type { Batch } from './batch.js'

/** Told of what happens; none of it changes any outcome. */
export interface SenderObserver {
  /** A request was sent; `bytes` is what it has at most, before compression. */
  sent?(batches: number, events: number, bytes: number): void
  /** A request with these batches begins. What this answers is called at its end, with what was wrong with it. */
  begin?(batches: readonly Batch[]): ((problem?: string) => void) | undefined
  /** Events that may be stored are sent again in a way that brokers do not recognise: for senders that persist. */
  possiblyTwice?(events: number): void
  /** Events turned out to be stored after they were answered as of unknown fate. */
  late?(events: number): void
  /** A broker, or all of them, cannot be reached, or did not answer. It is tried again; this comes each time. */
  trouble?(message: string): void
  /** Something is wrong for good, as far as brokers can tell: an operator must see it. This, too, comes each time. */
  complain?(message: string): void
  /** Something works less well than it could for as long as an operator does nothing. This comes once. */
  warn?(message: string): void
}
