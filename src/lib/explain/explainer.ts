import { type Code, GateError } from '../errors.js'
import { isObject, type Schema, type Steps } from '../eventgate.js'
import { pointerOf } from '../json-pointer.js'
import { yieldToEventLoop } from '../runtime/event-loop.js'
import type { JsonSchema } from '../schemas/json-schema.js'
import type { Complaint } from '../schemas/parts.js'
import {
  briefExplanation,
  type Detail,
  detailOf,
  type Explanation,
  type GateComplaint,
  MAX_DETAILS,
  type Suggestion,
} from './explanation.js'
import { fixesFor, type Known, WHY_NOT } from './gate-refusals.js'
import { carryOver, diff } from './json-patch.js'
import { type Repairer, repairerFor } from './repairer.js'
import { type RefusedEvent, type Trial, tryEvent, tryLoaded } from './trial.js'
import { patchWords, wordsOf } from './words.js'

/** For one event's searches together (ms). Other work runs between two of them. */
const PATIENCE_MS = 1000
/** Characters of an event that is searched. A search holds each complaint about it, and there may be as many. */
const MAX_LENGTH = 64 * 1024
const MAX_SCHEMA_LENGTH = 8192
/** Refusals that are fixed one after the other. */
const MAX_ROUNDS = 5

const NO_FIX = 'no fix is known'
const NOTHING_FOUND = 'no value was found that would satisfy the schema here: it may contradict itself'
const TOO_LONG = 'fixes are not searched for events of more than 65536 characters: send a shorter one'
const TOOK_LONG = 'the search for a value that would satisfy the schema here took too long'

/** A trial does not produce, so it cannot repeat what only the producer refuses. */
const BY_PRODUCER: ReadonlySet<Code> = new Set(['event_too_large', 'record_refused'])

/** Found in the text of an event, before it is parsed. */
const IN_TEXT: ReadonlySet<Code> = new Set(['event_number_inexact', 'event_too_deep', 'body_malformed'])
/** Found before the schema of an event is known. */
const EARLY: ReadonlySet<Code> = new Set([
  'event_not_an_object',
  'schema_uri_missing',
  'schema_uri_refused',
  'schema_not_found',
])

/** Says why an event was refused and what would pass. It has tried everything that it suggests. */
export class Explainer {
  readonly #steps: Steps
  readonly #known: Known
  readonly #repairerFor: (schema: Schema, until: number) => Repairer | undefined

  /** Takes all of the steps but the produce. */
  constructor(steps: Steps, known: Known, findRepairer = repairerFor) {
    this.#steps = steps
    this.#known = known
    this.#repairerFor = findRepairer
  }

  /** Never rejects. */
  async explain(refused: RefusedEvent, error: GateComplaint): Promise<Explanation> {
    const { code, message } = error
    try {
      if (refused.text.length > MAX_LENGTH) return briefExplanation(refused.event, error, TOO_LONG)
      const trial = await tryEvent(this.#steps, refused.event, refused)
      if (isLong(trial.enriched)) return briefExplanation(refused.event, error, TOO_LONG)
      const until = performance.now() + PATIENCE_MS
      // The parsed event does not show what is wrong with its text.
      if (IN_TEXT.has(code)) trial.error = new GateError(code, message)
      const complaints = code === 'validation_failed' ? this.#complaintsOf(trial, until) : undefined
      const details = complaints
        ? await this.#detailsOf(complaints, trial, refused, until)
        : [await this.#ownDetail(refused, trial, error, until)]
      const only = details.length === 1 ? details[0]?.suggestion : undefined
      const mended = only?.passes
        ? { text: only.text, patch: only.patch }
        : await this.#fixAll(refused, trial, until)
      return { code, message, details, mended }
    } catch (thrown) {
      const why_not = `a defect: ${(thrown as Error).message}`
      return { code, message, details: [detailOf({ message, explanation: message, why_not })], mended: null }
    }
  }

  #complaintsOf({ error, schema, enriched }: Trial, until: number): Complaint[] | undefined {
    if (error?.code !== 'validation_failed' || !schema) return undefined
    const complaints = this.#repairerFor(schema, until)?.complaints(enriched)
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
      if (details.length > 0) await yieldToEventLoop()
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
    const repairer = this.#repairerFor(trial.schema as Schema, until) as Repairer
    const fixed = repairer.fixOne(trial.enriched, complaint, all)
    const suggestion = fixed === undefined ? null : this.#suggestion(fixed, trial, refused)
    return {
      path: pointerOf(steps),
      keyword,
      message,
      schema_path: schemaPath,
      explanation: wordsOf(complaint),
      rule: keyword === 'if' ? conditionOf(schema) : rule,
      schema: JSON.stringify(schema).length > MAX_SCHEMA_LENGTH ? null : schema,
      suggestion,
      why_not: suggestion ? null : repairer.budget.isExhausted ? TOOK_LONG : NOTHING_FOUND,
    }
  }

  #suggestion(fixed: unknown, { enriched, schema, error }: Trial, refused: RefusedEvent): Suggestion | null {
    const sent = carryOver(refused.event, enriched, fixed)
    const patch = diff(refused.event, sent)
    if (patch.length === 0) return null
    const after = tryLoaded(this.#steps, sent, refused.context, refused.index)
    // The schema's complaints are fixed; the gate may have more to say.
    if (after.schema !== schema) return null
    if (after.error?.code === 'validation_failed' && after.error.message === error?.message) return null
    return { text: patchWords(patch), patch, passes: after.error === undefined }
  }

  /** What is wrong if it is not the schema that refused. */
  async #ownDetail(
    refused: RefusedEvent,
    trial: Trial,
    { code, message }: Pick<GateError, 'code' | 'message'>,
    until: number,
  ): Promise<Detail> {
    if (isObject(refused.event) && !trial.error) {
      const again = 'nothing needs to change: the event would pass if it were sent again now'
      const why_not = BY_PRODUCER.has(code) ? (WHY_NOT[code] ?? NO_FIX) : again
      return detailOf({ message, explanation: message, why_not })
    }
    const { steps, tries } = await fixesFor({ ...refused, ...trial, code, message, until }, this.#known)
    const best = await this.#firstBetter(tries, code, refused, until)
    const patch = best ? diff(refused.event ?? null, best.sent) : []
    const suggestion =
      best && patch.length > 0 ? { text: patchWords(patch), patch, passes: best.passes } : null
    const why = performance.now() > until ? TOOK_LONG : (WHY_NOT[code] ?? NO_FIX)
    const why_not = suggestion ? null : why
    return detailOf({ path: pointerOf(steps), message, explanation: message, suggestion, why_not })
  }

  /** The first event that passes; else the first whose refusal comes later on an event's way. */
  async #firstBetter(
    tries: readonly unknown[],
    code: Code,
    refused: RefusedEvent,
    until: number,
  ): Promise<{ sent: unknown; passes: boolean } | undefined> {
    let best: { sent: unknown; passes: boolean } | undefined
    for (const sent of tries) {
      if (performance.now() > until) break
      await yieldToEventLoop()
      const { error } = await tryEvent(this.#steps, sent, refused)
      if (!error) return { sent, passes: true }
      if (isLater(error.code, code)) best ??= { sent, passes: false }
    }
    return best
  }

  /** Fixes one refusal after the other, until the gate would accept the event. */
  async #fixAll(refused: RefusedEvent, first: Trial, until: number): Promise<Explanation['mended']> {
    let sent = refused.event
    for (let round = 0; round < MAX_ROUNDS; round++) {
      const trial = round === 0 ? first : await tryEvent(this.#steps, sent, refused)
      if (!trial.error) {
        const patch = diff(refused.event ?? null, sent)
        return patch.length === 0 ? null : { text: patchWords(patch), patch }
      }
      if (performance.now() > until || isLong(trial.enriched)) return null
      await yieldToEventLoop()
      const next = await this.#fixNext(sent, trial, refused, until)
      if (next === undefined) return null
      sent = next
    }
    return null
  }

  /** The event with what it is refused for fixed; undefined if no fix is found. */
  async #fixNext(event: unknown, trial: Trial, refused: RefusedEvent, until: number): Promise<unknown> {
    const { code, message } = trial.error as GateError
    if (code === 'validation_failed') {
      const fixed = trial.schema && this.#repairerFor(trial.schema, until)?.fix(trial.enriched)
      return fixed === undefined ? undefined : carryOver(event, trial.enriched, fixed)
    }
    const { tries } = await fixesFor({ ...refused, ...trial, event, code, message, until }, this.#known)
    for (const sent of tries) {
      if (performance.now() > until) return undefined
      await yieldToEventLoop()
      const { error } = await tryEvent(this.#steps, sent, refused)
      if (!error || isLater(error.code, code)) return sent
    }
    return undefined
  }
}

function isLong(value: unknown): boolean {
  return (JSON.stringify(value)?.length ?? 0) > MAX_LENGTH
}

function conditionOf(schema: JsonSchema): JsonSchema {
  return Object.fromEntries(
    ['if', 'then', 'else'].flatMap(name => (name in schema ? [[name, schema[name]]] : [])),
  )
}

/** Whether an event that is refused with this code came further than with the one before. */
function isLater(code: Code, before: Code): boolean {
  return code !== before && !EARLY.has(code)
}
