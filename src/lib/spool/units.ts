import type { Delivery } from '../eventgate.js'
import type { Place, Unit } from './record.js'

/** `spooling`: new events go to the spool. `handing_over`: they wait in the sender for the last ones that are drained. */
export type Phase = 'none' | 'spooling' | 'handing_over'

/** What an event counts for. */
export type Belonging = Omit<Place, 'position'>

/** Events that count for the same things. */
export interface Group extends Belonging {
  readonly unit: Counted
}

interface Counted extends Unit {
  /** Events that are neither in Kafka nor refused for good. */
  undone: number
  handingOver: boolean
  readonly groups: Group[]
}

/** How many events of each unit and stream are in the spool, and what that means for new ones. */
export class Units {
  /** All events that are undone. */
  size = 0
  /** By stream. */
  readonly streams = new Map<string, number>()
  readonly #topics = new Map<string, Map<number, Counted>>()

  constructor(public onDrained: (unit: Unit) => void = () => {}) {}

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

  /** The group of an event. It must be added to it before anything is removed from its unit. */
  groupOf({ topic, partition, stream, delivery }: Belonging): Group {
    let units = this.#topics.get(topic)
    if (!units) {
      units = new Map()
      this.#topics.set(topic, units)
    }
    let unit = units.get(partition)
    if (!unit) {
      unit = { topic, partition, undone: 0, handingOver: false, groups: [] }
      units.set(partition, unit)
    }
    let group = find(unit.groups, stream, delivery)
    if (!group) {
      group = { topic, partition, stream, delivery, unit }
      unit.groups.push(group)
    }
    return group
  }

  /** `count` more events; their unit spools from now on, even if it was being handed over. */
  add(group: Group, count = 1): void {
    group.unit.handingOver = false
    this.#change(group, count)
  }

  /** So many of them are done, or were never spooled. */
  remove(group: Group, count = 1): void {
    const { unit } = group
    this.#change(group, -count)
    if (unit.undone > 0) return
    this.#delete(unit)
    this.onDrained(unit)
  }

  /** Lets go of units without an event. */
  prune(): void {
    for (const units of [...this.#topics.values()])
      for (const unit of units.values()) if (unit.undone === 0) this.#delete(unit)
  }

  /** New events of this unit go to Kafka again, as soon as its last ones here are done. */
  handOver({ topic, partition }: Unit): void {
    const unit = this.#topics.get(topic)?.get(partition)
    if (unit) unit.handingOver = true
  }

  #delete({ topic, partition }: Unit): void {
    const units = this.#topics.get(topic)
    units?.delete(partition)
    if (units?.size === 0) this.#topics.delete(topic)
  }

  #change({ unit, stream }: Group, count: number): void {
    unit.undone += count
    this.size += count
    const ofStream = (this.streams.get(stream) ?? 0) + count
    if (ofStream > 0) this.streams.set(stream, ofStream)
    else this.streams.delete(stream)
  }
}

function find(groups: readonly Group[], stream: string, delivery: Delivery): Group | undefined {
  return groups.find(group => group.stream === stream && group.delivery === delivery)
}

function phaseOf(unit: Counted | undefined): Phase {
  if (!unit || unit.undone === 0) return 'none'
  return unit.handingOver ? 'handing_over' : 'spooling'
}

function stricter(one: Phase, other: Phase): Phase {
  if (one === 'spooling' || other === 'spooling') return 'spooling'
  return one === 'none' ? other : one
}
