import type { Code } from '../errors.js'
import type { Context } from '../eventgate.js'
import type { Explainer } from '../explain/explainer.js'
import { briefExplanation } from '../explain/explanation.js'
import { pointerOf, stepsOf } from '../json-pointer.js'
import { yieldToEventLoop } from '../runtime/event-loop.js'
import type { Entry } from './entry.js'

/** Refused entries of one answer that are explained; each takes milliseconds. */
const MAX_EXPLAINED = 100
const CUT = 'the event was too large to be kept as a whole'
const TOO_MANY = 'too many events in one answer: ask for this one alone'

/** An entry as the development API shows it, without the parts that take long to make. */
export function briefly(entry: Entry): Record<string, unknown> {
  const { seq, receivedAt, requestId, index, delivery, outcome, stream, schemaUri, cut, produced } = entry
  const event = eventOf(entry)
  return {
    seq,
    received_at: new Date(receivedAt).toISOString(),
    request_id: requestId,
    index,
    delivery,
    outcome,
    stream,
    schema_uri: schemaUri,
    event,
    cut,
    produced: produced && { topic: produced.topic, key: produced.key, timestamp: produced.timestamp },
    error: errorOf(entry, event),
  }
}

/** Shows entries with everything that can be said of them. */
export class EntryView {
  readonly #explainer: Explainer

  constructor(explainer: Explainer) {
    this.#explainer = explainer
  }

  /** `explains` is false where there is no time to explain why the event was refused. */
  async whole(entry: Entry, explains = true): Promise<object> {
    const { text, index, error: refusal, cut } = entry
    const brief = briefly(entry)
    const whole = { ...brief, text, produced: producedOf(entry) }
    if (!refusal) return whole
    const error = { ...refusal, code: refusal.code as Code }
    if (cut) return { ...whole, error: briefExplanation(undefined, error, CUT) }
    if (!explains) return { ...whole, error: briefExplanation(brief.event, error, TOO_MANY) }
    const event = brief.event === null && text !== 'null' ? undefined : brief.event
    const refused = { event, text, context: contextOf(entry), index }
    return { ...whole, error: await this.#explainer.explain(refused, error) }
  }

  /** Stops when the client is `gone`, and explains nothing more after `hurry` is aborted. */
  async wholes(entries: readonly Entry[], gone: AbortSignal, hurry: AbortSignal): Promise<object[]> {
    const wholes: object[] = []
    let explained = 0
    for (const entry of entries) {
      if (gone.aborted) break
      wholes.push(await this.whole(entry, explained < MAX_EXPLAINED && !hurry.aborted))
      if (entry.error) explained++
      await yieldToEventLoop()
    }
    return wholes
  }
}

/** The context that the entry's request had. */
function contextOf({ requestId, receivedAt, request, query, delivery, text }: Entry): Context {
  const { headers, clientIp } = request
  return {
    requestId,
    receivedAt,
    deadline: Infinity,
    headers,
    delivery,
    ...query,
    clientIp: () => clientIp,
    textOf: () => text,
  }
}

/** As it was received, parsed; null if it is not JSON or not whole. */
function eventOf({ text, cut }: Pick<Entry, 'text' | 'cut'>): unknown {
  if (cut) return null
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

function errorOf({ error }: Entry, event: unknown): object | null {
  if (!error) return null
  const { code, message, errors } = error
  const details = errors.map(({ keyword, dataPath, schemaPath, message }) => ({
    path: pointerOf(stepsOf(dataPath, event)),
    keyword,
    message,
    schema_path: schemaPath,
  }))
  return { code, message, details }
}

/** What the producer got, parsed; its event is null if it was not kept whole. */
function producedOf({ produced }: Entry): object | null {
  if (!produced) return null
  const { text, ...destination } = produced
  return { ...destination, event: eventOf({ text, cut: false }) }
}
