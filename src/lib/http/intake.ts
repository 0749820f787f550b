import { randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import { GateError } from '../errors.js'
import type { Context, Delivery, Lookups, Outcome } from '../eventgate.js'
import { flattened } from '../runtime/memory.js'
import type { Scheduler } from '../runtime/scheduler.js'
import { type Admission, type Hold, SMALL_BYTES } from './admission.js'
import { type Answer, answerInSlices, answerTo, refusal } from './answer.js'
import { RequestBody } from './body.js'
import type { BodyReader, IncomingBody } from './body-reader.js'
import type { ClientAddress } from './client-ip.js'
import type { Connections } from './connections.js'
import type { RefusedRequest, RequestObserver, RequestSpan, RequestTracer } from './observer.js'
import type { Query, QueryReader } from './query.js'
import type { Responder } from './responder.js'

/** What all requests for events share. */
export interface IntakeOptions {
  /** Within it every guaranteed request is answered, counted from its head (ms). */
  requestTimeoutMs: number
  readQuery: QueryReader
  clientAddress: ClientAddress
  bodies: BodyReader
  admission: Admission
  scheduler: Scheduler
  connections: Connections
  responder: Responder
  observer: RequestObserver
  /** Undefined if nobody traces. */
  tracer?: RequestTracer | undefined
  /** Told of each request that is refused before any of its events was taken. Undefined if nobody records them. */
  recordRefused?: ((error: GateError, request: RefusedRequest) => void) | undefined
}

/** Whose body is read at once, however many others wait; and whose answer is made at once. */
const TINY_BYTES = 8 * 1024
const FEW_EVENTS = 1000
/** How long one piece of work on a body may take before others get their turn, milliseconds. */
const SLICE_MS: Record<Delivery, number> = { guaranteed: 2, hasty: 0.5 }
/** Schemas that a request may have fetched from remote repositories; hasty ones get as many more each second. */
const MAX_LOOKUPS = 16
const LOOKUPS_RENEWED_MS = 1000
/** For how long, milliseconds. */
const HASTY_LOADING_MS = 30_000
/** Hasty requests that wait their turn to be told that they are refused; others are told at once. */
const MAX_REFUSED = 1000

/** The requests for events that are under way. */
export class Intakes {
  isClosed = false
  #underWay = 0
  #idle: (() => void) | undefined

  constructor(readonly options: IntakeOptions) {}

  /** Resolves when no request is under way, those answered 202 included; refuses those that still come. */
  async close(): Promise<void> {
    while (this.#underWay > 0) {
      await new Promise<void>(resolve => {
        this.#idle = resolve
      })
    }
    this.isClosed = true
  }

  began(): void {
    this.#underWay++
  }

  done(): void {
    if (--this.#underWay === 0) this.#idle?.()
  }
}

/**
 * One request's way in and out: admits it, gets its body, answers once, and gives back what it holds. What becomes of
 * the events in between is for `handle` to say.
 */
export class Intake {
  readonly #receivedAt = Date.now()
  readonly #requestId: string
  readonly #all: Intakes
  readonly #req: IncomingMessage
  readonly #res: ServerResponse
  readonly #path: string
  readonly #span: RequestSpan | undefined
  #query: Query = { delivery: 'guaranteed' }
  #hold: Hold | undefined
  /** For whoever is told of refused requests. */
  #received: Buffer | undefined
  #isBegun = false
  #isHandedOver = false

  constructor(all: Intakes, req: IncomingMessage, res: ServerResponse, path: string) {
    this.#all = all
    this.#req = req
    this.#res = res
    this.#path = path
    this.#requestId = req.headers['x-request-id']?.toString() || flattened(randomUUID())
    this.#span = all.options.tracer?.request(req, path, this.#requestId)
    // Node remembers it from now on, though the client may be gone when an event asks for it.
    void req.socket.remoteAddress
  }

  /** Where all that goes wrong with a request ends, and all that it holds is given back. */
  async run(handle: (intake: Intake) => Promise<void>): Promise<void> {
    this.#all.began()
    try {
      await handle(this)
    } catch (thrown) {
      await this.#fail(thrown)
    } finally {
      this.#span?.end()
      if (!this.#isHandedOver) {
        this.#hold?.leave()
        this.#all.done()
      }
    }
  }

  async #fail(thrown: unknown): Promise<void> {
    const { observer, scheduler } = this.#all.options
    // The gate never rejects: what comes after it is a defect of ours, and says nothing of the events.
    const error = this.#isBegun ? unknownFate(thrown) : GateError.from(thrown)
    observer.refused(error, { requestId: this.#requestId, trace: this.#span?.trace })
    if (!this.#isBegun) this.#tellRefused(error)
    if (this.#res.headersSent) return
    // Else those who come back at once would take more than those who are taken.
    if (this.delivery === 'hasty' && scheduler.length < MAX_REFUSED) await scheduler.start('hasty')
    this.answer(refusal(error))
  }

  #tellRefused(error: GateError): void {
    const { delivery, schemaUri, stream } = this.#query
    this.#all.options.recordRefused?.(error, {
      requestId: this.#requestId,
      receivedAt: this.#receivedAt,
      headers: this.#req.headers,
      clientIp: this.#all.options.clientAddress.of(this.#req),
      delivery,
      query: { schemaUri, stream },
      bytes: this.#received,
    })
  }

  get delivery(): Delivery {
    return this.#query.delivery
  }

  /** The latest moment for its answer. */
  get #deadline(): number {
    if (this.delivery === 'hasty') return Infinity
    return this.#receivedAt + this.#all.options.requestTimeoutMs
  }

  /** Reads what its head says. Who asks what would become of events waits for it. Throws a GateError to refuse it. */
  enter(isDryRun = false): void {
    const { connections, readQuery } = this.#all.options
    if (this.#all.isClosed)
      throw new GateError('draining', 'the service is shutting down: send the request again')
    if (connections.isExcess(this.#req.socket)) throw tooManyConnections(connections.limits.max)
    this.#query = readQuery(this.#req.url as string)
    if (isDryRun) this.#query.delivery = 'guaranteed'
  }

  /**
   * Gets its body, with its events counted, charged for and known to be JSON; undefined if the client went away.
   * Whatever it waits for, it holds no more than bytes. Throws a GateError where all of it is of no use.
   */
  async read(incoming: IncomingBody = this.#incoming): Promise<RequestBody | undefined> {
    const { delivery } = this
    const bytes = await this.#receive(incoming)
    if (!bytes) return undefined
    const turn = this.#turn(bytes.length)
    if (turn) await turn
    const body = new RequestBody(bytes, this.#all.options.admission.room(delivery).maxEvents)
    while (!body.count(performance.now() + SLICE_MS[delivery])) await this.pause()
    const room = this.#room(body, bytes.length)
    if (room) {
      body.drop()
      await room
      await this.pause()
    }
    while (!body.check(performance.now() + SLICE_MS[delivery])) await this.pause()
    this.#all.options.observer.eventsReceived(delivery, body.length)
    return body
  }

  get #incoming(): IncomingBody {
    return this.#all.options.bodies.open(this.#req, this.#res, this.delivery)
  }

  /** Apart, because an async function holds what it has seen while it waits: here the bytes of a coded body. */
  async #receive(incoming: IncomingBody): Promise<Buffer | undefined> {
    const { admission, observer, recordRefused, requestTimeoutMs: ms } = this.#all.options
    const { delivery } = this
    const deadline = this.#deadline
    this.#hold = admission.enter(delivery, incoming.length, () => Math.min(ms, deadline - Date.now()))
    // Nobody waits for the answer to a hasty request, and a slow phone may take its time, if it goes on.
    const bytes = await incoming.receive(this.#hold, { ms, each: delivery === 'hasty' ? 'piece' : 'body' })
    if (!bytes) return undefined
    this.#hold.arrived()
    observer.bodyReceived(delivery, bytes.length)
    if (recordRefused) this.#received = bytes
    return bytes
  }

  /** Undefined where it may begin at once. */
  #turn(bytes: number): Promise<void> | undefined {
    const { scheduler } = this.#all.options
    if (this.delivery === 'hasty') return scheduler.start('hasty', bytes <= SMALL_BYTES)
    return bytes <= TINY_BYTES ? undefined : scheduler.begin('guaranteed')
  }

  /** Undefined where there is room for its events, and for what may have to be answered. */
  #room(body: RequestBody, bytes: number): Promise<unknown> | undefined {
    const hold = this.#hold as Hold
    const begun = hold.begin(body.length, body.heaviest)
    const isSmall = bytes <= SMALL_BYTES && body.length <= FEW_EVENTS
    if (isSmall || this.delivery === 'hasty') return begun
    const unread = this.#all.options.responder.unread.room(hold.patience())
    return begun && unread ? Promise.all([begun, unread]) : (begun ?? unread)
  }

  /** Lets others have their turn. */
  pause(): Promise<void> {
    return this.#all.options.scheduler.resume(this.delivery)
  }

  /** How long it may still wait, milliseconds. */
  get patienceMs(): number {
    return (this.#hold as Hold).patience()
  }

  /** What the gate is told of the request. From now on some of its events may be stored, but for a dry run. */
  begin(body: RequestBody, isDryRun = false): Mutable<Context> {
    this.#isBegun = !isDryRun
    const { delivery, schemaUri, stream } = this.#query
    return {
      requestId: this.#requestId,
      receivedAt: this.#receivedAt,
      deadline: this.#deadline,
      headers: this.#req.headers,
      schemaUri,
      stream,
      delivery,
      trace: this.#span?.trace,
      lookups: delivery === 'hasty' ? new HastyLookups(this.#all.options.connections) : { left: MAX_LOOKUPS },
      clientIp: addressOf(this.#all.options.clientAddress, this.#req),
      textOf: textsOf(body),
    }
  }

  /** Its events are on their way: what is heavier than an event, and of no use to any step that follows, goes. */
  forget(context: Mutable<Context>): void {
    if (this.#all.options.recordRefused) return
    context.headers = NO_HEADERS
    context.clientIp = nothing
  }

  answer(answer: Answer): void {
    this.#all.options.responder.send(this.#req, this.#res, answer)
    this.#all.options.observer.answered(
      this.#path,
      this.#req.method as string,
      answer.status,
      Date.now() - this.#receivedAt,
    )
    this.#span?.answered(answer.status)
  }

  async answerWith(outcomes: readonly Outcome[], body: RequestBody): Promise<void> {
    const textOf = (index: number) => body.textOf(index)
    if (outcomes.length <= FEW_EVENTS) this.answer(answerTo(outcomes, textOf))
    else this.answer(await answerInSlices(outcomes, textOf, () => this.pause()))
  }

  /** Of hasty events, which may wait for Kafka long after their request: it is answered and let go. */
  handOver(outcomes: Promise<Outcome[]>, body: RequestBody): void {
    this.#isHandedOver = true
    settle(this.#hold as Hold, outcomes, this.#all, body)
  }
}

function settle(hold: Hold, outcomes: Promise<Outcome[]>, all: Intakes, body: RequestBody): void {
  hold.answered()
  // The gate never rejects.
  void outcomes.then(() => {
    // The page for developers may still show it.
    if (!all.options.recordRefused) body.free()
    hold.leave()
    all.done()
  })
}

/** A hasty request's: nobody waits for it, so those that it may not have at once it may have later. */
class HastyLookups implements Lookups {
  left = MAX_LOOKUPS
  denied = false
  readonly #connections: Connections
  readonly #until = Date.now() + HASTY_LOADING_MS

  constructor(connections: Connections) {
    this.#connections = connections
  }

  async renew(): Promise<boolean> {
    if (this.#connections.closing || Date.now() >= this.#until) return false
    await delay(LOOKUPS_RENEWED_MS)
    this.left = MAX_LOOKUPS
    return true
  }
}

// Not made in methods: what a method's functions share holds the request.

function addressOf(clientAddress: ClientAddress, req: IncomingMessage): () => string | undefined {
  return () => clientAddress.of(req)
}

function textsOf(body: RequestBody): (index: number) => string {
  return index => body.textOf(index)
}

const NO_HEADERS = {}

function nothing(): undefined {}

type Mutable<T> = { -readonly [name in keyof T]: T[name] }

function tooManyConnections(max: number): GateError {
  const message = `the service has its ${max} connections: send the request again later, on another one`
  return new GateError('over_capacity', message)
}

function unknownFate(cause: unknown): GateError {
  const message = 'a defect of this service: the events may have been stored'
  return new GateError('produce_unknown', message, { cause })
}
