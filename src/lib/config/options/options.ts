import { EVENT_OPTIONS } from './events.js'
import { HTTP_OPTIONS } from './http.js'
import { PRODUCER_OPTIONS } from './producers.js'
import { SCHEMA_OPTIONS } from './schemas.js'
import { STREAM_OPTIONS } from './streams.js'
import type { Report, ValueOf, ValueSchema } from './values.js'

/** Every option. The types, the checks, the documentation and the chart's schema follow from this table. */
export const OPTIONS = {
  ...HTTP_OPTIONS,
  ...SCHEMA_OPTIONS,
  ...EVENT_OPTIONS,
  ...STREAM_OPTIONS,
  ...PRODUCER_OPTIONS,
}

/** The parsed values of all options. */
export type Options = {
  readonly [Name in keyof typeof OPTIONS]: ValueOf<(typeof OPTIONS)[Name]>
}

/** Parses options that fit their schemas, and fills in defaults. Values that cannot be parsed are reported. */
export function readOptions(conf: Readonly<Record<string, unknown>>, report: ReportAt): Options {
  const options: [name: string, schema: ValueSchema & { default: unknown }][] = Object.entries(OPTIONS)
  const entries = options.map(([name, schema]) => {
    const value = conf[name] === undefined ? schema.default : conf[name]
    return [name, readValue(schema, value, name, report)]
  })
  return Object.fromEntries(entries) as Options
}

type ReportAt = (path: string, message: string) => void

function readValue(schema: ValueSchema, given: unknown, path: string, report: ReportAt): unknown {
  if (given === null) return null
  const { properties } = schema
  const value = properties
    ? Object.fromEntries(
        Object.entries({ ...defaultsOf(properties), ...(given as object) }).map(([name, part]) => [
          name,
          readValue(properties[name] ?? {}, part, `${path}.${name}`, report),
        ]),
      )
    : given
  if (!schema.read) return value
  const read = schema.read as (value: unknown, report: Report) => unknown
  try {
    return read(value, (message, part = '') => report(`${path}${part}`, message))
  } catch (error) {
    report(path, `cannot be read: ${(error as Error).message}`)
    return undefined
  }
}

function defaultsOf(properties: Readonly<Record<string, ValueSchema>>): Record<string, unknown> {
  const defaults = Object.entries(properties).map(([name, schema]) => [name, schema.default])
  return Object.fromEntries(defaults.filter(([, value]) => value !== undefined))
}
