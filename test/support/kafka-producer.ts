import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import type { ClusterSettings } from '#src/lib/kafka/cluster.js'
import { readKafkaConf } from '#src/lib/kafka/config.js'
import type { SenderObserver } from '#src/lib/kafka/observer.js'
import { KafkaProducer } from '#src/lib/kafka/producer.js'
import type { TcpBroker } from './kafka-broker.js'

/** A producer of guaranteed events to a broker. */
export function producerFor(
  t: TestContext,
  broker: TcpBroker,
  conf: object = {},
  observer: SenderObserver = {},
  cluster: Partial<ClusterSettings> = {},
): KafkaProducer {
  const { settings, problems } = readKafkaConf(
    { conf: { 'bootstrap.servers': `127.0.0.1:${broker.port}`, ...conf } },
    { requestTimeoutMs: 9000 },
  )
  assert.ok(settings, JSON.stringify(problems))
  const { guaranteed } = settings
  const producer = new KafkaProducer(
    { ...guaranteed, cluster: { ...guaranteed.cluster, ...cluster } },
    observer,
  )
  t.after(() => producer.close(0))
  return producer
}

export const TO = {
  topic: 'a.topic',
  key: 'k',
  timestamp: 1_700_000_000_000,
  delivery: 'guaranteed',
} as const
