import type { Code, SchemaError } from '../errors.js'
import { pointerOf, stepsOf } from '../json-pointer.js'
import type { JsonSchema } from '../schemas/json-schema.js'
import { WHY_NOT } from './gate-refusals.js'
import type { PatchOperation } from './json-patch.js'

/** Details of one explanation. */
export const MAX_DETAILS = 16

/** Something that would pass. */
export interface Suggestion {
  text: string
  /** What turns the received event into it. */
  patch: PatchOperation[]
  /** Whether the whole event then passes. */
  passes: boolean
}

/** One thing that is wrong, for people. */
export interface Detail {
  /** A JSON pointer (RFC 6901) into the event as it was received. */
  path: string
  keyword: string | null
  message: string
  schema_path: string | null
  /** In plain words. */
  explanation: string
  /** The keyword's value. */
  rule: unknown
  /** The sub-schema that has the keyword; null if it is large. */
  schema: JsonSchema | null
  suggestion: Suggestion | null
  /** Why there is no suggestion. */
  why_not: string | null
}

export interface Explanation {
  code: string
  message: string
  details: Detail[]
  /** A fix for everything that is wrong; null if none was found. */
  mended: Omit<Suggestion, 'passes'> | null
}

/** What the gate itself says of a refused event. */
export interface GateComplaint {
  code: Code
  message: string
  errors: readonly Omit<SchemaError, 'params'>[]
}

/** What the gate itself says, without a search for a fix. */
export function briefExplanation(
  event: unknown,
  { code, message, errors }: GateComplaint,
  whyNot: string,
): Explanation {
  const why_not = code === 'validation_failed' ? whyNot : (WHY_NOT[code] ?? whyNot)
  const found = errors.slice(0, MAX_DETAILS).map(({ keyword, dataPath, schemaPath, message }) =>
    detailOf({
      path: pointerOf(stepsOf(dataPath, event)),
      keyword,
      message,
      schema_path: schemaPath,
      explanation: `${dataPath} ${message}`.trim(),
      why_not,
    }),
  )
  const details = found.length > 0 ? found : [detailOf({ message, explanation: message, why_not })]
  return { code, message, details, mended: null }
}

/** A detail, with null for what is not given. */
export function detailOf(
  more: Pick<Detail, 'message' | 'explanation' | 'why_not'> & Partial<Detail>,
): Detail {
  return { path: '', keyword: null, schema_path: null, rule: null, schema: null, suggestion: null, ...more }
}
