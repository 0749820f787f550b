import { type Event, type EventField, isObject } from './eventgate.js'

/**
 * A field of events, named by a dotted path such as `meta.stream`. An item of a list is named by its index, as in
 * `pages.0.id` or `pages[0].id`. The path comes from the configuration.
 */
export class Field implements EventField {
  readonly steps: readonly string[]
  readonly #parents: readonly string[]
  readonly #name: string

  constructor(readonly path: string) {
    this.steps = path.replace(/(?<=.)\[(\d+)\]/g, '.$1').split('.')
    this.#name = this.steps.at(-1) as string
    this.#parents = this.steps.slice(0, -1)
  }

  /** The value; undefined if the event lacks it. */
  get(event: Event): unknown {
    let parent = event
    for (const step of this.#parents) {
      const next = Object.hasOwn(parent, step) ? parent[step] : undefined
      if (typeof next !== 'object' || next === null) return undefined
      parent = next as Event
    }
    // A list has its length as a property of its own, but that is not an item.
    if (this.#name === 'length' && Array.isArray(parent)) return undefined
    return Object.hasOwn(parent, this.#name) ? parent[this.#name] : undefined
  }

  /** Sets the value and makes the objects above it. Does nothing if something else is in the way. */
  set(event: Event, value: unknown): void {
    let parent = event
    for (const step of this.#parents) {
      if (!Object.hasOwn(parent, step)) parent[step] = {}
      const next = parent[step]
      if (!isObject(next)) return
      parent = next
    }
    parent[this.#name] = value
  }
}
