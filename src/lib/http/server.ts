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

/** Within these a client must have sent its headers, and its whole request. */
export const HEADERS_TIMEOUT_MS = 10_000
export const REQUEST_TIMEOUT_MS = 60_000
export const MAX_HEADER_BYTES = 16 * 1024
/** Connections beyond `max_connections` that are still told so; those beyond them are cut off. */
export const MAX_EXCESS_CONNECTIONS = 1000

/** On shutdown a client that still sends has so long to read that it was refused, milliseconds. */
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

/** Milliseconds. */
export interface Timeouts {
  /** In which every guaranteed request is answered. */
  request: number
  /** How long a connection may be idle: longer than the proxies in front have it, so that they close it, not we (docs/contract.md 1.4). */
  keepAlive: number
}

export interface GateServer extends Server {
  /**
   * Takes no more connections; resolves when none is left. Those that are idle may have a request on its way:
   * they have `idleMs` to say so, and its answer is their last.
   */
  drain(idleMs: number): Promise<void>
  /** Refuses the requests that have not come whole, of which nothing was begun. Gives their number. */
  refuseIncomplete(): number
  /** Ends connections that node:http does not count as idle, though no request of theirs is being answered. */
  closeUnanswered(): void
}

/**
 * Events go straight to their handler: walking through Express costs more than all else that is done for one,
 * for it sets the prototype of each request and response.
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
    // Node would answer without a body.
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
    // RFC 9112 3.2. Of several, those in front may have gone by another than Node, which takes the first.
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
    refuse(req, res, new GateError('request_malformed', `${quote(req.url)} is no target of a request`))
  }
  const server = createHttpServer(options, onRequest)
  server.maxConnections = connections.limits.max + MAX_EXCESS_CONNECTIONS
  // A client that does not read its answer is not waited for either.
  server.timeout = Math.max(REQUEST_TIMEOUT_MS, 2 * request)
  // The events route says 100 itself, after it has looked at the length; nothing else wants a body.
  server.on('checkContinue', onRequest)
  server.on('checkExpectation', (req: IncomingMessage, res: ServerResponse) => {
    const error = new GateError('expectation_failed', `expect ${quote(req.headers.expect)} is not supported`)
    refuse(req, res, error)
  })
  // Without a listener node:http cuts the connection, without an answer.
  server.on('connect', (_req, socket) => {
    const { status, text } = answerToClientError('CONNECT')
    unreadable(status)
    socket.end(text)
  })
  // A client that says at once that it has said all, as some simple ones do, is answered nevertheless.
  ;(server as { httpAllowHalfOpen?: boolean }).httpAllowHalfOpen = true
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    const answer = () => {
      // What comes after whole requests does not take the place of their answers.
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
      // Connections that the kernel has made, and we have not taken yet, have requests on them.
      const until = Date.now() + idleMs
      for (let before = -1; before < accepted && Date.now() < until; ) {
        before = accepted
        // The first callback may come in the turn that is under way.
        await yieldToEventLoop()
        await yieldToEventLoop()
      }
      // node:http's own `close` would cut idle connections off at once.
      const closed = new Promise(resolve => NetServer.prototype.close.call(server, resolve))
      const idle = setTimeout(() => server.closeIdleConnections(), idleMs)
      await closed
      clearTimeout(idle)
      // Its other half: ends the timer that looks for slow requests.
      server.close()
    },
    refuseIncomplete() {
      const due = [...connections]
        .map(answerDueOn)
        .filter(res => res && !res.headersSent && !res.req.complete)
      for (const res of due as ServerResponse<IncomingMessage>[]) {
        const { req } = res
        // Else its body could still come whole, and its events be taken.
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

/** Whether Express can take a path of it. Of others Node would complain on stderr, in the sender's words. */
function isTarget(url: string): boolean {
  return url.startsWith('/') || url === '*' || URL.canParse(url)
}

/** The answer that node:http is writing, or waits for, on a connection. */
function answerDueOn(socket: object): ServerResponse | null | undefined {
  return (socket as { _httpMessage?: ServerResponse | null })._httpMessage
}
