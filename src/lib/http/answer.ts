import { STATUS_CODES } from 'node:http'
import type { GateError } from '../errors.js'
import type { Delivery, Outcome } from '../eventgate.js'

/** An HTTP answer. */
export interface Answer {
  status: number
  /** The reason phrase. Clients log it, and read nothing else on success (docs/contract.md 1.2). */
  reason: string
  /** JSON, or empty. */
  body: string
  /** Whether the client is told when to try again. */
  retryAfter: boolean
}

/** Characters of an answer after which its entries leave out their event and the schema's errors. */
const MAX_WHOLE_LENGTH = 1024 * 1024
/** Characters of each text of such an entry, and of one after four times as many characters. */
const MAX_TEXT_LENGTH = 200
const MAX_LAST_TEXT_LENGTH = 40
const MAX_BRIEF_LENGTH = 4 * MAX_WHOLE_LENGTH
/** Entries that are written before other requests run. */
const ENTRIES_A_SLICE = 500

/** Folds the outcomes of a request's events into its answer. Pure. `textOf` returns an event as it was received. */
export function answerTo(outcomes: readonly Outcome[], textOf: (index: number) => string): Answer {
  const writing = writeAnswer(outcomes, textOf)
  for (;;) {
    const { done, value } = writing.next()
    if (done) return value
  }
}

/** The same in slices. `pause` lets other requests run between two. */
export async function answerInSlices(
  outcomes: readonly Outcome[],
  textOf: (index: number) => string,
  pause: () => Promise<void>,
): Promise<Answer> {
  const writing = writeAnswer(outcomes, textOf)
  for (;;) {
    const { done, value } = writing.next()
    if (done) return value
    await pause()
  }
}

/** Yields between slices. */
function* writeAnswer(
  outcomes: readonly Outcome[],
  textOf: (index: number) => string,
): Generator<void, Answer> {
  const total = outcomes.length
  const kinds: Record<'invalid' | 'error', string[]> = { invalid: [], error: [] }
  let length = 0
  let spooled = 0
  let isUnknown = false
  let isRetriable = true
  for (let index = 0; index < total; index++) {
    const { error, fate } = outcomes[index] as { error?: GateError; fate: Outcome['fate'] }
    if (fate === 'spooled') spooled++
    if (!error) continue
    const entry = entryOf(error, index, length, textOf)
    length += entry.length
    kinds[error.kind].push(entry)
    if (error.kind === 'error') {
      isUnknown ||= error.fate === 'unknown'
      isRetriable &&= error.retriable
    }
    if ((kinds.invalid.length + kinds.error.length) % ENTRIES_A_SLICE === 0) yield
  }
  const [invalid, errored] = [kinds.invalid.length, kinds.error.length]
  const failed = invalid + errored
  if (failed === 0 && spooled > 0) {
    const how = `${total - spooled} stored, ${spooled} spooled`
    const reason = `${total} out of ${total} events were accepted: ${how}.`
    return { status: 202, reason, body: '', retryAfter: false }
  }
  if (failed === 0) return success(total, 'guaranteed')

  const accepted = total - failed
  const counts = `(${invalid} invalid and ${errored} errored)`
  // EventBus iterates over both lists of a 207 and of a 5xx, so an empty one must be there.
  const lists = accepted > 0 || errored > 0 ? (['invalid', 'error'] as const) : (['invalid'] as const)
  const body = `{${lists.map(kind => `"${kind}":[${kinds[kind].join(',')}]`).join(',')}}`
  if (accepted > 0) {
    const reason = `${accepted} out of ${total} events were accepted, but ${failed} failed ${counts}.`
    return { status: 207, reason, body, retryAfter: false }
  }
  if (errored === 0) {
    const reason = `${invalid} out of ${total} events were invalid and not accepted.`
    return { status: 400, reason, body, retryAfter: false }
  }
  const status = isUnknown ? 504 : isRetriable ? 503 : 500
  const reason = `${total} out of ${total} events had failures and were not accepted. ${counts}.`
  return { status, reason, body, retryAfter: status === 503 }
}

/**
 * Written by hand, so that an event goes back byte for byte, whatever its numbers. Clients read `event` as an object,
 * and their parsers have a maximum depth, so other values and deep ones are left out. `length` is that of the entries
 * before it.
 */
function entryOf(error: GateError, index: number, length: number, textOf: (index: number) => string): string {
  const { kind, code, retriable } = error
  const isWhole = length < MAX_WHOLE_LENGTH
  const context = JSON.stringify(contextOf(error, isWhole, length < MAX_BRIEF_LENGTH))
  const text = isWhole && code !== 'event_too_deep' ? textOf(index) : ''
  const event = text.startsWith('{') ? `"event":${text},` : ''
  const rest = `"context":${context},"index":${index},"code":"${code}","retriable":${retriable}`
  return `{"status":"${kind}",${event}${rest}}`
}

function contextOf(error: GateError, isWhole: boolean, isBrief: boolean): object {
  const { kind, errors, errorsCount } = error
  const message = isWhole
    ? error.message
    : error.message.slice(0, isBrief ? MAX_TEXT_LENGTH : MAX_LAST_TEXT_LENGTH)
  if (kind === 'error') return { message }
  return { ...(isWhole && { errors }), errorsText: message, errorsCount, message }
}

/** The answer if all of a request's events are stored, or received hastily. */
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

/** The answer to a request that failed as a whole: one entry without an event, and HTTP's own reason phrase. */
export function refusalAnswer(error: GateError): Answer {
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
