import type { Dispatcher } from './dispatcher.js'
import type { Metadata } from './metadata.js'
import type { Partition } from './partition.js'
import type { Topic } from './topic.js'
import type { Clock, Waker } from './transport.js'

/** Why nothing can be sent to a partition, for a person. */
export const NO_LEADER = 'it has no leader'
/** How often brokers are asked who leads half-open partitions. */
const CHECK_MS = 5000

/** Looks for the leaders of partitions whose circuit breaker has opened, so that no client's event has to. */
export class Prober {
  /** Partitions whose breaker is not closed, or was not. */
  readonly #tripped = new Set<Partition>()
  /** When a breaker last opened while no broker answered, by the clock. */
  #trippedAt = -Infinity
  /** When brokers may be asked again who leads half-open partitions. */
  #checkAt = 0

  constructor(
    readonly metadata: Metadata,
    readonly dispatcher: Dispatcher,
    readonly clock: Clock,
    readonly host: Waker,
  ) {}

  /** A breaker has opened, a partition's or an unknown topic's. */
  tripped(partition: Partition | undefined): void {
    const now = this.clock.now()
    if (this.metadata.isCutOff(now)) this.#trippedAt = now
    if (partition) this.#tripped.add(partition)
  }

  /**
   * In an outage one event that timed out is enough. Other breakers then open before an event of their own has waited.
   * They are those of unknown topics, and of partitions whose leader is unknown or cannot be reached.
   */
  tripEarly(topic: Topic, partition: Partition | undefined, now: number): void {
    const { lastStoredAt = -Infinity } = this.dispatcher
    if (!this.metadata.isCutOff(now) || this.#trippedAt <= lastStoredAt) return
    if ((partition ?? topic).rejects) return
    if (partition) {
      if (!this.#tripPartition(partition, now)) return
    } else this.metadata.tripEarly(topic)
    this.host.wake()
  }

  #tripPartition(partition: Partition, now: number): boolean {
    const { breaker, leader } = partition
    if (!breaker.isClosed) return false
    const channel =
      leader === undefined ? undefined : this.dispatcher.lanes(leader).channelFor(partition, now)
    // Without a failure nobody has tried: the event will.
    if (channel?.connected || (channel?.failures === 0 && !channel.isAway(now))) return false
    breaker.trip(channel?.problem ?? NO_LEADER)
    this.#tripped.add(partition)
    return true
  }

  /** Finds out whether the leaders of idle partitions can be reached. */
  probe(now: number): void {
    const isCheckDue = now >= this.#checkAt
    for (const partition of this.#tripped) {
      const topic = this.metadata.get(partition.topic)
      // A topic that was forgotten, and is known again, has other ones.
      if (partition.breaker.isClosed || topic?.partitions[partition.index] !== partition)
        this.#tripped.delete(partition)
      else if (partition.empty && topic.has(partition)) this.#reach(partition, now, isCheckDue)
    }
  }

  #reach(partition: Partition, now: number, isCheckDue: boolean): void {
    const { breaker, leader, topic } = partition
    if (leader === undefined) {
      breaker.problem = NO_LEADER
      this.metadata.refreshIdle(topic)
      return
    }
    const channel = this.dispatcher.lanes(leader).channelFor(partition, now)
    // Half-open: its leader may have been lost since it was found.
    if (channel.isAway(now)) breaker.unreachable()
    if (!breaker.needsProbe && channel.connected) {
      // A broker that leads no more can be reached all the same, and an event has no time to find out who does.
      if (isCheckDue) {
        this.metadata.refresh(topic, leader)
        this.#checkAt = now + CHECK_MS
      }
      this.host.wake(this.#checkAt)
      return
    }
    const readyAt = Math.max(partition.notBefore, channel.readyAt)
    if (channel.failures > 0) breaker.note(channel.problem)
    if (readyAt > now) this.host.wake(readyAt)
    else if (channel.connected) {
      breaker.reachable()
      this.host.wake(this.#checkAt)
    } else this.dispatcher.connect(channel)
    if (!channel.connected) this.metadata.refreshIdle(topic)
  }
}
