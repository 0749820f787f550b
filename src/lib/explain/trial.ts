import { GateError } from '../errors.js'
import { type Context, type Event, isObject, type Schema, type Steps, type Stream } from '../eventgate.js'

/** A refused event, and what is known of its request. */
export interface RefusedEvent {
  /** As it was received, parsed; undefined if it is not JSON. */
  event: unknown
  text: string
  context: Context
  index: number
}

/** What became of an event on the gate's way without the produce. */
export interface Trial {
  error?: GateError
  schema?: Schema | undefined
  stream?: Stream | undefined
  /** With what the gate fills in, without the schema's defaults. */
  enriched: unknown
}

/** Sends an event through all steps but the produce. Loads the schemas it needs. */
export async function tryEvent(
  steps: Steps,
  event: unknown,
  { context, index }: RefusedEvent,
): Promise<Trial> {
  if (!isObject(event)) {
    const message = 'an event must be a JSON object'
    return { enriched: event, error: new GateError('event_not_an_object', message) }
  }
  await steps.load([event], context)
  return tryLoaded(steps, event, context, index)
}

/** The same for an event whose schema is in memory. */
export function tryLoaded(steps: Steps, event: unknown, context: Context, index: number): Trial {
  const trial: Trial = { enriched: event }
  const own = structuredClone(event) as Event
  try {
    const schema = steps.schemaFor(own, context)
    trial.schema = schema
    const stream = steps.streamFor(own, schema, context)
    trial.stream = stream
    steps.enrich(own, schema, stream, context, index)
    trial.enriched = structuredClone(own)
    try {
      schema.validate(own)
    } catch (thrown) {
      const takeBack = (from: unknown) =>
        steps.takeBack?.(from as Event, stream, GateError.from(thrown), () => JSON.stringify(event))
      if (!takeBack(own)) throw thrown
      takeBack(trial.enriched)
      schema.validate(own)
    }
    steps.route(own, schema, stream, context)
  } catch (thrown) {
    trial.error = GateError.from(thrown)
  }
  return trial
}
