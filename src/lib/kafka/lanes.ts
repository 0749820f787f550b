import { Channel } from './channel.js'
import type { Partition } from './partition.js'
import type { Clock, Transport } from './transport.js'

/** How long a broker may wait for replicas in the fast lane, which all of its partitions share that are well. */
const FAST_WAIT_MS = 50
const MAX_FAST_WAIT_MS = 250
/** In the slow lanes, which are for 1, 2, 4 and 8 s: a long wait holds up only partitions that wait as long. */
const SLOW_WAIT_MS = 1000
const MAX_WAIT_MS = 8000
/** A producer whose batches brokers do not recognise stores what it sends again twice: it is not sent again soon. */
const PLAIN_WAIT_MS = 1000
/** First attempts in a row that must be quick before a partition comes back to the fast lane. */
const QUICK_ATTEMPTS = 3
/** For each time of this length without news a partition's wait is halved. */
const FORGIVE_MS = 10_000
/** Between two batches that a slow partition sends alone. */
const ALONE_MS = 1000
/** Connections for what is sent alone count down from here. */
const ALONE = -1
/** Probes that go alone at one time; more share the lanes. */
const MAX_PROBES = 4

/** How long an answer is waited for before the broker counts as late: at first, and at least. */
const PATIENCE_MS = 1000
/** The client of a probe has its answer already, and the next probe must not be long in coming. */
const MAX_PROBE_PATIENCE_MS = 4000
/** Nobody waits longer than this for a connection that says nothing, whatever time the events have. */
export const MAX_PATIENCE_MS = 60_000
/** A pause that a broker asks for is kept up to this length, because nothing else bounds what it may say. */
const MAX_THROTTLE_MS = 60_000
/** Connections to one broker with late answers; with so many others must wait for them. */
const MAX_LATE = 8

interface Taken {
  has(channel: Channel): boolean
}

function isFree(channel: Channel, now: number, taken: Taken | undefined): boolean {
  return channel.readyAt <= now && !taken?.has(channel)
}

/** Which lane a partition goes by, as its answers tell. */
export class Pace {
  /** How long the broker may wait for its replicas in a slow lane; 0 in the fast one. */
  waitMs = 0
  /** Whether the latest batch was stored at its first attempt, and how often it was quickly. */
  #isHealing = false
  #quick = 0
  #aloneAt = 0
  /** When it was last found to be slow, or was forgiven a part of that. */
  #slowAt = 0

  get isSlow(): boolean {
    return this.waitMs > 0
  }

  /** The replicas were waited for without success. `plain`: for longer than the fast lane's time. */
  slowDown(now: number, plain: boolean, longest = MAX_WAIT_MS): void {
    this.#slowAt = now
    this.waitMs = Math.max(plain ? 2 * PLAIN_WAIT_MS : SLOW_WAIT_MS, Math.min(2 * this.waitMs, longest))
    this.#quick = 0
    this.#isHealing = false
  }

  /** What has not shown for a while to be slow may be quick again, though nothing was sent that tells. */
  forgive(now: number): void {
    for (; this.isSlow && now - this.#slowAt >= FORGIVE_MS; this.#slowAt += FORGIVE_MS)
      this.waitMs = this.waitMs > SLOW_WAIT_MS ? this.waitMs / 2 : 0
  }

  /** A batch was stored, by a request that took so long; `quickMs`: as long as the fast lane allows. */
  stored(now: number, tookMs: number, quickMs: number, isFirstAttempt: boolean): void {
    if (!this.isSlow) return
    if (tookMs >= quickMs) this.#slowAt = now
    this.#isHealing = isFirstAttempt
    this.#quick = isFirstAttempt && tookMs < quickMs ? this.#quick + 1 : 0
    if (this.#quick >= QUICK_ATTEMPTS) this.waitMs = 0
    else if (isFirstAttempt && tookMs < this.waitMs / 4) this.waitMs = Math.max(SLOW_WAIT_MS, this.waitMs / 2)
  }

  /** Whether it should be sent alone, because a request that it shares is as slow as the slowest in it. */
  isDueAlone(now: number): boolean {
    return this.isSlow && this.#isHealing && now >= this.#aloneAt
  }

  sentAlone(now: number): void {
    this.#aloneAt = now + ALONE_MS
  }
}

/**
 * The connections to one broker, and how long each may take.
 *
 * A broker answers a connection's requests in order, each as soon as the slowest partition in it is done. So a
 * partition whose replicas take long leaves the fast lane for a connection of those that take as long. A broker
 * that is late with an answer is waited for, but a fresh connection takes the place of that one.
 */
export class Lanes {
  /** The broker has asked for no request before this time. */
  throttledUntil = 0
  #patienceMs = PATIENCE_MS
  #fastWaitMs = FAST_WAIT_MS
  /** By how long the broker may wait: 0 for the fast lane. */
  readonly #channels = new Map<number, Channel>()
  /** Connections with late answers, and whose place another has taken. */
  readonly #late = new Map<Channel, number>()

  constructor(
    readonly broker: number,
    readonly transport: Transport,
    readonly clock: Clock,
    readonly settings: {
      readonly retryBackoffMs: number
      readonly retryBackoffMaxMs: number
    },
  ) {
    this.asked = `broker ${broker} has not answered yet`
  }

  /** The connection for a partition's next batch; `taken`: those that are about to send something. */
  channelFor({ pace, breaker, queue }: Partition, now: number, taken?: Taken): Channel {
    if (pace.isSlow) pace.forgive(now)
    // A probe's client does not wait for long: not for others' replicas either, as in a plain request it might.
    if (!breaker.isClosed && (pace.isSlow || queue.plain)) {
      for (let key = ALONE; key > ALONE - MAX_PROBES; key--) {
        const alone = this.#channel(key)
        if (isFree(alone, now, taken)) return alone
      }
    } else if (pace.isDueAlone(now)) {
      const alone = this.#channel(ALONE)
      if (isFree(alone, now, taken)) {
        if (taken) pace.sentAlone(now)
        return alone
      }
    }
    return this.#channel(pace.waitMs)
  }

  /** Connects, where nothing needs it yet. */
  async prepare(): Promise<void> {
    const channel = this.#channel(0)
    if (!channel.connected && !channel.busy) await channel.connect()
  }

  /** How long the broker may wait for a partition's replicas. */
  waitMsFor({ pace, queue: { plain } }: Partition): number {
    const fastMs = plain ? PLAIN_WAIT_MS : this.#fastWaitMs
    // What was slow with an identity may have lost it since.
    return plain ? Math.max(fastMs, pace.waitMs) : pace.waitMs || fastMs
  }

  /** The broker asks for a pause. */
  throttle(ms: number, now: number): void {
    this.throttledUntil = Math.max(this.throttledUntil, now + Math.min(ms, MAX_THROTTLE_MS))
  }

  /** Why events wait, for a person. */
  readonly asked: string
  throttled(now: number): string {
    return `broker ${this.broker} asks for a pause of ${Math.ceil(this.throttledUntil - now)} ms: a quota`
  }

  /** How long an answer may take before it is late. */
  patienceMs(waitMs: number, isProbe: boolean): number {
    return waitMs + (isProbe ? Math.min(this.#patienceMs, MAX_PROBE_PATIENCE_MS) : this.#patienceMs)
  }

  /** A request was answered; `slow` partitions' replicas took too long. If most did, the fast lane's wait was too short. */
  answered(
    { channel, timeoutMs: waitMs, plain }: { channel: Channel; timeoutMs: number; plain: boolean },
    tookMs: number,
    partitions: number,
    slow: number,
  ): boolean {
    this.#replace(channel)
    if (tookMs - waitMs < this.#patienceMs / 4) this.#patienceMs = Math.max(PATIENCE_MS, this.#patienceMs / 2)
    if (plain || channel.lane === 'slow') return false
    if (tookMs < this.#fastWaitMs / 8) this.#fastWaitMs = Math.max(FAST_WAIT_MS, 0.9 * this.#fastWaitMs)
    const isShort = partitions > 1 && slow > partitions / 2 && 2 * this.#fastWaitMs <= MAX_FAST_WAIT_MS
    if (isShort) this.#fastWaitMs *= 2
    return isShort
  }

  /** An answer within this time shows that a partition need not go by a slow lane. */
  quickMs(plain: boolean): number {
    return 0.75 * (plain ? PLAIN_WAIT_MS : this.#fastWaitMs)
  }

  /** A request has no answer yet though it is late: others get a fresh connection, and the broker more time. */
  late(channel: Channel): void {
    this.#patienceMs = Math.min(2 * this.#patienceMs, MAX_PATIENCE_MS)
    if (this.#late.size >= MAX_LATE) return
    for (const [key, other] of this.#channels)
      if (other === channel) {
        this.#channels.delete(key)
        this.#late.set(channel, key)
      }
  }

  /** A request's connection has failed. */
  lost(channel: Channel): void {
    this.#late.delete(channel)
  }

  close(): void {
    for (const channel of [...this.#channels.values(), ...this.#late.keys()]) channel.close()
  }

  /** What was late is free again: it takes its place back if what has that waits for an answer itself. */
  #replace(channel: Channel): void {
    const key = this.#late.get(channel)
    if (key === undefined) return
    this.#late.delete(channel)
    const other = this.#channels.get(key)
    if (other && !other.busy) channel.close()
    else {
      this.#channels.set(key, channel)
      if (other) this.#late.set(other, key)
    }
  }

  #channel(key: number): Channel {
    let channel = this.#channels.get(key)
    if (!channel) {
      const { broker, transport, clock, settings } = this
      channel = new Channel(broker, key === 0 ? 'fast' : 'slow', transport, clock, settings)
      this.#channels.set(key, channel)
    }
    return channel
  }
}
