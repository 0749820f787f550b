import { type Details, GateError } from './errors.js'
import { Outcomes } from './outcomes.js'

/** A JSON object as its client sent it. The gate owns it from `process` on and fills in fields in place. */
export type Event = Record<string, unknown>

/** What is known of the request that an event came with. Data only: no request, no response. */
export interface Context {
  /** The request's `x-request-id`, or one made for it. */
  requestId: string
  /** Time of receipt, milliseconds since the epoch. */
  receivedAt: number
  /** The latest moment for an answer, milliseconds since the epoch; Infinity where nobody waits. */
  deadline: number
  headers: Readonly<Record<string, string | string[] | undefined>>
  /** Fills the schema URI field of events that lack it. */
  schemaUri?: string | undefined
  /** Fills the stream field of events that lack it. */
  stream?: string | undefined
  delivery: Delivery
  /** What the request may still ask remote schema repositories for; undefined if that has no bound. */
  lookups?: Lookups | undefined
  /** Where the request stands in a trace; undefined without a trace. */
  trace?: Trace | undefined
  /** What its events are; undefined if a client sent them. */
  kind?: 'test' | 'error' | undefined
  /** The id of each event's request, if events of several requests are together. */
  requestIdOf?(index: number): string
  /** The client's address, as far as the proxies in front are trusted; undefined if it is unknown. */
  clientIp(): string | undefined
  /** The text of the event at `index` as it was received. Costs a scan of the body: for failures only. */
  textOf(index: number): string
}

/** Schemas that are not in memory, nor in a file, and may still be fetched. `load` counts them down, below 0 too. */
export interface Lookups {
  left: number
  /** `load` sets it where it did not ask a repository, because there were none left. */
  denied?: boolean
  /** Resolves when some are left again; false if that will not be. Undefined where it never is. */
  renew?(): Promise<boolean>
}

/** A place in a distributed trace. */
export interface Trace {
  readonly traceId: string
  readonly spanId: string
  readonly traceFlags: number
  /** What hands it on to others, by name; undefined where the trace is not recorded. */
  readonly headers?: Readonly<Record<string, string>> | undefined
}

/** Which producer takes an event, and whether anybody waits for what becomes of it. */
export type Delivery = 'guaranteed' | 'hasty'
export const DELIVERIES = ['guaranteed', 'hasty'] as const satisfies readonly Delivery[]

/** A compiled JSONSchema. */
export interface Schema {
  /** Its URI in the repositories, with a leading slash. */
  uri: string
  title: string | undefined
  /** Whether events of this schema may have a field at this dotted path, by name or as the key of a map. */
  declares(path: string): boolean
  /** Fills in defaults; throws `validation_failed`. `details`: what its request may still cost by explanations. */
  validate(event: Event, details?: Details): void
}

/** A field of events, named by a dotted path such as `meta.stream`. */
export interface EventField {
  readonly path: string
  /** Its value; undefined where the event lacks it. */
  get(event: Event): unknown
  /** Sets it, making the objects it stands in; does nothing where something else stands in the way. */
  set(event: Event, value: unknown): void
}

/** What is configured for a stream. */
export interface Stream {
  name: string
  topic: string
  /** The name by which it is configured, which may be a regular expression; undefined where any stream may be. */
  configuredAs?: string | undefined
  /** What a record's key is made of, in this order; without any it is null. */
  key?: readonly { name: string; field: EventField }[] | undefined
  /** Request headers that fill fields of this stream's events; undefined where the service's own do. */
  headers?: readonly { header: string; field: EventField }[] | undefined
  /** False if its events may not wait in the spool. */
  spool?: boolean | undefined
  /** As they were configured, for steps of an operator's own. */
  settings?: Readonly<Record<string, unknown>> | undefined
}

/** Where an event goes. The producer obeys. */
export interface Destination {
  topic: string
  key: string | null
  /** Milliseconds since the epoch. */
  timestamp: number
  delivery: Delivery
  /** The event's; undefined if an operator's own step does not say. */
  stream?: Stream | undefined
  /** Of the event's request. The gate sets it. */
  trace?: Trace | undefined
}

/** What became of one event. `spooled`: it is on disk. `unknown`: it may have been stored, or may yet be. */
export type Outcome = {
  schema?: Schema | undefined
  stream?: Stream | undefined
  /** How long its producer had it; undefined if it came to none. */
  produceMs?: number | undefined
  /** What the producer was given, if anything. Only a gate with `tellsSent` says so. */
  sent?: { event: Event; destination: Destination }
} & ({ fate: 'delivered' | 'spooled' } | { fate: 'invalid' | 'not_stored' | 'unknown'; error: GateError })

/**
 * The parts of an event's way. An operator's own module may replace any.
 *
 * All except `load` and `produce` answer at once, and throw a GateError to refuse. Only `load` waits for what they
 * need. So an event whose schema is known costs one await, and events reach the producer in their order.
 */
export interface Steps {
  /** Brings what `schemaFor` and `streamFor` need for these events into memory; undefined if all is there. Never rejects. */
  load(events: readonly unknown[], context: Context): Promise<void> | undefined
  schemaFor(event: Event, context: Context): Schema
  streamFor(event: Event, schema: Schema, context: Context): Stream
  /** Adds to the event, in place, what the gate fills in. */
  enrich(event: Event, schema: Schema, stream: Stream, context: Context, index: number): void
  /**
   * Takes back what `enrich` added and the schema refuses, and tells whether it did: what the gate adds never makes a
   * valid event invalid. `received` gives the text of the event as it came; it may throw.
   */
  takeBack?(event: Event, stream: Stream, refused: GateError, received: () => string): boolean
  /** Pure. */
  route(event: Event, schema: Schema, stream: Stream, context: Context): Destination
  /** Resolves once it is stored ('spooled': on disk); rejects with a GateError that says whether it surely is not. */
  produce(event: Event, destination: Destination, deadline: number): Promise<unknown>
}

/** The events of a request, each read when its turn comes: an array, or a body that keeps no more than its bytes. */
export interface Events {
  readonly length: number
  /** A GateError in the place of an event is why it could not even be read. */
  at(index: number): unknown
  /** Lets go of values that it holds: the next `at` may have to read its event again. */
  drop?(): void
}

/** Told of each event's outcome once, when the truth is known, which may be after its request was answered. */
export type Observer = (outcome: Outcome, context: Context, index: number) => void

/** Books each event: that it came, and what its request was answered. */
export interface Accounts {
  /** The event is about to be produced. */
  open(event: Event, stream: Stream, context: Context): Account
  /** It never will be. Undefined if it was not even read. */
  openRefused(received: unknown, stream: Stream | undefined, context: Context): Account
}

/** Where an event is booked. Events share it. */
export interface Account {
  /** Comes once for each event. What becomes of it later moves nothing. */
  settle(answered: Outcome, context: Context): void
}

const NO_ACCOUNT: Account = { settle() {} }
const NO_ACCOUNTS: Accounts = { open: () => NO_ACCOUNT, openRefused: () => NO_ACCOUNT }

/** Work on the events of one request that is done without letting other requests in between, milliseconds. */
const SLICE_MS: Record<Delivery, number> = { guaranteed: 2, hasty: 0.5 }
/** Schemas of one request that are loaded at one time. */
const MAX_LOADS = 16

/** Takes events through their whole way: schema, stream, enrich, validate, route, produce, outcome. */
export class EventGate {
  readonly #steps: Steps
  readonly #observe: Observer
  readonly #pause: (context: Context) => Promise<void>
  readonly #tellsSent: boolean
  readonly #accounts: Accounts
  /** Of requests that somebody waits for. */
  readonly #open = new Set<Outcomes>()

  /** `pause` lets other requests run between two slices of a request's events. `tellsSent`: see `Outcome.sent`. */
  constructor(
    steps: Steps,
    observe: Observer = () => {},
    pause: (context: Context) => Promise<void> = () => new Promise(setImmediate),
    tellsSent = false,
    accounts = NO_ACCOUNTS,
  ) {
    this.#steps = steps
    this.#observe = observe
    this.#pause = pause
    this.#tellsSent = tellsSent
    this.#accounts = accounts
  }

  /**
   * Processes the events of one request and tells what became of each, in their order. Never rejects. At
   * `context.deadline` an event under way is of unknown fate; one that was not begun is not stored and never will be.
   */
  process(events: Events, context: Context): Promise<Outcome[]> {
    return this.start(events, context).outcomes
  }

  /** The same; `begun` resolves when all events are on their way, and none is held any more as it was parsed. */
  start(events: Events, context: Context): { begun: Promise<void>; outcomes: Promise<Outcome[]> } {
    const outcomes = new Outcomes(events.length, context)
    if (context.deadline !== Infinity) this.#open.add(outcomes)
    // An async function would keep its arguments while it waits.
    const begun = this.#begin(events, context, outcomes)
    return { begun, outcomes: outcomes.all.then(all => this.#end(all, outcomes, context)) }
  }

  /** How many requests are under way that have a deadline. */
  get waiting(): number {
    return this.#open.size
  }

  /** Answers them now, as at their deadline. */
  expire(): void {
    for (const outcomes of this.#open) outcomes.expire()
  }

  #end(all: Outcome[], outcomes: Outcomes, context: Context): Outcome[] {
    this.#open.delete(outcomes)
    for (let i = outcomes.begun; i < all.length; i++) {
      const outcome = all[i] as Outcome
      this.#observe(outcome, context, i)
      this.#accounts.openRefused(undefined, undefined, context).settle(outcome, context)
    }
    return all
  }

  /** In slices that end by time. A request that waits for a slice or a schema holds no values meanwhile. */
  async #begin(events: Events, context: Context, outcomes: Outcomes): Promise<void> {
    const sliceMs = SLICE_MS[context.delivery]
    let end = performance.now() + sliceMs
    let loaded = 0
    for (let i = 0; i < events.length && outcomes.open; i++) {
      if (i > 0 && performance.now() >= end) {
        events.drop?.()
        await this.#pause(context)
        end = performance.now() + sliceMs
      }
      let event = events.at(i)
      const loading = i >= loaded ? this.#load(event, context) : undefined
      if (loading) {
        event = undefined
        loaded = await this.#loadFrom(i, loading, events, context, outcomes)
        end = performance.now() + sliceMs
        event = events.at(i)
      }
      if (!outcomes.open) break
      outcomes.begun = i + 1
      this.#pass(event, context, i, outcomes)
    }
    events.drop?.()
  }

  #load(event: unknown, context: Context): Promise<void> | undefined {
    try {
      // A load of an operator's own may break its promise: the steps that follow say what is missing.
      return this.#steps.load([event], context)
    } catch {
      return undefined
    }
  }

  /** Waits for what `loading` brings, and with it for what the next events need. Returns up to which they are loaded. */
  async #loadFrom(
    index: number,
    loading: Promise<void>,
    events: Events,
    context: Context,
    outcomes: Outcomes,
  ): Promise<number> {
    const { lookups } = context
    const end = performance.now() + SLICE_MS[context.delivery]
    const loads = new Set([loading])
    let to = index + 1
    for (; to < events.length && loads.size < MAX_LOADS && !(lookups && lookups.left <= 0); to++) {
      const more = this.#load(events.at(to), context)
      if (more) loads.add(more)
      if (performance.now() >= end) break
    }
    events.drop?.()
    await Promise.race([Promise.allSettled(loads), outcomes.all])
    while (outcomes.open && lookups?.denied && (await lookups.renew?.())) {
      lookups.denied = false
      const again = this.#load(events.at(index), context)
      if (again) await Promise.allSettled([again])
    }
    return to
  }

  /** One event's way, to its place in `outcomes`. While it waits to be stored it costs one promise of its own. */
  #pass(received: unknown, context: Context, index: number, outcomes: Outcomes): void {
    const steps = this.#steps
    let schema: Schema | undefined
    let stream: Stream | undefined
    let sent: Outcome['sent']
    let handedOver: number | undefined
    const end = (error?: GateError, fate: 'delivered' | 'spooled' = 'delivered') => {
      const produceMs = handedOver === undefined ? undefined : performance.now() - handedOver
      const outcome: Outcome = error
        ? { fate: error.kind === 'invalid' ? 'invalid' : error.fate, error, schema, stream, produceMs }
        : { fate, schema, stream, produceMs }
      if (sent) outcome.sent = sent
      this.#observe(outcome, context, index)
      outcomes.set(index, outcome)
    }
    try {
      const event = asEvent(received)
      schema = steps.schemaFor(event, context)
      stream = steps.streamFor(event, schema, context)
      steps.enrich(event, schema, stream, context, index)
      this.#validate(event, schema, stream, context, index, outcomes)
      const route = steps.route(event, schema, stream, context)
      const destination = context.trace ? { ...route, trace: context.trace } : route
      if (this.#tellsSent) sent = { event, destination }
      outcomes.book(index, this.#accounts.open(event, stream, context))
      handedOver = performance.now()
      void steps.produce(event, destination, context.deadline).then(
        how => end(undefined, how === 'spooled' ? how : undefined),
        thrown => end(thrown instanceof GateError ? thrown : unknownFate(thrown)),
      )
    } catch (thrown) {
      if (handedOver === undefined)
        outcomes.book(index, this.#accounts.openRefused(received, stream, context))
      end(GateError.from(thrown))
    }
  }

  #validate(
    event: Event,
    schema: Schema,
    stream: Stream,
    context: Context,
    index: number,
    details: Details,
  ): void {
    try {
      schema.validate(event, details)
    } catch (thrown) {
      const refused = GateError.from(thrown)
      const received = () => context.textOf(index)
      if (!this.#steps.takeBack?.(event, stream, refused, received)) throw thrown
      schema.validate(event, details)
    }
  }
}

/** Whether a value is a JSON object, as every event must be. */
export function isObject(value: unknown): value is Event {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function asEvent(received: unknown): Event {
  if (received instanceof GateError) throw received
  if (isObject(received)) return received
  const what = Array.isArray(received) ? 'an array' : received === null ? 'null' : `a ${typeof received}`
  throw new GateError('event_not_an_object', `an event must be a JSON object, this one is ${what}`)
}

/** A producer that rejects with anything but a GateError has a defect, and nothing is known of the event. */
function unknownFate(thrown: unknown): GateError {
  const reason = thrown instanceof Error ? thrown.message : String(thrown)
  const message = `the producer failed: ${reason}: the event may have been stored`
  return new GateError('produce_unknown', message, { cause: thrown })
}
