/**
 * What a stopped follower costs partitions without it. Brokers answer a connection's requests strictly in order. So a
 * producer with one connection to a leader makes healthy partitions wait for the slow one's follower.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { KafkaCluster } from '../support/kafka.js'
import type { Service } from './ledger.js'
import { offer, quantile } from './load.js'

export interface NeighbourReport {
  /** Events on partitions whose replicas all run: before the stop, and during it. */
  healthyBefore: { count: number; p50: number; p99: number }
  healthy: { count: number; p50: number; p99: number }
  /** Events on partitions of the same leaders that have the stopped broker as their follower. */
  held: { count: number; p50: number; p99: number }
  failed: number
}

/** The streams and topics that this measure uses: what the service is to know. */
export const NEIGHBOUR_TOPICS = { healthy: 'ledger.healthy', held: 'ledger.held' } as const

/** Brokers 1 and 2 lead all of both topics; 3 only follows, and only in `held`. */
export async function createNeighbourTopics(kafka: KafkaCluster): Promise<void> {
  const config = { 'min.insync.replicas': '2' }
  const healthy = [1, 2, 1, 2, 1, 2].map(leader => [leader, 3 - leader])
  const held = [1, 2].map(leader => [leader, 3 - leader, 3])
  await kafka.createTopic(NEIGHBOUR_TOPICS.healthy, { assignment: healthy, config })
  await kafka.createTopic(NEIGHBOUR_TOPICS.held, { assignment: held, config })
}

/**
 * Offers single events to both topics, and stops broker 3 for 4 s: less than Kafka needs to drop it. Brokers
 * that have just started are slow for some seconds, which is not what is measured: `warmUpMs`.
 */
export async function measureNeighbours(
  kafka: KafkaCluster,
  service: Service,
  { rate = 300, deadlineMs = 9000, stopMs = 4000, warmUpMs = 6000 } = {},
): Promise<NeighbourReport> {
  let end = Number.POSITIVE_INFINITY
  const start = performance.now()
  const load = offer({
    url: service.url,
    rate,
    streams: Object.values(NEIGHBOUR_TOPICS),
    more: elapsed => elapsed < end,
    arrayOf: 1, // an array that spans both topics waits for the slower one, as it must
    giveUpMs: deadlineMs + 5000,
  })
  await sleep(warmUpMs + 4000)
  const stoppedAt = performance.now() - start
  const follower = kafka.broker(3)
  follower.stop()
  try {
    await sleep(stopMs)
  } finally {
    follower.cont()
    end = 0
  }
  const contAt = performance.now() - start
  const events = await load
  const figures = (stream: string, after: number, before: number) => {
    const chosen = events.filter(e => e.stream === stream && e.sentAt >= after && e.sentAt < before)
    const latencies = chosen.map(e => e.latency)
    return { count: chosen.length, p50: quantile(latencies, 0.5), p99: quantile(latencies, 0.99) }
  }
  return {
    healthyBefore: figures(NEIGHBOUR_TOPICS.healthy, warmUpMs, stoppedAt),
    healthy: figures(NEIGHBOUR_TOPICS.healthy, stoppedAt, contAt),
    held: figures(NEIGHBOUR_TOPICS.held, stoppedAt, contAt),
    failed: events.filter(e => e.verdict !== 'stored').length,
  }
}
