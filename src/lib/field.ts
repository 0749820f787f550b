import type { Event, EventField } from './eventgate.js'

/** A field of events, named by a dotted path such as `meta.stream`. The path comes from the configuration. */
export class Field implements EventField {
  readonly #parents: readonly string[]
  readonly #name: string

  constructor(readonly path: string) {
    const steps = path.split('.')
    this.#name = steps.pop() as string
    this.#parents = steps
  }

  /** Its value; undefined where the event lacks it. */
  get(event: Event): unknown {
    let parent = event
    for (const step of this.#parents) {
      const next = Object.hasOwn(parent, step) ? parent[step] : undefined
      if (!isObject(next)) return undefined
      parent = next
    }
    return Object.hasOwn(parent, this.#name) ? parent[this.#name] : undefined
  }

  /** Sets it, making the objects it stands in. What is there and is no object is left for validation to judge. */
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

function isObject(value: unknown): value is Event {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
