import { KafkaError, Misfit } from './response-codes.js'
import type { Clock, ControlQuestions } from './transport.js'
import type { ClusterMetadata, TopicMetadata } from './wire/protocol.js'

/** A connection to one broker, for questions that any broker can answer. */
export interface ControlSession {
  readonly open: boolean
  /** Of all topics, where none is named. Rejects when there is no answer; the session is then closed. */
  metadata(topics: readonly string[] | undefined, create: boolean): Promise<ClusterMetadata>
  producerId(): Promise<{ code: number; producerId: number; epoch: number }>
  close(): void
}

export interface ControlSettings {
  /** Addresses, host:port, that are asked as long as no others are known, and then too. */
  readonly bootstrap: readonly string[]
  /** Rejects when no connection can be had within the time that is configured for one. */
  dial(address: string): Promise<ControlSession>
  /** Something is wrong for good: an operator must see it. */
  complain(message: string): void
}

/** A broker that has not answered after this long is still waited for, but the next one is asked as well. */
const HEDGE_MS = 1000
/** The same for the brokers after the first: if several are silent, the one that answers must be found soon. */
const NEXT_HEDGE_MS = 500
/** The longest wait for the last one, where all are slow to answer and none fails. */
const MAX_PATIENCE_MS = 5000
/** A broker that is cut off from the others does not know it: after this long another one is asked first. */
const MAX_AGE_MS = 5000

/** Nobody has answered in a while, and nobody has failed: the answer may still come, to the next question. */
export class Unanswered extends Error {
  constructor(addresses: readonly string[]) {
    super(`no answer yet from ${addresses.join(', ')}`)
  }
}

/** What is known of the way to one broker. */
interface Contact {
  session: Promise<ControlSession> | undefined
  isOpen: () => boolean
  /** Questions that it has not answered, and since when there are any. */
  asked: number
  askedAt: number
}

/**
 * Asks brokers what any of them knows: who leads what, where the brokers are, producer ids.
 *
 * There is at most one connection to a broker. While an answer is late other brokers are asked as well: neither a
 * broker that hangs nor a long line keeps the answer from coming.
 */
export class Control implements ControlQuestions {
  /** Broker → address, as the latest answer has it. */
  readonly #addresses = new Map<number, string>()
  readonly #contacts = new Map<string, Contact>()
  /** Addresses of brokers that this client does not fit: their version, our credentials. */
  readonly #misfits = new Set<string>()
  #clusterId: string | undefined
  #current = ''
  #currentSince = -Infinity
  /** How long the last one that is asked is waited for. */
  #patienceMs = HEDGE_MS
  #next: number
  #closed = false

  constructor(
    readonly settings: ControlSettings,
    readonly clock: Clock,
    random: () => number,
  ) {
    this.#next = Math.floor(random() * settings.bootstrap.length)
  }

  /** All that are known, each once: the brokers' own addresses first. */
  get addresses(): string[] {
    return [...new Set([...this.#addresses.values(), ...this.settings.bootstrap])]
  }

  /** Where a broker is; undefined for one that is not part of the cluster, as far as is known. */
  addressOf(broker: number): string | undefined {
    return this.#addresses.get(broker)
  }

  /** A connection to an address was made, or was not. */
  note(address: string, error?: unknown): void {
    if (error instanceof Misfit) this.#misfits.add(address)
    else this.#misfits.delete(address)
  }

  /** Asks a broker other than `avoid` first. With `create`, topics that do not exist are created where brokers allow it. */
  metadata(topics: readonly string[], create: boolean, avoid?: number): Promise<TopicMetadata[]> {
    return this.#ask(avoid, async (session, address) => {
      const answer = await session.metadata(topics, create)
      this.#checkCluster(answer, address)
      if (answer.brokers.length > 0) this.#addresses.clear()
      for (const { id, host, port } of answer.brokers) this.#addresses.set(id, `${host}:${port}`)
      for (const topic of answer.topics) topic.from = address
      return answer.topics
    })
  }

  topicNames(): Promise<string[]> {
    return this.#ask(undefined, async (session, address) => {
      const answer = await session.metadata(undefined, false)
      this.#checkCluster(answer, address)
      return answer.topics.map(({ topic }) => topic)
    })
  }

  async brokerIds(): Promise<number[]> {
    await this.metadata([], false)
    return [...this.#addresses.keys()]
  }

  producerId(): Promise<{ producerId: number; epoch: number }> {
    return this.#ask(undefined, async session => {
      const { code, producerId, epoch } = await session.producerId()
      // 14 to 16: the broker finds nobody to ask for ids, which another one may.
      if (code !== 0) throw new KafkaError(code, 'no producer id')
      return { producerId, epoch }
    })
  }

  close(): void {
    this.#closed = true
    for (const address of this.#contacts.keys()) this.#leave(address)
  }

  /** Addresses are used again: what answers there may belong to another cluster, with topics of the same names. */
  #checkCluster({ clusterId }: ClusterMetadata, address: string): void {
    if (clusterId === null) return
    this.#clusterId ??= clusterId
    if (clusterId === this.#clusterId) return
    const message = `${address} belongs to the cluster ${clusterId}, and the service produces to ${this.#clusterId}`
    this.settings.complain(message)
    this.#leave(address)
    throw new Error(message)
  }

  /** The first answer counts. Rejects when all were asked, and the last has failed or had its time. */
  #ask<T>(
    avoid: number | undefined,
    question: (session: ControlSession, address: string) => Promise<T>,
  ): Promise<T> {
    const addresses = this.#order(avoid)
    const since = this.clock.now()
    return new Promise((resolve, reject) => {
      let asked = 0
      let isOver = false
      let problem: unknown
      let cancel = () => {}
      const finish = (act: () => void) => {
        isOver = true
        cancel()
        act()
      }
      const askNext = () => {
        cancel()
        if (isOver) return
        const address = addresses[asked++]
        if (address === undefined) {
          if (problem === undefined) this.#patienceMs = Math.min(2 * this.#patienceMs, MAX_PATIENCE_MS)
          finish(() => reject(problem === undefined ? new Unanswered(addresses) : this.#failure(problem)))
          return
        }
        const number = asked
        const hedgeMs = asked === 1 ? HEDGE_MS : NEXT_HEDGE_MS
        const isLast = asked === addresses.length && problem === undefined
        const waitMs = isLast ? this.#patienceMs : hedgeMs
        // What is late may lie in the socket: it is read first.
        cancel = this.clock.at(this.clock.now() + waitMs, () => this.clock.soon(askNext))
        this.#put(address, question, () => !isOver).then(
          answer => {
            if (isOver) return
            const tookMs = this.clock.now() - since
            this.#patienceMs = Math.max(HEDGE_MS, Math.min(2 * tookMs, MAX_PATIENCE_MS))
            finish(() => resolve(answer))
          },
          error => {
            problem = error
            if (number === asked) askNext()
          },
        )
      }
      askNext()
    })
  }

  /** The brokers in the order in which they are asked: first the one that answered of late. */
  #order(avoid: number | undefined): string[] {
    const now = this.clock.now()
    const { addresses } = this
    const avoided = avoid === undefined ? undefined : this.#addresses.get(avoid)
    const first = this.#next++ % addresses.length
    const turns = [...addresses.slice(first), ...addresses.slice(0, first)]
    const rank = (address: string) => {
      if (address === avoided) return 3
      const { askedAt = Infinity } = this.#contacts.get(address) ?? {}
      if (now - askedAt >= HEDGE_MS || this.#misfits.has(address)) return 2
      return address === this.#current && now - this.#currentSince < MAX_AGE_MS ? 0 : 1
    }
    return turns.sort((a, b) => rank(a) - rank(b))
  }

  /** Asks a broker. One that answers in time, or while no other does, is asked first from now on. */
  async #put<T>(
    address: string,
    question: (session: ControlSession, address: string) => Promise<T>,
    isWanted: () => boolean,
  ): Promise<T> {
    const contact = this.#contacts.get(address) ?? {
      session: undefined,
      isOpen: () => false,
      asked: 0,
      askedAt: 0,
    }
    this.#contacts.set(address, contact)
    if (contact.asked++ === 0) contact.askedAt = this.clock.now()
    try {
      const session = await this.#session(address, contact)
      const answer = await question(session, address)
      if (isWanted() || !this.#contacts.get(this.#current)?.isOpen()) this.#prefer(address)
      return answer
    } finally {
      if (--contact.asked === 0) contact.askedAt = Infinity
      this.#leaveIdle(address)
    }
  }

  async #session(address: string, contact: Contact): Promise<ControlSession> {
    if (this.#closed) throw new Error('closed')
    const known = contact.session
    if (known) {
      const session = await known
      if (session.open) return session
      session.close()
      if (contact.session !== known) return this.#session(address, contact)
    }
    const dialled = this.settings.dial(address)
    contact.session = dialled
    try {
      const session = await dialled
      contact.isOpen = () => session.open
      return session
    } catch (error) {
      if (contact.session === dialled) contact.session = undefined
      throw error
    }
  }

  #prefer(address: string): void {
    if (address === this.#current && this.clock.now() - this.#currentSince < MAX_AGE_MS) return
    const before = this.#current
    this.#current = address
    this.#currentSince = this.clock.now()
    this.#leaveIdle(before)
  }

  /** Only the connection that is asked first is kept. */
  #leaveIdle(address: string): void {
    if (address !== this.#current && this.#contacts.get(address)?.asked === 0) this.#leave(address)
  }

  #leave(address: string): void {
    const session = this.#contacts.get(address)?.session
    this.#contacts.delete(address)
    session?.then(
      open => open.close(),
      () => {},
    )
  }

  /** A misfit is final only where there is no other broker, which may be another version. */
  #failure(error: unknown): unknown {
    if (!(error instanceof Misfit) || this.addresses.every(address => this.#misfits.has(address)))
      return error
    return new Error(error.message, { cause: error })
  }
}
