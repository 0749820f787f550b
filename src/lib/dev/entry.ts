import type { Context, Outcome } from '../eventgate.js'

/** What became of an event: the gate's word for it, and the word of the development API and its page. */
export const OUTCOMES = {
  delivered: 'accepted',
  spooled: 'accepted',
  /** The sender made a mistake. */
  invalid: 'refused',
  not_stored: 'failed',
  unknown: 'unknown',
} as const satisfies Record<Outcome['fate'], string>

export type EntryOutcome = (typeof OUTCOMES)[Outcome['fate']]

/** What is kept of one event, or of a request that was refused as a whole. */
export interface Entry {
  /** 1, 2, 3 … in the order of their outcomes. */
  seq: number
  /** Since the epoch (ms). */
  receivedAt: number
  requestId: string
  /** Its place in its request. */
  index: number
  delivery: Context['delivery']
  outcome: EntryOutcome
  stream: string | null
  schemaUri: string | null
  /** As it was received, at most MAX_TEXT characters of it. */
  text: string
  /** Whether `text` is not all of it. */
  cut: boolean
  /** What went to the producer, as JSON. */
  produced: { topic: string; key: string | null; timestamp: number; text: string } | null
  error: EntryError | null
  /** The parts of the request that may fill fields of the event. */
  request: { headers: Context['headers']; clientIp: string | undefined }
  query: { schemaUri?: string | undefined; stream?: string | undefined }
}

/** Why it was refused, or not stored. */
export interface EntryError {
  code: string
  message: string
  errors: readonly { keyword: string; dataPath: string; schemaPath: string; message: string }[]
}

/** Characters that an entry keeps of a text. */
export const MAX_TEXT = 64 * 1024

/** About the memory that an entry takes, which is that of its texts (bytes). */
export function weightOf({ text, produced, error, request, query }: Entry): number {
  let errors = error?.message.length ?? 0
  for (const { dataPath, schemaPath, message } of error?.errors ?? [])
    errors += 200 + dataPath.length + schemaPath.length + message.length
  const asked = (query.schemaUri?.length ?? 0) + (query.stream?.length ?? 0)
  const key = produced?.key?.length ?? 0
  let headers = 0
  for (const name in request.headers) headers += name.length + String(request.headers[name]).length
  return 2 * (text.length + (produced?.text.length ?? 0) + key + errors + headers + asked) + 500
}
