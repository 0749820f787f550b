import type { GateError } from '../errors.js'
import { type Context, EventGate, type Events, type Outcome, type Steps } from '../eventgate.js'
import { yieldToEventLoop } from '../runtime/event-loop.js'
import type { Explainer } from './explainer.js'
import type { Explanation } from './explanation.js'

/** What would become of one event. */
export interface Prospect {
  index: number
  outcome: 'accepted' | 'refused' | 'failed'
  stream: string | null
  schema_uri: string | null
  /** With what the gate fills in; null if it would not be produced, or if the answer is too long for it. */
  event: unknown
  topic: string | null
  key: string | null
  timestamp: number | null
  error: Explanation | { code: string; message: string; details: never[]; mended: null } | null
}

/** Refused events of one request that are explained, which takes milliseconds each. Others get the reason only. */
const MAX_EXPLAINED = 100
/** Characters of enriched events in one answer. */
const MAX_LENGTH = 8 * 1024 * 1024

/** Sends events through the whole gate but the produce. */
export class DryRun {
  readonly #gate: EventGate
  readonly #explainer: Explainer

  constructor(steps: Steps, explainer: Explainer) {
    this.#gate = new EventGate({ ...steps, produce: async () => {} }, undefined, undefined, true)
    this.#explainer = explainer
  }

  /** Ends by the context's deadline. Events that are explained after it get the reason only. */
  async process(events: Events, context: Context): Promise<Prospect[]> {
    const outcomes = await this.#gate.process(events, context)
    const prospects: Prospect[] = []
    let length = 0
    let explained = 0
    for (const [index, outcome] of outcomes.entries()) {
      const { sent } = outcome
      let event: unknown = null
      if (sent && length < MAX_LENGTH) {
        event = sent.event
        length += JSON.stringify(event).length
      }
      const { topic, key, timestamp } = sent?.destination ?? { topic: null, key: null, timestamp: null }
      const mayExplain = explained < MAX_EXPLAINED && Date.now() < context.deadline
      if ('error' in outcome) explained++
      prospects.push({
        index,
        outcome: prospectOf(outcome),
        stream: outcome.stream?.name ?? null,
        schema_uri: outcome.schema?.uri ?? null,
        event,
        topic,
        key,
        timestamp,
        error: 'error' in outcome ? await this.#errorOf(outcome.error, context, index, mayExplain) : null,
      })
    }
    return prospects
  }

  async #errorOf(
    error: GateError,
    context: Context,
    index: number,
    mayExplain: boolean,
  ): Promise<Prospect['error']> {
    const { code, message } = error
    if (!mayExplain) return { code, message, details: [], mended: null }
    await yieldToEventLoop()
    const text = context.textOf(index)
    return this.#explainer.explain({ event: parsed(text), text, context, index }, error)
  }
}

function prospectOf(outcome: Outcome): Prospect['outcome'] {
  if (!('error' in outcome)) return 'accepted'
  return outcome.fate === 'invalid' ? 'refused' : 'failed'
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
