import {
  createServer as createHttpServer,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http'
import type { Socket } from 'node:net'
import { GateError, quote } from './errors.js'
import { answerToClientError, type Responder } from './http.js'

/** Outlives the idle time of the proxies in front, so that they, not we, close an idle connection (CONTRACT 1.4). */
const KEEP_ALIVE_MS = 75_000
/** Within these a client must have sent its headers, and its whole request. */
const HEADERS_TIMEOUT_MS = 10_000
const REQUEST_TIMEOUT_MS = 60_000
const MAX_HEADER_BYTES = 16 * 1024

/** What answers. */
export interface Handlers {
  /** All but events. */
  web(req: IncomingMessage, res: ServerResponse): void
  /** Of POSTed events; `path` is the route's label in metrics. */
  events: { post(req: IncomingMessage, res: ServerResponse, path: string): void }
  responder: Responder
}

/**
 * Events go straight to their handler: walking through Express costs more than all else that is done for one,
 * for it sets the prototype of each request and response (MEASURED 1).
 */
export function createServer({ web, events, responder }: Handlers, requestTimeoutMs: number): ClosableServer {
  const options = {
    keepAliveTimeout: KEEP_ALIVE_MS,
    headersTimeout: HEADERS_TIMEOUT_MS,
    requestTimeout: REQUEST_TIMEOUT_MS,
    connectionsCheckingInterval: 1000,
    maxHeaderSize: MAX_HEADER_BYTES,
    // Node would answer without a body.
    requireHostHeader: false,
  }
  const onRequest = (req: IncomingMessage, res: ServerResponse) => {
    if (req.headers.host === undefined && req.httpVersion === '1.1') {
      const error = new GateError('request_malformed', 'the request has no header "host"')
      return responder.refuse(req, res, error)
    }
    if (req.method === 'POST') {
      const { url = '' } = req
      if (url === '/v1/events' || url.startsWith('/v1/events?')) return events.post(req, res, 'v1/events')
      if (url === '/v2/events' || url.startsWith('/v2/events?')) return events.post(req, res, 'v2/events')
    }
    if (isTarget(req.url as string)) return web(req, res)
    responder.refuse(
      req,
      res,
      new GateError('request_malformed', `${quote(req.url)} is no target of a request`),
    )
  }
  const server = createHttpServer(options, onRequest)
  // A client that does not read its answer is not waited for either.
  server.timeout = Math.max(REQUEST_TIMEOUT_MS, 2 * requestTimeoutMs)
  // The events route says 100 itself, after it has looked at the length; nothing else wants a body.
  server.on('checkContinue', onRequest)
  server.on('checkExpectation', (req: IncomingMessage, res: ServerResponse) => {
    const error = new GateError('expectation_failed', `expect ${quote(req.headers.expect)} is not supported`)
    responder.refuse(req, res, error)
  })
  // A client that says at once that it has said all, as some simple ones do, is answered nevertheless.
  ;(server as { httpAllowHalfOpen?: boolean }).httpAllowHalfOpen = true
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    const answer = () => {
      if (error.code === 'ECONNRESET' || !socket.writable) socket.destroy()
      else socket.end(answerToClientError(error.code))
    }
    // What comes after a whole request does not take the place of that one's answer.
    const due = answerDueOn(socket)
    if (due?.req.complete) due.once('finish', answer)
    else answer()
  })
  const sockets = new Set<Socket>()
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })
  return Object.assign(server, {
    closeUnanswered() {
      for (const socket of sockets) if (!answerDueOn(socket)) socket.destroySoon()
    },
  })
}

export interface ClosableServer extends Server {
  /** Ends connections that node:http does not count as idle, though no request of theirs is being answered. */
  closeUnanswered(): void
}

/** Whether Express can take a path of it. Of others Node would complain on stderr, in the sender's words. */
function isTarget(url: string): boolean {
  return url.startsWith('/') || url === '*' || URL.canParse(url)
}

/** The answer that node:http is writing, or waits for, on a connection. */
function answerDueOn(socket: object): ServerResponse | null | undefined {
  return (socket as { _httpMessage?: ServerResponse | null })._httpMessage
}
