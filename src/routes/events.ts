import { randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Admission, Ticket } from '../lib/admission.js'
import { type Answer, answerTo, refusal, success } from '../lib/answer.js'
import { type Body, BodyText, membersOf, parseBody } from '../lib/body.js'
import { ClientAddress } from '../lib/client-ip.js'
import type { Config } from '../lib/config.js'
import type { Connections } from '../lib/connections.js'
import type { DryRun, Prospect } from '../lib/dry-run.js'
import { GateError } from '../lib/errors.js'
import type { Context, Delivery, EventGate, Outcome } from '../lib/eventgate.js'
import type { Responder } from '../lib/http.js'
import type { Metrics } from '../lib/metrics.js'
import type { Parsing } from '../lib/parsing.js'
import { makeQueryReader, type QueryReader } from '../lib/query.js'
import { type Arrival, Receiver } from '../lib/receive.js'
import type { RefusedRequest } from '../lib/recording.js'
import type { Tracing } from '../lib/tracing.js'
import type { Turns } from '../lib/turns.js'

export interface EventsOptions {
  config: Config
  gate: EventGate
  admission: Admission
  /** Of hasty requests. */
  turns: Turns
  parsing: Record<Delivery | 'dryRun', Parsing>
  connections: Connections
  responder: Responder
  metrics: Metrics
  /** Undefined where nobody traces. */
  tracing?: Tracing | undefined
  /** Told of each request that is refused before any of its events was taken. */
  refused?: ((error: GateError, request: RefusedRequest) => void) | undefined
  /** Undefined where nobody may ask what would become of events. */
  dryRun?: DryRun | undefined
}

const ALLOW = 'POST, OPTIONS'
/** Hasty requests that wait for their turn to be told that they are refused; others are told at once. */
const MAX_REFUSED = 1000

/**
 * The handlers of the events routes. They use node:http's own API only, so that the server can call `post`
 * without walking through Express (MEASURED 1).
 */
export class EventsRoute {
  readonly #config: Config
  readonly #gate: EventGate
  readonly #admission: Admission
  readonly #turns: Turns
  readonly #parsing: Record<Delivery | 'dryRun', Parsing>
  readonly #connections: Connections
  readonly #responder: Responder
  readonly #metrics: Metrics
  readonly #tracing: Tracing | undefined
  readonly #query: QueryReader
  readonly #receiver: Receiver
  readonly #clientAddress: ClientAddress
  readonly #refused: EventsOptions['refused']
  readonly #dryRun: DryRun | undefined
  #underWay = 0
  #closed = false
  #idle: (() => void) | undefined

  constructor(options: EventsOptions) {
    const { config, gate, admission, turns, parsing, connections, responder, metrics } = options
    const { tracing, refused, dryRun } = options
    this.#config = config
    this.#gate = gate
    this.#admission = admission
    this.#turns = turns
    this.#parsing = parsing
    this.#connections = connections
    this.#responder = responder
    this.#metrics = metrics
    this.#tracing = tracing
    this.#refused = refused
    this.#dryRun = dryRun
    this.#query = makeQueryReader(config)
    this.#clientAddress = new ClientAddress(config.trusted_proxies)
    this.#receiver = new Receiver({ maxBytes: config.max_body_size })
  }

  /** Resolves when no request is under way, those answered 202 included; refuses those that still come. */
  async close(): Promise<void> {
    while (this.#underWay > 0) {
      await new Promise<void>(resolve => {
        this.#idle = resolve
      })
    }
    this.#closed = true
  }

  /** Anything on the events route, whose label in metrics is `path`. */
  handle(req: IncomingMessage, res: ServerResponse, path: string): void {
    if (req.method === 'POST') this.post(req, res, path)
    else if (req.method === 'OPTIONS') this.#responder.preflight(req, res, ALLOW)
    else {
      const error = new GateError('method_not_allowed', `${req.method} is not allowed here: POST events`)
      this.#responder.refuse(req, res, error, ['allow', ALLOW])
    }
  }

  post(req: IncomingMessage, res: ServerResponse, path: string): void {
    this.#take(req, res, path, () => this.#receiver.arrival(req, res))
  }

  /** Says what would become of events. */
  validate(req: IncomingMessage, res: ServerResponse, path: string): void {
    this.#take(req, res, path, () => this.#receiver.arrival(req, res), this.#dryRun)
  }

  /** Takes the configured test events as if they had been posted. */
  postTestEvents(req: IncomingMessage, res: ServerResponse, path: string): void {
    const bytes = Buffer.from(JSON.stringify(this.#config.test_events))
    this.#take(req, res, path, () => ({ length: bytes.length, receive: async () => bytes }))
  }

  /** One request's way: admit, receive, read, process, answer. */
  async #take(
    req: IncomingMessage,
    res: ServerResponse,
    path: string,
    arrive: () => Arrival,
    dryRun?: DryRun,
  ): Promise<void> {
    const receivedAt = Date.now()
    this.#underWay++
    const requestId = req.headers['x-request-id']?.toString() || newId()
    const span = this.#tracing?.request(req, path, requestId)
    const trace = span?.trace
    // Node remembers it from now on, though the client may be gone when an event asks for it.
    void req.socket.remoteAddress
    let unread = false
    const send = (answer: Answer) => {
      unread = answer.body !== ''
      this.#responder.send(req, res, answer)
      this.#metrics.answered(path, req.method as string, answer.status, Date.now() - receivedAt)
      span?.answered(answer.status)
    }
    let ticket: Ticket | undefined
    let received: Buffer | undefined
    let begun = false
    let hasty = false
    let isLeft = false
    let asked: RefusedRequest['query'] = {}
    try {
      if (this.#closed)
        throw new GateError('draining', 'the service is shutting down: send the request again')
      if (this.#connections.isExcess(req.socket)) throw tooManyConnections(this.#connections.limits.max)
      const query = this.#query(req.url as string)
      const { schemaUri, stream } = query
      asked = { schemaUri, stream }
      // Who asks what would become of events waits for it.
      const delivery = dryRun ? 'guaranteed' : query.delivery
      hasty = delivery === 'hasty'
      const timeoutMs = this.#config.request_timeout_ms
      const deadline = hasty ? Infinity : receivedAt + timeoutMs
      const arrival = arrive()
      ticket = this.#admission.enter(delivery, arrival.length)
      // Nobody waits for the answer to a hasty request, and a slow phone may take its time, if it goes on.
      const receiving = arrival.receive(ticket, { ms: timeoutMs, each: hasty ? 'piece' : 'body' })
      const body = await bodyOf(receiving, bytes => {
        this.#metrics.bodyReceived(delivery, bytes.length)
        if (this.#refused) received = bytes
        return hasty ? this.#turns.turn() : undefined
      })
      if (!body) return
      const { headers } = req
      const clientIp = () => this.#clientAddress.of(req)
      const context: Mutable<Context> = {
        ...{ requestId, receivedAt, deadline, headers, schemaUri, stream, delivery, clientIp, trace },
        textOf: () => '',
      }
      // What is explained is held for long: it takes no room of events.
      const parsing = this.#parsing[dryRun ? 'dryRun' : delivery]
      const members = Math.max(1, membersOf(body.text))
      const room = parsing.enter(members, receivedAt + timeoutMs - Date.now())
      if (room) await room
      let processing: Processing
      try {
        if (dryRun) {
          const { events, textOf } = parseBody(body)
          context.textOf = textOf
          ticket.addEvents(events.length)
          return send(prospects(await dryRun.process(events, context)))
        }
        processing = this.#process(parseBody(body), context, ticket, count => {
          if (hasty) send(success(count, 'hasty'))
          begun = true
        })
        await processing.begun
      } finally {
        parsing.leave(members)
      }
      body.rest()
      // Of no use to any step that follows, and heavier than an event.
      if (!this.#refused) {
        context.headers = NO_HEADERS
        context.clientIp = nothing
      }
      if (hasty) {
        this.#await(processing.outcomes, ticket, body)
        ticket = undefined
        isLeft = true
        return
      }
      const outcomes = await processing.outcomes
      send(answerTo(outcomes, context.textOf))
    } catch (thrown) {
      // The gate never rejects: what comes after it is a defect of ours, and says nothing of the events.
      const error = begun ? unknownFate(thrown) : GateError.from(thrown)
      this.#metrics.refused(error, { requestId, trace })
      if (!begun && !dryRun)
        this.#tellRefused(error, req, {
          requestId,
          receivedAt,
          bytes: received,
          delivery: hasty ? 'hasty' : 'guaranteed',
          query: asked,
        })
      // Else those who come back at once would take more than those who are taken.
      if (hasty && !res.headersSent && this.#turns.length < MAX_REFUSED) await this.#turns.turn()
      if (!res.headersSent) send(refusal(error))
    } finally {
      span?.end()
      // A long answer takes room until its client has read it.
      if (unread && ticket && !res.closed) res.once('close', () => ticket?.leave())
      else ticket?.leave()
      if (!isLeft) this.#done()
    }
  }

  /** Of hasty events, which may wait for Kafka long after their request. Apart, so that the request is let go. */
  #await(outcomes: Promise<Outcome[]>, ticket: Ticket, body: BodyText): void {
    ticket.answered()
    // The gate never rejects.
    void outcomes.then(() => {
      // The page for developers may still show it.
      if (!this.#refused) body.free()
      ticket.leave()
      this.#done()
    })
  }

  #done(): void {
    if (--this.#underWay === 0) this.#idle?.()
  }

  /** Apart, for what an async function holds it holds while it waits: here the events, as they were parsed. */
  #process(
    body: Body,
    context: Mutable<Context>,
    ticket: Ticket,
    begins: (events: number) => void,
  ): Processing {
    const { events, textOf } = body
    context.textOf = textOf
    this.#metrics.eventsReceived(context.delivery, events.length)
    ticket.addEvents(events.length)
    if (context.delivery === 'hasty') refuseUseless(body)
    begins(events.length)
    return this.#gate.start(events, context)
  }

  #tellRefused(
    error: GateError,
    req: IncomingMessage,
    request: Pick<RefusedRequest, 'requestId' | 'receivedAt' | 'bytes' | 'delivery' | 'query'>,
  ): void {
    this.#refused?.(error, { ...request, headers: req.headers, clientIp: this.#clientAddress.of(req) })
  }
}

/** V8 keeps a new UUID as the tree of pieces that it is put together from, 500 bytes, until somebody looks into it. */
function newId(): string {
  const id = randomUUID()
  return id.charCodeAt(0) > 0 ? id : ''
}

function prospects(results: readonly Prospect[]): Answer {
  return { status: 200, reason: 'OK', body: JSON.stringify({ results }), retryAfter: false }
}

type Processing = ReturnType<EventGate['start']>

type Mutable<T> = { -readonly [name in keyof T]: T[name] }

const NO_HEADERS = {}

function nothing(): undefined {}

/**
 * Apart, for the same reason: the bytes are let go. Whoever has to wait for a turn does so with the bytes, which
 * are outside of the heap: text would be copied by the garbage collector.
 */
async function bodyOf(
  receiving: Promise<Buffer | undefined>,
  received: (bytes: Buffer) => Promise<void> | undefined,
): Promise<BodyText | undefined> {
  const bytes = await receiving
  if (!bytes) return undefined
  const turn = received(bytes)
  if (turn) await turn
  return new BodyText(bytes)
}

function tooManyConnections(max: number): GateError {
  const message = `the service has its ${max} connections: send the request again later, on another one`
  return new GateError('over_capacity', message)
}

function unknownFate(cause: unknown): GateError {
  const message = 'a defect of this service: the events may have been stored'
  return new GateError('produce_unknown', message, { cause })
}

/** Nobody hears of a hasty event's fate: a body none of whose values is an event is refused before it is taken. */
function refuseUseless({ events }: Body): void {
  const isObject = (event: unknown) => typeof event === 'object' && event !== null && !Array.isArray(event)
  if (!events.some(isObject))
    throw new GateError('body_not_events', 'none of the values in the body is a JSON object')
}
