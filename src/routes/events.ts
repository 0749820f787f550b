import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Config } from '../lib/config/config.js'
import { GateError } from '../lib/errors.js'
import type { EventGate } from '../lib/eventgate.js'
import type { DryRun, Prospect } from '../lib/explain/dry-run.js'
import { type Answer, success } from '../lib/http/answer.js'
import { Intake, type IntakeOptions, Intakes } from '../lib/http/intake.js'
import type { Responder } from '../lib/http/responder.js'
import { WeightedSemaphore } from '../lib/runtime/semaphore.js'

export interface EventsOptions extends IntakeOptions {
  gate: EventGate
  /** Undefined where nobody may ask what would become of events. */
  dryRun?: DryRun | undefined
}

const ALLOW = 'POST, OPTIONS'

/**
 * The handlers of the events routes. They use node:http's own API only, so that the server can call `post`
 * without walking through Express, which costs more than all that is done for an event.
 */
export class EventsRoute {
  readonly #config: Config
  readonly #gate: EventGate
  readonly #responder: Responder
  readonly #dryRun: DryRun | undefined
  readonly #intakes: Intakes
  /** What is explained is held for long: one request at a time. */
  readonly #dryRuns = new WeightedSemaphore(1)

  constructor({ gate, dryRun, ...options }: EventsOptions) {
    this.#config = options.config
    this.#gate = gate
    this.#responder = options.responder
    this.#dryRun = dryRun
    this.#intakes = new Intakes(options)
  }

  /** Resolves when no request is under way, those answered 202 included; refuses those that still come. */
  close(): Promise<void> {
    return this.#intakes.close()
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
    void new Intake(this.#intakes, req, res, path).run(intake => {
      intake.enter()
      return intake.delivery === 'hasty' ? this.#hasty(intake) : this.#guaranteed(intake)
    })
  }

  /** Says what would become of events. */
  validate(req: IncomingMessage, res: ServerResponse, path: string): void {
    void new Intake(this.#intakes, req, res, path).run(intake => {
      intake.enter(true)
      return this.#foretell(intake, this.#dryRun as DryRun)
    })
  }

  /** Takes the configured test events as if they had been posted. */
  postTestEvents(req: IncomingMessage, res: ServerResponse, path: string): void {
    const bytes = Buffer.from(JSON.stringify(this.#config.test_events))
    void new Intake(this.#intakes, req, res, path).run(intake => {
      intake.enter()
      const body = { length: bytes.length, receive: async () => bytes }
      return intake.delivery === 'hasty' ? this.#hasty(intake, body) : this.#guaranteed(intake, body)
    })
  }

  async #guaranteed(intake: Intake, incoming?: IncomingBody): Promise<void> {
    const body = await intake.read(incoming)
    if (!body) return
    const context = intake.begin(body)
    const { begun, outcomes } = this.#gate.start(body, context)
    await begun
    intake.forget(context)
    await intake.answerWith(await outcomes, body)
  }

  async #hasty(intake: Intake, incoming?: IncomingBody): Promise<void> {
    const body = await intake.read(incoming)
    if (!body) return
    // Nobody hears of a hasty event's fate: what is of no use at all is refused before it is taken.
    if (!body.holdsObject)
      throw new GateError('body_not_events', 'none of the values in the body is a JSON object')
    intake.answer(success(body.length, 'hasty'))
    const context = intake.begin(body)
    const { begun, outcomes } = this.#gate.start(body, context)
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

type IncomingBody = Parameters<Intake['read']>[0]

function prospects(results: readonly Prospect[]): Answer {
  return { status: 200, reason: 'OK', body: JSON.stringify({ results }), retryAfter: false }
}
