import { GateError, quote } from '../errors.js'
import type { Context, Destination, Event, Schema, Stream } from '../eventgate.js'
import { Field } from '../field.js'
import { timeOf } from '../time.js'

/** The step `route`. */
export type Route = (event: Event, schema: Schema, stream: Stream, context: Context) => Destination

/**
 * Makes the function that decides where an event goes. Pure. The record's time is that of `dtField`. It is the time of
 * receipt if the event has none or its schema does not declare it.
 */
export function makeRoute(dtField: string | undefined): Route {
  const field = dtField === undefined ? undefined : new Field(dtField)
  return (event, schema, stream, context) => ({
    topic: stream.topic,
    key: stream.key && stream.key.length > 0 ? keyOf(event, stream.key) : null,
    timestamp: field && schema.declares(field.path) ? timestampOf(event, field, context) : context.receivedAt,
    delivery: context.delivery,
    stream,
  })
}

/** A JSON object in the order of the configuration, whatever the names (docs/contract.md 5). */
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

function timestampOf(event: Event, field: Field, context: Context): number {
  const dt = field.get(event)
  if (dt === undefined) return context.receivedAt
  const time = typeof dt === 'string' ? timeOf(dt) : 'it is not text'
  if (typeof time === 'number' && time >= 0) return time
  throw new GateError(
    'timestamp_unparsable',
    `'.${field.path}' must be a time since 1970 in ISO 8601, it is ${quote(dt)}: ${typeof time === 'string' ? time : 'it is before 1970'}`,
  )
}
