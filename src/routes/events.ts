import type { IncomingMessage, ServerResponse } from 'node:http'
import { GateError } from '../lib/errors.js'
import type { EventGate } from '../lib/eventgate.js'
import type { DryRun, Prospect } from '../lib/explain/dry-run.js'
import { type Answer, success } from '../lib/http/answer.js'
import { Intake } from '../lib/http/intake.js'
import { type IntakeOptions, Intakes } from '../lib/http/intakes.js'
import { WeightedSemaphore } from '../lib/runtime/semaphore.js'
import type { Handler, Route } from './mount.js'

export interface EventsOptions extends IntakeOptions {
  gate: EventGate
  /** What `/v1/_test/events` posts. Without any there is no such route. */
  testEvents?: readonly unknown[]
  /** Answers `/v1/validate`. Without it there is no such route. */
  dryRun?: DryRun | undefined
  /** Refuses requests to `/v1/validate` of those who must not see what is in the service. */
  refusalOf?: Route['refusalOf']
}

/** How an events route takes a request. `label` is the route's name in metrics. */
type Take = (req: IncomingMessage, res: ServerResponse, label: string) => void

/**
 * The handlers of the events routes. They use only the API of node:http, so that the server can call `post` directly.
 * The way through Express costs more than everything else that is done for an event.
 */
export class EventsRoute {
  /** Events are POSTed here. */
  readonly paths = ['/v1/events', '/v2/events'] as const
  readonly #options: EventsOptions
  readonly #intakes: Intakes
  /** Explanations hold a request for long, so there is one at a time. */
  readonly #dryRuns = new WeightedSemaphore(1)

  constructor(options: EventsOptions) {
    this.#options = options
    this.#intakes = new Intakes(options)
  }

  /** Resolves when no request is under way, those answered 202 included. Later ones are refused. */
  close(): Promise<void> {
    return this.#intakes.close()
  }

  routes(): Route[] {
    const { testEvents = [], dryRun, refusalOf } = this.#options
    const routes = this.paths.map((path): Route => ({ path, methods: this.#taking(this.post) }))
    if (dryRun) {
      const methods = this.#taking((req, res, label) => this.#validate(req, res, label, dryRun))
      routes.push({ path: '/v1/validate', methods, ...(refusalOf && { refusalOf }) })
    }
    if (testEvents.length > 0) {
      const bytes = Buffer.from(JSON.stringify(testEvents))
      const post: Take = (req, res, label) => this.#postTestEvents(req, res, label, bytes)
      routes.push({ path: '/v1/_test/events', methods: { GET: counted(post) } })
    }
    return routes
  }

  #taking(take: Take): Route['methods'] {
    const { responder } = this.#options
    return { POST: counted(take), OPTIONS: (req, res) => responder.preflight(req, res, 'POST, OPTIONS') }
  }

  readonly post: Take = (req, res, label) => {
    void new Intake(this.#intakes, req, res, label).run(intake => {
      intake.enter()
      return intake.delivery === 'hasty' ? this.#hasty(intake) : this.#guaranteed(intake)
    })
  }

  /** Says what would become of events. */
  #validate(req: IncomingMessage, res: ServerResponse, label: string, dryRun: DryRun): void {
    void new Intake(this.#intakes, req, res, label).run(intake => {
      intake.enter(true)
      return this.#foretell(intake, dryRun)
    })
  }

  /** Takes the configured test events as if they had been posted. */
  #postTestEvents(req: IncomingMessage, res: ServerResponse, label: string, bytes: Buffer): void {
    void new Intake(this.#intakes, req, res, label).run(intake => {
      intake.enter()
      const body = { length: bytes.length, receive: async () => bytes }
      return intake.delivery === 'hasty' ? this.#hasty(intake, body) : this.#guaranteed(intake, body)
    })
  }

  async #guaranteed(intake: Intake, incoming?: IncomingBody): Promise<void> {
    const body = await intake.read(incoming)
    if (!body) return
    const context = intake.begin(body)
    if (incoming) context.kind = 'test'
    const { begun, outcomes } = this.#options.gate.start(body, context)
    await begun
    intake.forget(context)
    await intake.answerWith(await outcomes, body)
  }

  async #hasty(intake: Intake, incoming?: IncomingBody): Promise<void> {
    const body = await intake.read(incoming)
    if (!body) return
    // Nobody is told the outcome of hasty events, so a body without any event is refused at once.
    if (!body.holdsObject)
      throw new GateError('body_not_events', 'the body has no JSON object: send at least one event')
    intake.answer(success(body.length, 'hasty'))
    const context = intake.begin(body)
    if (incoming) context.kind = 'test'
    const { begun, outcomes } = this.#options.gate.start(body, context)
    void begun.then(() => intake.forget(context))
    intake.handOver(outcomes, body)
  }

  async #foretell(intake: Intake, dryRun: DryRun): Promise<void> {
    const body = await intake.read()
    if (!body) return
    body.drop()
    const place = this.#dryRuns.acquire(1, intake.patienceMs)
    if (place) await place
    try {
      const results = await dryRun.process(body, intake.begin(body, true))
      intake.answer(prospects(results))
    } finally {
      this.#dryRuns.release(1)
    }
  }
}

/** An intake counts its request itself, when it answers: its client may be gone by then. */
function counted(take: Take): Handler {
  return (req, res) => {
    res.locals.isCounted = true
    take(req, res, res.locals.route)
  }
}

/** Undefined where a client sends the events. */
type IncomingBody = Parameters<Intake['read']>[0]

function prospects(results: readonly Prospect[]): Answer {
  return { status: 200, reason: 'OK', body: JSON.stringify({ results }), retryAfter: false }
}
