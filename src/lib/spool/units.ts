import type { Place, Unit } from './record.js'

/** `spooling`: new events go to the spool. `handing_over`: they wait in the sender for the last ones that are drained. */
export type Phase = 'none' | 'spooling' | 'handing_over'

interface Counted extends Unit {
  /** Events that are neither in Kafka nor refused for good. */
  undone: number
  handingOver: boolean
}

/** How many events of each unit and stream are in the spool, and what that means for new ones. */
export class Units {
  /** All events that are undone. */
  size = 0
  /** By stream. */
  readonly streams = new Map<string, number>()
  readonly #topics = new Map<string, Map<number, Counted>>()

  constructor(readonly onDrained: (unit: Unit) => void) {}

  /** Whether an event of this partition must go to the spool. −1: its partition is not known. */
  phase(topic: string, partition: number): Phase {
    const units = this.#topics.get(topic)
    if (!units) return 'none'
    if (partition >= 0) return stricter(phaseOf(units.get(partition)), phaseOf(units.get(-1)))
    let phase: Phase = 'none'
    for (const unit of units.values()) phase = stricter(phase, phaseOf(unit))
    return phase
  }

  undone(topic: string, partition: number): number {
    return this.#topics.get(topic)?.get(partition)?.undone ?? 0
  }

  /** `count` more events; their unit spools from now on, even if it was being handed over. */
  add(place: Omit<Place, 'position'>, count = 1): void {
    const unit = this.#unit(place)
    unit.handingOver = false
    this.#change(unit, place.stream, count)
  }

  /** So many of them are done, or were never spooled. */
  remove(place: Omit<Place, 'position'>, count = 1): void {
    const unit = this.#unit(place)
    this.#change(unit, place.stream, -count)
    if (unit.undone > 0) return
    const units = this.#topics.get(unit.topic)
    units?.delete(unit.partition)
    if (units?.size === 0) this.#topics.delete(unit.topic)
    this.onDrained(unit)
  }

  /** New events of this unit go to Kafka again, as soon as its last ones here are done. */
  handOver({ topic, partition }: Unit): void {
    const unit = this.#topics.get(topic)?.get(partition)
    if (unit) unit.handingOver = true
  }

  #unit({ topic, partition }: Unit): Counted {
    const units = this.#topics.get(topic) ?? new Map<number, Counted>()
    if (units.size === 0) this.#topics.set(topic, units)
    const unit = units.get(partition) ?? { topic, partition, undone: 0, handingOver: false }
    units.set(partition, unit)
    return unit
  }

  #change(unit: Counted, stream: string, count: number): void {
    unit.undone += count
    this.size += count
    const ofStream = (this.streams.get(stream) ?? 0) + count
    if (ofStream > 0) this.streams.set(stream, ofStream)
    else this.streams.delete(stream)
  }
}

function phaseOf(unit: Counted | undefined): Phase {
  if (!unit || unit.undone === 0) return 'none'
  return unit.handingOver ? 'handing_over' : 'spooling'
}

function stricter(one: Phase, other: Phase): Phase {
  if (one === 'spooling' || other === 'spooling') return 'spooling'
  return one === 'none' ? other : one
}
