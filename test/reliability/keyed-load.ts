/** An open loop of events with keys, kept small enough for a million of them, and the books against Kafka's records. */
import { Agent } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Delivery } from '#src/lib/eventgate.js'
import { ledgerEvent, post, type Verdict, verdictsOf } from './load.js'

/** One request and its answer. Times are milliseconds of `performance.now`. */
export interface Sent {
  delivery: Delivery
  /** Its events have the numbers from here on. */
  first: number
  events: number
  sentAt: number
  answeredAt: number
  /** 0 without an answer. */
  status: number
}

/** One event of the load. */
export interface SentEvent {
  stream: string
  key: string
  delivery: Delivery
  sentAt: number
  answeredAt: number
  verdict: Verdict
}

interface Shape {
  url: string
  delivery: Delivery
  /** Events a second. */
  rate: number
  /** Every tenth request is an array of so many. */
  arrayOf: number
  giveUpMs: number
}

/** More would be more than a process may open. */
const MAX_SOCKETS = 400
const KEYS = 500

export class KeyedLoad {
  readonly requests: Sent[] = []
  /** Failed events by code, and what was said of the first of each. */
  readonly codes: Record<string, number> = {}
  readonly messages = new Map<string, string>()
  readonly #streams: readonly string[]
  readonly #requestOf: number[] = []
  readonly #verdicts: Verdict[] = []
  #stopped = false

  constructor(streams: readonly string[]) {
    this.#streams = streams
  }

  get size(): number {
    return this.#verdicts.length
  }

  stop(): void {
    this.#stopped = true
  }

  /** Sends until `stop`; resolves when the last request is answered or given up. */
  async offer(shape: Shape): Promise<void> {
    const agent = new Agent({ keepAlive: true, timeout: 30_000, maxSockets: MAX_SOCKETS })
    const open = new Set<Promise<void>>()
    const start = performance.now()
    let nth = 0
    let sent = 0
    while (!this.#stopped) {
      while (sent < ((performance.now() - start) / 1000) * shape.rate) {
        const events = ++nth % 10 === 0 ? shape.arrayOf : 1
        sent += events
        const sending = this.#send(agent, shape, events).then(() => void open.delete(sending))
        open.add(sending)
      }
      await sleep(2)
    }
    await Promise.all(open)
    agent.destroy()
  }

  async #send(agent: Agent, { url, delivery, giveUpMs }: Shape, events: number): Promise<void> {
    const request = this.begin(delivery, events, performance.now())
    const numbers = Array.from({ length: events }, (_, i) => request.first + i)
    const bodies = numbers.map(n => eventOf(n, this.#streamOf(n)))
    const text = JSON.stringify(events === 1 ? bodies[0] : bodies)
    const to = delivery === 'hasty' ? `${url}?hasty=true` : url
    const { status, body, error } = await post(agent, to, text, giveUpMs)
    const silent: Verdict = error === 'ECONNREFUSED' ? 'never_sent' : 'no_answer'
    const said = error === undefined ? verdictsOf(status, body, events, delivery) : []
    for (const { code } of said) {
      if (code === undefined) continue
      this.codes[code] = (this.codes[code] ?? 0) + 1
      if (!this.messages.has(code)) this.messages.set(code, /"message":"[^"]*"/.exec(body)?.[0] ?? '')
    }
    const verdicts = numbers.map((_, i) => said[i]?.verdict ?? silent)
    this.settle(request, performance.now(), status, verdicts)
  }

  /** A request with so many events is sent. */
  begin(delivery: Delivery, events: number, sentAt: number): Sent {
    const request: Sent = { delivery, first: this.size, events, sentAt, answeredAt: Infinity, status: 0 }
    for (let i = 0; i < events; i++) {
      this.#requestOf.push(this.requests.length)
      this.#verdicts.push('no_answer')
    }
    this.requests.push(request)
    return request
  }

  /** It is answered, or given up. */
  settle(request: Sent, answeredAt: number, status: number, verdicts: readonly Verdict[]): void {
    request.answeredAt = answeredAt
    request.status = status
    for (const [i, verdict] of verdicts.entries()) this.#verdicts[request.first + i] = verdict
  }

  #streamOf(n: number): string {
    return this.#streams[n % this.#streams.length] as string
  }

  /** Undefined if nobody sent it. */
  event(n: number): SentEvent | undefined {
    const verdict = this.#verdicts[n]
    const request = this.requests[this.#requestOf[n] ?? -1]
    if (verdict === undefined || !request) return undefined
    const { delivery, sentAt, answeredAt } = request
    return { stream: this.#streamOf(n), key: keyOf(n), delivery, sentAt, answeredAt, verdict }
  }
}

/** Two events after each other share a key, so that arrays test the order within a request too. */
const keyOf = (n: number) => `k${(n >> 1) % KEYS}`

function eventOf(n: number, stream: string): object {
  const event = ledgerEvent(String(n), stream) as { meta: object }
  return { ...event, meta: { ...event.meta, domain: keyOf(n) } }
}

/** Whether the answer promised that the event is in Kafka, or will be. Nothing was promised of the memory of a hasty one. */
const isPromise = ({ verdict }: SentEvent) => verdict === 'stored' || verdict === 'spooled'

export interface KeyedBooks {
  verdicts: Record<string, number>
  /** Guaranteed events only. */
  spooled: number
  /** Answered 201 or 202, and not in Kafka: must be 0. */
  missing: number
  /** Must be 0. */
  twice: number
  /** Said to be not stored, and are: must be 0. */
  denied: number
  /** Pairs of one key, the second sent after the first was answered, and stored before it: must be 0. */
  disordered: number
  /** Records that nobody sent: must be 0. */
  foreign: number
  unknownStored: number
  /** `inDoubt`: their attempt was open when Kafka went away, and their gate was killed before it knew more. */
  hasty: { accepted: number; stored: number; lostByKill: number; inDoubt: number; lost: number }
  /** Guaranteed ones that a living gate refused (503), and those of unknown fate, each with when it was sent. */
  refused: number
  unknownAt: number[]
  /** Some of what broke a promise. */
  suspects: object[]
}

const MAX_SUSPECTS = 20

/** Compares a load with Kafka's records, of which `add` gets each, those of a partition in their order. */
export class KeyedAudit {
  readonly #load: KeyedLoad
  readonly #times: Uint8Array
  readonly #latest = new Map<string, number>()
  readonly #suspects: object[] = []
  #foreign = 0
  #disordered = 0

  constructor(load: KeyedLoad) {
    this.#load = load
    this.#times = new Uint8Array(load.size)
  }

  /** `id` is the event's own. */
  add(id: string, place: string): void {
    const n = Number(id)
    const event = this.#load.event(n)
    if (!event) {
      this.#foreign++
      return
    }
    const times = (this.#times[n] ?? 0) + 1
    this.#times[n] = Math.min(times, 255)
    if (times > 1) this.#suspect('stored twice', n, place)
    // A first copy has the place that counts.
    if (times > 1 || event.answeredAt === Infinity) return
    const of = `${event.stream} ${event.delivery} ${event.key}`
    const latest = this.#latest.get(of) ?? -Infinity
    if (event.answeredAt < latest && (isPromise(event) || event.verdict === 'accepted')) {
      this.#disordered++
      this.#suspect('out of order', n, place)
    }
    this.#latest.set(of, Math.max(latest, event.sentAt))
  }

  /**
   * `killedAt`: when gates were killed. Hasty events that were in memory then, for `memoryMs`, are lost. So are those
   * whose attempt was open at `cutAt`, when Kafka went away, in the gate that is killed next.
   */
  balance(killedAt: readonly number[], memoryMs: number, cutAt = Infinity): KeyedBooks {
    const verdicts: Record<string, number> = {}
    const hasty = { accepted: 0, stored: 0, lostByKill: 0, inDoubt: 0, lost: 0 }
    const isKilledLater = killedAt.some(at => at > cutAt)
    const books = {
      ...{ spooled: 0, missing: 0, twice: 0, denied: 0, unknownStored: 0, refused: 0 },
      unknownAt: [] as number[],
    }
    for (let n = 0; n < this.#load.size; n++) {
      const event = this.#load.event(n) as SentEvent
      const { verdict, delivery, sentAt } = event
      const times = this.#times[n] as number
      verdicts[`${delivery} ${verdict}`] = (verdicts[`${delivery} ${verdict}`] ?? 0) + 1
      if (times > 1) books.twice++
      if (verdict === 'spooled') books.spooled++
      if (isPromise(event) && times === 0) {
        books.missing++
        this.#suspect('missing', n, '')
      }
      if (verdict === 'not_stored' && times > 0) {
        books.denied++
        this.#suspect('denied', n, '')
      }
      if (verdict === 'unknown' && times > 0) books.unknownStored++
      if (delivery === 'guaranteed' && verdict === 'not_stored') {
        books.refused++
        this.#suspect('refused', n, '')
      }
      if (delivery === 'guaranteed' && verdict === 'unknown') books.unknownAt.push(sentAt)
      if (verdict !== 'accepted') continue
      hasty.accepted++
      if (times > 0) hasty.stored++
      else if (killedAt.some(at => sentAt <= at && sentAt > at - memoryMs)) hasty.lostByKill++
      else if (isKilledLater && sentAt > cutAt - memoryMs && sentAt <= cutAt) hasty.inDoubt++
      else {
        hasty.lost++
        this.#suspect('hasty, lost', n, '')
      }
    }
    return {
      ...{ verdicts, hasty, ...books },
      ...{ disordered: this.#disordered, foreign: this.#foreign, suspects: this.#suspects },
    }
  }

  #suspect(what: string, n: number, place: string): void {
    if (this.#suspects.length < MAX_SUSPECTS) this.#suspects.push({ what, n, place, ...this.#load.event(n) })
  }
}
