import type { Overflow, Spilled } from '#src/lib/kafka/spill.js'
import type { FakeClock } from './kafka-fake.js'

/** How long it takes to have an event for good. */
export const SYNC_MS = 2

/** What a spool is to a sender, in memory. */
export class FakeOverflow implements Overflow {
  readonly afterMs = 1000
  isPatient = false
  isFull = false
  /** The values that it took, by unit, in order. */
  readonly taken = new Map<string, string[]>()
  readonly handingOver = new Set<string>()

  /** To be set before the first event. */
  clock!: FakeClock

  get size(): number {
    return this.taken.size
  }

  phase(topic: string, partition: number) {
    const unit = `${topic}-${partition}`
    if (!this.taken.has(unit)) return 'none'
    return this.handingOver.has(unit) ? 'handing_over' : 'spooling'
  }

  readonly holds = (topic: string, partition: number) => this.phase(topic, partition) === 'handing_over'

  take({ value, origin }: Spilled, topic: string, partition: number): Promise<void> | undefined {
    if (this.isFull || origin?.spool === false) return undefined
    const unit = `${topic}-${partition}`
    this.taken.set(unit, [...(this.taken.get(unit) ?? []), `${value}`])
    this.handingOver.delete(unit)
    return this.clock.sleep(SYNC_MS)
  }

  /** All of a unit is in Kafka. */
  drained(unit: string): void {
    this.taken.delete(unit)
    this.handingOver.delete(unit)
  }
}
