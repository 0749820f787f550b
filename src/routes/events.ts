import { randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Admission, Ticket } from '../lib/admission.js'
import { type Answer, answerTo, refusal, success } from '../lib/answer.js'
import { type Body, readBody } from '../lib/body.js'
import { ClientAddress } from '../lib/client-ip.js'
import type { Config } from '../lib/config.js'
import type { Connections } from '../lib/connections.js'
import type { DryRun, Prospect } from '../lib/dry-run.js'
import { GateError } from '../lib/errors.js'
import type { Context, EventGate } from '../lib/eventgate.js'
import type { Responder } from '../lib/http.js'
import type { Metrics } from '../lib/metrics.js'
import { makeQueryReader, type QueryReader } from '../lib/query.js'
import { type Arrival, Receiver } from '../lib/receive.js'
import type { RefusedRequest } from '../lib/recording.js'
import type { Turns } from '../lib/turns.js'

export interface EventsOptions {
  config: Config
  gate: EventGate
  admission: Admission
  /** Of hasty requests. */
  turns: Turns
  connections: Connections
  responder: Responder
  metrics: Metrics
  /** Told of each request that is refused before any of its events was taken. */
  refused?: ((error: GateError, request: RefusedRequest) => void) | undefined
  /** Undefined where nobody may ask what would become of events. */
  dryRun?: DryRun | undefined
}

const ALLOW = 'POST, OPTIONS'

/**
 * The handlers of the events routes. They use node:http's own API only, so that the server can call `post`
 * without walking through Express (MEASURED 1).
 */
export class EventsRoute {
  readonly #config: Config
  readonly #gate: EventGate
  readonly #admission: Admission
  readonly #turns: Turns
  readonly #connections: Connections
  readonly #responder: Responder
  readonly #metrics: Metrics
  readonly #query: QueryReader
  readonly #receiver: Receiver
  readonly #clientAddress: ClientAddress
  readonly #refused: EventsOptions['refused']
  readonly #dryRun: DryRun | undefined
  #underWay = 0
  #closed = false
  #idle: (() => void) | undefined

  constructor(options: EventsOptions) {
    const { config, gate, admission, turns, connections, responder, metrics, refused, dryRun } = options
    this.#config = config
    this.#gate = gate
    this.#admission = admission
    this.#turns = turns
    this.#connections = connections
    this.#responder = responder
    this.#metrics = metrics
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
    // Node remembers it from now on, though the client may be gone when an event asks for it.
    void req.socket.remoteAddress
    let unread = false
    const send = (answer: Answer) => {
      unread = answer.body !== ''
      this.#responder.send(req, res, answer)
      this.#metrics.answered(path, req.method as string, answer.status, Date.now() - receivedAt)
    }
    let ticket: Ticket | undefined
    let bytes: Buffer | undefined
    let begun = false
    let hasty = false
    try {
      if (this.#closed)
        throw new GateError('draining', 'the service is shutting down: send the request again')
      if (this.#connections.isExcess(req.socket)) throw tooManyConnections(this.#connections.limits.max)
      const query = this.#query(req.url as string)
      // Who asks what would become of events waits for it.
      hasty = query.delivery === 'hasty' && !dryRun
      const timeoutMs = this.#config.request_timeout_ms
      const deadline = hasty ? Infinity : receivedAt + timeoutMs
      const arrival = arrive()
      ticket = this.#admission.enter(hasty ? 'hasty' : 'guaranteed', arrival.length)
      // Nobody waits for the answer to a hasty request, and a slow phone may take its time, if it goes on.
      bytes = await arrival.receive(ticket, { ms: timeoutMs, each: hasty ? 'piece' : 'body' })
      if (!bytes) return
      if (hasty) await this.#turns.turn()
      const body = readBody(bytes)
      const { textOf } = body
      ticket.addEvents(body.events.length)
      if (hasty) {
        refuseUseless(body)
        send(success(body.events.length, 'hasty'))
      }
      const { delivery, schemaUri, stream } = query
      const { headers } = req
      const requestId = headers['x-request-id']?.toString() || randomUUID()
      const clientIp = () => this.#clientAddress.of(req)
      const context: Context = {
        ...{ requestId, receivedAt, deadline, headers, schemaUri, stream, delivery },
        ...{ clientIp, textOf },
      }
      if (dryRun) {
        send(prospects(await dryRun.process(body.events, context)))
        return
      }
      begun = true
      // What waits for Kafka is to weigh no more than it must: its bytes, and soon its events, are let go.
      bytes = undefined
      const processing = this.#gate.process(body.events, context)
      body.events = []
      const outcomes = await processing
      if (!hasty) send(answerTo(outcomes, textOf))
    } catch (thrown) {
      // The gate never rejects: what comes after it is a defect of ours, and says nothing of the events.
      const error = begun ? unknownFate(thrown) : GateError.from(thrown)
      this.#metrics.refused(error, req.headers['x-request-id']?.toString())
      if (!begun && !dryRun) this.#tellRefused(error, req, receivedAt, bytes)
      // Else those who come back at once would take more than those who are taken.
      if (hasty && !res.headersSent) await this.#turns.turn()
      if (!res.headersSent) send(refusal(error))
    } finally {
      // A long answer takes room until its client has read it.
      if (unread && ticket && !res.closed) res.once('close', () => ticket?.leave())
      else ticket?.leave()
      if (--this.#underWay === 0) this.#idle?.()
    }
  }

  #tellRefused(error: GateError, req: IncomingMessage, receivedAt: number, bytes: Buffer | undefined): void {
    if (!this.#refused) return
    const requestId = req.headers['x-request-id']?.toString() ?? ''
    const clientIp = this.#clientAddress.of(req)
    this.#refused(error, { requestId, receivedAt, headers: req.headers, clientIp, bytes })
  }
}

function prospects(results: readonly Prospect[]): Answer {
  return { status: 200, reason: 'OK', body: JSON.stringify({ results }), retryAfter: false }
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
