import type { GateError } from '../errors.js'
import type { Scheduler } from '../runtime/scheduler.js'
import type { Admission } from './admission.js'
import type { BodyReader } from './body-reader.js'
import type { ClientAddress } from './client-ip.js'
import type { Connections } from './connections.js'
import type { RefusedRequest, RequestObserver, RequestTracer } from './observer.js'
import type { QueryReader } from './query.js'
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

/** The requests for events that are under way. */
export class Intakes {
  isClosed = false
  #underWay = 0
  #idle: (() => void) | undefined

  constructor(readonly options: IntakeOptions) {}

  /** Resolves when no request is under way, those answered 202 included. Later ones are refused. */
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
