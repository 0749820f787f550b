import type { Identity } from './wire/records.js'

/** A producer id as it was issued. Ids only ever go forward: an id that a partition has given up never returns. */
export interface Issued {
  readonly producerId: number
  readonly epoch: number
  /** How many ids were issued before. */
  readonly issue: number
}

/** The identity of a batch that has none. */
export const NOBODY: Identity = { producerId: -1, epoch: -1, sequence: -1 }
const MAX_EPOCH = 32767

/** Whether batches have no identity at the moment, for whatever reason. */
export interface Plainness {
  readonly plain: boolean
}

/** The identities of one partition's batches, by which brokers recognise them. Epoch and sequence are its own. */
export class Sequence {
  #producerId: number | undefined
  #epoch = 0
  #next = 0
  #issue = -1

  constructor(
    /** The cluster's, and the topic's. */
    readonly reasons: readonly Plainness[],
  ) {}

  /** Whether the next batch has no identity. */
  get plain(): boolean {
    for (const { plain } of this.reasons) if (plain) return true
    return false
  }

  /** Whether there is no identity before `identify`. */
  get needsId(): boolean {
    return this.#producerId === undefined && !this.plain
  }

  /** Whether it will need an id after `issued` soon: it has given its own up, or its epochs end. */
  isEnding(issued: Issued | undefined): boolean {
    if (this.plain || (this.#producerId !== undefined && this.#epoch < MAX_EPOCH)) return false
    return issued === undefined || issued.issue <= this.#issue
  }

  /** Takes an id for what follows. False if it is one that was given up here. */
  identify(issued: Issued): boolean {
    if (issued.issue <= this.#issue) return false
    this.#producerId = issued.producerId
    this.#epoch = issued.epoch
    this.#next = 0
    this.#issue = issued.issue
    return true
  }

  /** The identity of the next batch. It is the same until `advance` or `nextEpoch`: one that was not stored leaves no gap. */
  get identity(): Identity {
    if (this.#producerId === undefined || this.plain) return NOBODY
    return { producerId: this.#producerId, epoch: this.#epoch, sequence: this.#next }
  }

  /** So many records were stored. Sequences are int32; the one after the last is 0. */
  advance({ producerId, epoch }: Identity, records: number): void {
    // It is another one's if it was resumed.
    if (producerId !== this.#producerId || epoch !== this.#epoch) return
    this.#next = (this.#next + records) % 0x8000_0000
  }

  /** A batch with this identity will not be sent again, and is not known to be stored. */
  leave({ producerId, epoch }: Identity): void {
    if (producerId === this.#producerId && epoch === this.#epoch) this.nextEpoch(false)
  }

  /** Makes brokers refuse what may still be on its way, and begins to count anew. */
  nextEpoch(freshId: boolean): void {
    this.#next = 0
    if (freshId || this.#epoch >= MAX_EPOCH) this.#producerId = undefined
    else this.#epoch++
  }
}
