import { createRequire } from 'node:module'
import { connect as connectTcp, isIP, type Socket } from 'node:net'
import { type ConnectionOptions, connect as connectTls } from 'node:tls'
import { Misfit } from './response-codes.js'
import { Connection } from './wire/connection.js'
import { negotiate, type Spoken, type Versions } from './wire/versions.js'

/*
 * The one file that knows kafkajs, which makes connections: TLS, SASL, the versions that a broker speaks. Then the
 * socket is taken from it, because its queue of requests polls each millisecond, and it uses connections again that
 * have failed. The deep paths are not its public interface, hence the exact version.
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

/** It need not log: failures are told by the observer. */
const SILENT = createLogger({ level: 0, logCreator: () => () => {} })

export interface Sasl {
  mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512'
  username: string
  password: string
}

/** How to connect to a broker. */
export interface ConnectionSettings {
  clientId: string
  /** TLS, with these options. */
  ssl?: ConnectionOptions | undefined
  sasl?: Sasl | undefined
  /** 4 or 6, or 0 for both. */
  family: 0 | 4 | 6
  keepAlive: boolean
  /** For a connection with all that belongs to it. */
  connectTimeoutMs: number
}

/** A connection that a broker has let in, and what it speaks. */
export interface Session {
  connection: Connection
  versions: Versions
  /** When it should no longer be used. */
  expires: number
}

/** Connects by kafkajs, and takes the socket from it. */
export async function openSession(address: string, settings: ConnectionSettings): Promise<Session> {
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

function openSocket(host: string, port: number, settings: ConnectionSettings, onConnect: () => void): Socket {
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
function hint(error: Error, { ssl, sasl }: ConnectionSettings): string {
  if (!/closed|ECONNRESET|disconnected/i.test(error.message)) return ''
  const missing = [ssl ? '' : 'TLS', sasl ? '' : 'SASL'].filter(Boolean)
  const security =
    missing.length > 0 ? `does the broker expect ${missing.join(' or ')}? See security.protocol. Or is` : 'is'
  return ` (${security} it older than Kafka 0.10?)`
}
