import { type Code, outcomeOf } from '../errors.js'
import type { Account, Context, Delivery, Outcome } from '../eventgate.js'
import type { Distribution } from './histogram.js'
import { SharedLabels } from './metric-set.js'

/** Clients made the events, or the monitoring, or this service. */
const KINDS = ['event', 'test', 'error'] as const

type Kind = (typeof KINDS)[number]

/** What an event may be answered with: the labels `outcome` and `code`. */
type Answered = SharedLabels

const DELIVERED = new SharedLabels({ outcome: 'delivered', code: '' })
const SPOOLED = new SharedLabels({ outcome: 'spooled', code: '' })
const FAILURES = new Map<Code, Answered>()

function answeredWith(code: Code): Answered {
  const known = FAILURES.get(code) ?? new SharedLabels({ outcome: outcomeOf(code), code })
  FAILURES.set(code, known)
  return known
}

/** The events of one stream, delivery and kind. An event is counted twice: when it came, and with its outcome. */
export class Book implements Account {
  received = 0
  inFlight = 0
  delivered = 0
  spooled = 0
  /** Of all its series. */
  readonly labels: SharedLabels
  readonly #stream: StreamAccount
  #failed: Map<Code, number> | undefined

  constructor(
    stream: StreamAccount,
    readonly delivery: Delivery,
    readonly kind: Kind,
  ) {
    const { label, streamClass: stream_class } = stream
    this.labels = new SharedLabels({ stream: label, stream_class, delivery, kind })
    this.#stream = stream
  }

  begin(): this {
    this.received++
    this.inFlight++
    return this
  }

  settle(answered: Outcome, { receivedAt }: Context): void {
    this.inFlight--
    if ('error' in answered) {
      const { code } = answered.error
      this.#failed ??= new Map()
      this.#failed.set(code, (this.#failed.get(code) ?? 0) + 1)
    } else if (answered.fate === 'delivered') {
      this.delivered++
      this.#stream.storedAt = Date.now()
      this.#stream.storeSeconds[this.delivery].observe((this.#stream.storedAt - receivedAt) / 1000)
    } else this.spooled++
  }

  /** Prometheus sees no increase where there was nothing before: what is most usual is there from the first event. */
  eachOutcome(tell: (what: Answered, events: number) => void): void {
    tell(DELIVERED, this.delivered)
    if (this.spooled > 0) tell(SPOOLED, this.spooled)
    if (!this.#failed?.has('validation_failed')) tell(answeredWith('validation_failed'), 0)
    if (this.#failed) for (const [code, events] of this.#failed) tell(answeredWith(code), events)
  }
}

/** The account of one stream, by its label. */
export class StreamAccount {
  /** Milliseconds since the epoch; 0 if this process stored none. */
  storedAt = 0
  drained = 0
  deadLettered = 0
  skew!: Distribution
  storeSeconds!: Record<Delivery, Distribution>
  readonly books: (Book | undefined)[] = []

  constructor(
    readonly label: string,
    readonly streamClass: string,
  ) {}

  book({ delivery, kind }: Context): Book {
    const index = (kind ? KINDS.indexOf(kind) * 2 : 0) + (delivery === 'hasty' ? 1 : 0)
    let book = this.books[index]
    if (!book) {
      book = new Book(this, delivery, kind ?? 'event')
      this.books[index] = book
    }
    return book
  }
}
