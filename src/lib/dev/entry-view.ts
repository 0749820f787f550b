import type { Code } from '../errors.js'
import type { Context } from '../eventgate.js'
import type { Explainer } from '../explain/explainer.js'
import { briefExplanation } from '../explain/explanation.js'
import { pointerOf, stepsOf } from '../json-pointer.js'
import type { Entry } from './recorder.js'

const CUT = 'the event was too large to be kept as a whole'
const NOT_ASKED = 'of so many no more are explained: ask for this one alone'

/** An entry as the development API gives it, without what takes long to say. */
export function briefly(entry: Entry): Record<string, unknown> {
  const { seq, receivedAt, requestId, index, delivery, verdict, stream, schemaUri, cut, produced } = entry
  const event = eventOf(entry)
  return {
    seq,
    received_at: new Date(receivedAt).toISOString(),
    request_id: requestId,
    ...{ index, delivery, outcome: verdict, stream, schema_uri: schemaUri, event, cut },
    produced: produced && { topic: produced.topic, key: produced.key, timestamp: produced.timestamp },
    error: errorOf(entry, event),
  }
}

/** An entry with all that can be said of it. */
export async function wholly(entry: Entry, explainer: Explainer, explains = true): Promise<object> {
  const { text, index, error: refusal, cut } = entry
  const brief = briefly(entry)
  const whole = { ...brief, text, produced: producedOf(entry) }
  if (!refusal) return whole
  const error = { ...refusal, code: refusal.code as Code }
  if (cut) return { ...whole, error: briefExplanation(undefined, error, CUT) }
  if (!explains) return { ...whole, error: briefExplanation(brief.event, error, NOT_ASKED) }
  const event = brief.event === null && text !== 'null' ? undefined : brief.event
  const refused = { event, text, context: contextOf(entry), index }
  const explanation = await explainer.explain(refused, error)
  return { ...whole, error: explanation }
}

/** As its request's was. */
function contextOf({ requestId, receivedAt, request, query, delivery, text }: Entry): Context {
  const { headers, clientIp } = request
  return {
    ...{ requestId, receivedAt, deadline: Infinity, headers, delivery, ...query },
    clientIp: () => clientIp,
    textOf: () => text,
  }
}

/** As it was received, parsed; null where it is not JSON, or is not whole. */
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
    ...{ keyword, message, schema_path: schemaPath },
  }))
  return { code, message, details }
}

/** What the producer was given, parsed; null where it is not whole. */
function producedOf({ produced }: Entry): object | null {
  if (!produced) return null
  const { text, ...destination } = produced
  return { ...destination, event: eventOf({ text, cut: false }) }
}
