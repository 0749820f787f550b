import { type Details, GateError, MAX_DETAILS } from './errors.js'
import type { Account, Context, Outcome } from './eventgate.js'

/** The outcomes of one request as they come in, until all are there or its deadline has passed. */
export class Outcomes implements Details {
  /** What explanations of refused events may still cost. */
  left = MAX_DETAILS
  readonly all: Promise<Outcome[]>
  /** False once `all` is settled: what comes later changes nothing. */
  open = true
  /** Events that were begun; those from this index on never were. */
  begun = 0
  /** An event that was begun has its account here, until it has its outcome. */
  readonly #places: (Outcome | Account | undefined)[]
  readonly #context: Context
  readonly #timer: NodeJS.Timeout | undefined
  #resolve!: (outcomes: Outcome[]) => void
  #missing: number

  constructor(count: number, context: Context) {
    this.#places = new Array(count)
    this.#context = context
    this.#missing = count
    this.all = new Promise(resolve => {
      this.#resolve = resolve
    })
    if (count === 0) this.#close()
    else if (context.deadline !== Infinity) {
      const left = context.deadline - Date.now()
      if (left > 0) this.#timer = setTimeout(() => this.expire(), left)
      else this.expire()
    }
  }

  book(index: number, account: Account): void {
    this.#places[index] = account
  }

  set(index: number, outcome: Outcome): void {
    if (!this.open) return
    this.#settle(index, outcome)
    if (--this.#missing === 0) this.#close()
  }

  #settle(index: number, outcome: Outcome): void {
    const account = this.#places[index] as Account | undefined
    this.#places[index] = outcome
    account?.settle(outcome, this.#context)
  }

  /** What has no outcome gets one: of unknown fate if it was begun, else it never will be. */
  expire(): void {
    if (!this.open) return
    const unknown = new GateError(
      'deadline_unknown',
      'not acknowledged in time: the event may have been stored, or may yet be',
    )
    const never = new GateError(
      'deadline_not_stored',
      'no time was left to produce the event: it is not stored',
    )
    for (let i = 0; i < this.#places.length; i++) {
      const place = this.#places[i]
      if (place && 'fate' in place) continue
      this.#settle(
        i,
        i < this.begun ? { fate: 'unknown', error: unknown } : { fate: 'not_stored', error: never },
      )
    }
    this.#close()
  }

  #close(): void {
    this.open = false
    clearTimeout(this.#timer)
    this.#resolve(this.#places as Outcome[])
  }
}
