import type { Journal } from './journal.js'
import { type Entry, runsOf } from './journal-entries.js'
import type { Attempt, Place } from './record.js'
import { partitionKey } from './replay.js'

interface Open {
  readonly id: number
  readonly attempt: Attempt
  /** Records that are not done. */
  left: number
  wasInDoubt: boolean
}

/** The attempts that may or may not be stored: the last one of each partition. */
export class Attempts {
  readonly #last = new Map<string, Open>()
  readonly #byPosition = new Map<number, Open>()
  #nextId = 1

  constructor(
    readonly journal: Journal,
    inDoubt: readonly Attempt[],
  ) {
    for (const attempt of inDoubt) this.#open(this.#nextId++, attempt, true)
  }

  /** Those of an earlier process, as far as they are not settled yet. */
  get inDoubt(): Attempt[] {
    return [...this.#last.values()].filter(open => open.wasInDoubt).map(({ attempt }) => attempt)
  }

  get entries(): Entry[] {
    return [...this.#last.values()].map(({ id, attempt }) => entryOf(id, attempt))
  }

  async begin(attempts: readonly Attempt[]): Promise<void> {
    await Promise.all(
      attempts.filter(attempt => !this.#isKnown(attempt)).map(attempt => this.#begin(attempt)),
    )
  }

  /** A record is stored. Whether it was part of an attempt. */
  done({ position }: Place): boolean {
    const open = this.#byPosition.get(position)
    if (!open) return false
    this.#byPosition.delete(position)
    if (--open.left > 0) return true
    this.#close(open)
    this.journal.note({ kind: 'done', ...endOf(open) })
    return true
  }

  /** A record is refused for good, and with it the batch it was in. */
  refused({ position }: Place): void {
    const open = this.#byPosition.get(position)
    if (open) this.#close(open)
  }

  forget(attempt: Attempt): void {
    const open = this.#last.get(partitionKey(attempt))
    if (open?.attempt === attempt) this.#forget(open)
  }

  #forget(open: Open): void {
    this.#close(open)
    this.journal.note({ kind: 'forgotten', ...endOf(open) })
  }

  /** The attempts that had any of these records. As they are sent in another one, brokers do not recognise those. */
  #holders({ records }: Attempt): Set<Open> {
    return new Set(records.flatMap(({ position }) => this.#byPosition.get(position) ?? []))
  }

  async #begin(attempt: Attempt): Promise<void> {
    const before = this.#last.get(partitionKey(attempt))
    const givenUp = this.#holders(attempt)
    if (before?.wasInDoubt && !givenUp.has(before))
      throw new Error(`the attempt in doubt of ${partitionKey(attempt)} goes first`)
    for (const open of givenUp) if (open !== before) this.#forget(open)
    const id = this.#nextId++
    await this.journal.write(entryOf(id, attempt), () => {
      if (before) this.#close(before)
      this.#open(id, attempt, false)
    })
  }

  #open(id: number, attempt: Attempt, wasInDoubt: boolean): void {
    const open: Open = { id, attempt, left: attempt.records.length, wasInDoubt }
    this.#last.set(partitionKey(attempt), open)
    for (const { position } of attempt.records) this.#byPosition.set(position, open)
  }

  #close(open: Open): void {
    const key = partitionKey(open.attempt)
    if (this.#last.get(key) === open) this.#last.delete(key)
    for (const { position } of open.attempt.records)
      if (this.#byPosition.get(position) === open) this.#byPosition.delete(position)
  }

  /** The same batch again; of one without an identity, it is the same if its records are. */
  #isKnown(attempt: Attempt): boolean {
    const known = this.#last.get(partitionKey(attempt))?.attempt
    return (
      known !== undefined &&
      known.producerId === attempt.producerId &&
      known.epoch === attempt.epoch &&
      known.sequence === attempt.sequence &&
      known.records.length === attempt.records.length &&
      known.records.every(({ position }, index) => position === attempt.records[index]?.position)
    )
  }
}

function endOf({ id, attempt: { topic, partition } }: Open): {
  topic: string
  partition: number
  id: number
} {
  return { topic, partition, id }
}

function entryOf(id: number, attempt: Attempt): Entry {
  const { topic, partition, producerId, epoch, sequence, records } = attempt
  return { kind: 'attempt', id, partition, producerId, epoch, sequence, ...runsOf(topic, records) }
}
