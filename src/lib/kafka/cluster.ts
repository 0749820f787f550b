import { createRequire } from 'node:module'
import { connect as connectTcp, isIP, type Socket } from 'node:net'
import { type ConnectionOptions, connect as connectTls } from 'node:tls'
import { type Reach, Reached } from '../reach.js'
import { Connection } from './connection.js'
import { KafkaError } from './fates.js'
import {
  decodeInitProducerId,
  decodeMetadata,
  decodeProduce,
  encodeInitProducerId,
  encodeMetadata,
  encodeProduce,
  type PartitionData,
  PRODUCE_ZSTD,
  type ProduceResponse,
  type TopicMetadata,
} from './protocol.js'
import type { EncodeBatch } from './records.js'
import type { Lane, Link, OutgoingBatch, ProduceRequest, Transport } from './transport.js'
import { negotiate, type Spoken, UnsupportedBroker, type Versions } from './versions.js'

/*
 * The one file that knows kafkajs, which connects: TLS, SASL, the versions that a broker speaks. Once that is
 * done the socket is taken from it, and requests go by a Connection of ours: kafkajs's own queue of requests
 * polls each millisecond while it is idle, its connections are used again after they failed, and its producer
 * is not true to what it says (see docs). The deep paths are no interface of kafkajs, hence the exact version.
 */

/** The version of kafkajs that what follows was written for. */
export const KAFKAJS_VERSION = '2.2.4'

interface KafkajsConnection {
  requestQueue: { destroy(): void; scheduleCheckPendingRequests(): void }
  /** A Long: how long the broker lets this authentication stand, in milliseconds; 0 for ever. */
  sessionLifetime: { toString(): string }
}
interface KafkajsPool {
  pool: KafkajsConnection[]
}
interface KafkajsBroker {
  connect(): Promise<void>
  versions: Spoken
}
interface KafkajsLogger {
  namespace(): KafkajsLogger
}
interface SocketOptions {
  host: string
  port: number
  onConnect: () => void
}

const require = createRequire(import.meta.url)
const ConnectionPool = require('kafkajs/src/network/connectionPool') as new (options: {
  host: string
  port: number
  clientId: string
  ssl: boolean
  sasl: Sasl | undefined
  socketFactory: (options: SocketOptions) => Socket
  connectionTimeout: number
  requestTimeout: number
  logger: KafkajsLogger
}) => KafkajsPool
const Broker = require('kafkajs/src/broker') as new (options: {
  connectionPool: KafkajsPool
  authenticationTimeout: number
  logger: KafkajsLogger
}) => KafkajsBroker
const { createLogger } = require('kafkajs/src/loggers') as {
  createLogger(options: { level: number; logCreator: () => () => void }): KafkajsLogger
}

/** What it logs, we say ourselves. */
const SILENT = createLogger({ level: 0, logCreator: () => () => {} })

export interface Sasl {
  mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512'
  username: string
  password: string
}

export interface Address {
  host: string
  port: number
}

export interface ClusterSettings {
  bootstrap: readonly Address[]
  clientId: string
  /** TLS, with these options. */
  ssl?: ConnectionOptions | undefined
  sasl?: Sasl | undefined
  /** 4 or 6, or 0 for both. */
  family: 0 | 4 | 6
  keepAlive: boolean
  /** For a connection with all that belongs to it. */
  connectTimeoutMs: number
  encode: EncodeBatch
  /** For brokers that do not take what `encode` compresses with. */
  encodeForOld: EncodeBatch
}

/** For the request for metadata, and for the connection that it may need: another broker may know it at once. */
const METADATA_TIMEOUT_MS = 1000
/** A broker that is cut off from the others does not know it: after this long another one is asked. */
const CONTROL_MAX_AGE_MS = 5000

/** A connection that a broker has let in, and what it speaks. */
interface Session {
  connection: Connection
  versions: Versions
  /** When it should no longer be used. */
  expires: number
}

/** A Kafka cluster: where its brokers are, and connections to them. */
export class Cluster implements Transport {
  readonly #brokers = new Map<number, Address>()
  readonly #reached = new Reached()
  readonly #open = new Set<Connection>()
  /** Addresses of brokers with which no version was in common. */
  readonly #unsupported = new Set<string>()
  #turn: number
  #control: Promise<Session> | undefined
  #controlSince = 0
  #closed = false

  constructor(readonly settings: ClusterSettings) {
    this.#turn = Math.floor(Math.random() * settings.bootstrap.length)
  }

  async connect(broker: number, _lane: Lane): Promise<Link> {
    const address = this.#brokers.get(broker)
    if (!address) throw new Error('its address is not known')
    const session = await this.#session(address, this.settings.connectTimeoutMs)
    return new BrokerLink(session, this.settings, this.#reached)
  }

  /** The brokers that the cluster has told of, and those that were configured. */
  get brokers(): Reach[] {
    return this.#reached.of(this.#addresses.map(textOf))
  }

  async metadata(topics: readonly string[], create: boolean): Promise<TopicMetadata[]> {
    const answer = await this.#ask(async ({ connection, versions: { metadata, trueEpochs } }) => {
      const encode = (id: number) => encodeMetadata(metadata, id, this.settings.clientId, topics, create)
      const answer = decodeMetadata(metadata, await connection.request(encode, METADATA_TIMEOUT_MS))
      if (!trueEpochs)
        for (const { partitions } of answer.topics)
          for (const partition of partitions) partition.epoch = undefined
      return answer
    })
    if (answer.brokers.length > 0) this.#brokers.clear()
    for (const { id, host, port } of answer.brokers) this.#brokers.set(id, { host, port })
    return answer.topics
  }

  async producerId(): Promise<{ producerId: number; epoch: number }> {
    const { code, producerId, epoch } = await this.#ask(async ({ connection, versions }) => {
      const version = versions.initProducerId
      if (version === undefined) return { code: 35, producerId: -1, epoch: -1 }
      const encode = (id: number) => encodeInitProducerId(version, id, this.settings.clientId)
      return decodeInitProducerId(await connection.request(encode, METADATA_TIMEOUT_MS))
    })
    if (code !== 0) {
      // 14 to 16: the broker finds nobody to ask for ids, which another one may.
      this.#controlSince = -Infinity
      throw new KafkaError(code, 'no producer id')
    }
    return { producerId, epoch }
  }

  close(): void {
    this.#closed = true
    for (const connection of this.#open) connection.close()
  }

  /** Asks any broker, over the connection that is kept for that. */
  async #ask<T>(question: (session: Session) => Promise<T>): Promise<T> {
    const session = await this.#controlSession()
    const { connection } = session
    try {
      const answer = await question(session)
      this.#reached.answered(connection.address)
      return answer
    } catch (error) {
      const { message } = error as Error
      this.#reached.failed(connection.address, message)
      connection.close()
      throw new Error(`${connection.address}: ${message}`, { cause: error })
    }
  }

  async #controlSession(): Promise<Session> {
    const now = performance.now()
    const current = this.#control
    if (current) {
      const session = await current
      if (session.connection.open && now < session.expires && now - this.#controlSince < CONTROL_MAX_AGE_MS)
        return session
      session.connection.close()
      // Another question has seen to it meanwhile.
      if (this.#control !== current) return this.#controlSession()
    }
    this.#controlSince = now
    const opening = this.#session(this.#nextAddress(), METADATA_TIMEOUT_MS)
    this.#control = opening
    opening.catch(() => {
      if (this.#control === opening) this.#control = undefined
    })
    return opening.catch(error => {
      // Another broker may be another version.
      const isFinal = this.#addresses.every(address => this.#unsupported.has(textOf(address)))
      throw isFinal ? error : new Error(error.message, { cause: error })
    })
  }

  /** Each broker in its turn: those that are known, and those that were configured. */
  #nextAddress(): Address {
    const addresses = this.#addresses
    return addresses[this.#turn++ % addresses.length] as Address
  }

  get #addresses(): Address[] {
    return [...this.#brokers.values(), ...this.settings.bootstrap]
  }

  async #session(address: Address, timeoutMs: number): Promise<Session> {
    if (this.#closed) throw new Error('closed')
    const name = textOf(address)
    const session = await openSession(address, this.settings, timeoutMs).catch(error => {
      this.#reached.failed(name, error.message)
      if (error instanceof UnsupportedBroker) this.#unsupported.add(name)
      throw error
    })
    this.#reached.answered(name)
    this.#unsupported.delete(name)
    const { connection } = session
    this.#open.add(connection)
    connection.onClosed = () => this.#open.delete(connection)
    if (this.#closed) connection.close()
    return session
  }
}

class BrokerLink implements Link {
  constructor(
    readonly session: Session,
    readonly settings: ClusterSettings,
    readonly reached: Reached,
  ) {}

  get open(): boolean {
    return this.session.connection.open && performance.now() < this.session.expires
  }

  async produce(request: ProduceRequest): Promise<ProduceResponse | undefined> {
    const { session, settings } = this
    const { acks, timeoutMs, answerMs, batches } = request
    const version = session.versions.produce
    const encodeBatch = version >= PRODUCE_ZSTD ? settings.encode : settings.encodeForOld
    const parts: PartitionData[] = batches.map(batch => ({
      topic: batch.topic,
      partition: batch.partition,
      batch: encoded(batch, encodeBatch),
    }))
    const encode = (id: number) => encodeProduce(version, id, settings.clientId, acks, timeoutMs, parts)
    if (acks === 0) {
      await session.connection.write(encode, answerMs)
      return undefined
    }
    const { connection } = session
    try {
      const body = await connection.request(encode, answerMs)
      this.reached.answered(connection.address)
      return decodeProduce(version, body)
    } catch (error) {
      this.reached.failed(connection.address, (error as Error).message)
      throw error
    }
  }

  close(): void {
    this.session.connection.close()
  }
}

function textOf({ host, port }: Address): string {
  return `${host}:${port}`
}

/** A batch that is sent again is sent as the same bytes, unless its new leader needs another encoding. */
function encoded(batch: OutgoingBatch, encode: EncodeBatch): Buffer {
  const { identity, bare } = batch
  if (!identity) throw new Error('a batch is sent before it is frozen')
  if (batch.encoded?.by !== encode || batch.encoded.bare !== bare) {
    const records = bare ? batch.records.map(record => ({ ...record, headers: undefined })) : batch.records
    batch.encoded = { by: encode, bare, bytes: encode(records, identity) }
  }
  return batch.encoded.bytes
}

/** Connects by kafkajs, and takes the socket from it. */
async function openSession(
  { host, port }: Address,
  settings: ClusterSettings,
  timeoutMs: number,
): Promise<Session> {
  const address = textOf({ host, port })
  const { ssl, sasl, clientId } = settings
  let taken: { socket: Socket; listeners: Map<string, Set<unknown>> } | undefined
  const pool = new ConnectionPool({
    host,
    port,
    clientId,
    ssl: ssl !== undefined,
    // kafkajs keeps things of its own in it.
    sasl: sasl && { ...sasl },
    socketFactory: ({ onConnect }) => {
      const socket = openSocket(host, port, settings, onConnect)
      taken = {
        socket,
        listeners: new Map(EVENTS.map(event => [event, new Set<unknown>(socket.listeners(event))])),
      }
      return socket
    },
    connectionTimeout: timeoutMs,
    requestTimeout: timeoutMs,
    logger: SILENT,
  })
  // It would poll from the first answer on. Nothing ever waits in it.
  for (const { requestQueue } of pool.pool) requestQueue.scheduleCheckPendingRequests = () => {}
  const broker = new Broker({ connectionPool: pool, authenticationTimeout: timeoutMs, logger: SILENT })
  let timer: NodeJS.Timeout | undefined
  let versions: Versions
  try {
    await Promise.race([
      broker.connect(),
      new Promise((_, reject) => {
        timer = setTimeout(() => reject(new Error(`no connection within ${timeoutMs} ms`)), timeoutMs)
      }),
    ])
    versions = negotiate(broker.versions, address)
  } catch (error) {
    release(pool, taken)
    taken?.socket.on('error', () => {}).destroy()
    if (error instanceof UnsupportedBroker) throw error
    throw new Error(`${address}: ${(error as Error).message}${hint(error as Error, settings)}`, {
      cause: error,
    })
  } finally {
    clearTimeout(timer)
  }
  release(pool, taken)
  const { socket } = taken as { socket: Socket }
  const lifetime = Number(pool.pool[0]?.sessionLifetime.toString() ?? 0)
  return {
    connection: new Connection(socket, address),
    versions,
    // Brokers cut connections that outlive their authentication; a new one in time costs less.
    expires: lifetime > 0 ? performance.now() + lifetime * 0.85 : Infinity,
  }
}

/** The events of a socket that kafkajs listens to. */
const EVENTS = ['data', 'end', 'error', 'timeout']

/** Ends kafkajs's interest in a socket: its listeners and its timers. Listeners of Node's own stay. */
function release(
  pool: KafkajsPool,
  taken: { socket: Socket; listeners: Map<string, Set<unknown>> } | undefined,
): void {
  for (const { requestQueue } of pool.pool) requestQueue.destroy()
  if (!taken) return
  for (const [event, own] of taken.listeners)
    for (const listener of taken.socket.listeners(event))
      if (!own.has(listener)) taken.socket.removeListener(event, listener as () => void)
}

function openSocket(host: string, port: number, settings: ClusterSettings, onConnect: () => void): Socket {
  const { ssl, family, keepAlive } = settings
  const options = { host, port, noDelay: true, keepAlive, ...(family ? { family } : {}) }
  if (!ssl) return connectTcp(options, onConnect)
  return connectTls({ ...options, ...(isIP(host) ? {} : { servername: host }), ...ssl }, onConnect)
}

/** A broker that is spoken to in the wrong protocol, or in one that it is too old for, just hangs up. */
function hint(error: Error, { ssl, sasl }: ClusterSettings): string {
  if (!/closed|ECONNRESET|disconnected/i.test(error.message)) return ''
  const missing = [ssl ? '' : 'TLS', sasl ? '' : 'SASL'].filter(Boolean)
  const security =
    missing.length > 0 ? `does the broker expect ${missing.join(' or ')}? See security.protocol. Or is` : 'is'
  return ` (${security} it older than Kafka 0.10?)`
}
