import { type Code, GateError, type SchemaError } from '../errors.js'
import { type Context, type Event, isObject, type Schema, type Steps, type Stream } from '../eventgate.js'
import { pointerOf, stepsOf } from '../json-pointer.js'
import type { Complaint, JsonSchema, Mender } from '../schemas/repository.js'
import { type Known, WHY_NOT, waysOutOf } from './gate-refusals.js'
import { carried, diff, type Operation } from './json-patch.js'
import { deedsOf, wordsOf } from './words.js'

export type { Known } from './gate-refusals.js'

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

/** What the gate itself says of a refused event. */
export interface Refusal {
  code: Code
  message: string
  errors: readonly Omit<SchemaError, 'params'>[]
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
/** For one event's searches together; between two of them others have their turn. */
const PATIENCE_MS = 1000
/** Characters of an event that is searched: the searches hold each complaint of it, of which it may have as many. */
const MAX_LENGTH = 64 * 1024
const MAX_SCHEMA_LENGTH = 8192
/** Refusals that are mended one after the other. */
const MAX_ROUNDS = 5

const NO_WAY = 'no way out is known'
const NOTHING_FOUND = 'no value was found that would satisfy the schema here: it may contradict itself'
const TOO_LONG = 'nothing is searched for events of more than 65536 characters: send a shorter one'
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
  async explain(refused: RefusedEvent, error: Refusal): Promise<Explanation> {
    const { code, message } = error
    try {
      if (refused.text.length > MAX_LENGTH) return briefExplanation(refused.event, error, TOO_LONG)
      const trial = await this.#try(refused.event, refused)
      if (isLong(trial.enriched)) return briefExplanation(refused.event, error, TOO_LONG)
      const until = performance.now() + PATIENCE_MS
      // What is wrong with the text is not to be seen in what was read of it.
      if (OF_TEXT.has(code)) trial.error = new GateError(code, message)
      const complaints = code === 'validation_failed' ? this.#complaintsOf(trial) : undefined
      const details = complaints
        ? await this.#detailsOf(complaints, trial, refused, until)
        : [await this.#ownDetail(refused, trial, error, until)]
      const passes = details.length === 1 ? details[0]?.suggestion : undefined
      const mended = passes?.passes
        ? { text: passes.text, patch: passes.patch }
        : await this.#mended(refused, trial, until)
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
      this.#validate(own, schema, stream, event, trial)
      steps.route(own, schema, stream, context)
    } catch (thrown) {
      trial.error = GateError.from(thrown)
    }
    return trial
  }

  /** As the gate does. */
  #validate(own: Event, schema: Schema, stream: Stream, event: unknown, trial: Trial): void {
    try {
      schema.validate(own)
    } catch (thrown) {
      const takeBack = (from: unknown) =>
        this.#steps.takeBack?.(from as Event, stream, GateError.from(thrown), () => JSON.stringify(event))
      if (!takeBack(own)) throw thrown
      takeBack(trial.enriched)
      schema.validate(own)
    }
  }

  #complaintsOf({ error, schema, enriched }: Trial): Complaint[] | undefined {
    if (error?.code !== 'validation_failed' || !schema) return undefined
    const complaints = this.#known.schemas.menderOf(schema)?.complaints(enriched)
    return complaints && complaints.length > 0 ? complaints : undefined
  }

  async #detailsOf(
    complaints: readonly Complaint[],
    trial: Trial,
    refused: RefusedEvent,
    until: number,
  ): Promise<Detail[]> {
    const details: Detail[] = []
    for (const complaint of complaints.slice(0, MAX_DETAILS)) {
      if (details.length > 0) await turn()
      details.push(this.#detail(complaint, complaints, trial, refused, until))
    }
    return details
  }

  #detail(
    complaint: Complaint,
    all: readonly Complaint[],
    trial: Trial,
    refused: RefusedEvent,
    until: number,
  ): Detail {
    const { steps, keyword, message, schemaPath, rule, schema } = complaint
    const mender = this.#known.schemas.menderOf(trial.schema as Schema) as Mender
    mender.begin(until)
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
    until: number,
  ): Promise<Detail> {
    const { code, message } = error
    if (isObject(refused.event) && !trial.error) {
      const why_not = 'nothing need be changed: sent again now, it would pass'
      return detailOf({ message, explanation: message, why_not })
    }
    const { steps, tries } = await this.#waysOut(refused, trial, code, message, until)
    let best: { sent: unknown; passes: boolean } | undefined
    for (const sent of tries) {
      if (performance.now() > until) break
      await turn()
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
    const why = performance.now() > until ? TOOK_LONG : (WHY_NOT[code] ?? NO_WAY)
    return detailOf({
      path: pointerOf(steps),
      message,
      explanation: message,
      suggestion,
      why_not: suggestion ? null : why,
    })
  }

  #waysOut(
    { event, text, context }: RefusedEvent,
    { schema, stream }: Trial,
    code: Code,
    message: string,
    until: number,
  ) {
    return waysOutOf({ event, text, code, message, context, schema, stream, until }, this.#known)
  }

  /** One refusal after the other is mended, until the gate would take the event. */
  async #mended(refused: RefusedEvent, first: Trial, until: number): Promise<Explanation['mended']> {
    let sent = refused.event
    for (let round = 0; round < MAX_ROUNDS; round++) {
      const trial = round === 0 ? first : await this.#try(sent, refused)
      if (!trial.error) {
        const patch = diff(refused.event ?? null, sent)
        return patch.length === 0 ? null : { text: deedsOf(patch), patch }
      }
      if (performance.now() > until || isLong(trial.enriched)) return null
      await turn()
      const next = await this.#next(sent, trial, refused, until)
      if (next === undefined) return null
      sent = next
    }
    return null
  }

  async #next(event: unknown, trial: Trial, refused: RefusedEvent, until: number): Promise<unknown> {
    const { code, message } = trial.error as GateError
    if (code === 'validation_failed') {
      const mender = trial.schema && this.#known.schemas.menderOf(trial.schema)
      mender?.begin(until)
      const made = mender?.mended(trial.enriched)
      return made === undefined ? undefined : carried(event, trial.enriched, made)
    }
    const { tries } = await this.#waysOut({ ...refused, event }, trial, code, message, until)
    for (const sent of tries) {
      if (performance.now() > until) return undefined
      await turn()
      const after = await this.#try(sent, refused)
      if (!after.error || (after.error.code !== code && isLater(after.error.code))) return sent
    }
    return undefined
  }
}

/** What the gate itself said, with nothing searched for. */
export function briefExplanation(
  event: unknown,
  { code, message, errors }: Refusal,
  whyNot: string,
): Explanation {
  const why_not = code === 'validation_failed' ? whyNot : (WHY_NOT[code] ?? whyNot)
  const told = errors.slice(0, MAX_DETAILS).map(error =>
    detailOf({
      path: pointerOf(stepsOf(error.dataPath, event)),
      ...{ keyword: error.keyword, message: error.message, schema_path: error.schemaPath },
      ...{ explanation: `${error.dataPath} ${error.message}`.trim(), why_not },
    }),
  )
  const details = told.length > 0 ? told : [detailOf({ message, explanation: message, why_not })]
  return { code, message, details, mended: null }
}

function isLong(value: unknown): boolean {
  return (JSON.stringify(value)?.length ?? 0) > MAX_LENGTH
}

/** Others come in between. */
function turn(): Promise<void> {
  return new Promise(resolve => setImmediate(resolve))
}

function conditionOf(schema: JsonSchema): JsonSchema {
  return Object.fromEntries(
    ['if', 'then', 'else'].flatMap(name => (name in schema ? [[name, schema[name]]] : [])),
  )
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
