import type { Delivery } from '../eventgate.js'
import type { Address, ClusterSettings } from './cluster.js'
import { PARTITIONERS } from './partitioner.js'
import { type Given, PropertyReader, PropertyValues, type Remark } from './property-reader.js'
import { readSasl, readSsl } from './security.js'
import type { SenderSettings } from './sender.js'
import type { Acks } from './transport.js'
import { type Codec, HAS_ZSTD } from './wire/compression.js'
import { batchEncoder } from './wire/records.js'

/** What a producer is made from. */
export interface ProducerSettings {
  cluster: ClusterSettings
  sender: SenderSettings
}

/** What the two producers are made from. */
export interface KafkaSettings {
  guaranteed: ProducerSettings
  hasty: ProducerSettings
  /** Whether the process ends if Kafka is unreachable at the start. */
  requiredAtStart: boolean
}

/** The limits of the service around the producers. */
interface KafkaContext {
  requestTimeoutMs: number
  maxInFlight?: Record<Delivery, SenderSettings['maxInFlight']>
}

/** Maximum time by which an event is answered before its request times out. */
export const ANSWER_MARGIN_MS = 100

/** Limits a hasty request, because guaranteed events wait while a request is encoded or its events are settled. */
const HASTY_REQUEST_BYTES = 250_000

/** Minimum time that events without a key share a partition. Without lingering, they share batches by it. */
const MIN_STICKY_MS = 10
const MAX_STICKY_MS = 900_000

/**
 * Reads `kafka`: `conf`, overridden by `topic_conf`, and both by `guaranteed.conf` and `hasty.conf`. Finds all
 * problems at once. Without problems there are `settings`.
 */
export function readKafkaConf(
  kafka: unknown,
  { requestTimeoutMs, maxInFlight }: KafkaContext,
): { settings?: KafkaSettings; problems: Remark[]; warnings: Remark[] } {
  const reader = new PropertyReader()
  const { problems, warnings } = reader
  const keys = ['conf', 'topic_conf', 'guaranteed', 'hasty', 'required_at_start']
  const top = reader.readMap(kafka, 'kafka', keys)
  const base = [
    ...reader.readProperties(top.conf, 'kafka.conf'),
    ...reader.readProperties(top.topic_conf, 'kafka.topic_conf'),
  ]
  const read = (delivery: Delivery) => {
    const own = reader.readMap(top[delivery], `kafka.${delivery}`, ['conf'])
    const given: Given = new Map([...base, ...reader.readProperties(own.conf, `kafka.${delivery}.conf`)])
    const values = new PropertyValues(given, reader)
    return readProducer(values, delivery, requestTimeoutMs, maxInFlight?.[delivery])
  }
  const settings = { guaranteed: read('guaranteed'), hasty: read('hasty') }
  const required = top.required_at_start ?? false
  if (typeof required !== 'boolean') reader.problem('kafka.required_at_start', 'must be true or false')
  if (problems.length > 0) return { problems, warnings }
  return { settings: { ...settings, requiredAtStart: required === true }, problems, warnings }
}

function readProducer(
  values: PropertyValues,
  delivery: Delivery,
  requestTimeoutMs: number,
  maxInFlight: SenderSettings['maxInFlight'],
): ProducerSettings {
  const acks = readAcks(values, delivery)
  const timeoutMs = readTimeout(values, delivery, requestTimeoutMs)
  const lingerMs = values.number('queue.buffering.max.ms')
  if (lingerMs >= timeoutMs)
    values.problem('queue.buffering.max.ms', `must be less than message.timeout.ms, which is ${timeoutMs}`)
  const maxRequestBytes = values.number('message.max.bytes')
  const requestBytes = delivery === 'hasty' ? Math.min(maxRequestBytes, HASTY_REQUEST_BYTES) : maxRequestBytes
  const maxQueuedBytes = values.number('queue.buffering.max.kbytes') * 1024
  if (maxQueuedBytes < maxRequestBytes)
    values.problem('queue.buffering.max.kbytes', 'must have room for message.max.bytes')
  if (!values.flag('allow.auto.create.topics'))
    values.problem(
      'allow.auto.create.topics',
      'cannot be false: set auto.create.topics.enable=false on the brokers instead',
    )
  const families = { any: 0, v4: 4, v6: 6 } as const
  return {
    cluster: {
      bootstrap: readBrokers(values),
      clientId: values.text('client.id') ?? '',
      ssl: readSsl(values),
      sasl: readSasl(values),
      family: families[values.text('broker.address.family') as keyof typeof families],
      keepAlive: values.flag('socket.keepalive.enable'),
      connectTimeoutMs: values.number('socket.connection.setup.timeout.ms'),
      ...readEncoders(values),
    },
    sender: {
      ...acks,
      timeoutMs,
      lingerMs,
      batchMessages: values.number('batch.num.messages'),
      batchBytes: Math.min(values.number('batch.size'), requestBytes),
      retries: values.number('retries'),
      retryBackoffMs: values.number('retry.backoff.ms'),
      retryBackoffMaxMs: values.number('retry.backoff.max.ms'),
      partitioner: PARTITIONERS[values.text('partitioner') as keyof typeof PARTITIONERS],
      stickyMs:
        values.number('sticky.partitioning.linger.ms') ??
        Math.min(MAX_STICKY_MS, Math.max(MIN_STICKY_MS, 2 * lingerMs)),
      maxRequestBytes,
      requestBytes,
      maxQueuedMessages: values.number('queue.buffering.max.messages') || Infinity,
      maxQueuedBytes,
      maxInFlight,
      metadataMaxAgeMs: values.number('topic.metadata.refresh.interval.ms'),
    },
  }
}

/** Without acks from all replicas there is no idempotence and no guarantee. */
function readAcks(
  values: PropertyValues,
  delivery: Delivery,
): Pick<SenderSettings, 'acks' | 'idempotent' | 'requiresIdempotence'> {
  const text = values.text('acks')
  const acks: Acks = text === '0' ? 0 : text === '1' ? 1 : -1
  const idempotent = values.flag('enable.idempotence')
  const requiresIdempotence = values.given.has('enable.idempotence') && idempotent
  if (acks === -1) return { acks, idempotent, requiresIdempotence }
  if (delivery === 'guaranteed')
    values.problem('acks', `must be all for guaranteed events: ${acks} promises nothing`)
  if (requiresIdempotence) values.problem('enable.idempotence', `needs acks all, and acks is ${acks}`)
  return { acks, idempotent: false, requiresIdempotence: false }
}

function readTimeout(values: PropertyValues, delivery: Delivery, requestTimeoutMs: number): number {
  const timeoutMs = values.number('message.timeout.ms') || 2 ** 31 - 1
  if (delivery === 'hasty') return timeoutMs
  const most = Math.max(1, requestTimeoutMs - Math.min(ANSWER_MARGIN_MS, Math.ceil(requestTimeoutMs / 10)))
  const given = values.given.get('message.timeout.ms')
  if (given && timeoutMs > most)
    values.reader.warning(
      given.path,
      `is cut from ${timeoutMs} to ${most} for guaranteed events, to be below request_timeout_ms (${requestTimeoutMs})`,
    )
  return Math.min(timeoutMs, most)
}

function readBrokers(values: PropertyValues): Address[] {
  const list = values.text('metadata.broker.list')
  if (list === undefined) {
    values.missing('metadata.broker.list', ': set host:port of at least one broker')
    return []
  }
  const addresses: Address[] = []
  for (const item of list.split(',').map(part => part.trim())) {
    // As in librdkafka, a protocol may stand before the host, and the port is 9092 unless it is given.
    const match = /^(?:\w+:\/\/)?(?:\[([^\]]+)\]|([^:[\]\s]+))(?::(\d{1,5}))?$/.exec(item)
    const port = Number(match?.[3] ?? 9092)
    if (match && port > 0 && port < 65_536) addresses.push({ host: (match[1] ?? match[2]) as string, port })
    else if (item !== '')
      values.problem('metadata.broker.list', `has an entry that is not host:port: ${item}`)
  }
  if (addresses.length === 0) values.problem('metadata.broker.list', 'names no broker')
  return addresses
}

function readEncoders(values: PropertyValues): Pick<ClusterSettings, 'encode' | 'encodeForOld'> {
  const codec = values.text('compression.codec') as Codec
  if (codec === 'zstd' && !HAS_ZSTD)
    values.problem(
      'compression.codec',
      `zstd needs Node.js 22.15 or newer, and this is ${process.version}: use another codec`,
    )
  const level = values.number('compression.level')
  const encode = batchEncoder(codec === 'zstd' && !HAS_ZSTD ? 'none' : codec, level < 0 ? undefined : level)
  // A level of zstd means something else for gzip.
  return { encode, encodeForOld: codec === 'zstd' ? batchEncoder('gzip') : encode }
}
