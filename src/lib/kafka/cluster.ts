import { Reachability, type RemoteState } from '../remote/reachability.js'
import { Control, type ControlSession } from './control.js'
import { type ConnectionSettings, openSession, type Session } from './kafkajs.js'
import {
  type Lane,
  type Link,
  type OutgoingBatch,
  type ProduceRequest,
  REAL_CLOCK,
  type Transport,
} from './transport.js'
import type { Connection } from './wire/connection.js'
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
} from './wire/protocol.js'
import type { EncodeBatch } from './wire/records.js'

export interface Address {
  host: string
  port: number
}

export interface ClusterSettings extends ConnectionSettings {
  bootstrap: readonly Address[]
  encode: EncodeBatch
  /** For brokers that do not take what `encode` compresses with. */
  encodeForOld: EncodeBatch
}

/** A question to a broker is given up after this long, or after as long as a connection may take. */
const QUESTION_MS = 10_000

/** A Kafka cluster: where its brokers are, and connections to them. */
export class Cluster implements Transport {
  readonly control: Control
  readonly #reachability = new Reachability()
  readonly #open = new Set<Connection>()
  #closed = false

  constructor(
    readonly settings: ClusterSettings,
    complain: (message: string) => void = () => {},
  ) {
    const dial = async (address: string) =>
      new Questions(await this.#session(address), settings, this.#reachability)
    const bootstrap = settings.bootstrap.map(({ host, port }) => `${host}:${port}`)
    this.control = new Control({ bootstrap, dial, complain }, REAL_CLOCK, Math.random)
  }

  async connect(broker: number, _lane: Lane): Promise<Link> {
    const address = this.control.addressOf(broker)
    if (!address) throw new Error('its address is not known')
    const isItsAddress = () => (this.control.addressOf(broker) ?? address) === address
    return new BrokerLink(await this.#session(address), isItsAddress, this.settings, this.#reachability)
  }

  /** The brokers that the cluster has told of, and those that were configured. */
  get brokers(): RemoteState[] {
    return this.#reachability.statesOf(this.control.addresses)
  }

  close(): void {
    this.#closed = true
    this.control.close()
    for (const connection of this.#open) connection.close()
  }

  async #session(address: string): Promise<Session> {
    if (this.#closed) throw new Error('closed')
    const session = await openSession(address, this.settings).catch(error => {
      this.#reachability.failed(address, error.message)
      this.control.note(address, error)
      throw error
    })
    this.#reachability.answered(address)
    this.control.note(address)
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
    readonly reachability: Reachability,
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
      this.reachability.answered(connection.address)
      return body
    } catch (error) {
      const { message } = error as Error
      this.reachability.failed(connection.address, message)
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
    readonly reachability: Reachability,
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
      this.reachability.answered(connection.address)
      return decodeProduce(version, body)
    } catch (error) {
      this.reachability.failed(connection.address, (error as Error).message)
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
