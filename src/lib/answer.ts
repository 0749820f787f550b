import { STATUS_CODES } from 'node:http'
import type { GateError } from './errors.js'
import type { Delivery, Outcome } from './eventgate.js'

/** An HTTP answer. */
export interface Answer {
  status: number
  /** The reason phrase; clients log it, and read nothing else on success (CONTRACT 1.2). */
  reason: string
  /** JSON, or empty. */
  body: string
  /** Whether the client is told when to come back. */
  retryAfter: boolean
}

/** JSON of schema errors in one body, characters; entries beyond it give their text only. */
const MAX_ERRORS_LENGTH = 1024 * 1024
const MAX_MESSAGE_LENGTH = 200

/**
 * Folds the outcomes of a request's events into its answer (CONTRACT 1.2). Pure; `textOf` gives an event as
 * it was received.
 */
export function answerTo(outcomes: readonly Outcome[], textOf: (index: number) => string): Answer {
  const total = outcomes.length
  const failed = outcomes.flatMap((outcome, index) =>
    'error' in outcome ? [{ index, error: outcome.error }] : [],
  )
  if (failed.length === 0) return success(total, 'guaranteed')

  const invalid = failed.filter(({ error }) => error.kind === 'invalid')
  const errored = failed.filter(({ error }) => error.kind === 'error')
  const accepted = total - failed.length
  const counts = `(${invalid.length} invalid and ${errored.length} errored)`
  const bothLists = accepted > 0 || errored.length > 0
  const body = bodyOf(failed, textOf, bothLists)
  if (accepted > 0) {
    const reason = `${accepted} out of ${total} events were accepted, but ${failed.length} failed ${counts}.`
    return { status: 207, reason, body, retryAfter: false }
  }
  if (errored.length === 0) {
    const reason = `${invalid.length} out of ${total} events were invalid and not accepted.`
    return { status: 400, reason, body, retryAfter: false }
  }
  const status = errored.some(({ error }) => error.fate === 'unknown')
    ? 504
    : errored.every(({ error }) => error.retriable)
      ? 503
      : 500
  const reason = `${total} out of ${total} events had failures and were not accepted. ${counts}.`
  return { status, reason, body, retryAfter: status === 503 }
}

/** All of a request's events are stored, or received hastily. */
export function success(total: number, delivery: Delivery): Answer {
  return delivery === 'hasty'
    ? { status: 202, reason: `${total} events hastily received.`, body: '', retryAfter: false }
    : {
        status: 201,
        reason: `All ${total} out of ${total} events were accepted.`,
        body: '',
        retryAfter: false,
      }
}

/** A request that failed as a whole: one entry without an event, and HTTP's own reason phrase. */
export function refusal(error: GateError): Answer {
  const reason = STATUS_CODES[error.status] ?? ''
  const entry = {
    status: error.kind,
    context: { message: error.message },
    code: error.code,
    retriable: error.retriable,
  }
  return {
    status: error.status,
    reason,
    body: JSON.stringify(error.kind === 'error' ? { invalid: [], error: [entry] } : { invalid: [entry] }),
    retryAfter: error.status === 503,
  }
}

interface Failed {
  index: number
  error: GateError
}

/**
 * Written by hand, so that events stand in it byte for byte as they came, however large their numbers. Clients
 * read `event` as an object, and their parsers have a depth: what is neither is left out.
 */
function bodyOf(failed: readonly Failed[], textOf: (index: number) => string, bothLists: boolean): string {
  let budget = MAX_ERRORS_LENGTH
  const kinds: Record<'invalid' | 'error', string[]> = { invalid: [], error: [] }
  for (const { index, error } of failed) {
    const context = JSON.stringify(contextOf(error, budget > 0))
    budget -= context.length
    const text = error.code === 'event_too_deep' ? '' : textOf(index)
    const event = text.startsWith('{') ? `"event":${text},` : ''
    const { code, retriable } = error
    const rest = `"context":${context},"index":${index},"code":"${code}","retriable":${retriable}`
    kinds[error.kind].push(`{"status":"${error.kind}",${event}${rest}}`)
  }
  // EventBus iterates over both lists of a 207 and of a 5xx, so an empty one is there too.
  const lists = bothLists ? (['invalid', 'error'] as const) : (['invalid'] as const)
  return `{${lists.map(kind => `"${kind}":[${kinds[kind].join(',')}]`).join(',')}}`
}

function contextOf(error: GateError, whole: boolean): object {
  const message = whole ? error.message : error.message.slice(0, MAX_MESSAGE_LENGTH)
  if (error.kind === 'error') return { message }
  return { errors: whole ? error.errors : [], errorsText: message, errorsCount: error.errorsCount, message }
}
