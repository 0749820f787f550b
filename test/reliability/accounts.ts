/** The accounts that a gate keeps of its streams, against the ledger's own books of the same events. */
import { REQUEST_ERRORS } from '#src/lib/error-codes.js'
import { imbalances, type Sample, samplesOf, sheetsOf } from '../support/accounts.js'
import type { Answered } from './load.js'

export interface Comparison {
  /** Events that are in both. */
  events: number
  streams: number
  /** What does not agree; nothing, if the accounts are right. */
  broken: string[]
}

/** An event that was not begun has no stream in the accounts, because it was never read. */
const NEVER_READ = 'deadline_not_stored'

/**
 * Compares what a gate tells at its end with what its clients were answered, by stream, delivery, outcome and code.
 * Nobody was told what became of hasty events. For those, Kafka's records count.
 *
 * @param answered the events that this gate was sent, and no other
 * @param stored how often each id is in Kafka
 */
export function compareAccounts(
  metrics: string,
  answered: readonly Answered[],
  stored: ReadonlyMap<string, number>,
): Comparison {
  const samples = samplesOf(metrics)
  const broken = imbalances(sheetsOf(samples))
  const sent = answered.filter(
    ({ verdict, code = '' }) => verdict !== 'never_sent' && !(code in REQUEST_ERRORS),
  )
  const streams = new Set(sent.map(({ stream }) => stream))
  const agree = (what: string, theirs: number, ours: number) => {
    if (theirs !== ours) broken.push(`${what}: ${theirs} in the account, ${ours} in the ledger`)
  }
  for (const stream of streams) {
    const account = (delivery: string) => new Account(samples, stream, delivery)
    const events = (delivery: string) =>
      sent.filter(event => event.stream === stream && event.delivery === delivery)

    const [guaranteed, ours] = [account('guaranteed'), events('guaranteed')]
    const unread = ours.filter(({ code }) => code === NEVER_READ).length - guaranteed.coded(NEVER_READ)
    if (unread < 0) broken.push(`${stream}: ${-unread} more events without time than were answered so`)
    agree(`${stream}, received`, guaranteed.received, ours.length - unread)
    const kept = ours.filter(({ verdict }) => verdict === 'stored' || verdict === 'spooled').length
    agree(
      `${stream}, delivered or spooled`,
      guaranteed.outcome('delivered') + guaranteed.outcome('spooled'),
      kept,
    )
    const codes = new Set([...ours.flatMap(({ code }) => code ?? []), ...guaranteed.codes])
    for (const code of codes)
      if (code !== NEVER_READ)
        agree(`${stream}, ${code}`, guaranteed.coded(code), ours.filter(event => event.code === code).length)

    const [hasty, accepted] = [account('hasty'), events('hasty')]
    agree(`${stream}, hasty, received`, hasty.received, accepted.length)
    const inKafka = accepted.filter(({ id }) => stored.has(id)).length
    const least = hasty.outcome('delivered') + hasty.outcome('spooled')
    if (inKafka < least || inKafka > least + hasty.outcome('unknown'))
      broken.push(`${stream}, hasty: ${least} delivered in the account, ${inKafka} in Kafka`)
  }
  const unread = sent.filter(({ code }) => code === NEVER_READ).length
  const inAccounts = [...streams, 'unknown'].reduce(
    (sum, stream) => sum + new Account(samples, stream, 'guaranteed').coded(NEVER_READ),
    0,
  )
  agree('events that were not begun in time', inAccounts, unread)
  return { events: sent.length, streams: streams.size, broken }
}

/** What a gate tells of one stream. */
class Account {
  readonly #samples: readonly Sample[]

  constructor(samples: readonly Sample[], stream: string, delivery: string) {
    this.#samples = samples.filter(
      ({ labels }) => labels.stream === stream && labels.delivery === delivery && labels.kind === 'event',
    )
  }

  #sum(name: string, labels: Record<string, string> = {}): number {
    return this.#samples
      .filter(
        sample =>
          sample.name === name &&
          Object.entries(labels).every(([label, value]) => sample.labels[label] === value),
      )
      .reduce((sum, { value }) => sum + value, 0)
  }

  get received(): number {
    return this.#sum('eventgate_stream_received_total')
  }

  get codes(): string[] {
    return this.#samples.flatMap(({ labels }) => labels.code || [])
  }

  outcome(outcome: string): number {
    return this.#sum('eventgate_stream_events_total', { outcome })
  }

  coded(code: string): number {
    return this.#sum('eventgate_stream_events_total', { code })
  }
}
