import { type Account, type Accounts, type Context, type Event, isObject, type Stream } from '../eventgate.js'
import { Field } from '../field.js'
import type { ByPattern } from '../streams/by-pattern.js'
import type { StreamSettings } from '../streams/settings.js'
import type { StreamTable } from '../streams/table.js'
import { timeOf } from '../time.js'
import { Experiments } from './experiments.js'
import type { CheapHistogram } from './histogram.js'
import { type Book, StreamAccount } from './stream-account.js'
import { type StreamLabels, UNKNOWN } from './stream-labels.js'

export interface AccountOptions {
  /** Undefined if streams are named after schemas. */
  streamField: string | undefined
  /** Undefined if the time of events is not compared with that of their receipt. */
  eventTimeField: string | undefined
  /** Seconds, or false for ever; false for no stream at all. */
  quietAfter: false | ByPattern<number | false>
  classes: ByPattern<string>
  /** Streams of other services are watched only if they ask for it. Undefined if none is another's. */
  destination: string | undefined
  /** Quiet is its good state. */
  errorStream: string | undefined
  /** Whether experiments are counted. */
  countsExperiments: boolean
}

const MAX_CLASSES = 20
/** Streams with histograms of their own. */
const MAX_HISTOGRAMS = 100
const MAX_ACCOUNTS = 20_000
const DEFAULT = 'default'
const OTHER = 'other'

/** The histograms, whose series are by class; some streams have their own. */
export interface AccountHistograms {
  skew: CheapHistogram
  storeSeconds: CheapHistogram
}

/** A stream that must not be quiet for long. */
interface Watched {
  /** Seconds since the epoch. */
  since: number
  quietAfter: number
}

/** Knows of each stream what came, what became of it, and whether it is quiet. */
export class StreamAccounts implements Accounts {
  /** The events of each stream that wait in the spool. */
  spool: (() => Iterable<readonly [label: string, events: number]>) | undefined
  /** Undefined if they are not counted. */
  readonly experiments: Experiments | undefined
  readonly #options: AccountOptions
  readonly #labels: StreamLabels
  readonly #histograms: AccountHistograms
  readonly #streamField: Field | undefined
  readonly #timeField: Field | undefined
  readonly #accounts = new Map<string, StreamAccount>()
  readonly #classes = new Set([DEFAULT])
  readonly #ownHistograms = new Set<string>()
  #watched = new Map<string, Watched>()
  #settings = new Map<string, StreamSettings>()
  #table: StreamTable | undefined

  constructor(options: AccountOptions, labels: StreamLabels, histograms: AccountHistograms) {
    this.#options = options
    this.#labels = labels
    this.#histograms = histograms
    const { streamField, eventTimeField, quietAfter, countsExperiments } = options
    this.experiments = countsExperiments ? new Experiments() : undefined
    this.#streamField = streamField === undefined ? undefined : new Field(streamField)
    this.#timeField = eventTimeField === undefined ? undefined : new Field(eventTimeField)
    // Without a stream configuration only those are known before their first event.
    if (quietAfter) for (const name of quietAfter.names) this.#watch(name, undefined, this.#watched)
  }

  /** A stream configuration is in force. What is known of its streams stays. */
  configure(table: StreamTable): void {
    this.#table = table
    this.#settings = new Map(table.configured())
    const watched = new Map<string, Watched>()
    for (const [label, settings] of this.#settings) this.#watch(label, settings, watched)
    this.#watched = watched
    for (const account of this.#accounts.values()) this.#connect(account)
  }

  #watch(label: string, settings: StreamSettings | undefined, watched: Map<string, Watched>): void {
    const { quietAfter: byPattern, destination, errorStream } = this.#options
    if (byPattern === false) return
    const isOurs =
      settings === undefined || destination === undefined || settings.services?.includes(destination) === true
    const byDefault = isOurs && label !== errorStream ? byPattern.of(label) : undefined
    const quietAfter = settings?.quietAfter ?? byDefault ?? false
    if (quietAfter === false) return
    const since = this.#watched.get(label)?.since ?? Date.now() / 1000
    watched.set(label, { since, quietAfter })
  }

  open(event: Event, stream: Stream, context: Context): Account {
    const account = this.#accountOf(this.#labels.of(stream))
    if (context.kind === undefined) {
      this.#observeSkew(event, account, context)
      this.experiments?.count(event)
    }
    return account.book(context).begin()
  }

  openRefused(received: unknown, stream: Stream | undefined, context: Context): Account {
    const label = this.#labels.of(stream ?? this.#streamNamedBy(received, context))
    return this.#accountOf(label).book(context).begin()
  }

  /** An event that is refused before it has a stream may name one that is configured. */
  #streamNamedBy(received: unknown, { stream }: Context): Stream | undefined {
    const name = (isObject(received) ? this.#streamField?.get(received) : undefined) ?? stream
    return typeof name === 'string' ? this.#table?.find(name) : undefined
  }

  #accountOf(label: string): StreamAccount {
    return this.#accounts.get(label) ?? this.#openAccount(label)
  }

  #openAccount(label: string): StreamAccount {
    if (this.#accounts.size >= MAX_ACCOUNTS && label !== UNKNOWN) return this.#accountOf(UNKNOWN)
    const account = new StreamAccount(label, this.#classOf(label))
    this.#accounts.set(label, account)
    this.#connect(account)
    if (this.#table === undefined && label !== UNKNOWN) this.#watch(label, undefined, this.#watched)
    return account
  }

  /** It stays as long as the process runs, so that no event moves from one series to another. */
  #classOf(label: string): string {
    if (label === UNKNOWN) return DEFAULT
    const found = this.#settings.get(label)?.streamClass ?? this.#options.classes.of(label) ?? DEFAULT
    if (this.#classes.size >= MAX_CLASSES && !this.#classes.has(found)) return OTHER
    this.#classes.add(found)
    return found
  }

  /** To the series of its class, or to its own. */
  #connect(account: StreamAccount): void {
    const { skew, storeSeconds } = this.#histograms
    const labels: Record<string, string> = { stream_class: account.streamClass }
    if (this.#settings.get(account.label)?.histograms && this.#mayHaveHistograms(account.label))
      labels.stream = account.label
    account.skew = skew.of(labels)
    account.storeSeconds = {
      guaranteed: storeSeconds.of({ ...labels, delivery: 'guaranteed' }),
      hasty: storeSeconds.of({ ...labels, delivery: 'hasty' }),
    }
  }

  #mayHaveHistograms(label: string): boolean {
    if (this.#ownHistograms.size < MAX_HISTOGRAMS) this.#ownHistograms.add(label)
    return this.#ownHistograms.has(label)
  }

  #observeSkew(event: Event, { skew }: StreamAccount, { receivedAt }: Context): void {
    const given = this.#timeField?.get(event)
    if (typeof given !== 'string') return
    const time = timeOf(given)
    if (typeof time === 'number') skew.observe((receivedAt - time) / 1000)
  }

  /** Events left the spool, whichever process had spooled them: they are stored, or never will be. */
  drained(label: string, events: number, outcome: 'delivered' | 'not_stored'): void {
    const account = this.#accountOf(label)
    if (outcome === 'not_stored') account.deadLettered += events
    else {
      account.drained += events
      account.storedAt = Date.now()
    }
  }

  /** By stream, delivery and kind. */
  eachBook(tell: (book: Book) => void): void {
    for (const { books } of this.#accounts.values()) for (const book of books) if (book) tell(book)
  }

  get accounts(): Iterable<StreamAccount> {
    return this.#accounts.values()
  }

  get watched(): ReadonlyMap<string, Watched> {
    return this.#watched
  }

  /** Seconds since the epoch at which each stream stored an event last; 0 if this process stored none of it. */
  *lastStored(): Iterable<readonly [label: string, seconds: number]> {
    for (const { label, storedAt } of this.accounts) yield [label, storedAt / 1000]
    for (const label of this.#watched.keys()) if (!this.#accounts.has(label)) yield [label, 0]
  }

  /** Of all streams: what came, by delivery, and what became of it. Error events are apart. */
  totals(): object {
    const totals: Record<string, Record<string, number>> = {}
    this.eachBook(book => {
      const name = book.kind === 'error' ? 'error_events' : book.delivery
      totals[name] ??= { received: 0, in_flight: 0 }
      const total = totals[name]
      const add = (what: string, events: number) => {
        total[what] = (total[what] ?? 0) + events
      }
      add('received', book.received)
      add('in_flight', book.inFlight)
      book.eachOutcome(({ labels }, events) => add(labels.outcome as string, events))
    })
    return totals
  }
}
