import type { IncomingMessage, ServerResponse } from 'node:http'
import { GateError } from '../errors.js'
import { type Answer, refusalAnswer } from './answer.js'
import type { Connections } from './connections.js'
import { UnreadAnswers } from './unread-answers.js'

/** After this time a refused client is told to try again (s). It varies, so that clients do not all come at once. */
const RETRY_AFTER_S = { least: 1, most: 5 }
/** How long browsers remember the answer to a preflight (s). */
const PREFLIGHT_MAX_AGE_S = 86_400
/** A request that was answered before its end is given up when nothing more arrives for this time (ms). */
const LINGER_MS = 2000

/** Bytes of an unwanted body that are read before the connection is cut. */
const MAX_DISCARDED_BYTES = 64 * 1024 * 1024

export interface ResponderOptions {
  /** Origins whose pages may read answers: a value for all, a list, or none. */
  cors: string | readonly string[] | false
  /** The content-security-policy. False leaves out all headers for browsers' protection. */
  csp: string | false
  /** A client that reads nothing of its answer for this time is cut off (ms). */
  readTimeoutMs: number
}

/** Adds the headers that every answer has, and sends answers. */
export class Responder {
  readonly #cors: ResponderOptions['cors']
  /** Headers of every answer, and those that let pages of other origins read it. */
  readonly #always: readonly string[]
  readonly #allowed: readonly string[]
  readonly #connections: Connections
  readonly unread: UnreadAnswers

  constructor({ cors, csp, readTimeoutMs }: ResponderOptions, connections: Connections) {
    this.#cors = cors
    this.#connections = connections
    this.unread = new UnreadAnswers(readTimeoutMs)
    this.#always = [
      ...(csp === false
        ? []
        : [
            'x-xss-protection',
            '1; mode=block',
            'x-content-type-options',
            'nosniff',
            'x-frame-options',
            'SAMEORIGIN',
            'content-security-policy',
            csp,
          ]),
      ...(Array.isArray(cors) ? ['vary', 'origin'] : []),
    ]
    this.#allowed = [
      'access-control-allow-headers',
      'accept, x-requested-with, content-type',
      'access-control-expose-headers',
      'etag',
      'access-control-allow-methods',
      'post',
    ]
  }

  /** The headers of every answer to this request: name, value, name, value. */
  headersFor(req: IncomingMessage): string[] {
    const origin = this.#allowedOrigin(req.headers.origin)
    const headers =
      origin === undefined
        ? this.#always.slice()
        : this.#always.concat('access-control-allow-origin', origin, this.#allowed)
    // Node.js reads nothing more after a request to upgrade.
    if (this.#connections.isLast(req.socket) || req.headers.upgrade !== undefined)
      headers.push('connection', 'close')
    return headers
  }

  #allowedOrigin(origin: string | undefined): string | undefined {
    if (this.#cors === false) return undefined
    if (typeof this.#cors === 'string') return this.#cors
    return origin !== undefined && this.#cors.includes(origin) ? origin : undefined
  }

  send(
    req: IncomingMessage,
    res: ServerResponse,
    { status, reason, body, retryAfter }: Answer,
    more: string[] = [],
  ): void {
    const headers = this.headersFor(req)
    if (more.length > 0) headers.push(...more)
    if (retryAfter) headers.push('retry-after', String(retryAfterSeconds()))
    const length = Buffer.byteLength(body)
    if (body !== '') headers.push('content-type', 'application/json; charset=utf-8')
    if (status !== 204) headers.push('content-length', String(length))
    res.writeHead(status, reason, headers)
    if (!req.complete) linger(req, res, body)
    // A text leaves in one write with the head. Bytes, even none, would take a second write.
    else if (body === '') res.end()
    else res.end(body)
    this.unread.sent(req, res, length)
  }

  /** Answers a request that is refused as a whole. */
  refuse(req: IncomingMessage, res: ServerResponse, error: GateError, more: string[] = []): void {
    this.send(req, res, refusalAnswer(error), more)
  }

  /** Answers OPTIONS. */
  preflight(req: IncomingMessage, res: ServerResponse, allow: string): void {
    const more = ['allow', allow]
    if (this.#cors !== false) more.push('access-control-max-age', String(PREFLIGHT_MAX_AGE_S))
    this.send(req, res, { status: 204, reason: 'No Content', body: '', retryAfter: false }, more)
  }
}

/**
 * Answers a request whose body is still arriving. If the connection were closed now, the bytes on their way would reset
 * it before the client has read its answer. So it is closed when no more bytes arrive.
 */
function linger(req: IncomingMessage, res: ServerResponse, body: string): void {
  res.flushHeaders()
  if (body !== '') res.write(body)
  const silent = setTimeout(() => res.end(() => req.socket.destroySoon()), LINGER_MS)
  const end = () => {
    clearTimeout(silent)
    res.end()
  }
  let discarded = 0
  req
    .on('error', () => {})
    .on('data', (chunk: Buffer) => {
      silent.refresh()
      discarded += chunk.length
      if (discarded > MAX_DISCARDED_BYTES) req.destroy()
    })
  req.once('end', end).once('close', end).resume()
}

function retryAfterSeconds(): number {
  const { least, most } = RETRY_AFTER_S
  return least + Math.floor(Math.random() * (most - least + 1))
}

/** The answer to bytes that Node.js could not read as a request, head included. */
export function answerToClientError(code: string | undefined): { status: number; text: string } {
  const [name, message] =
    code === 'HPE_HEADER_OVERFLOW'
      ? (['header_too_large', 'the headers of the request are too large'] as const)
      : code === 'ERR_HTTP_REQUEST_TIMEOUT'
        ? (['body_timeout', 'the request did not arrive in time'] as const)
        : (['request_malformed', 'the request is not HTTP'] as const)
  const error = new GateError(name, message)
  const { status, reason, body } = refusalAnswer(error)
  const head = [
    `HTTP/1.1 ${status} ${reason}`,
    'content-type: application/json; charset=utf-8',
    `content-length: ${Buffer.byteLength(body)}`,
    'connection: close',
  ]
  return { status, text: `${head.join('\r\n')}\r\n\r\n${body}` }
}
