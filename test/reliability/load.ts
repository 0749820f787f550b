/** An open loop of requests: they are sent when they are due, however long the answers take, and never again. */
import { randomUUID } from 'node:crypto'
import { Agent, request } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Code, GateError } from '#src/lib/errors.js'
import type { Delivery } from '#src/lib/eventgate.js'

/**
 * What an answer says of one event. `stored`, `spooled` and `not_stored` are promises that Kafka's records can break.
 * `spooled`: 202 for a guaranteed event, which is in Kafka or on disk.
 * `unexplained` is a failure whose body does not tell what became of the event, which is a defect by itself.
 * `never_sent`: the port was closed.
 */
export type Verdict =
  | 'stored'
  | 'spooled'
  | 'accepted'
  | 'not_stored'
  | 'unknown'
  | 'no_answer'
  | 'never_sent'
  | 'unexplained'

export interface Answered {
  id: string
  stream: string
  delivery: Delivery
  /** Milliseconds since the load began. */
  sentAt: number
  latency: number
  /** Of its request; 0 without an answer. */
  status: number
  /** Its entry's code; without an answer the socket's. */
  code: string | undefined
  verdict: Verdict
}

export interface Load {
  /** Where events are posted: `http://127.0.0.1:8192/v1/events`. */
  url: string
  /** Events a second. */
  rate: number
  streams: readonly string[]
  /** Asked before each request: whether to go on. */
  more: (elapsed: number) => boolean
  /** Every tenth request is an array of so many events. Default 5. */
  arrayOf?: number
  /** One request in so many is hasty. Default: none. */
  hastyEvery?: number
  /** After this the client hangs up, and there is no answer. */
  giveUpMs: number
  event?: (id: string, stream: string) => unknown
}

/** An event for `ledgerSchema`. Its id is the client's, so that Kafka's records can be held against answers. */
export function ledgerEvent(id: string, stream: string): unknown {
  return {
    $schema: '/ledger/event/1.0.0',
    meta: { stream, id, domain: 'ledger.example.org' },
    test: 'x'.repeat(200),
  }
}

export function ledgerSchema(): object {
  const text = { type: 'string', maxLength: 1000 }
  return {
    title: 'ledger/event',
    $id: '/ledger/event/1.0.0',
    $schema: 'https://json-schema.org/draft-07/schema#',
    type: 'object',
    additionalProperties: false,
    required: ['$schema', 'meta'],
    properties: {
      $schema: text,
      meta: {
        type: 'object',
        required: ['stream', 'id', 'dt'],
        properties: {
          stream: text,
          id: text,
          domain: text,
          dt: { type: 'string', format: 'date-time', maxLength: 128 },
        },
      },
      test: text,
    },
  }
}

interface Entry {
  index?: number
  code?: string
  retriable?: boolean
}

/** What an entry of a failure's body promises about its event. */
function fateOf(entry: Entry, kind: 'invalid' | 'error'): Verdict {
  if (entry.retriable === true || kind === 'invalid') return 'not_stored'
  if (entry.code === undefined) return 'unexplained'
  // The table of codes is the service's own and closed; one that is not in it has no fate and throws.
  try {
    return new GateError(entry.code as Code, '').fate
  } catch {
    return 'unexplained'
  }
}

/** What an answer says of each of its request's events. */
export function verdictsOf(
  status: number,
  body: string,
  events: number,
  delivery: Delivery = 'hasty',
): { verdict: Verdict; code?: string }[] {
  const kept: Verdict = delivery === 'hasty' ? 'accepted' : 'spooled'
  if (status === 201) return Array.from({ length: events }, () => ({ verdict: 'stored' }))
  if (status === 202) return Array.from({ length: events }, () => ({ verdict: kept }))
  // In a 207, events without an entry are the stored ones; in any other failure every event has its entry.
  const silent: Verdict = status === 207 ? 'stored' : 'unexplained'
  const verdicts: { verdict: Verdict; code?: string }[] = Array.from({ length: events }, () => ({
    verdict: silent,
  }))
  let lists: Partial<Record<'invalid' | 'error', Entry[]>>
  try {
    lists = JSON.parse(body)
  } catch {
    return verdicts.map(() => ({ verdict: 'unexplained' }))
  }
  for (const kind of ['invalid', 'error'] as const) {
    for (const entry of lists[kind] ?? []) {
      const { code, index } = entry
      const said = { verdict: fateOf(entry, kind), ...(code !== undefined && { code }) }
      // Without an index the request failed as a whole.
      if (index === undefined) verdicts.fill(said)
      else verdicts[index] = said
    }
  }
  return verdicts
}

function unanswered(error: string, events: number): { verdict: Verdict; code: string }[] {
  const verdict: Verdict = error === 'ECONNREFUSED' ? 'never_sent' : 'no_answer'
  return Array.from({ length: events }, () => ({ verdict, code: error }))
}

interface Reply {
  /** 0 without an answer. */
  status: number
  body: string
  /** Why the answer is missing. `ECONNREFUSED`: the port was closed, so nothing was sent. */
  error?: string
}

/** Posts once. Never rejects. */
export function post(agent: Agent, url: string, body: string, giveUpMs: number): Promise<Reply> {
  return new Promise(resolve => {
    const none = (error: NodeJS.ErrnoException) =>
      resolve({ status: 0, body: '', error: error.code ?? error.message })
    const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }
    const sent = request(url, { agent, method: 'POST', headers }, response => {
      const chunks: Buffer[] = []
      response.on('data', chunk => chunks.push(chunk))
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, body: String(Buffer.concat(chunks)) }),
      )
      response.on('error', none)
    })
    sent.on('error', none)
    const timer = setTimeout(() => sent.destroy(new Error('no answer')), giveUpMs)
    sent.on('close', () => clearTimeout(timer))
    sent.end(body)
  })
}

/** Less than the gate's: a connection that both ends may end at one moment would cost an event its answer. */
const IDLE_MS = 30_000

/** Sends events at a rate while `more` says so; resolves when the last one is answered or given up. */
export async function offer(load: Load): Promise<Answered[]> {
  const { url, rate, streams, more, arrayOf = 5, hastyEvery = 0, giveUpMs, event = ledgerEvent } = load
  const agent = new Agent({ keepAlive: true, timeout: IDLE_MS })
  const answered: Answered[] = []
  const open: Promise<void>[] = []
  const start = performance.now()
  const elapsed = () => performance.now() - start
  let requests = 0
  let sent = 0

  async function sendOne(): Promise<void> {
    const nth = ++requests
    const size = nth % 10 === 0 ? arrayOf : 1
    const delivery: Delivery = hastyEvery > 0 && nth % hastyEvery === 0 ? 'hasty' : 'guaranteed'
    const events = Array.from({ length: size }, () => ({
      id: randomUUID(),
      stream: streams[sent++ % streams.length] ?? '',
    }))
    const bodies = events.map(({ id, stream }) => event(id, stream))
    const sentAt = elapsed()
    const text = JSON.stringify(size === 1 ? bodies[0] : bodies)
    const to = delivery === 'hasty' ? `${url}?hasty=true` : url
    const { status, body, error } = await post(agent, to, text, giveUpMs)
    const latency = elapsed() - sentAt
    const verdicts = error === undefined ? verdictsOf(status, body, size, delivery) : unanswered(error, size)
    for (const [i, { id, stream }] of events.entries()) {
      const { verdict, code } = { code: undefined, ...(verdicts[i] ?? { verdict: 'unexplained' as const }) }
      answered.push({ id, stream, delivery, sentAt, latency, status, code, verdict })
    }
  }

  while (more(elapsed())) {
    while (sent < (elapsed() / 1000) * rate) open.push(sendOne())
    await sleep(5)
  }
  await Promise.all(open)
  agent.destroy()
  return answered
}

/** The value below which the share `q` of the values lies; NaN of none. */
export function quantile(values: readonly number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? Number.NaN
}
