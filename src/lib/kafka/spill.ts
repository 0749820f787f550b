import type { Pending } from './batch.js'
import { Partition } from './partition.js'
import type { Sender, SenderSettings } from './sender.js'
import type { Topic } from './topic.js'

/** Where events go that Kafka does not take soon. It brings them to Kafka itself, in their order. */
export interface Overflow {
  /** How long an event waits for Kafka before it goes there. */
  readonly afterMs: number
  /** Whether events wait for as long as others of their partition are stored: nobody waits for them. */
  readonly isPatient: boolean
  /** How many events it has. At 0 no phase is asked for. */
  readonly size: number
  /** `spooling`: it must have each event of this partition. −1: the partition is not known yet. */
  phase(topic: string, partition: number): 'none' | 'spooling' | 'handing_over'
  /** Resolves once it has the event for good. Undefined if it leaves it here, as if there were no overflow. */
  take(event: Spilled, topic: string, partition: number): Promise<void> | undefined
}

/** An event that has had no attempt, or none that may have stored it. */
export type Spilled = Pick<
  Pending,
  'key' | 'value' | 'valueBytes' | 'timestamp' | 'headers' | 'origin' | 'deadline'
>

/** What gives senders an overflow, and begins when they are there. */
export interface Spooling<Name extends string> {
  readonly spilling: Readonly<Record<Name, Pick<SenderSettings, 'overflow' | 'holds'>>>
  start(senders: readonly Sender[]): Promise<void>
}

/** An event with an earlier deadline than others goes this long before it (ms). */
const SPARE_MS = 250
/** An attempt that was sent so recently, as a part of `afterMs`, may be stored any moment, and what waits for it sent. */
const HOPE = 1 / 4

/** Gives the overflow what waits for too long: all of a partition that may be sent later, so that the order is kept. */
export class Spill {
  /** Until when what the overflow has left is not offered again. */
  readonly #left = new WeakMap<Partition | Topic, number>()

  constructor(
    readonly overflow: Overflow,
    /** An event is not the sender's any more. */
    readonly leave: (record: Pending) => void,
  ) {}

  /** Whether an event that comes now goes to the overflow at once. */
  isDue(topic: string, holder: Partition | Topic | undefined): boolean {
    if (holder && !holder.breaker.isClosed) return true
    return this.overflow.size > 0 && this.overflow.phase(topic, indexOf(holder)) === 'spooling'
  }

  /** Takes an event that has just come, and before it all that waits where it would. */
  take(event: Spilled, topic: string, holder: Partition | Topic | undefined): Promise<'spooled'> | undefined {
    if (holder) this.spill(holder)
    return this.overflow.take(event, topic, indexOf(holder))?.then(spooled)
  }

  /** Spills what has waited for too long. Answers when to look again. */
  check(holder: Partition | Topic, now: number): number {
    const dueAt = Math.max(this.#dueAt(holder), this.#left.get(holder) ?? 0)
    if (dueAt > now) return dueAt
    this.spill(holder)
    if (this.#dueAt(holder) < Infinity) this.#left.set(holder, now + this.overflow.afterMs * HOPE)
    return Math.max(this.#dueAt(holder), this.#left.get(holder) ?? 0)
  }

  /** Spills all events without an open attempt, as far as the overflow takes them. */
  spill(holder: Partition | Topic): void {
    const { overflow } = this
    const topic = holder instanceof Partition ? holder.topic : holder.name
    const index = indexOf(holder)
    const promises: Promise<void>[] = []
    const take = (record: Pending) => {
      const promise = overflow.take(record, topic, index)
      if (promise) promises.push(promise)
      return promise !== undefined
    }
    // What comes later may be there already. What was tried before that stays, to be stored or refused first.
    const taken = holder.takeOut(take, overflow.phase(topic, index) === 'none')
    for (const [i, record] of taken.entries()) {
      this.leave(record)
      void promises[i]?.then(() => record.resolve('spooled'), record.reject)
    }
  }

  #dueAt(holder: Partition | Topic): number {
    const { afterMs, isPatient } = this.overflow
    if (!(holder instanceof Partition)) {
      return holder.waiting.length === 0
        ? Infinity
        : Math.min(holder.waitingSince + afterMs, holder.deadline - SPARE_MS)
    }
    const { isOpen, first: head, second, out } = holder.queue
    const unsent = isOpen ? second : head
    const first = unsent?.records[0]
    if (!unsent || !first) return Infinity
    return Math.max(
      Math.min(first.deadline - first.patience + afterMs, unsent.deadline - SPARE_MS),
      out ? out.sentAt + afterMs * HOPE : 0,
      isPatient ? holder.lastSuccess + afterMs : 0,
    )
  }
}

/** Another producer stores events there: what has failed here before tells nothing any more. */
export function recover(holder: Partition | Topic): void {
  holder.breaker.succeed()
  if (!(holder instanceof Partition)) return
  holder.pace.waitMs = 0
  holder.latencyMs = 0
  holder.notBefore = 0
}

function indexOf(holder: Partition | Topic | undefined): number {
  return holder instanceof Partition ? holder.index : -1
}

const spooled = () => 'spooled' as const
