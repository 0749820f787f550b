import { type ErrorRow, EVENT_ERRORS, REQUEST_ERRORS } from './error-codes.js'

/** The closed table of everything that can go wrong with an event or a request. */
const ERRORS = { ...EVENT_ERRORS, ...REQUEST_ERRORS }

/** The stable name of a failure. Every entry of an answer has it as `code`. */
export type Code = keyof typeof ERRORS

/** All codes, for documentation and tests. */
export const CODES = Object.keys(ERRORS) as Code[]

/** Codes that are not the client's mistake. */
export const FAULTS: readonly { code: Code; fate: ErrorRow['fate'] }[] = CODES.flatMap(code =>
  ERRORS[code].kind === 'error' ? { code, fate: ERRORS[code].fate } : [],
)

/** The outcome of an event with this code. */
export function outcomeOf(code: Code): 'invalid' | ErrorRow['fate'] {
  const { kind, fate } = ERRORS[code]
  return kind === 'invalid' ? kind : fate
}

/** A violation of an event's schema, in the format of Ajv 6, which clients parse (docs/contract.md 1.2). */
export interface SchemaError {
  keyword: string
  /** Where it is in the event: `.meta.uri`, `.tags[0]`, `['a key']`. Empty for the event itself. */
  dataPath: string
  schemaPath: string
  params: Record<string, unknown>
  message: string
}

/** Why an event or a request was refused. Clients read the message. */
export class GateError extends Error {
  override readonly name = 'GateError'
  readonly kind: ErrorRow['kind']
  readonly status: number
  readonly fate: ErrorRow['fate']
  /** The first violations of the schema, for `validation_failed`. */
  readonly errors: readonly SchemaError[]
  /** The number of all violations; `errors` is bounded. */
  readonly errorsCount: number

  constructor(
    readonly code: Code,
    message: string,
    more: { cause?: unknown; errors?: readonly SchemaError[]; errorsCount?: number } = {},
  ) {
    // A stack trace would take ten times as long and six times the memory, and the code says enough.
    const { stackTraceLimit } = Error
    Error.stackTraceLimit = 0
    super(cut(message, MAX_MESSAGE), more.cause === undefined ? undefined : { cause: more.cause })
    Error.stackTraceLimit = stackTraceLimit
    const { kind, status, fate } = ERRORS[code]
    this.kind = kind
    this.status = status
    this.fate = fate
    this.errors = more.errors ?? []
    this.errorsCount = more.errorsCount ?? this.errors.length
  }

  /** Whether a retry may succeed and cannot make a duplicate. */
  get retriable(): boolean {
    return this.status === 503
  }

  /** Turns anything thrown into a GateError. Other errors are defects of the service. */
  static from(thrown: unknown): GateError {
    if (thrown instanceof GateError) return thrown
    const reason = thrown instanceof Error ? thrown.message : String(thrown)
    return new GateError('internal_error', `a defect of this service: ${reason}`, { cause: thrown })
  }
}

/**
 * The budget for explaining the refused events of one request (characters). If it is used up, an event gets a short
 * text about its first violation only.
 */
export interface Details {
  left: number
}

/** The whole budget: enough for thousands of small events and their explanations (characters). */
export const MAX_DETAILS = 1024 * 1024

/** Maximum length of a path or name in a message, and of a message (characters). */
const MAX_PART = 1000
const MAX_MESSAGE = 16 * 1024

/** Shortens a text. The result is a copy, because a slice would keep the whole text in memory. */
export function cut(text: string, max = MAX_PART): string {
  return text.length <= max ? text : `${Buffer.from(text.slice(0, max)).toString()}…`
}

/** Quotes a value from outside for a message: on one line, with at most 100 characters of it. */
export function quote(value: unknown): string {
  // Shortened before it is escaped, because a text may have millions of characters.
  const short = typeof value === 'string' ? value.slice(0, MAX_QUOTED + 1) : value
  const text = printable(JSON.stringify(short) ?? 'undefined')
  return text.length > MAX_QUOTED ? `${text.slice(0, MAX_QUOTED - 1)}…` : text
}

const MAX_QUOTED = 100
/** Characters that JSON does not escape: terminal controls, and line separators of some parsers. */
const UNPRINTABLE = /[\u007f-\u009f\u2028\u2029]/g

/** Escapes unprintable characters of a JSON text, which keeps its value. */
export function printable(json: string): string {
  return json.replace(UNPRINTABLE, char => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`)
}
