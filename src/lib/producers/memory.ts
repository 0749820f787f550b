import type { GateError } from '../errors.js'
import type { Destination, Event } from '../eventgate.js'
import type { Producer } from './producer.js'

/** A record as it would be in Kafka. */
export interface Produced extends Destination {
  /** The event's JSON. */
  value: string
}

/** What a test makes of one event: nothing, a failure, or either of them later. */
type Fault = GateError | undefined | Promise<GateError | undefined>

/** Keeps the latest events in memory, up to `maxEvents` and `maxBytes`: for tests, benchmarks and laptops. */
export class MemoryProducer implements Producer {
  readonly name = 'memory'
  /** How many events were stored in all, the forgotten ones too. */
  stored = 0
  /** For tests: asked before each event with its number, from 0. What it answers is what the event fails with. */
  failOn: ((index: number, event: Event) => Fault) | undefined
  readonly #maxEvents: number
  readonly #maxBytes: number
  /** A ring: event number n stands at n modulo its length. */
  readonly #ring: Produced[] = []
  #oldest = 0
  #bytes = 0
  #asked = 0

  constructor({ maxEvents = 1000, maxBytes = 16 * 1024 * 1024 } = {}) {
    this.#maxEvents = maxEvents
    this.#maxBytes = maxBytes
  }

  /** The latest events, oldest first. */
  get events(): Produced[] {
    const events: Produced[] = []
    for (let i = this.#oldest; i < this.stored; i++) events.push(this.#at(i))
    return events
  }

  produce(event: Event, destination: Destination): Promise<void> {
    const value = JSON.stringify(event)
    if (!this.failOn) return this.#keep(value, destination)
    return Promise.resolve(this.failOn(this.#asked++, event)).then(error => {
      if (error) throw error
      return this.#keep(value, destination)
    })
  }

  async #keep(value: string, { topic, key, timestamp, delivery }: Destination): Promise<void> {
    if (this.stored - this.#oldest === this.#maxEvents) this.#forget()
    this.#bytes += value.length
    this.#ring[this.stored++ % this.#maxEvents] = { value, topic, key, timestamp, delivery }
    while (this.#bytes > this.#maxBytes) this.#forget()
  }

  #forget(): void {
    this.#bytes -= this.#at(this.#oldest++).value.length
  }

  #at(index: number): Produced {
    return this.#ring[index % this.#maxEvents] as Produced
  }

  async close(): Promise<void> {}
}
