import { type Code, outcomeOf } from '../errors.js'
import { type Account, type Context, DELIVERIES, type Delivery, type Outcome } from '../eventgate.js'
import type { Distribution } from './histogram.js'

/** Clients made the events, or the monitoring, or this service. */
const KINDS = ['event', 'test', 'error'] as const

/** The events of one stream, delivery and kind. An event is counted twice: when it came, and with its outcome. */
export class Book implements Account {
  received = 0
  inFlight = 0
  delivered = 0
  spooled = 0
  readonly #stream: StreamAccount
  readonly #delivery: Delivery
  #failed: Map<Code, number> | undefined

  constructor(stream: StreamAccount, delivery: Delivery) {
    this.#stream = stream
    this.#delivery = delivery
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
      this.#stream.storeSeconds[this.#delivery].observe((this.#stream.storedAt - receivedAt) / 1000)
    } else this.spooled++
  }

  /** Prometheus sees no increase where there was nothing before: what is most usual is there from the first event. */
  *outcomes(): Iterable<readonly [outcome: string, code: string, events: number]> {
    yield ['delivered', '', this.delivered]
    if (this.spooled > 0) yield ['spooled', '', this.spooled]
    if (!this.#failed?.has('validation_failed')) yield ['invalid', 'validation_failed', 0]
    for (const [code, events] of this.#failed ?? []) yield [outcomeOf(code), code, events]
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
      book = new Book(this, delivery)
      this.books[index] = book
    }
    return book
  }

  *series(): Iterable<{ labels: BookLabels; book: Book }> {
    const { label: stream, streamClass: stream_class, books } = this
    for (const [i, kind] of KINDS.entries()) {
      for (const [j, delivery] of DELIVERIES.entries()) {
        const book = books[i * 2 + j]
        if (book) yield { labels: { stream, stream_class, delivery, kind }, book }
      }
    }
  }
}

export interface BookLabels extends Readonly<Record<string, string>> {
  stream: string
  stream_class: string
  delivery: Delivery
  kind: (typeof KINDS)[number]
}
