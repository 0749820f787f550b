import { GateError } from '#src/lib/errors.js'
import { Sender, type SenderSettings } from '#src/lib/kafka/sender.js'
import { randomFrom } from '../support/kafka-fake.js'
import { SETTINGS } from '../support/kafka-sender.js'
import { type ClientOptions, SimClient } from './client.js'
import { VirtualClock } from './clock.js'
import { SimCluster, type SimPartition } from './cluster.js'

/** Faults made by hand, what came of them in figures, and whether that is as it must be. */
export interface Scene {
  readonly name: string
  play(): Promise<Result[]>
}

export interface Result {
  readonly what: string
  readonly figures: string
  readonly holds: boolean
}

const GUARANTEED: SenderSettings = {
  ...SETTINGS,
  maxRequestBytes: 4 * 1024 * 1024,
  requestBytes: 4 * 1024 * 1024,
  maxQueuedBytes: 32 * 1024 * 1024,
}
const HASTY: SenderSettings = {
  ...GUARANTEED,
  timeoutMs: 300_000,
  requestBytes: 250_000,
  batchBytes: 250_000,
  maxQueuedBytes: 16 * 1024 * 1024,
}
const TOPIC = { replication: 2, minInsync: 1 }
/** Stopped for as long as a scene lasts. */
const EVER_MS = 1e9

interface Answer {
  readonly topic: string
  readonly sentAt: number
  readonly tookMs: number
  /** `stored`, or an error's code. */
  readonly code: string
}

/** Three brokers, and a client whose events' fates are kept. */
class Stage {
  readonly clock = new VirtualClock()
  readonly cluster = new SimCluster(this.clock, randomFrom(1), 3)
  readonly client: SimClient
  readonly sender: Sender
  readonly answers: Answer[] = []
  #count = 0

  constructor(settings: Partial<SenderSettings> = {}, client: Partial<ClientOptions> = {}) {
    const options = { rttMs: 1, handshakes: 2, sessionMs: Infinity, connectTimeoutMs: 30_000, ...client }
    this.client = new SimClient(this.cluster, options)
    this.sender = new Sender({ ...GUARANTEED, ...settings }, this.client, this.clock, randomFrom(2))
  }

  topic(name: string, ...replicas: readonly (readonly number[])[]): SimPartition[] {
    return this.cluster.createTopic(name, replicas, { ...TOPIC, replication: replicas[0]?.length ?? 1 })
      .partitions
  }

  send(topic: string, key: string | null = null, bytes = 100): void {
    const sentAt = this.clock.time
    const answered = (code: string) =>
      this.answers.push({ topic, sentAt, tookMs: this.clock.time - sentAt, code })
    const value = `${this.#count++} ${'x'.repeat(bytes)}`
    this.sender.send(topic, key === null ? null : Buffer.from(key), value, Date.now()).then(
      () => answered('stored'),
      error => answered(error instanceof GateError ? error.code : String(error)),
    )
  }

  /** Calls back every so often, from one time to another. */
  every(ms: number, from: number, until: number, callback: (index: number) => void): void {
    for (let i = 0; from + i * ms < until; i++) this.clock.at(from + i * ms, () => callback(i))
  }

  /** How the events of a topic ended that were sent in a time. */
  of(topic: string | RegExp, from = 0, until = Infinity): Figures {
    const isIt = (name: string) => (typeof topic === 'string' ? name === topic : topic.test(name))
    return new Figures(
      this.answers.filter(answer => isIt(answer.topic) && answer.sentAt >= from && answer.sentAt < until),
    )
  }
}

class Figures {
  readonly #times: number[]
  constructor(readonly answers: readonly Answer[]) {
    this.#times = answers.map(({ tookMs }) => tookMs).sort((a, b) => a - b)
  }

  /** Of all, those that were stored. */
  get share(): number {
    return this.answers.filter(({ code }) => code === 'stored').length / this.answers.length
  }

  within(ms: number): number {
    return (
      this.answers.filter(({ code, tookMs }) => code === 'stored' && tookMs <= ms).length /
      this.answers.length
    )
  }

  quantile(q: number): number {
    return this.#times[Math.min(this.#times.length - 1, Math.floor(q * this.#times.length))] ?? Infinity
  }

  toString(): string {
    const codes = new Map<string, number>()
    for (const { code } of this.answers) codes.set(code, (codes.get(code) ?? 0) + 1)
    const ms = (q: number) => Math.round(this.quantile(q))
    return `${[...codes].map(([code, count]) => `${code} ${count}`).join(', ')}; p50 ${ms(0.5)}, p99 ${ms(0.99)}, max ${ms(1)} ms`
  }
}

export const SCENES: readonly Scene[] = [
  {
    name: 'a flood to a topic without a leader',
    play: async () => {
      const results: Result[] = []
      for (const [delivery, settings, bytes] of [
        ['hasty', HASTY, 10_000],
        ['guaranteed', GUARANTEED, 80_000],
      ] as const) {
        const stage = new Stage(settings)
        stage.topic('well', [0, 1])
        stage.topic('sick', [2])
        stage.every(1000, 0, 90_000, () => stage.send('well', null, bytes))
        stage.every(16, 5000, 90_000, () => stage.send('sick', null, bytes))
        stage.clock.at(5000, () => void stage.cluster.kill(stage.cluster.broker(2), EVER_MS))
        await stage.clock.runUntil(110_000)
        const well = stage.of('well')
        results.push({ what: `${delivery}: the well topic`, figures: `${well}`, holds: well.share === 1 })
      }
      return results
    },
  },
  {
    name: 'a flood to a topic that is never made',
    play: async () => {
      const stage = new Stage(HASTY)
      stage.cluster.createsTopics = false
      stage.topic('well', [0, 1])
      stage.every(1000, 0, 90_000, () => stage.send('well', null, 10_000))
      stage.every(16, 5000, 90_000, () => stage.send('never', null, 10_000))
      await stage.clock.runUntil(110_000)
      const well = stage.of('well')
      return [{ what: 'hasty: the well topic', figures: `${well}`, holds: well.share === 1 }]
    },
  },
  {
    name: 'a broker that needs long for each request, and stores all',
    play: async () => {
      const results: Result[] = []
      for (const slowMs of [1000, 2900, 3200, 3900, 5000, 7800]) {
        const stage = new Stage()
        stage.topic('t', [0], [0], [0])
        stage.every(20, 5000, 205_000, i => stage.send('t', `key-${i % 7}`))
        stage.send('t', 'key-0')
        stage.clock.at(1000, () => {
          stage.cluster.broker(0).slowMs = slowMs
        })
        await stage.clock.runUntil(230_000)
        // From the second deadline after its first slow answer on.
        const later = stage.of('t', 5000 + 2 * 8900 + slowMs)
        const must = slowMs <= 8900 / 2 - 500 ? 1 : 0.9 * Math.min(1, (8900 - slowMs) / slowMs)
        results.push({ what: `${slowMs} ms`, figures: `${later}`, holds: later.share >= must })
      }
      return results
    },
  },
  {
    name: 'a broker whose time for a request wanders',
    play: async () => {
      const results: Result[] = []
      for (const [low, high] of [
        [500, 2500],
        [1500, 3500],
        [2000, 4000],
      ] as const) {
        const stage = new Stage()
        stage.topic('t', [0], [1], [2])
        stage.every(20, 1000, 41_000, i => stage.send('t', `key-${i % 17}`))
        stage.every(100, 1000, 60_000, () => {
          for (const broker of stage.cluster.brokers) broker.slowMs = stage.cluster.between(low, high)
        })
        await stage.clock.runUntil(80_000)
        const later = stage.of('t', 20_000)
        results.push({ what: `${low} to ${high} ms`, figures: `${later}`, holds: later.share === 1 })
      }
      return results
    },
  },
  {
    name: 'replicas that are slow, beside one that is stopped',
    play: async () => {
      const results: Result[] = []
      for (const followMs of [600, 1250]) {
        // Broker 1 follows in `stopped`, 2 in `slow`; `well` has no follower. All are led by broker 0.
        const stage = new Stage()
        stage.topic('stopped', [0, 1])
        stage.topic('slow', [0, 2])
        stage.topic('well', [0])
        stage.every(100, 1000, 31_000, () => {
          for (const topic of ['stopped', 'slow', 'well']) stage.send(topic)
        })
        stage.clock.at(2000, () => {
          // It stays in sync, as far as the controller knows.
          stage.cluster.broker(1).followMs = EVER_MS
          stage.cluster.broker(2).followMs = followMs
        })
        await stage.clock.runUntil(60_000)
        for (const topic of ['slow', 'well']) {
          const figures = stage.of(topic, 2000)
          const most = topic === 'well' ? 1000 : 8900
          results.push({
            what: `${topic}, followers need ${followMs} to ${2 * followMs} ms`,
            figures: `${figures}`,
            holds: figures.share === 1 && figures.quantile(0.99) <= most,
          })
        }
      }
      return results
    },
  },
  {
    name: 'a connection breaks once while another topic waits for a stopped follower',
    play: async () => {
      const stage = new Stage()
      stage.topic('stopped', [0, 1])
      stage.topic('b', [0])
      stage.topic('c', [0])
      stage.every(100, 0, 20_000, () => {
        for (const topic of ['stopped', 'b', 'c']) stage.send(topic)
      })
      stage.clock.at(1000, () => {
        stage.cluster.broker(1).followMs = EVER_MS
      })
      // With a request on its way.
      stage.clock.at(6050, () => {
        stage.cluster.broker(0).resets = 1
      })
      stage.clock.at(6150, () => {
        stage.cluster.broker(0).resets = 0
      })
      await stage.clock.runUntil(60_000)
      const figures = stage.of(/^[bc]$/, 5000)
      return [
        {
          what: 'the others',
          figures: `${figures}`,
          holds: figures.share === 1 && figures.quantile(1) <= 1000,
        },
      ]
    },
  },
  {
    name: 'the neighbours of a slow follower',
    play: async () => {
      const results: Result[] = []
      for (const followMs of [50, 150, 300, 450, 750, 1250, 2000]) {
        const stage = new Stage()
        stage.topic('sick', [0, 1])
        for (let i = 0; i < 5; i++) stage.topic(`well-${i}`, [0, 2])
        stage.every(10, 1000, 31_000, i => {
          stage.send('sick')
          stage.send(`well-${i % 5}`)
        })
        stage.clock.at(5000, () => {
          stage.cluster.broker(1).followMs = followMs
        })
        await stage.clock.runUntil(50_000)
        const before = stage.of(/^well/, 2000, 5000)
        const well = stage.of(/^well/, 5000)
        const holds =
          well.share === 1 &&
          well.quantile(0.5) <= 3 * before.quantile(0.5) + 5 &&
          well.quantile(0.99) <= 1000
        results.push({ what: `${followMs} to ${2 * followMs} ms`, figures: `${well}`, holds })
      }
      return results
    },
  },
  {
    name: 'a follower that is stopped most of the time',
    play: async () => {
      const results: Result[] = []
      for (const [stopped, goes] of [
        [500, 20],
        [1500, 30],
      ] as const) {
        const stage = new Stage()
        stage.topic('sick', [0, 2])
        for (let i = 0; i < 4; i++) stage.topic(`well-${i}`, [0, 1])
        stage.every(20, 1000, 25_000, i => {
          stage.send('sick')
          stage.send(`well-${i % 4}`)
        })
        stage.every(
          stopped + goes,
          5000,
          25_000,
          () => void stage.cluster.pause(stage.cluster.broker(2), stopped),
        )
        await stage.clock.runUntil(50_000)
        const before = stage.of(/^well/, 2000, 5000)
        const well = stage.of(/^well/, 5000)
        const holds =
          well.share === 1 &&
          well.quantile(0.5) <= 3 * before.quantile(0.5) + 5 &&
          well.quantile(0.99) <= 1000
        results.push({ what: `${stopped} ms of each ${stopped + goes}`, figures: `${well}`, holds })
      }
      return results
    },
  },
  {
    name: 'a leader moves, and acks are few',
    play: async () => {
      const results: Result[] = []
      for (const acks of [0, 1] as const) {
        const stage = new Stage({ ...HASTY, acks, idempotent: false })
        const [partition] = stage.topic('t', [0, 1]) as [SimPartition]
        stage.every(20, 1000, 21_000, () => stage.send('t'))
        stage.clock.at(5000, () => stage.cluster.move(partition))
        await stage.clock.runUntil(30_000)
        const log = partition.log(partition.leader)
        const lost = stage.answers.length - log.end
        results.push({
          what: `acks ${acks}`,
          figures: `${lost} of ${stage.answers.length} lost`,
          holds: lost <= 5,
        })
      }
      return results
    },
  },
  {
    name: 'events without a key, and one failing partition of three',
    play: async () => {
      const results: Result[] = []
      for (const code of [19, 6, 3, 56, -1]) {
        const stage = new Stage()
        const [ill] = stage.topic('t', [0], [1], [2]) as [SimPartition]
        stage.every(20, 1000, 21_000, () => stage.send('t'))
        stage.clock.at(3000, () => {
          ill.fault = () => ({ code })
        })
        await stage.clock.runUntil(40_000)
        const figures = stage.of('t', 3000)
        results.push({
          what: `it answers ${code}`,
          figures: `${figures}`,
          holds: figures.within(100) >= 0.99,
        })
      }
      const stage = new Stage()
      stage.topic('t', [0], [1], [2])
      stage.every(20, 1000, 21_000, () => stage.send('t'))
      stage.clock.at(3000, () => void stage.cluster.pause(stage.cluster.broker(0), EVER_MS))
      await stage.clock.runUntil(40_000)
      const figures = stage.of('t', 3000)
      results.push({
        what: 'its leader is stopped',
        figures: `${figures}`,
        holds: figures.within(100) >= 0.99,
      })
      return results
    },
  },
  {
    name: 'a long line: seven round trips for a connection',
    play: async () => {
      const results: Result[] = []
      for (const rttMs of [200, 300, 500]) {
        const stage = new Stage({}, { rttMs, handshakes: 7 })
        stage.topic('t', [0, 1])
        // The first has as long as a start has; what is in time for it is told by the later ones.
        stage.every(1000, 0, 60_000, () => stage.send('t'))
        await stage.clock.runUntil(80_000)
        const first = stage.answers
          .filter(({ code }) => code === 'stored')
          .map(({ sentAt, tookMs }) => sentAt + tookMs)
        const later = stage.of('t', 30_000)
        results.push({
          what: `${rttMs} ms`,
          figures: `first stored after ${Math.round(Math.min(...first))} ms; later: ${later}`,
          holds: Math.min(...first) <= 30_000 && later.share === 1,
        })
      }
      return results
    },
  },
  {
    name: 'two brokers swap addresses',
    play: async () => {
      const stage = new Stage()
      stage.topic('t', [0, 2], [1, 2], [2, 0])
      stage.every(50, 1000, 61_000, i => stage.send('t', `key-${i % 9}`))
      stage.clock.at(5000, () => {
        const [one, other] = [stage.cluster.broker(0), stage.cluster.broker(1)]
        // The client connects again before anybody can tell it.
        for (const broker of stage.cluster.brokers) broker.newsMs = 1500
        void stage.cluster.kill(one, 1000)
        void stage.cluster.kill(other, 1000)
        ;[one.address, other.address] = [other.address, one.address]
      })
      await stage.clock.runUntil(80_000)
      const later = stage.of('t', 25_000)
      return [{ what: '20 s later', figures: `${later}`, holds: later.share === 1 }]
    },
  },
  {
    name: 'a leader that is cut off from the others, and believes that it leads',
    play: async () => {
      const stage = new Stage()
      stage.topic('t', [0, 1])
      stage.every(50, 1000, 61_000, () => stage.send('t'))
      stage.clock.at(5000, () => void stage.cluster.isolate(stage.cluster.broker(0), 40_000))
      await stage.clock.runUntil(80_000)
      // Another one leads after nine seconds.
      const later = stage.of('t', 14_600, 30_000)
      return [{ what: 'once another one leads', figures: `${later}`, holds: later.within(1000) >= 0.99 }]
    },
  },
  {
    name: 'a topic is made anew with fewer partitions',
    play: async () => {
      const stage = new Stage()
      stage.topic('t', [0], [0], [0])
      stage.every(20, 0, 6000, i => stage.send('t', `key-${i % 11}`))
      stage.clock.at(1000, () => stage.cluster.deleteTopic('t'))
      stage.clock.at(2000, () => void stage.topic('t', [0], [0]))
      await stage.clock.runUntil(40_000)
      const figures = stage.of('t', 1500)
      return [{ what: 'sent after its end', figures: `${figures}`, holds: figures.share === 1 }]
    },
  },
  {
    name: 'the first producer id is refused once',
    play: async () => {
      const stage = new Stage()
      stage.topic('t', [0, 1])
      stage.cluster.idCode = 14
      stage.clock.at(50, () => {
        stage.cluster.idCode = 0
      })
      stage.send('t')
      await stage.clock.runUntil(20_000)
      const figures = stage.of('t')
      return [{ what: 'the first event', figures: `${figures}`, holds: figures.within(500) === 1 }]
    },
  },
  {
    name: 'a rolling restart of all brokers, leaders moved, partitions added',
    play: async () => {
      const stage = new Stage({ timeoutMs: 18_900 })
      const { cluster, clock } = stage
      stage.topic('t', [0, 1, 2], [1, 2, 0], [2, 0, 1])
      const topic = cluster.topics.get('t')
      stage.every(10, 1000, 100_000, i => stage.send('t', i % 3 === 0 ? null : `key-${i % 9}`))
      const restart = async () => {
        for (const broker of cluster.brokers) {
          await cluster.shutDown(broker, 3000)
          await clock.sleep(8000)
          for (const partition of topic?.partitions ?? []) cluster.move(partition)
          if (topic) cluster.addPartitions(topic, 1)
          await clock.sleep(5000)
        }
      }
      clock.at(5000, () => void restart())
      await clock.runUntil(130_000)
      const figures = stage.of('t')
      return [{ what: 'all events', figures: `${figures}`, holds: figures.share === 1 }]
    },
  },
]
