import type { Entry } from './entry.js'

/** Selects entries by all of the fields that are set. The names are those of the API's parameters. */
export interface Filter {
  stream?: string | undefined
  /** The URI of a schema, or its title for all of its versions. */
  schema?: string | undefined
  /** One outcome, or several separated by commas. */
  outcome?: string | undefined
  code?: string | undefined
  request_id?: string | undefined
  /** Part of the received text or of the error's message, in any case. */
  text?: string | undefined
}

export type Match = (entry: Entry) => boolean

export function matcher({ stream, schema, outcome, code, request_id, text }: Filter): Match {
  const outcomes = outcome?.split(',')
  const title = schema?.replace(/^\/|\/$/g, '')
  const lower = text?.toLowerCase()
  return entry =>
    (stream === undefined || entry.stream === stream) &&
    (title === undefined || isOf(entry.schemaUri, title)) &&
    (outcomes === undefined || outcomes.includes(entry.outcome)) &&
    (code === undefined || entry.error?.code === code) &&
    (request_id === undefined || entry.requestId === request_id) &&
    (lower === undefined || holds(entry, lower))
}

function isOf(uri: string | null, title: string): boolean {
  if (uri === null) return false
  const own = uri.replace(/^\//, '')
  return own === title || own.startsWith(`${title}/`)
}

function holds({ text, error }: Entry, lower: string): boolean {
  return text.toLowerCase().includes(lower) || (error?.message.toLowerCase().includes(lower) ?? false)
}
