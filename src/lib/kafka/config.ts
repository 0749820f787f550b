import { X509Certificate } from 'node:crypto'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { type ConnectionOptions, createSecureContext } from 'node:tls'
import { nearest } from '../did-you-mean.js'
import type { Delivery } from '../eventgate.js'
import type { Address, ClusterSettings, Sasl } from './cluster.js'
import { PARTITIONERS } from './partitioner.js'
import { NAMES, PROPERTIES, type Property } from './properties.js'
import type { SenderSettings } from './sender.js'
import type { Acks } from './transport.js'
import { type Codec, HAS_ZSTD } from './wire/compression.js'
import { batchEncoder } from './wire/records.js'

/** Something to say about the configuration, and where in it: `kafka.conf['ssl.ca.location']`. */
export interface Remark {
  path: string
  message: string
}

/** What one producer is made from. */
export interface ProducerSettings {
  cluster: ClusterSettings
  sender: SenderSettings
}

/** What the two producers are made from. */
export interface KafkaSettings {
  guaranteed: ProducerSettings
  hasty: ProducerSettings
  /** Whether a Kafka that cannot be reached at start ends the process. */
  requiredAtStart: boolean
}

type Value = string | number | boolean
type Given = Map<string, { value: Value; path: string }>

/** What the service around the producers promises and lets in. */
interface KafkaContext {
  requestTimeoutMs: number
  maxInFlight?: Record<Delivery, SenderSettings['maxInFlight']>
}

/** How much sooner than its request an event is answered, at most. */
export const ANSWER_MARGIN_MS = 100

/** Encoding a request, and settling its events, is done at one go, which guaranteed events must wait for. */
const HASTY_REQUEST_BYTES = 250_000

/**
 * Reads `kafka`: `conf`, with `topic_conf` over it, and `guaranteed.conf` and `hasty.conf` over both. Finds
 * all problems at once; `settings` are there if there are none.
 */
export function readKafkaConf(
  kafka: unknown,
  { requestTimeoutMs, maxInFlight }: KafkaContext,
): { settings?: KafkaSettings; problems: Remark[]; warnings: Remark[] } {
  const reader = new Reader()
  const top = reader.object(kafka, 'kafka', [
    'conf',
    'topic_conf',
    'guaranteed',
    'hasty',
    'required_at_start',
  ])
  const base = [
    reader.properties(top.conf, 'kafka.conf'),
    reader.properties(top.topic_conf, 'kafka.topic_conf'),
  ]
  const [guaranteed, hasty] = (['guaranteed', 'hasty'] as const).map(delivery => {
    const own = reader.object(top[delivery], `kafka.${delivery}`, ['conf'])
    const layers = [...base, reader.properties(own.conf, `kafka.${delivery}.conf`)]
    const given: Given = new Map(layers.flatMap(layer => [...layer]))
    return new ProducerReader(given, reader, delivery).settings(requestTimeoutMs, maxInFlight?.[delivery])
  }) as [ProducerSettings, ProducerSettings]
  const required = top.required_at_start ?? false
  if (typeof required !== 'boolean') reader.problem('kafka.required_at_start', 'must be true or false')
  const { problems, warnings } = reader
  if (problems.length > 0) return { problems, warnings }
  return { settings: { guaranteed, hasty, requiredAtStart: required === true }, problems, warnings }
}

/** Reads what is given, and collects what is to be said about it, each thing once. */
class Reader {
  readonly problems: Remark[] = []
  /** Properties that are given, and not taken: they are not missing besides. */
  readonly wrong = new Set<string>()
  readonly warnings: Remark[] = []

  problem(path: string, message: string): void {
    remark(this.problems, path, message)
  }

  warning(path: string, message: string): void {
    remark(this.warnings, path, message)
  }

  object(value: unknown, path: string, keys?: readonly string[]): Record<string, unknown> {
    if (value === undefined || value === null) return {}
    if (typeof value !== 'object' || Array.isArray(value)) {
      this.problem(path, 'must be a map')
      return {}
    }
    for (const key of Object.keys(value))
      if (keys && !keys.includes(key))
        this.problem(`${path}.${key}`, `is not known; there are ${keys.join(', ')}`)
    return value as Record<string, unknown>
  }

  /** One map of properties, by their own names. */
  properties(value: unknown, path: string): Given {
    const given: Given = new Map()
    for (const [spelling, raw] of Object.entries(this.object(value, path))) {
      const at = `${path}['${spelling}']`
      const name = NAMES.get(spelling)
      const property = name === undefined ? undefined : PROPERTIES[name]
      if (name === undefined || !property) {
        const close = nearest(spelling, NAMES.keys())
        this.problem(
          at,
          `is no property of Kafka's that this service knows${close ? `; is ${close} meant?` : ''}`,
        )
        continue
      }
      if (property.status === 'refused') {
        this.problem(at, `cannot be had here: ${property.means}`)
        continue
      }
      if (property.status === 'no meaning') {
        this.warning(at, `has no meaning here: ${property.means}`)
        continue
      }
      const read = readValue(property, raw)
      const before = given.get(name)
      if (read.problem !== undefined) {
        this.problem(at, read.problem)
        this.wrong.add(name)
      } else if (before && before.value !== read.value)
        this.problem(at, `contradicts ${before.path}: they are two names of one property`)
      else given.set(name, { value: read.value, path: at })
    }
    return given
  }
}

/** What one producer's properties come to. */
class ProducerReader {
  constructor(
    readonly given: Given,
    readonly reader: Reader,
    readonly delivery: Delivery,
  ) {}

  settings(requestTimeoutMs: number, maxInFlight: SenderSettings['maxInFlight']): ProducerSettings {
    const acks = this.#acks()
    const timeoutMs = this.#timeout(requestTimeoutMs)
    const lingerMs = this.#number('queue.buffering.max.ms')
    if (lingerMs >= timeoutMs)
      this.#problem('queue.buffering.max.ms', `must be less than message.timeout.ms, which is ${timeoutMs}`)
    const maxRequestBytes = this.#number('message.max.bytes')
    const requestBytes =
      this.delivery === 'hasty' ? Math.min(maxRequestBytes, HASTY_REQUEST_BYTES) : maxRequestBytes
    const maxQueuedBytes = this.#number('queue.buffering.max.kbytes') * 1024
    if (maxQueuedBytes < maxRequestBytes)
      this.#problem('queue.buffering.max.kbytes', 'must have room for message.max.bytes')
    if (!this.#flag('allow.auto.create.topics'))
      this.#problem(
        'allow.auto.create.topics',
        'cannot be false here: topics are created where the brokers allow it; set auto.create.topics.enable=false on the brokers',
      )
    return {
      cluster: {
        bootstrap: this.#bootstrap(),
        clientId: this.#text('client.id') ?? '',
        ssl: this.#ssl(),
        sasl: this.#sasl(),
        family: ({ any: 0, v4: 4, v6: 6 } as const)[
          this.#text('broker.address.family') as 'any' | 'v4' | 'v6'
        ],
        keepAlive: this.#flag('socket.keepalive.enable'),
        connectTimeoutMs: this.#number('socket.connection.setup.timeout.ms'),
        ...this.#encoders(),
      },
      sender: {
        ...acks,
        timeoutMs,
        lingerMs,
        batchMessages: this.#number('batch.num.messages'),
        batchBytes: Math.min(this.#number('batch.size'), requestBytes),
        retries: this.#number('retries'),
        retryBackoffMs: this.#number('retry.backoff.ms'),
        retryBackoffMaxMs: this.#number('retry.backoff.max.ms'),
        partitioner: PARTITIONERS[this.#text('partitioner') as keyof typeof PARTITIONERS],
        stickyMs:
          (this.#value('sticky.partitioning.linger.ms') as number | undefined) ??
          Math.min(900_000, Math.max(MIN_STICKY_MS, 2 * lingerMs)),
        maxRequestBytes,
        requestBytes,
        maxQueuedMessages: this.#number('queue.buffering.max.messages') || Infinity,
        maxQueuedBytes,
        maxInFlight,
        metadataMaxAgeMs: this.#number('topic.metadata.refresh.interval.ms'),
      },
    }
  }

  /** Fewer acks than all make idempotence impossible, and a guarantee too. */
  #acks(): { acks: Acks; idempotent: boolean; requiresIdempotence: boolean } {
    const text = this.#text('acks')
    const acks: Acks = text === '0' ? 0 : text === '1' ? 1 : -1
    const idempotent = this.#flag('enable.idempotence')
    const requiresIdempotence = this.given.has('enable.idempotence') && idempotent
    if (acks === -1) return { acks, idempotent, requiresIdempotence }
    if (this.delivery === 'guaranteed')
      this.#problem('acks', `must be all for guaranteed events: ${acks} promises nothing`)
    if (requiresIdempotence) this.#problem('enable.idempotence', `needs acks all, and acks is ${acks}`)
    return { acks, idempotent: false, requiresIdempotence: false }
  }

  #timeout(requestTimeoutMs: number): number {
    const timeoutMs = this.#number('message.timeout.ms') || INT_MAX
    if (this.delivery === 'hasty') return timeoutMs
    const most = Math.max(1, requestTimeoutMs - Math.min(ANSWER_MARGIN_MS, Math.ceil(requestTimeoutMs / 10)))
    const given = this.given.get('message.timeout.ms')
    if (given && timeoutMs > most)
      this.reader.warning(
        given.path,
        `is cut from ${timeoutMs} to ${most} for guaranteed events, to be below request_timeout_ms (${requestTimeoutMs})`,
      )
    return Math.min(timeoutMs, most)
  }

  #bootstrap(): Address[] {
    const list = this.#text('metadata.broker.list')
    if (list === undefined) {
      this.#missing('metadata.broker.list', ': host:port of at least one broker')
      return []
    }
    const addresses: Address[] = []
    for (const item of list.split(',').map(part => part.trim())) {
      // librdkafka allows a protocol before it, and a port that is 9092 unless told.
      const match = /^(?:\w+:\/\/)?(?:\[([^\]]+)\]|([^:[\]\s]+))(?::(\d{1,5}))?$/.exec(item)
      const port = Number(match?.[3] ?? 9092)
      if (match && port > 0 && port < 65_536) addresses.push({ host: (match[1] ?? match[2]) as string, port })
      else if (item !== '')
        this.#problem('metadata.broker.list', `has an entry that is not host:port: ${item}`)
    }
    if (addresses.length === 0) this.#problem('metadata.broker.list', 'names no broker')
    return addresses
  }

  #encoders(): Pick<ClusterSettings, 'encode' | 'encodeForOld'> {
    const codec = this.#codec()
    const level = this.#number('compression.level')
    const encode = batchEncoder(codec, level < 0 ? undefined : level)
    // A level of zstd's is another one of gzip's.
    return { encode, encodeForOld: codec === 'zstd' ? batchEncoder('gzip') : encode }
  }

  #codec(): Codec {
    const codec = this.#text('compression.codec') as Codec
    if (codec !== 'zstd' || HAS_ZSTD) return codec
    this.#problem('compression.codec', `zstd needs Node.js 22.15 or newer, this is ${process.version}`)
    return 'none'
  }

  #sasl(): Sasl | undefined {
    if (!this.#text('security.protocol')?.startsWith('sasl')) return undefined
    const mechanism = this.#text('sasl.mechanisms')?.toLowerCase()
    const username = this.#text('sasl.username')
    const password = this.#text('sasl.password')
    if (mechanism === undefined) this.#missing('sasl.mechanisms', ', and security.protocol needs it')
    if (username === undefined) this.#missing('sasl.username', ', and security.protocol needs it')
    if (password === undefined) this.#missing('sasl.password', ', and security.protocol needs it')
    return { mechanism, username, password } as Sasl
  }

  #ssl(): ConnectionOptions | undefined {
    if (!this.#text('security.protocol')?.endsWith('ssl')) return undefined
    const ciphers = this.#text('ssl.cipher.suites')
    const all: ConnectionOptions = {
      ca: this.#certificates('ssl.ca.location') ?? this.#text('ssl.ca.pem'),
      crl: this.#file('ssl.crl.location'),
      cert: this.#certificates('ssl.certificate.location') ?? this.#text('ssl.certificate.pem'),
      key: this.#file('ssl.key.location') ?? this.#text('ssl.key.pem'),
      pfx: this.#file('ssl.keystore.location'),
      passphrase: this.#text('ssl.key.password') ?? this.#text('ssl.keystore.password'),
      ciphers: ciphers && `${TLS13_CIPHERS}:${ciphers}`,
      ecdhCurve: this.#text('ssl.curves.list'),
      sigalgs: this.#text('ssl.sigalgs.list'),
    }
    const options = Object.fromEntries(
      Object.entries(all).filter(([, value]) => value !== undefined),
    ) as ConnectionOptions
    try {
      createSecureContext(options)
    } catch (error) {
      this.#problem('security.protocol', `cannot be had by the ssl properties: ${(error as Error).message}`)
    }
    options.rejectUnauthorized = this.#flag('enable.ssl.certificate.verification')
    if (this.#text('ssl.endpoint.identification.algorithm') === 'none')
      options.checkServerIdentity = () => undefined
    return options
  }

  /** What is in a file; in all files of a directory. */
  #file(name: string): Buffer[] | undefined {
    const path = this.#text(name)
    if (path === undefined) return undefined
    try {
      if (!statSync(path).isDirectory()) return [readFileSync(path)]
      const files = readdirSync(path).filter(file => /\.(pem|crt|cer|0)$/.test(file))
      return files.map(file => readFileSync(join(path, file)))
    } catch (error) {
      this.#problem(name, `cannot be read: ${(error as Error).message}`)
      return undefined
    }
  }

  /** Node.js ignores what is no certificate, and then trusts nobody. */
  #certificates(name: string): Buffer[] | undefined {
    const files = this.#file(name)
    for (const file of files ?? []) {
      try {
        new X509Certificate(file)
      } catch (error) {
        this.#problem(name, `is no certificate: ${(error as Error).message}`)
      }
    }
    return files
  }

  #value(name: string): Value | undefined {
    return this.given.get(name)?.value ?? PROPERTIES[name]?.default
  }

  #text(name: string): string | undefined {
    return this.#value(name) as string | undefined
  }

  #number(name: string): number {
    return this.#value(name) as number
  }

  #flag(name: string): boolean {
    return this.#value(name) as boolean
  }

  #missing(name: string, why: string): void {
    if (!this.reader.wrong.has(name)) this.#problem(name, `is missing${why}`)
  }

  #problem(name: string, message: string): void {
    this.reader.problem(this.given.get(name)?.path ?? `kafka.conf['${name}']`, message)
  }
}

const INT_MAX = 2_147_483_647

/** Where nothing lingers, events share a batch while a request is out. */
const MIN_STICKY_MS = 10

/** Node.js takes TLS 1.3 for unwanted where a list of ciphers has none of its own; OpenSSL, and librdkafka, do not. */
const TLS13_CIPHERS = 'TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256'

function remark(remarks: Remark[], path: string, message: string): void {
  if (!remarks.some(other => other.path === path && other.message === message))
    remarks.push({ path, message })
}

/** Values come as YAML has them, or all as text, as librdkafka takes them. */
function readValue(
  property: Property,
  raw: unknown,
): { value: Value; problem?: undefined } | { value?: undefined; problem: string } {
  if (raw === null || raw === undefined) return { problem: 'has no value' }
  if (Array.isArray(raw))
    return { problem: 'must be one text, not a list: join its parts with commas, as in a:9092,b:9092' }
  if (typeof raw === 'object') return { problem: 'must be one value, not a map' }
  const text = String(raw).trim()
  switch (property.type) {
    case 'text':
      return text === '' ? { problem: 'is empty' } : { value: text }
    case 'flag': {
      const value = { true: true, t: true, '1': true, false: false, f: false, '0': false }[text.toLowerCase()]
      return value === undefined ? { problem: `must be true or false, not ${text}` } : { value }
    }
    case 'number': {
      const [min, max] = property.range ?? [0, INT_MAX]
      const value = text === '' ? Number.NaN : Number(text)
      return value >= min && value <= max
        ? { value }
        : { problem: `must be a number from ${min} to ${max}, not ${text}` }
    }
    case 'choice': {
      const value = property.choices?.find(one => one.toLowerCase() === text.toLowerCase())
      return value === undefined
        ? { problem: `must be one of ${property.choices?.join(', ')}, not ${text}` }
        : { value }
    }
  }
}
