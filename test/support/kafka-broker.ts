import { createServer, type Server, type Socket } from 'node:net'
import type { TestContext } from 'node:test'
import { INIT_PRODUCER_ID, METADATA, PRODUCE } from '#src/lib/kafka/wire/protocol.js'

const API_VERSIONS = 18

/** What a broker over TCP does with a Produce request: answers it, or something worse. */
export type Deed = 'answers' | 'hangs up' | 'is silent'

type Ranges = readonly (readonly [key: number, min: number, max: number])[]

/** What brokers of these versions speak, measured. */
export const VERSIONS_OF = {
  '0.11': ranges([0, 3], [0, 4], [0, 1], [0, 0]),
  '1.1': ranges([0, 5], [0, 5], [0, 1], [0, 0]),
  '2.2': ranges([0, 7], [0, 7], [0, 2], [0, 1]),
  '2.8': ranges([0, 9], [0, 11], [0, 3], [0, 4]),
  '3.9': ranges([0, 11], [0, 12], [0, 4], [0, 5]),
  '4.2': ranges([0, 13], [0, 13], [0, 4], [0, 5]),
}

type Range = readonly [min: number, max: number]

export function ranges(produce: Range, metadata: Range, apiVersions: Range, initProducerId?: Range): Ranges {
  return [
    [PRODUCE, ...produce],
    [METADATA, ...metadata],
    [API_VERSIONS, ...apiVersions],
    ...(initProducerId ? [[INIT_PRODUCER_ID, ...initProducerId] as const] : []),
  ]
}

/** As much of a broker as a producer sees of it, over TCP. It stores nothing; it keeps the bytes. */
export class TcpBroker {
  /** Bodies of the Produce requests, after the client's name. */
  readonly produced: Buffer[] = []
  readonly sockets: Socket[] = []
  /** What to do with the next Produce requests; answer them when empty. */
  readonly deeds: Deed[] = []
  /** The name by which it says that it can be reached. */
  host = '127.0.0.1'
  versions: Ranges = VERSIONS_OF['2.8']
  /** It is older than ApiVersions: as Kafka before 0.10 it hangs up. */
  hangsUp = false
  /** Every request that came, by kind and version. */
  readonly asked: { key: number; version: number }[] = []
  readonly #server: Server

  private constructor() {
    this.#server = createServer(socket => this.#serve(socket))
  }

  static async start(t: TestContext): Promise<TcpBroker> {
    const broker = new TcpBroker()
    await new Promise<void>(resolve => broker.#server.listen(0, '127.0.0.1', resolve))
    t.after(() => {
      for (const socket of broker.sockets) socket.destroy()
      broker.#server.close()
    })
    return broker
  }

  get port(): number {
    return (this.#server.address() as { port: number }).port
  }

  #serve(socket: Socket): void {
    this.sockets.push(socket)
    let received = Buffer.alloc(0)
    socket.on('error', () => {})
    socket.on('data', data => {
      received = Buffer.concat([received, data])
      while (received.length >= 4 && received.length >= 4 + received.readInt32BE(0)) {
        const end = 4 + received.readInt32BE(0)
        this.#handle(socket, received.subarray(4, end))
        received = received.subarray(end)
      }
    })
  }

  #handle(socket: Socket, request: Buffer): void {
    const key = request.readInt16BE(0)
    const version = request.readInt16BE(2)
    const body = request.subarray(10 + Math.max(0, request.readInt16BE(8)))
    this.asked.push({ key, version })
    const range = this.versions.find(([known]) => known === key)
    const isKnown = range !== undefined && version >= range[1] && version <= range[2]
    if (key === API_VERSIONS && !isKnown && !this.hangsUp) {
      // 35 and no versions, in the layout of version 0.
      socket.write(Buffer.concat([int32(10), request.subarray(4, 8), int16(35), int32(0)]))
      return
    }
    // Of any other request in a version that it does not speak a broker says nothing.
    if (!isKnown || this.hangsUp) {
      socket.end()
      return
    }
    if (key === PRODUCE) {
      this.produced.push(body)
      const deed = this.deeds.shift() ?? 'answers'
      if (deed === 'hangs up') socket.destroy()
      if (deed !== 'answers') return
    }
    const answer = this.#answer(key, version, body)
    socket.write(Buffer.concat([int32(4 + answer.length), request.subarray(4, 8), answer]))
  }

  #answer(key: number, version: number, body: Buffer): Buffer {
    if (key === API_VERSIONS) {
      const throttle = version >= 1 ? [int32(0)] : []
      return Buffer.concat([
        int16(0),
        int32(this.versions.length),
        ...this.versions.flat().map(int16),
        ...throttle,
      ])
    }
    if (key === METADATA) {
      const brokers = [int32(0), int32(1), int32(1), string(this.host), int32(this.port), int16(-1)]
      const cluster = [int16(-1), int32(1)]
      const operations = version >= 8 ? [int32(-1)] : []
      if (body.readInt32BE(0) === 0) return Buffer.concat([...brokers, ...cluster, int32(0), ...operations])
      // The first topic that is asked for, whatever it is called.
      const name = body.subarray(4, 6 + body.readInt16BE(4))
      const epoch = version >= 7 ? [int32(0)] : []
      const partition = [int16(0), int32(0), int32(1), ...epoch, int32(0), int32(0), int32(0)]
      const topic = [int32(1), int16(0), name, Buffer.from([0]), int32(1), ...partition, ...operations]
      return Buffer.concat([...brokers, ...cluster, ...topic, ...operations])
    }
    if (key === PRODUCE) {
      // No transaction, acks, timeout, one topic: its name, one partition.
      const name = body.subarray(12, 14 + body.readInt16BE(12))
      const errors = version >= 8 ? [int32(0), int16(-1)] : []
      return Buffer.concat([
        ...[int32(1), name, int32(1), int32(0), int16(0), Buffer.alloc(24), ...errors],
        int32(0),
      ])
    }
    return Buffer.concat([int32(0), int16(0), Buffer.alloc(7), Buffer.from([7]), int16(0)])
  }
}

function int16(value: number): Buffer {
  const buffer = Buffer.alloc(2)
  buffer.writeInt16BE(value)
  return buffer
}

function int32(value: number): Buffer {
  const buffer = Buffer.alloc(4)
  buffer.writeInt32BE(value)
  return buffer
}

function string(value: string): Buffer {
  return Buffer.concat([int16(Buffer.byteLength(value)), Buffer.from(value)])
}
