import type { Batch } from './batch.js'
import type { Channel } from './channel.js'
import { Lanes, MAX_PATIENCE_MS } from './lanes.js'
import type { SenderObserver } from './observer.js'
import type { Partition } from './partition.js'
import type { Attempt } from './partition-queue.js'
import { describe, meaningOf } from './response-codes.js'
import type { Acks, Clock, ProduceRequest, Transport, Waker } from './transport.js'
import type { ProduceResponse } from './wire/protocol.js'

export interface DispatcherSettings {
  readonly acks: Acks
  readonly timeoutMs: number
  /** The largest request, unless a single batch is larger. */
  readonly requestBytes: number
  readonly retryBackoffMs: number
  readonly retryBackoffMaxMs: number
}

export interface DispatcherHost extends Waker {
  /** A partition's batch is sent: others go first in the next request. */
  served(partition: Partition): void
}

/** A Produce request that is out. */
interface Request extends ProduceRequest, Attempt {
  timeoutMs: number
  readonly batches: readonly Batch[]
  /** Theirs, until they are answered. */
  readonly partitions: (Partition | undefined)[]
  /** Whether they have no identity. */
  readonly plain: boolean
  readonly lanes: Lanes
  readonly channel: Channel
  lateAt: number
}

/** The shortest wait for the replicas that is worth asking for. */
const MIN_WAIT_MS = 100
/** An answer that changes nothing is still waited for so long: it is counted, and shows how slow the broker is. */
const LATE_MS = 2000

/** Sends requests to brokers, and hands each answer to the partitions it is for. */
export class Dispatcher {
  /** When an event was last stored, by the clock; undefined before the first. */
  lastStoredAt: number | undefined
  readonly #brokers = new Map<number, Lanes>()
  readonly #requests = new Set<Request>()
  #isClosed = false

  constructor(
    readonly settings: DispatcherSettings,
    readonly transport: Transport,
    readonly clock: Clock,
    readonly observer: SenderObserver,
    readonly host: DispatcherHost,
  ) {}

  lanes(broker: number): Lanes {
    let lanes = this.#brokers.get(broker)
    if (!lanes) {
      lanes = new Lanes(broker, this.transport, this.clock, this.settings)
      this.#brokers.set(broker, lanes)
    }
    return lanes
  }

  connect(channel: Channel): void {
    void channel.connect().then(connected => {
      if (channel.misfit) this.observer.complain?.(channel.problem)
      else if (!connected) this.observer.trouble?.(channel.problem)
      this.host.wake()
    })
  }

  /** Sends what is ready for a channel, if it is free. */
  dispatch(lanes: Lanes, channel: Channel, ready: readonly Partition[], now: number): void {
    const readyAt = Math.max(channel.readyAt, lanes.throttledUntil)
    if (readyAt > now) {
      if (lanes.throttledUntil > now) for (const { breaker } of ready) breaker.problem = lanes.throttled(now)
      this.host.wake(readyAt)
      return
    }
    if (!channel.connected) {
      if (this.settings.acks === 0 && channel.broken) this.#hungUp(channel, ready, now)
      this.connect(channel)
      return
    }
    const request = this.#take(lanes, channel, ready, now)
    const end = this.observer.begin?.(request.batches)
    this.#requests.add(request)
    this.host.wake(request.lateAt)
    void channel
      .produce(request)
      .then(
        response => {
          end?.(problemOf(response))
          this.#requests.delete(request)
          this.#answered(request, response)
        },
        () => {
          end?.(channel.problem)
          this.#requests.delete(request)
          this.observer.trouble?.(channel.problem)
          lanes.lost(channel)
          this.#lost(request, channel.problem)
        },
      )
      .then(() => this.host.wake())
  }

  /** What is out for too long may be sent again by another connection. Its answer counts all the same. */
  findLate(now: number): void {
    for (const request of this.#requests) {
      if (request.lateAt > now) {
        this.host.wake(request.lateAt)
        continue
      }
      const { lanes, channel, sentAt } = request
      request.lateAt = Infinity
      lanes.late(channel)
      const problem = `broker ${lanes.broker} has not answered for ${Math.round(now - sentAt)} ms`
      this.observer.trouble?.(problem)
      eachPending(request, (partition, batch) => partition.late(batch, request, problem, now))
    }
  }

  close(): void {
    this.#isClosed = true
    for (const lanes of this.#brokers.values()) lanes.close()
  }

  /** With acks 0 what was sent last may be lost: the leaders are looked for before anything else is sent. */
  #hungUp({ broker }: Channel, partitions: readonly Partition[], now: number): void {
    const problem = `broker ${broker} has closed the connection, and may not have stored what was sent last (acks 0)`
    this.observer.trouble?.(problem)
    for (const partition of partitions) partition.hungUp(problem, now)
  }

  /** The request that carries the batches of these partitions, or as many of them as it may. */
  #take(lanes: Lanes, channel: Channel, ready: readonly Partition[], now: number): Request {
    const { acks, requestBytes, timeoutMs } = this.settings
    const batches: Batch[] = []
    const partitions: Partition[] = []
    // Brokers that check who may be idempotent look at one batch of a request only: both kinds never share one.
    const plain = ready[0]?.queue.plain ?? false
    const request: Request = {
      acks,
      timeoutMs: 0,
      answerMs: Math.min(timeoutMs, MAX_PATIENCE_MS) + LATE_MS,
      batches,
      plain,
      partitions,
      lanes,
      channel,
      sentAt: now,
      lateAt: 0,
    }
    let bytes = 0
    let events = 0
    let waitMs = 0
    let deadline = Infinity
    let isProbe = false
    for (const partition of ready) {
      if (partition.queue.plain !== plain) continue
      if (batches.length > 0 && bytes + (partition.queue.first?.size ?? 0) > requestBytes) break
      const batch = partition.take(request, now)
      bytes += batch.size
      batches.push(batch)
      partitions.push(partition)
      events += batch.records.length
      waitMs = Math.max(waitMs, lanes.waitMsFor(partition))
      // The client of a probe does not wait for the attempt, which must show whether the partition is well.
      if (batch.probe) isProbe = true
      else deadline = Math.min(deadline, batch.deadline)
      if (partition.breaker.failures === 0) partition.breaker.problem = lanes.asked
      this.host.served(partition)
    }
    request.timeoutMs = Math.ceil(Math.min(waitMs, Math.max(MIN_WAIT_MS, deadline - now)))
    request.lateAt = now + lanes.patienceMs(waitMs, isProbe)
    this.observer.sent?.(batches.length, events, bytes)
    return request
  }

  /** A missing response is what acks 0 gets: all is written, and that is all there is to know. */
  #answered(request: Request, response: ProduceResponse | undefined): void {
    if (this.#isClosed) return
    const now = this.clock.now()
    const { lanes, batches, partitions, sentAt } = request
    const results = response?.results ?? []
    let slow = 0
    for (const { code } of results) if (meaningOf(code).next === 'wait_longer') slow++
    const isShort = lanes.answered(request, now - sentAt, batches.length, slow)
    const quickMs = lanes.quickMs(request.plain)
    if (!response) {
      this.lastStoredAt = now
      eachPending(request, (partition, batch) =>
        partition.answered(batch, request, WRITTEN, now, quickMs, false),
      )
      return
    }
    lanes.throttle(response.throttleMs, now)
    for (const result of results) {
      if (meaningOf(result.code, result.baseOffset).effect === 'stored') this.lastStoredAt = now
      const index = partitions.findIndex(
        partition => partition?.index === result.partition && partition.topic === result.topic,
      )
      const partition = partitions[index]
      if (!partition) continue
      partitions[index] = undefined
      partition.answered(batches[index] as Batch, request, result, now, quickMs, isShort)
    }
    if (partitions.some(Boolean)) this.#lost(request, 'the broker did not answer for it')
  }

  /** A request, or a part of it, had no answer. */
  #lost(request: Request, problem: string): void {
    if (this.#isClosed) return
    const now = this.clock.now()
    eachPending(request, (partition, batch) => partition.lost(batch, request, problem, now))
  }
}

function eachPending(
  { partitions, batches }: Request,
  act: (partition: Partition, batch: Batch) => void,
): void {
  partitions.forEach((partition, index) => {
    if (partition) act(partition, batches[index] as Batch)
  })
}

/** The first failure that an answer tells of. */
function problemOf(response: ProduceResponse | undefined): string | undefined {
  const failed = response?.results.find(({ code }) => code !== 0)
  return failed && `${failed.topic}-${failed.partition}: ${describe(failed.code)}`
}

const WRITTEN = { topic: '', partition: 0, code: 0, baseOffset: -1, recordErrors: [], message: null }
