import { type Code, GateError } from './errors.js'
import type { Context, Event, Schema, Steps, Stream } from './eventgate.js'
import { type Known, WHY_NOT, waysOutOf } from './explain/refusals.js'
import { deedsOf, wordsOf } from './explain/words.js'
import { carried, diff, type Operation } from './patch.js'
import { pointerOf } from './pointer.js'
import type { Complaint, JsonSchema, Mender } from './schemas.js'

export type { Known } from './explain/refusals.js'

/** Something that would pass. */
export interface Suggestion {
  text: string
  /** Makes it of the event as it was received. */
  patch: Operation[]
  /** Whether the whole event would pass then. */
  passes: boolean
}

/** One thing that is wrong, for people. */
export interface Detail {
  /** RFC 6901, into the event as it was received. */
  path: string
  keyword: string | null
  message: string
  schema_path: string | null
  /** Plain words. */
  explanation: string
  /** The keyword's value. */
  rule: unknown
  /** The sub-schema in which it stands; null where it is large. */
  schema: JsonSchema | null
  suggestion: Suggestion | null
  /** Why there is none. */
  why_not: string | null
}

export interface Explanation {
  code: string
  message: string
  details: Detail[]
  /** All that is wrong mended at once; null if no way was found. */
  mended: Omit<Suggestion, 'passes'> | null
}

/** An event that was refused, and what is known of its request. */
export interface RefusedEvent {
  /** As it was received, parsed; undefined where it is not JSON. */
  event: unknown
  text: string
  context: Context
  index: number
}

/** The way of an event without its end. */
interface Trial {
  error?: GateError
  schema?: Schema
  stream?: Stream
  /** With what the gate fills in, but for the schema's defaults. */
  enriched: unknown
}

const MAX_DETAILS = 16
/** For one event's searches together: nothing else runs meanwhile. */
const PATIENCE_MS = 2000
const MAX_SCHEMA_LENGTH = 8192
/** Refusals that are mended one after the other. */
const MAX_ROUNDS = 5

const NOTHING_FOUND = 'no value was found that would satisfy the schema here: it may contradict itself'
const TOOK_LONG = 'the search for a value that would satisfy the schema here took too long'

/** Found in the text of an event. */
const OF_TEXT: ReadonlySet<Code> = new Set(['event_number_inexact', 'event_too_deep', 'body_malformed'])

/** Says why an event was refused and what would pass. What it suggests it has tried. */
export class Explainer {
  readonly #steps: Steps
  readonly #known: Known

  /** Of the steps all are taken but the produce. */
  constructor(steps: Steps, known: Known) {
    this.#steps = steps
    this.#known = known
  }

  /** Never rejects. */
  async explain(
    refused: RefusedEvent,
    error: Pick<GateError, 'code' | 'message' | 'errors'>,
  ): Promise<Explanation> {
    const { code, message } = error
    try {
      const trial = await this.#try(refused.event, refused)
      // What is wrong with the text is not to be seen in what was read of it.
      if (OF_TEXT.has(code)) trial.error = new GateError(code, message)
      const complaints = code === 'validation_failed' ? this.#complaintsOf(trial) : undefined
      const details = complaints
        ? this.#detailsOf(complaints, trial, refused)
        : [await this.#ownDetail(refused, trial, error)]
      const passes = details.length === 1 ? details[0]?.suggestion : undefined
      const mended = passes?.passes
        ? { text: passes.text, patch: passes.patch }
        : await this.#mended(refused, trial)
      return { code, message, details, mended }
    } catch (thrown) {
      const detail = detailOf({
        message,
        explanation: message,
        why_not: `a defect: ${(thrown as Error).message}`,
      })
      return { code, message, details: [detail], mended: null }
    }
  }

  async #try(event: unknown, { context, index }: RefusedEvent): Promise<Trial> {
    const trial: Trial = { enriched: event }
    if (typeof event !== 'object' || event === null || Array.isArray(event)) {
      const message = 'an event must be a JSON object'
      return { ...trial, error: new GateError('event_not_an_object', message) }
    }
    await this.#steps.load([event], context)
    return this.#pass(event, context, index)
  }

  #pass(event: unknown, context: Context, index: number): Trial {
    const trial: Trial = { enriched: event }
    const steps = this.#steps
    const own = structuredClone(event) as Event
    try {
      const schema = steps.schemaFor(own, context)
      trial.schema = schema
      const stream = steps.streamFor(own, schema, context)
      trial.stream = stream
      steps.enrich(own, schema, stream, context, index)
      trial.enriched = structuredClone(own)
      schema.validate(own)
      steps.route(own, schema, stream, context)
    } catch (thrown) {
      trial.error = GateError.from(thrown)
    }
    return trial
  }

  #complaintsOf({ error, schema, enriched }: Trial): Complaint[] | undefined {
    if (error?.code !== 'validation_failed' || !schema) return undefined
    const complaints = this.#known.schemas.menderOf(schema)?.complaints(enriched)
    return complaints && complaints.length > 0 ? complaints : undefined
  }

  #detailsOf(complaints: readonly Complaint[], trial: Trial, refused: RefusedEvent): Detail[] {
    const until = performance.now() + PATIENCE_MS
    return complaints
      .slice(0, MAX_DETAILS)
      .map(complaint => this.#detail(complaint, complaints, trial, refused, until - performance.now()))
  }

  #detail(
    complaint: Complaint,
    all: readonly Complaint[],
    trial: Trial,
    refused: RefusedEvent,
    patienceMs: number,
  ): Detail {
    const { steps, keyword, message, schemaPath, rule, schema } = complaint
    const mender = this.#known.schemas.menderOf(trial.schema as Schema) as Mender
    mender.begin(patienceMs)
    const made = mender.without(trial.enriched, complaint, all)
    const suggestion = made === undefined ? null : this.#suggestion(made, trial, refused)
    return {
      path: pointerOf(steps),
      ...{ keyword, message, schema_path: schemaPath },
      explanation: wordsOf(complaint),
      rule: keyword === 'if' ? conditionOf(schema) : rule,
      schema: JSON.stringify(schema).length > MAX_SCHEMA_LENGTH ? null : schema,
      suggestion,
      why_not: suggestion ? null : mender.isExhausted ? TOOK_LONG : NOTHING_FOUND,
    }
  }

  #suggestion(made: unknown, { enriched, schema, error }: Trial, refused: RefusedEvent): Suggestion | null {
    const sent = carried(refused.event, enriched, made)
    const patch = diff(refused.event, sent)
    if (patch.length === 0) return null
    const after = this.#pass(sent, refused.context, refused.index)
    // It is the schema's complaints that are mended; the gate may have more to say.
    if (after.schema !== schema) return null
    if (after.error?.code === 'validation_failed' && after.error.message === error?.message) return null
    return { text: deedsOf(patch), patch, passes: after.error === undefined }
  }

  async #ownDetail(
    refused: RefusedEvent,
    trial: Trial,
    error: Pick<GateError, 'code' | 'message'>,
  ): Promise<Detail> {
    const { code, message } = error
    if (isEvent(refused.event) && !trial.error) {
      const why_not = 'nothing need be changed: sent again now, it would pass'
      return detailOf({ message, explanation: message, why_not })
    }
    const { steps, tries } = await this.#waysOut(refused, trial, code, message)
    let best: { sent: unknown; passes: boolean } | undefined
    for (const sent of tries) {
      const after = await this.#try(sent, refused)
      if (!after.error) {
        best = { sent, passes: true }
        break
      }
      // Another complaint, which comes later on an event's way, is what to mend next.
      if (after.error.code !== code && isLater(after.error.code)) best ??= { sent, passes: false }
    }
    const patch = best ? diff(refused.event ?? null, best.sent) : []
    const suggestion = best && patch.length > 0 ? { text: deedsOf(patch), patch, passes: best.passes } : null
    const why = WHY_NOT[code] ?? 'no way out is known'
    return detailOf({
      path: pointerOf(steps),
      message,
      explanation: message,
      suggestion,
      why_not: suggestion ? null : why,
    })
  }

  #waysOut({ event, text, context }: RefusedEvent, { schema, stream }: Trial, code: Code, message: string) {
    return waysOutOf({ event, text, code, message, context, schema, stream }, this.#known)
  }

  /** One refusal after the other is mended, until the gate would take the event. */
  async #mended(refused: RefusedEvent, first: Trial): Promise<Explanation['mended']> {
    let sent = refused.event
    for (let round = 0; round < MAX_ROUNDS; round++) {
      const trial = round === 0 ? first : await this.#try(sent, refused)
      if (!trial.error) {
        const patch = diff(refused.event ?? null, sent)
        return patch.length === 0 ? null : { text: deedsOf(patch), patch }
      }
      const next = await this.#next(sent, trial, refused)
      if (next === undefined) return null
      sent = next
    }
    return null
  }

  async #next(event: unknown, trial: Trial, refused: RefusedEvent): Promise<unknown> {
    const { code, message } = trial.error as GateError
    if (code === 'validation_failed') {
      const mender = trial.schema && this.#known.schemas.menderOf(trial.schema)
      mender?.begin(PATIENCE_MS)
      const made = mender?.mended(trial.enriched)
      return made === undefined ? undefined : carried(event, trial.enriched, made)
    }
    const { tries } = await this.#waysOut({ ...refused, event }, trial, code, message)
    for (const sent of tries) {
      const after = await this.#try(sent, refused)
      if (!after.error || (after.error.code !== code && isLater(after.error.code))) return sent
    }
    return undefined
  }
}

function conditionOf(schema: JsonSchema): JsonSchema {
  return Object.fromEntries(
    ['if', 'then', 'else'].flatMap(name => (name in schema ? [[name, schema[name]]] : [])),
  )
}

function isEvent(event: unknown): boolean {
  return typeof event === 'object' && event !== null && !Array.isArray(event)
}

/** Whether an event that is refused so has come further than to a wrong name of its schema. */
function isLater(code: Code): boolean {
  return !['event_not_an_object', 'schema_uri_missing', 'schema_uri_refused', 'schema_not_found'].includes(
    code,
  )
}

function detailOf(more: Pick<Detail, 'message' | 'explanation' | 'why_not'> & Partial<Detail>): Detail {
  return { path: '', keyword: null, schema_path: null, rule: null, schema: null, suggestion: null, ...more }
}
