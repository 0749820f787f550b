import type { OutgoingBatch } from '#src/lib/kafka/transport.js'

/** A batch in a log. Replicas share the object, so that two logs can be compared by it. */
export interface Entry {
  readonly leaderEpoch: number
  readonly base: number
  readonly end: number
  readonly producerId: number
  readonly producerEpoch: number
  readonly first: number
  readonly last: number
  /** The events' numbers, with which their values begin. */
  readonly events: readonly number[]
  /** The newest timestamp of its records: brokers forget producers by it. */
  readonly timestamp: number
  readonly appendedAt: number
}

/** What a broker remembers of a producer, to know its batches again. */
interface Known {
  epoch: number
  last: number
  recent: Entry[]
  timestamp: number
}

const SEQUENCES = 0x8000_0000

/** What a broker remembers of a producer's batches. */
const REMEMBERED = 5

/** The number of an event, by its value: `17`, `17 poison`, `17 xxx`. */
export function eventOf(value: string | Buffer): number {
  return Number.parseInt(String(value), 10)
}

/** One broker's copy of a partition: its log, and what it remembers of producers. */
export class Replica {
  readonly entries: Entry[] = []
  readonly #producers = new Map<number, Known>()

  get end(): number {
    return this.entries.at(-1)?.end ?? 0
  }

  /** What Kafka answers to a batch: it refuses it by a code, has it already, or would append it. */
  judge(
    { identity, records }: OutgoingBatch,
    isOld: boolean,
  ): { code: number } | { duplicate: Entry } | undefined {
    const { producerId, epoch, sequence } = identity ?? { producerId: -1, epoch: -1, sequence: -1 }
    if (producerId < 0) return undefined
    const known = this.#producers.get(producerId)
    if (!known) return isOld && sequence !== 0 ? { code: 59 } : undefined
    if (epoch < known.epoch) return { code: 47 }
    if (epoch > known.epoch) return sequence === 0 ? undefined : { code: 45 }
    const last = (sequence + records.length - 1) % SEQUENCES
    const duplicate = known.recent.find(entry => entry.first === sequence && entry.last === last)
    if (duplicate) return { duplicate }
    return sequence === (known.last + 1) % SEQUENCES ? undefined : { code: 45 }
  }

  append({ identity, records }: OutgoingBatch, leaderEpoch: number, now: number): Entry {
    const { producerId, epoch, sequence } = identity ?? { producerId: -1, epoch: -1, sequence: -1 }
    let timestamp = 0
    for (const record of records) timestamp = Math.max(timestamp, record.timestamp)
    const entry: Entry = {
      leaderEpoch,
      base: this.end,
      end: this.end + records.length,
      producerId,
      producerEpoch: epoch,
      first: sequence,
      last: (sequence + records.length - 1) % SEQUENCES,
      events: records.map(({ value }) => eventOf(value)),
      timestamp,
      appendedAt: now,
    }
    this.copy(entry)
    return entry
  }

  /** Takes an entry of the leader's. */
  copy(entry: Entry): void {
    this.entries.push(entry)
    if (entry.producerId < 0) return
    const known = this.#producers.get(entry.producerId)
    const recent = known?.epoch === entry.producerEpoch ? known.recent : []
    this.#producers.set(entry.producerId, {
      epoch: entry.producerEpoch,
      last: entry.last,
      recent: [...recent, entry].slice(-REMEMBERED),
      timestamp: entry.timestamp,
    })
  }

  /** Drops what the leader does not have. Answers what that was. */
  follow(leader: Replica): Entry[] {
    let { length } = this.entries
    while (length > 0 && this.entries[length - 1] !== leader.entries[length - 1]) length--
    return this.truncate(length)
  }

  /** Keeps the first `length` entries; what it remembers of producers goes back with the log. */
  truncate(length: number): Entry[] {
    if (length >= this.entries.length) return []
    const dropped = this.entries.splice(length)
    this.#producers.clear()
    for (const entry of this.entries.splice(0)) this.copy(entry)
    return dropped
  }

  /** Forgets producers whose last batch is older than `before`. Answers whether there were any. */
  forget(before: number): boolean {
    let any = false
    for (const [id, { timestamp }] of this.#producers) {
      if (timestamp >= before) continue
      this.#producers.delete(id)
      any = true
    }
    return any
  }
}
