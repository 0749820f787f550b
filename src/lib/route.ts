import { GateError, quote } from './errors.js'
import type { Context, Destination, Event, Schema, Stream } from './eventgate.js'
import { Field } from './field.js'

/** The step `route`. */
export type Route = (event: Event, schema: Schema, stream: Stream, context: Context) => Destination

/**
 * Makes the function that decides where an event goes. Pure. The record's time is that of `dtField`, or of
 * receipt where the event has none or its schema does not declare it.
 */
export function makeRoute(dtField: string | undefined): Route {
  const field = dtField === undefined ? undefined : new Field(dtField)
  return (event, schema, stream, context) => ({
    topic: stream.topic,
    key: stream.key && stream.key.length > 0 ? keyOf(event, stream.key) : null,
    timestamp: field && schema.declares(field.path) ? timestampOf(event, field, context) : context.receivedAt,
    delivery: context.delivery,
  })
}

/** A JSON object in the order of the configuration, whatever the names (CONTRACT 5). */
function keyOf(event: Event, fields: NonNullable<Stream['key']>): string {
  const members = fields.map(({ name, field }) => {
    const value = field.get(event)
    if (value === undefined || value === null) {
      throw new GateError(
        'key_field_missing',
        `'.${field.path}' must have a value, it is part of the message's key, as ${quote(name)}`,
      )
    }
    return `${JSON.stringify(name)}:${JSON.stringify(value)}`
  })
  return `{${members.join(',')}}`
}

/** `Date.parse` takes almost anything for a time. */
const ISO_8601 = /^[+-]?\d{4,6}-\d\d/

function timestampOf(event: Event, field: Field, context: Context): number {
  const dt = field.get(event)
  if (dt === undefined) return context.receivedAt
  const timestamp = typeof dt === 'string' && ISO_8601.test(dt) ? Date.parse(dt) : Number.NaN
  if (timestamp >= 0) return timestamp
  throw new GateError(
    'timestamp_unparsable',
    `'.${field.path}' must be a time since 1970 in ISO 8601, it is ${quote(dt)}`,
  )
}
