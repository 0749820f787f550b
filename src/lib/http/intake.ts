import { randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { GateError } from '../errors.js'
import type { Context, Delivery, Outcome } from '../eventgate.js'
import { flattened } from '../runtime/memory.js'
import { type Answer, answerInSlices, answerTo, refusalAnswer } from './answer.js'
import { RequestBody } from './body.js'
import type { IncomingBody } from './body-reader.js'
import type { ClientAddress } from './client-ip.js'
import type { Hold } from './hold.js'
import type { IntakeOptions, Intakes } from './intakes.js'
import { HastyLookups, MAX_LOOKUPS } from './lookups.js'
import type { RequestSpan } from './observer.js'
import type { Query } from './query.js'
import { SMALL_BYTES } from './room.js'

/** A body up to this size is read at once, however many others wait. An answer to as many events is made at once. */
const TINY_BYTES = 8 * 1024
const FEW_EVENTS = 1000
/** How long one piece of work on a body may take before other requests run (ms). */
const SLICE_MS: Record<Delivery, number> = { guaranteed: 2, hasty: 0.5 }
/** Hasty requests that wait for a slice in which they are refused. Beyond that they are refused at once. */
const MAX_REFUSED = 1000

/**
 * One request for events: admits it, reads its body, answers once, and gives back what it holds. The handler that it
 * runs decides what happens to the events in between.
 */
export class Intake {
  readonly #receivedAt = Date.now()
  readonly #requestId: string
  readonly #all: Intakes
  readonly #options: IntakeOptions
  readonly #req: IncomingMessage
  readonly #res: ServerResponse
  readonly #path: string
  readonly #span: RequestSpan | undefined
  #query: Query = { delivery: 'guaranteed' }
  #hold: Hold | undefined
  /** Its body, if refused requests are recorded. */
  #received: Buffer | undefined
  #isBegun = false
  #isHandedOver = false

  constructor(all: Intakes, req: IncomingMessage, res: ServerResponse, path: string) {
    this.#all = all
    this.#options = all.options
    this.#req = req
    this.#res = res
    this.#path = path
    this.#requestId = req.headers['x-request-id']?.toString() || flattened(randomUUID())
    this.#span = all.options.tracer?.request(req, path, this.#requestId)
    // Node.js remembers the address from now on. The client may be gone when an event asks for it.
    void req.socket.remoteAddress
  }

  /** Every failure of a request ends here, and everything that it holds is given back here. */
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
    const { observer, scheduler } = this.#options
    // The gate never rejects: a failure after it has begun is a defect, which says nothing about the events.
    const error = this.#isBegun ? unknownFate(thrown) : GateError.from(thrown)
    observer.refused(error, { requestId: this.#requestId, trace: this.#span?.trace })
    if (!this.#isBegun) this.#recordRefused(error)
    if (this.#res.headersSent) return
    // Otherwise clients that try again at once would use more time than those that are accepted.
    if (this.delivery === 'hasty' && scheduler.length < MAX_REFUSED) await scheduler.start('hasty')
    this.answer(refusalAnswer(error))
  }

  #recordRefused(error: GateError): void {
    const { delivery, schemaUri, stream } = this.#query
    this.#options.recordRefused?.(error, {
      requestId: this.#requestId,
      receivedAt: this.#receivedAt,
      headers: this.#req.headers,
      clientIp: this.#options.clientAddress.of(this.#req),
      delivery,
      query: { schemaUri, stream },
      bytes: this.#received,
    })
  }

  get delivery(): Delivery {
    return this.#query.delivery
  }

  /** When it must be answered. */
  get #deadline(): number {
    if (this.delivery === 'hasty') return Infinity
    return this.#receivedAt + this.#options.requestTimeoutMs
  }

  /** Reads its head. A dry run is never hasty: its client waits for the result. Throws a GateError to refuse it. */
  enter(isDryRun = false): void {
    const { connections, readQuery } = this.#options
    if (this.#all.isClosed)
      throw new GateError('draining', 'the service is shutting down: send the request again')
    if (connections.isExcess(this.#req.socket)) throw tooManyConnections(connections.limits.max)
    this.#query = readQuery(this.#req.url as string)
    if (isDryRun) this.#query.delivery = 'guaranteed'
  }

  /**
   * Reads its body, counts its events, charges for them, and makes sure that they are JSON. While it waits it holds
   * only bytes. Undefined if the client went away. Throws a GateError to refuse the request as a whole.
   */
  async read(incoming: IncomingBody = this.#incoming): Promise<RequestBody | undefined> {
    const { delivery } = this
    const bytes = await this.#receive(incoming)
    if (!bytes) return undefined
    const slice = this.#waitForSlice(bytes.length)
    if (slice) await slice
    const body = new RequestBody(bytes, this.#options.admission.room(delivery).maxEvents)
    while (!body.count(performance.now() + SLICE_MS[delivery])) await this.pause()
    const room = this.#waitForRoom(body, bytes.length)
    if (room) {
      body.drop()
      await room
      await this.pause()
    }
    while (!body.check(performance.now() + SLICE_MS[delivery])) await this.pause()
    this.#options.observer.eventsReceived(delivery, body.length)
    return body
  }

  get #incoming(): IncomingBody {
    return this.#options.bodies.open(this.#req, this.#res, this.delivery)
  }

  /** Apart from `read`, which would keep the bytes of a coded body while it waits. */
  async #receive(incoming: IncomingBody): Promise<Buffer | undefined> {
    const { admission, observer, recordRefused, requestTimeoutMs: ms } = this.#options
    const { delivery } = this
    const deadline = this.#deadline
    this.#hold = admission.enter(delivery, incoming.length, () => Math.min(ms, deadline - Date.now()))
    // Nobody waits for the answer to a hasty request, so a slow phone may take its time as long as it goes on.
    const bytes = await incoming.receive(this.#hold, { ms, each: delivery === 'hasty' ? 'piece' : 'body' })
    if (!bytes) return undefined
    this.#hold.arrived()
    observer.bodyReceived(delivery, bytes.length)
    if (recordRefused) this.#received = bytes
    return bytes
  }

  /** Waits until the body may be parsed. Undefined if that is now. */
  #waitForSlice(bytes: number): Promise<void> | undefined {
    const { scheduler } = this.#options
    if (this.delivery === 'hasty') return scheduler.start('hasty', bytes <= SMALL_BYTES)
    return bytes <= TINY_BYTES ? undefined : scheduler.begin('guaranteed')
  }

  /** Waits for room for its events and its answer. Undefined if there is room now. */
  #waitForRoom(body: RequestBody, bytes: number): Promise<unknown> | undefined {
    const hold = this.#hold as Hold
    const begun = hold.begin(body.length, body.heaviest)
    const isSmall = bytes <= SMALL_BYTES && body.length <= FEW_EVENTS
    if (isSmall || this.delivery === 'hasty') return begun
    const unread = this.#options.responder.unread.room(hold.patience())
    return begun && unread ? Promise.all([begun, unread]) : (begun ?? unread)
  }

  /** Lets other requests run. */
  pause(): Promise<void> {
    return this.#options.scheduler.resume(this.delivery)
  }

  /** How long it may still wait (ms). */
  get patienceMs(): number {
    return (this.#hold as Hold).patience()
  }

  /** The context of its events. From now on some of them may be stored, unless it is a dry run. */
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
      kind: undefined,
      trace: this.#span?.trace,
      lookups: delivery === 'hasty' ? new HastyLookups(this.#options.connections) : { left: MAX_LOOKUPS },
      clientIp: addressOf(this.#options.clientAddress, this.#req),
      textOf: textsOf(body),
    }
  }

  /** Its events are with the producer: no step needs the headers and the connection any more. */
  forget(context: Mutable<Context>): void {
    if (this.#options.recordRefused) return
    context.headers = NO_HEADERS
    context.clientIp = nothing
  }

  answer(answer: Answer): void {
    this.#options.responder.send(this.#req, this.#res, answer)
    this.#options.observer.answered(
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

  /** Hasty events may wait for Kafka long after their request. Gives back the rest of what it holds now. */
  handOver(outcomes: Promise<Outcome[]>, body: RequestBody): void {
    this.#isHandedOver = true
    settle(this.#hold as Hold, outcomes, this.#all, body)
  }
}

function settle(hold: Hold, outcomes: Promise<Outcome[]>, all: Intakes, body: RequestBody): void {
  hold.answered()
  // The gate never rejects.
  void outcomes.then(() => {
    // A recorder may still show it.
    if (!all.options.recordRefused) body.free()
    hold.leave()
    all.done()
  })
}

// These are not made in methods, whose scope would keep the request alive.

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
  const message = `all ${max} connections are in use: send the request again later, on another connection`
  return new GateError('over_capacity', message)
}

function unknownFate(cause: unknown): GateError {
  const message = 'a defect of this service: the events may have been stored'
  return new GateError('produce_unknown', message, { cause })
}
