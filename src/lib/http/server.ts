import {
  createServer as createHttpServer,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http'
import { Server as NetServer, type Socket } from 'node:net'
import { GateError, quote } from '../errors.js'
import { yieldToEventLoop } from '../runtime/event-loop.js'
import type { Connections } from './connections.js'
import type { RequestObserver } from './observer.js'
import { answerToClientError, type Responder } from './responder.js'

/** A client must have sent its headers, and its whole request, within these times. */
export const HEADERS_TIMEOUT_MS = 10_000
export const REQUEST_TIMEOUT_MS = 60_000
export const MAX_HEADER_BYTES = 16 * 1024
/** Connections beyond `max_connections` that get an answer. Further ones are cut off. */
export const MAX_EXCESS_CONNECTIONS = 1000

/** On shutdown a client that still sends has this time to read that it was refused (ms). */
const READ_ANSWER_MS = 200

/** Takes POSTed events. */
interface EventsHandler {
  /** Where they are POSTed. The label of each path in metrics is the path without its first slash. */
  readonly paths: readonly string[]
  post(req: IncomingMessage, res: ServerResponse, label: string): void
}

/** What answers. */
export interface Handlers {
  /** Everything except POSTed events. */
  web(req: IncomingMessage, res: ServerResponse): void
  events: EventsHandler
  responder: Responder
  connections: Connections
  /** Told of answers to what no route takes. */
  observer: Pick<RequestObserver, 'answered'>
}

/** In milliseconds. */
export interface Timeouts {
  /** Every guaranteed request is answered within this time. */
  request: number
  /** How long a connection may be idle. Proxies in front must close theirs first (docs/contract.md 1.4). */
  keepAlive: number
}

export interface GateServer extends Server {
  /**
   * Accepts no more connections, and resolves when all are closed. An idle one may have a request on its way: it stays
   * open for `idleMs`, and is closed after its next answer.
   */
  drain(idleMs: number): Promise<void>
  /** Refuses requests that have not arrived as a whole, so that no event was begun. Returns their number. */
  refuseIncomplete(): number
  /** Closes connections on which no request is being answered, including those that node:http does not call idle. */
  closeUnanswered(): void
}

/**
 * Events go straight to their handler. The way through Express costs more than everything else that is done for an
 * event, because Express sets the prototype of each request and response.
 */
export function createServer(handlers: Handlers, { request, keepAlive }: Timeouts): GateServer {
  const { web, events, responder, connections, observer } = handlers
  const eventsPaths = events.paths.map(path => ({ path, withQuery: `${path}?`, label: path.slice(1) }))
  const options = {
    keepAliveTimeout: keepAlive,
    headersTimeout: HEADERS_TIMEOUT_MS,
    requestTimeout: REQUEST_TIMEOUT_MS,
    connectionsCheckingInterval: 1000,
    maxHeaderSize: MAX_HEADER_BYTES,
    // Node.js would answer without a body.
    requireHostHeader: false,
  }
  const unreadable = (status: number) => observer.answered('unknown', 'other', status, 0)
  const refuse = (req: IncomingMessage, res: ServerResponse, error: GateError) => {
    unreadable(error.status)
    responder.refuse(req, res, error)
  }
  const onRequest = (req: IncomingMessage, res: ServerResponse) => {
    const { socket } = req
    res.on('close', () => connections.answered(socket))
    if (!connections.asked(socket, () => begin(req, res))) socket.destroy()
  }
  const begin = (req: IncomingMessage, res: ServerResponse) => {
    const hosts = hostsOf(req)
    // RFC 9112 3.2. If there are several, a proxy may have used another than the first, which Node.js uses.
    if (hosts > 1 || (hosts === 0 && req.httpVersion === '1.1')) {
      const has = hosts === 0 ? 'no header' : `${hosts} headers`
      return refuse(req, res, new GateError('request_malformed', `the request has ${has} "host"`))
    }
    if (req.method === 'POST') {
      const { url = '' } = req
      for (const { path, withQuery, label } of eventsPaths)
        if (url === path || url.startsWith(withQuery)) return events.post(req, res, label)
    }
    if (isTarget(req.url as string)) return web(req, res)
    refuse(req, res, new GateError('request_malformed', `${quote(req.url)} is not a valid request target`))
  }
  const server = createHttpServer(options, onRequest)
  server.maxConnections = connections.limits.max + MAX_EXCESS_CONNECTIONS
  // This also ends the wait for a client that does not read its answer.
  server.timeout = Math.max(REQUEST_TIMEOUT_MS, 2 * request)
  // The events route sends 100 itself, once it has checked the length. No other route reads a body.
  server.on('checkContinue', onRequest)
  server.on('checkExpectation', (req: IncomingMessage, res: ServerResponse) => {
    const error = new GateError('expectation_failed', `expect ${quote(req.headers.expect)} is not supported`)
    refuse(req, res, error)
  })
  // Without a listener node:http would cut the connection without an answer.
  server.on('connect', (_req, socket) => {
    const { status, text } = answerToClientError('CONNECT')
    unreadable(status)
    socket.end(text)
  })
  // Some simple clients end their side at once. They are answered nevertheless.
  ;(server as { httpAllowHalfOpen?: boolean }).httpAllowHalfOpen = true
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    const answer = () => {
      // The answers to the whole requests before these bytes go first.
      const due = answerDueOn(socket)
      if (due?.req.complete) return void due.once('finish', answer)
      if (error.code === 'ECONNRESET' || !socket.writable) return void socket.destroy()
      const { status, text } = answerToClientError(error.code)
      unreadable(status)
      socket.end(text)
    }
    answer()
  })
  let accepted = 0
  server.on('connection', (socket: Socket) => {
    accepted++
    connections.opened(socket)
    socket.once('close', () => connections.closed(socket))
  })
  return Object.assign(server, {
    async drain(idleMs: number) {
      connections.closing = true
      // Connections that the kernel has made, but that are not accepted yet, may have requests on them.
      const until = Date.now() + idleMs
      for (let before = -1; before < accepted && Date.now() < until; ) {
        before = accepted
        // The first callback may come in the current turn of the event loop.
        await yieldToEventLoop()
        await yieldToEventLoop()
      }
      // The `close` of node:http would cut off idle connections at once.
      const closed = new Promise(resolve => NetServer.prototype.close.call(server, resolve))
      const idle = setTimeout(() => server.closeIdleConnections(), idleMs)
      await closed
      clearTimeout(idle)
      // The other half of it: ends the timer that looks for slow requests.
      server.close()
    },
    refuseIncomplete() {
      const due = [...connections]
        .map(answerDueOn)
        .filter(res => res && !res.headersSent && !res.req.complete)
      for (const res of due as ServerResponse<IncomingMessage>[]) {
        const { req } = res
        // Otherwise the rest of its body could still arrive, and its events would be taken.
        req.removeAllListeners('data').removeAllListeners('end')
        refuse(req, res, new GateError('draining', 'the service is shutting down: send the request again'))
        setTimeout(() => req.socket.destroySoon(), READ_ANSWER_MS)
      }
      return due.length
    },
    closeUnanswered() {
      for (const socket of connections) if (!answerDueOn(socket)) (socket as Socket).destroySoon()
    },
  })
}

function hostsOf({ rawHeaders }: IncomingMessage): number {
  let hosts = 0
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] as string
    if (name.length === 4 && name.toLowerCase() === 'host') hosts++
  }
  return hosts
}

/** Whether Express can find a path in it. For others Node.js would write the client's text to stderr. */
function isTarget(url: string): boolean {
  return url.startsWith('/') || url === '*' || URL.canParse(url)
}

/** The answer that node:http is writing on a connection, or expects there. */
function answerDueOn(socket: object): ServerResponse | null | undefined {
  return (socket as { _httpMessage?: ServerResponse | null })._httpMessage
}
