import type { Context, Destination, Event, Steps } from '../eventgate.js'

/** What went to the producer. */
export interface Sent {
  event: Event
  destination: Destination
}

/** Finds out which event of a request went to the producer as what: the steps' outcomes do not tell. */
export class Witness {
  readonly #places = new WeakMap<Event, { context: Context; index: number }>()
  readonly #sent = new WeakMap<Context, Map<number, Sent>>()

  /** The same steps, watched. */
  watch(steps: Steps): Steps {
    return {
      load: (events, context) => steps.load(events, context),
      schemaFor: (event, context) => steps.schemaFor(event, context),
      streamFor: (event, schema, context) => steps.streamFor(event, schema, context),
      enrich: (event, schema, stream, context, index) => {
        this.#places.set(event, { context, index })
        steps.enrich(event, schema, stream, context, index)
      },
      takeBack: (event, stream, refused, received) =>
        steps.takeBack?.(event, stream, refused, received) ?? false,
      route: (event, schema, stream, context) => steps.route(event, schema, stream, context),
      produce: (event, destination, deadline) => {
        const place = this.#places.get(event)
        if (place) this.#of(place.context).set(place.index, { event, destination })
        return steps.produce(event, destination, deadline)
      },
    }
  }

  /** Undefined where none went. */
  sent(context: Context, index: number): Sent | undefined {
    return this.#sent.get(context)?.get(index)
  }

  /** As `sent`, once: a large request need not hold what was asked for. */
  take(context: Context, index: number): Sent | undefined {
    const sent = this.sent(context, index)
    this.#sent.get(context)?.delete(index)
    return sent
  }

  #of(context: Context): Map<number, Sent> {
    let sent = this.#sent.get(context)
    if (!sent) {
      sent = new Map()
      this.#sent.set(context, sent)
    }
    return sent
  }
}
