import { Control, type ControlSession } from '#src/lib/kafka/control.js'
import type { Lane, Link, OutgoingBatch, ProduceRequest, Transport } from '#src/lib/kafka/transport.js'
import type { ClusterMetadata, ProduceResponse, TopicMetadata } from '#src/lib/kafka/wire/protocol.js'
import type { SimBroker, SimCluster } from './cluster.js'
import { eventOf } from './replica.js'

export interface ClientOptions {
  /** There and back. */
  readonly rttMs: number
  /** Round trips from dialling to the first request: TCP, versions, TLS, SASL. */
  readonly handshakes: number
  /** How long an authentication stands. */
  readonly sessionMs: number
  readonly connectTimeoutMs: number
}

/** How long the answer to a question is waited for. */
const QUESTION_MS = 10_000

/** The way from a client to the cluster: addresses, connections, and the network between. */
export class SimClient implements Transport {
  /** When each event was last written to a connection. */
  readonly lastSent = new Map<number, number>()
  connections = 0
  readonly control: Control

  constructor(
    readonly cluster: SimCluster,
    readonly options: ClientOptions,
    /** Told what is sent with some events, and answered. */
    readonly tell: (events: readonly number[], what: () => string) => void = () => {},
  ) {
    this.control = new Control(
      {
        bootstrap: cluster.brokers.slice(0, 3).map(({ address }) => address),
        dial: async address => new SimSession(this, await this.#dial(address)),
        complain: message => {
          throw new Error(message)
        },
      },
      cluster.clock,
      cluster.random,
    )
  }

  async connect(id: number, _lane: Lane): Promise<Link> {
    const address = this.control.addressOf(id)
    if (address === undefined) throw new Error('its address is not known')
    const connection = await this.#dial(address)
    return new SimLink(this, connection, () => (this.control.addressOf(id) ?? address) === address)
  }

  describe(broker: SimBroker, name: string, create: boolean): TopicMetadata {
    const { cluster } = this
    const topic = broker.topics.get(name)
    if (!topic) {
      if (create && cluster.createsTopics && cluster.hasController && !cluster.topics.has(name))
        cluster.createTopic(name, 3, { replication: 3, minInsync: 2 })
      return { topic: name, code: 3, partitions: [] }
    }
    const known = broker.described.get(name)
    if (known) return known
    const partitions = topic.partitions.flatMap(partition => {
      const view = broker.views.get(partition)
      if (!view) return []
      const { leader, epoch } = view
      const isLed = leader >= 0 && broker.addresses.has(leader)
      const led = { partition: partition.index, code: isLed ? 0 : 5, leader: isLed ? leader : -1 }
      return [{ ...led, epoch }]
    })
    const description = { topic: name, code: 0, partitions }
    broker.described.set(name, description)
    return description
  }

  async #dial(address: string): Promise<SimConnection> {
    this.connections++
    const connection = new SimConnection(this, address)
    await within(this.cluster, this.options.connectTimeoutMs, connection.open()).catch(error => {
      connection.close()
      throw error
    })
    return connection
  }
}

/** What any broker can be asked. */
class SimSession implements ControlSession {
  constructor(
    readonly client: SimClient,
    readonly connection: SimConnection,
  ) {}

  get open(): boolean {
    return this.connection.isOpen
  }

  metadata(topics: readonly string[] | undefined, create: boolean): Promise<ClusterMetadata> {
    return this.#ask(broker => ({
      clusterId: 'simulated',
      brokers: [...broker.addresses].map(([id, address]) => {
        const [host = '', port] = address.split(':')
        return { id, host, port: Number(port) }
      }),
      topics: (topics ?? [...broker.topics.keys()]).map(topic => this.client.describe(broker, topic, create)),
    }))
  }

  producerId(): Promise<{ code: number; producerId: number; epoch: number }> {
    return this.#ask(broker => this.client.cluster.producerId(broker))
  }

  close(): void {
    this.connection.close()
  }

  async #ask<T>(answer: (broker: SimBroker) => T): Promise<T> {
    const { cluster } = this.client
    const answered = this.connection.request(async broker => {
      while (broker.isControlSick) await cluster.clock.sleep(100)
      return answer(broker)
    })
    return within(cluster, QUESTION_MS, answered).catch(error => {
      this.close()
      throw error
    })
  }
}

async function within<T>(cluster: SimCluster, ms: number, promise: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const cancel = cluster.clock.after(ms, () => reject(new Error(`no answer within ${ms} ms`)))
    promise.then(
      value => {
        cancel()
        resolve(value)
      },
      error => {
        cancel()
        reject(error)
      },
    )
  })
}

/** A connection to whatever listens at an address. It is served one request at a time, in order. */
class SimConnection {
  readonly since: number
  #isOpen = false
  #expiresAt = Infinity
  #broker: SimBroker | undefined
  #last: Promise<unknown> = Promise.resolve()
  readonly #waiting = new Set<(error: Error) => void>()

  constructor(
    readonly client: SimClient,
    readonly address: string,
  ) {
    this.since = client.cluster.clock.time
  }

  get isOpen(): boolean {
    return this.#isOpen && this.client.cluster.clock.time < this.#expiresAt
  }

  get isBroken(): boolean {
    return !this.#isOpen
  }

  describe(): string {
    return `broker ${this.#broker?.id} at ${this.address}`
  }

  async open(): Promise<void> {
    const { cluster, options } = this.client
    const broker = cluster.brokers.find(({ address }) => address === this.address)
    await this.#travel(broker)
    if (!broker?.isUp) throw new Error(`connect ECONNREFUSED ${this.address}`)
    const { incarnation } = broker
    for (let trip = 1; trip < options.handshakes; trip++) {
      await this.#running(broker)
      await this.#travel(broker)
      await this.#travel(broker)
    }
    await this.#running(broker)
    if (!broker.isUp || broker.incarnation !== incarnation) throw new Error('read ECONNRESET')
    this.#broker = broker
    this.#isOpen = true
    this.#expiresAt = cluster.clock.time + options.sessionMs * 0.85
    broker.connections.add(this)
  }

  /** What the broker makes of a request. Rejects when the connection ends; the broker may do it all the same. */
  request<T>(handle: (broker: SimBroker) => Promise<T>): Promise<T> {
    if (!this.#isOpen) throw new Error('a connection is used after its end')
    const broker = this.#broker as SimBroker
    const served = this.#serve(broker, handle).then(async value => {
      await this.#travel(broker)
      return value
    })
    return new Promise((resolve, reject) => {
      const end = (error: Error) => {
        this.#waiting.delete(end)
        reject(error)
      }
      this.#waiting.add(end)
      served.then(value => {
        if (!this.#waiting.delete(end)) return
        resolve(value)
      }, end)
    })
  }

  async #serve<T>(broker: SimBroker, handle: (broker: SimBroker) => Promise<T>): Promise<T> {
    const { cluster } = this.client
    const { incarnation } = broker
    const before = this.#last
    let done = () => {}
    this.#last = new Promise<void>(resolve => {
      done = resolve
    })
    try {
      await this.#travel(broker)
      await before
      await this.#running(broker)
      if (!broker.isUp || broker.incarnation !== incarnation) throw new Error('read ECONNRESET')
      const breaks = cluster.random() < broker.resets
      if (breaks && cluster.random() < 0.5) {
        this.reset('read ECONNRESET')
        throw new Error('read ECONNRESET')
      }
      const answer = await handle(broker)
      await this.#running(broker)
      if (breaks) this.reset('read ECONNRESET')
      return answer
    } finally {
      done()
    }
  }

  /** Half a round trip, and while the network swallows everything, all of that. */
  async #travel(broker: SimBroker | undefined): Promise<void> {
    const { clock, random } = this.client.cluster
    await clock.sleep((this.client.options.rttMs / 2) * (1 + random()))
    while (broker?.isMute) await new Promise<void>(resolve => broker.onResume.push(resolve))
  }

  async #running(broker: SimBroker): Promise<void> {
    while (broker.isPaused || broker.isMute) await new Promise<void>(resolve => broker.onResume.push(resolve))
  }

  /** Broken from outside. */
  reset(message: string): void {
    this.#isOpen = false
    this.#broker?.connections.delete(this)
    for (const end of [...this.#waiting]) end(new Error(message))
  }

  close(): void {
    this.reset('closed')
  }
}

class SimLink implements Link {
  constructor(
    readonly client: SimClient,
    readonly connection: SimConnection,
    readonly isItsAddress: () => boolean,
  ) {}

  get open(): boolean {
    return this.connection.isOpen && this.isItsAddress()
  }

  get broken(): boolean {
    return this.connection.isBroken
  }

  async produce(request: ProduceRequest): Promise<ProduceResponse | undefined> {
    const { client, connection } = this
    const { cluster, lastSent } = client
    const { clock } = cluster
    // As bytes would be: what becomes of the sender's objects later changes nothing here.
    const batches = request.batches.map(({ topic, partition, identity, bare, records }) => ({
      topic,
      partition,
      identity: identity && { ...identity },
      bare,
      records: [...records],
    }))
    const events = batches.flatMap(({ records }) => records.map(({ value }) => eventOf(value)))
    for (const event of events) lastSent.set(event, clock.time)
    const broker = connection.describe()
    client.tell(
      events,
      () =>
        `-> ${broker}, ${request.timeoutMs} of ${request.answerMs} ms: ${batches.map(describe).join(', ')}`,
    )
    const answer = connection.request(async broker => {
      if (broker.slowMs > 0) await clock.sleep(broker.slowMs)
      const response = await cluster.produce(broker, { ...request, batches })
      if (request.acks === 0 && response.results.some(({ code }) => code !== 0))
        connection.reset('closed by the broker')
      if (broker.throttleMs === 0) return response
      if (cluster.holdsThrottled) await clock.sleep(broker.throttleMs)
      return { ...response, throttleMs: broker.throttleMs }
    })
    if (request.acks === 0) {
      answer.catch(() => {})
      await clock.sleep(1)
      return undefined
    }
    try {
      const response = await within(cluster, request.answerMs, answer)
      const codes = response.results.map(({ topic, partition, code }) => `${topic}-${partition} ${code}`)
      client.tell(events, () => `<- ${broker}: ${codes.join(', ')}`)
      return response
    } catch (error) {
      client.tell(events, () => `<- ${broker}: ${(error as Error).message}`)
      connection.close()
      throw error
    }
  }

  close(): void {
    this.connection.close()
  }
}

function describe({ topic, partition, identity, records }: OutgoingBatch): string {
  const { producerId, epoch, sequence } = identity ?? {}
  const events = records.map(({ value }) => eventOf(value))
  return `${topic}-${partition} (id ${producerId}, epoch ${epoch}, sequence ${sequence}; events ${events})`
}
