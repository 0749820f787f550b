import assert from 'node:assert/strict'
import { GateError } from '#src/lib/errors.js'
import type { Trace } from '#src/lib/eventgate.js'
import type { Origin, Pending } from '#src/lib/kafka/batch.js'
import { PARTITIONERS } from '#src/lib/kafka/partitioner.js'
import { Sender, type SenderSettings } from '#src/lib/kafka/sender.js'
import { type BatchFault, FakeClock, FakeCluster, randomFrom } from './kafka-fake.js'

export const TIMEOUT = 8900

/** The settings of a sender of guaranteed events. */
export const SETTINGS: SenderSettings = {
  acks: -1,
  idempotent: true,
  requiresIdempotence: false,
  timeoutMs: TIMEOUT,
  lingerMs: 0,
  batchMessages: 10_000,
  batchBytes: 1_000_000,
  retries: Infinity,
  retryBackoffMs: 100,
  retryBackoffMaxMs: 1000,
  partitioner: PARTITIONERS.consistent_random,
  stickyMs: 10,
  maxRequestBytes: 1_000_000,
  requestBytes: 1_000_000,
  maxQueuedMessages: 100_000,
  maxQueuedBytes: 64 * 1024 * 1024,
  metadataMaxAgeMs: 300_000,
}

export interface Answer {
  at: number
  how?: 'spooled' | undefined
  error?: GateError
}

/** A request's events, and once it has ended what was wrong with it. */
interface Ended {
  values: string[]
  problem?: string
}

interface SendOptions {
  topic?: string
  key?: string | null
  timestamp?: number
  timeoutMs?: number
  trace?: Trace
  origin?: Origin
}

/** A sender and its cluster, with topic `t` of one partition led by broker 0. */
export function setUp(
  settings: Partial<SenderSettings> = {},
  faults: ConstructorParameters<typeof FakeCluster>[1] = {},
) {
  const clock = new FakeClock()
  const cluster = new FakeCluster(clock, faults)
  cluster.create('t', 1)
  const seen = {
    late: 0,
    complaints: [] as string[],
    warnings: [] as string[],
    troubles: [] as string[],
    requests: [] as [number, number][],
    ended: [] as Ended[],
  }
  const sender = new Sender({ ...SETTINGS, ...settings }, cluster, clock, randomFrom(1), {
    late: count => {
      seen.late += count
    },
    complain: message => seen.complaints.push(message),
    warn: message => seen.warnings.push(message),
    trouble: message => seen.troubles.push(message),
    sent: (batches, events) => seen.requests.push([batches, events]),
    begin: batches => {
      const ended: Ended = {
        values: batches.flatMap(({ records }) => records.map(({ value }) => `${value}`)),
      }
      seen.ended.push(ended)
      return problem => {
        ended.problem = problem ?? 'none'
      }
    },
  })
  const answers = new Map<string, Answer>()
  const send = (
    value: string,
    {
      topic = 't',
      key = null as string | null,
      timestamp = 1,
      timeoutMs = Infinity,
      trace,
      origin,
    }: SendOptions = {},
  ) => {
    const keyBytes = key === null ? null : Buffer.from(key)
    sender.send(topic, keyBytes, value, timestamp, timeoutMs, trace, origin).then(
      how => answers.set(value, { at: clock.time, how }),
      error => {
        assert.ok(error instanceof GateError)
        answers.set(value, { at: clock.time, error })
      },
    )
  }
  /** How an event ended: `stored`, `spooled`, or its error's code. */
  const outcome = (value: string) => {
    const answer = answers.get(value)
    return answer && (answer.error?.code ?? answer.how ?? 'stored')
  }
  return { clock, cluster, sender, send, answers, outcome, seen }
}

/** Faults for the batches that are asked to be stored, one after the other; then none. */
export function inOrder(...faults: (BatchFault | undefined)[]): { batch: () => BatchFault | undefined } {
  return { batch: () => faults.shift() }
}

/** A sender whose cluster is away from 1 s on until `back`: no connection, no metadata. */
export function setUpAway(back: number, settings: Partial<SenderSettings> = {}) {
  let clock: FakeClock | undefined
  const away = () => clock !== undefined && clock.time >= 1000 && clock.time < back
  const made = setUp(settings, {
    connect: () => (away() ? 'refused' : undefined),
    request: () => (away() ? 'lost' : undefined),
    metadata: () => (away() ? 'fails' : undefined),
  })
  clock = made.clock
  return made
}

/** An event that a sender has accepted. */
export function eventOf(value: string, now: number): Pending {
  return {
    key: null,
    value,
    valueBytes: value.length,
    timestamp: 1,
    headers: undefined,
    size: value.length,
    deadline: now + TIMEOUT,
    patience: TIMEOUT,
    share: undefined,
    settled: false,
    resolve: () => {},
    reject: (_error: GateError) => {},
  }
}
