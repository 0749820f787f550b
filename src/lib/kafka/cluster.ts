import { createRequire } from 'node:module'
import { connect as connectTcp, isIP, type Socket } from 'node:net'
import { type ConnectionOptions, connect as connectTls } from 'node:tls'
import { type Reach, Reached } from '../remote/reachability.js'
import { Control, type ControlSession } from './control.js'
import { Misfit } from './response-codes.js'
import {
  type Lane,
  type Link,
  type OutgoingBatch,
  type ProduceRequest,
  REAL_CLOCK,
  type Transport,
} from './transport.js'
import { Connection } from './wire/connection.js'
import {
  type ClusterMetadata,
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
} from './wire/protocol.js'
import type { EncodeBatch } from './wire/records.js'
import { negotiate, type Spoken, type Versions } from './wire/versions.js'

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

/** A question to a broker is given up after this long, or after as long as a connection may take. */
const QUESTION_MS = 10_000

/** A connection that a broker has let in, and what it speaks. */
interface Session {
  connection: Connection
  versions: Versions
  /** When it should no longer be used. */
  expires: number
}

/** A Kafka cluster: where its brokers are, and connections to them. */
export class Cluster implements Transport {
  readonly #control: Control
  readonly #reached = new Reached()
  readonly #open = new Set<Connection>()
  #closed = false

  constructor(
    readonly settings: ClusterSettings,
    complain: (message: string) => void = () => {},
  ) {
    const dial = async (address: string) =>
      new Questions(await this.#session(address), settings, this.#reached)
    const bootstrap = settings.bootstrap.map(({ host, port }) => `${host}:${port}`)
    this.#control = new Control({ bootstrap, dial, complain }, REAL_CLOCK, Math.random)
  }

  async connect(broker: number, _lane: Lane): Promise<Link> {
    const address = this.#control.addressOf(broker)
    if (!address) throw new Error('its address is not known')
    const isItsAddress = () => (this.#control.addressOf(broker) ?? address) === address
    return new BrokerLink(await this.#session(address), isItsAddress, this.settings, this.#reached)
  }

  /** The brokers that the cluster has told of, and those that were configured. */
  get brokers(): Reach[] {
    return this.#reached.of(this.#control.addresses)
  }

  metadata(topics: readonly string[], create: boolean, avoid?: number): Promise<TopicMetadata[]> {
    return this.#control.metadata(topics, create, avoid)
  }

  topicNames(): Promise<string[]> {
    return this.#control.topicNames()
  }

  brokerIds(): Promise<number[]> {
    return this.#control.brokerIds()
  }

  producerId(): Promise<{ producerId: number; epoch: number }> {
    return this.#control.producerId()
  }

  close(): void {
    this.#closed = true
    this.#control.close()
    for (const connection of this.#open) connection.close()
  }

  async #session(address: string): Promise<Session> {
    if (this.#closed) throw new Error('closed')
    const session = await openSession(address, this.settings).catch(error => {
      this.#reached.failed(address, error.message)
      this.#control.note(address, error)
      throw error
    })
    this.#reached.answered(address)
    this.#control.note(address)
    const { connection } = session
    this.#open.add(connection)
    connection.onClosed = () => this.#open.delete(connection)
    if (this.#closed) connection.close()
    return session
  }
}

/** What any broker can be asked. */
class Questions implements ControlSession {
  constructor(
    readonly session: Session,
    readonly settings: ClusterSettings,
    readonly reached: Reached,
  ) {}

  get open(): boolean {
    return isUsable(this.session)
  }

  async metadata(topics: readonly string[] | undefined, create: boolean): Promise<ClusterMetadata> {
    const { metadata, trueEpochs } = this.session.versions
    const { clientId } = this.settings
    const body = await this.#ask(id => encodeMetadata(metadata, id, clientId, topics, create))
    const answer = decodeMetadata(metadata, body)
    if (!trueEpochs)
      for (const { partitions } of answer.topics)
        for (const partition of partitions) partition.epoch = undefined
    return answer
  }

  async producerId(): Promise<{ code: number; producerId: number; epoch: number }> {
    const version = this.session.versions.initProducerId
    if (version === undefined) return { code: 35, producerId: -1, epoch: -1 }
    return decodeInitProducerId(
      await this.#ask(id => encodeInitProducerId(version, id, this.settings.clientId)),
    )
  }

  close(): void {
    this.session.connection.close()
  }

  async #ask(encode: (correlationId: number) => Buffer): Promise<Buffer> {
    const { connection } = this.session
    try {
      const body = await connection.request(encode, Math.max(QUESTION_MS, this.settings.connectTimeoutMs))
      this.reached.answered(connection.address)
      return body
    } catch (error) {
      const { message } = error as Error
      this.reached.failed(connection.address, message)
      throw new Error(`${connection.address}: ${message}`, { cause: error })
    }
  }
}

function isUsable({ connection, expires }: Session): boolean {
  return connection.open && performance.now() < expires
}

class BrokerLink implements Link {
  constructor(
    readonly session: Session,
    /** Whether the broker is still where this leads to. */
    readonly isItsAddress: () => boolean,
    readonly settings: ClusterSettings,
    readonly reached: Reached,
  ) {}

  get open(): boolean {
    return isUsable(this.session) && this.isItsAddress()
  }

  get broken(): boolean {
    return !this.session.connection.open
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
async function openSession(address: string, settings: ClusterSettings): Promise<Session> {
  const colon = address.lastIndexOf(':')
  const host = address.slice(0, colon)
  const port = Number(address.slice(colon + 1))
  const { ssl, sasl, clientId, connectTimeoutMs: timeoutMs } = settings
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
    if (error instanceof Misfit) throw error
    const message = `${address}: ${(error as Error).message}${hint(error as Error, settings)}`
    if (isAuthentication(error as Error)) throw new Misfit(58, message, { cause: error })
    throw new Error(message, { cause: error })
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

/** Whether a broker has refused our credentials, or the way in which we offer them. */
function isAuthentication({ name, message }: Error): boolean {
  return name === 'KafkaJSSASLAuthenticationError' && !/closed|ECONNRESET|timed? ?out/i.test(message)
}

/** A broker that is spoken to in the wrong protocol, or in one that it is too old for, just hangs up. */
function hint(error: Error, { ssl, sasl }: ClusterSettings): string {
  if (!/closed|ECONNRESET|disconnected/i.test(error.message)) return ''
  const missing = [ssl ? '' : 'TLS', sasl ? '' : 'SASL'].filter(Boolean)
  const security =
    missing.length > 0 ? `does the broker expect ${missing.join(' or ')}? See security.protocol. Or is` : 'is'
  return ` (${security} it older than Kafka 0.10?)`
}
