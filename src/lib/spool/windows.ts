import type { Unit } from './record.js'

/** Of all units that are not blocked, and of one of them: what may be on its way (bytes). */
const ALL_BYTES = 16 * 1024 * 1024
const FIRST_BYTES = 256 * 1024
const UNIT_BYTES = 1024 * 1024

/** What a unit has on its way. */
interface Flow extends Unit {
  events: number
  bytes: number
  /** 0: one event is sent, to see whether any is stored. */
  limit: number
  /** How many were stored. */
  stored: number
  isBlocked: boolean
  /** Whether it is only left out for the sake of others of its topic, or has made progress since. */
  mayResume: boolean
  /** Not before this time. */
  resumesAt: number
}

/**
 * How much of each unit is on its way, and which units are left out. Where an event is left out, all that follow of its
 * unit are, until the next pass. An event whose partition is not known may be of any of its topic.
 */
export class Windows {
  #bytes = 0
  readonly #topics = new Map<string, Map<number, Flow>>()

  /** Those of which events are stored. */
  get running(): Flow[] {
    const all = [...this.#topics.values()].flatMap(flows => [...flows.values()])
    return all.filter(({ limit, isBlocked }) => limit > 0 && !isBlocked)
  }

  isBlocked({ topic, partition }: Unit): boolean {
    const flows = this.#topics.get(topic)
    if (!flows) return false
    if (partition >= 0) return isBlocked(flows.get(partition)) || isBlocked(flows.get(-1))
    if (!Array.from(flows.values()).some(isBlocked)) return false
    const flow = this.#flow({ topic, partition })
    if (!flow.isBlocked) this.#block(flow, true)
    return true
  }

  /** Whether an event may be sent now. */
  hasRoom(record: Unit & { readonly bytes: number }): boolean {
    if (this.isBlocked(record)) return false
    const { events, bytes, limit } = this.#flow(record)
    return events === 0 || (bytes + record.bytes <= limit && this.#bytes + record.bytes <= ALL_BYTES)
  }

  /** Whether any event of a unit was stored since it was blocked. */
  isProven(unit: Unit): boolean {
    return this.#flow(unit).limit > 0
  }

  storedOf(unit: Unit): number {
    return this.#flow(unit).stored
  }

  sent(record: Unit & { readonly bytes: number }): void {
    const flow = this.#flow(record)
    flow.events++
    this.#add(flow, record.bytes)
  }

  /** Answers whether it was blocked. */
  stored(record: Unit & { readonly bytes: number }): boolean {
    const flow = this.#flow(record)
    flow.events--
    flow.stored++
    this.#add(flow, -record.bytes)
    if (!flow.isBlocked) flow.limit = flow.limit === 0 ? FIRST_BYTES : Math.min(2 * flow.limit, UNIT_BYTES)
    flow.mayResume = true
    return flow.isBlocked
  }

  /** It was neither stored nor refused for good: nothing of its unit is sent before that time. */
  failed(record: Unit & { readonly bytes: number }, resumesAt: number): void {
    const flow = this.#flow(record)
    flow.events--
    this.#add(flow, -record.bytes)
    this.#block(flow, true)
    flow.resumesAt = resumesAt
  }

  block(unit: Unit): void {
    this.#block(this.#flow(unit), false)
  }

  /** A pass begins. Answers whether any unit is not blocked any more. */
  resume(now: number): boolean {
    let isAny = false
    for (const flows of [...this.#topics.values()])
      for (const flow of [...flows.values()]) {
        if (!flow.isBlocked || !flow.mayResume || flow.resumesAt > now) continue
        // What was sent after an event that failed comes before it.
        if (flow.resumesAt > 0 && flow.events > 0) continue
        isAny = true
        flow.isBlocked = false
        flow.resumesAt = 0
        this.#bytes += flow.bytes
        if (flow.stored > 0) flow.limit = FIRST_BYTES
        else if (flow.events === 0) this.forget(flow)
      }
    return isAny
  }

  /** Nothing of it is left. */
  forget({ topic, partition }: Unit): void {
    const flows = this.#topics.get(topic)
    const flow = flows?.get(partition)
    if (!flows || !flow || flow.events > 0) return
    // Others were left out for its sake: they are read again in the next pass, not in this one.
    if (flow.isBlocked) {
      flow.mayResume = true
      return
    }
    flows.delete(partition)
    if (flows.size === 0) this.#topics.delete(topic)
  }

  #block(flow: Flow, mayResume: boolean): void {
    if (!flow.isBlocked) this.#bytes -= flow.bytes
    flow.isBlocked = true
    flow.mayResume = mayResume
    flow.limit = 0
    flow.stored = 0
  }

  #add(flow: Flow, bytes: number): void {
    flow.bytes += bytes
    if (!flow.isBlocked) this.#bytes += bytes
  }

  #flow({ topic, partition }: Unit): Flow {
    let flows = this.#topics.get(topic)
    if (!flows) {
      flows = new Map()
      this.#topics.set(topic, flows)
    }
    let flow = flows.get(partition)
    if (!flow) {
      flow = {
        ...{ topic, partition, events: 0, bytes: 0, limit: 0, stored: 0 },
        ...{ isBlocked: false, mayResume: false, resumesAt: 0 },
      }
      flows.set(partition, flow)
    }
    return flow
  }
}

function isBlocked(flow: Flow | undefined): boolean {
  return flow?.isBlocked === true
}
