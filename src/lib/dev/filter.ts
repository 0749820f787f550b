import type { Entry } from './recorder.js'

/** Which entries are meant. What is not set does not matter. */
export interface Filter {
  stream?: string | undefined
  /** A schema's URI, or its title for all its versions. */
  schema?: string | undefined
  /** One, or some separated by commas. */
  outcome?: string | undefined
  code?: string | undefined
  requestId?: string | undefined
  /** Within the event as it was received, or the reason; large and small letters are the same. */
  text?: string | undefined
}

export type Match = (entry: Entry) => boolean

export function matcher({ stream, schema, outcome, code, requestId, text }: Filter): Match {
  const outcomes = outcome?.split(',')
  const title = schema?.replace(/^\/|\/$/g, '')
  const lower = text?.toLowerCase()
  return entry =>
    (stream === undefined || entry.stream === stream) &&
    (title === undefined || isOf(entry.schemaUri, title)) &&
    (outcomes === undefined || outcomes.includes(entry.verdict)) &&
    (code === undefined || entry.error?.code === code) &&
    (requestId === undefined || entry.requestId === requestId) &&
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
