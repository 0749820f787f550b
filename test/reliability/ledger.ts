/**
 * The books of the ledger. They record every event that a client sends during faults, with its answer, and compare it
 * with what Kafka has stored. A 201 is a promise, and so is "not stored".
 */
import type { KafkaCluster } from '../support/kafka.js'
import { type Comparison, compareAccounts } from './accounts.js'
import { type Answered, quantile, type Verdict } from './load.js'

/** A service to be tested, started by the caller. */
export interface Service {
  /** Where events are posted. */
  url: string
  /** SIGTERM, and waits for its end: what it still sends then is in the books too. */
  close(): Promise<void>
}

/** Something that was done to the brokers, the network or the gate. Times are milliseconds of the load. */
export interface Disturbance {
  what: string
  from: number
  /** When everything was there again, be it that replicas still had to catch up. */
  to: number
}

/** One gate's life, from the moment it listens to the signal that ends it. */
export interface Life {
  /** When its process was started, the one before having ended: it may answer before it is seen to listen. */
  started: number
  from: number
  to: number
  ended: 'SIGTERM' | 'kill -9'
  /** Of a process that ended by itself. */
  exitCode?: number | null
  /** Events lost after their 202, by its own metric when last seen; undefined without that metric. */
  counted: number | undefined
}

/** What happened while the load was offered. */
export interface History {
  faults: readonly Disturbance[]
  /** In their order. No lives: the gate was there all the time. */
  lives: readonly Life[]
  /** Topics that were deleted and made anew: what was acknowledged before is gone, and nobody's fault. */
  deleted: readonly { topic: string; recreatedAt: number }[]
  /** The longest that the ledger's own process was held up: by so much its clock may be wrong. */
  heldUpMs: number
  /** What the last gate tells of its streams at its end. Undefined if it keeps no accounts. */
  accounts?: string | undefined
}

/** How long after a fault everything is to be well. */
export const SETTLED_MS = 15_000
/** What was sent so shortly before a fault may still be on its way when it begins. */
const BEFORE_FAULT_MS = 1000
/** What was accepted hastily so shortly before a kill -9 may have been in the gate's memory. */
const IN_MEMORY_MS = 10_000
const MAX_SUSPECTS = 50
/** A connection to a process that was killed breaks at once. */
const BREAKS_MS = 1000

export interface LedgerReport {
  seconds: number
  sent: number
  /** Events by what their answer said. */
  verdicts: Record<Verdict, number>
  /** Events by the status of their request; `0` is no answer. */
  statuses: Record<string, number>
  /** Failed events by code. */
  codes: Record<string, number>
  /** Whatever was answered. */
  storedOnce: number
  storedTwice: number
  /** Events whose answer was a promise that Kafka's records break: must be 0. */
  promisedButMissing: number
  deniedButStored: number
  /** Answered 201 before their topic was deleted, and gone with it. */
  lostWithTopic: number
  /** Of those answered `unknown` or not at all. */
  unknownStored: number
  unknownMissing: number
  /** Records with an id that nobody sent: must be 0. */
  foreign: number
  overDeadline: number
  /** No answer, because their gate was killed with -9. */
  gateKilled: number
  /** No answer, for any other reason: must be 0. */
  noAnswer: number
  /** Not sent, for there was no gate, or though there was one: the latter must be 0. */
  noGate: number
  refusedByGate: number
  heldUpMs: number
  /** Gates that said, on SIGTERM, that they gave something up; or died of it: must be 0, for Kafka was there. */
  gaveUp: number
  hasty: {
    accepted: number
    stored: number
    /** Not stored, and not long before a kill -9. */
    lostByKill: number
    lostWithTopic: number
    /** Not stored for any other reason, and how many the gate itself says it lost. */
    lost: number
    counted: number
    /** Lost, and not counted: must be 0. */
    uncounted: number
  }
  latency: { p50: number; p99: number; max: number }
  /** The longest time without an answer that says `stored`, in ms. */
  longestGap: number
  /** Guaranteed events that were offered to a living gate, and the share of them that was answered 201. */
  offered: number
  shareStored: number
  /** Those of them that were said to be not stored. */
  refused: number
  /** Events sent later than 15 s after one fault's end, and before the next. */
  settled: { sent: number; shareStored: number; p50: number; hasty: number; hastyRefused: number }
  faults: FaultReport[]
  /** The last gate's accounts of its streams, against these books. */
  accounts: Comparison | undefined
  /** Some of the events for which a promise was broken, each with what Kafka has of it: to find out why. */
  suspects: (Answered & { stored: number })[]
}

export interface FaultReport extends Disturbance {
  /** Of guaranteed events sent from its beginning to the next one's, to a living gate. */
  sent: number
  shareStored: number
  p99: number
  longestGap: number
}

/** Topics of six partitions on three brokers, each broker leading two. */
export async function createLedgerTopics(kafka: KafkaCluster, topics: readonly string[]): Promise<void> {
  const ids = kafka.brokers.map(broker => broker.nodeId)
  const assignment = Array.from({ length: 6 }, (_, p) => ids.map((_, i) => ids[(p + i) % ids.length] ?? 0))
  for (const topic of topics) {
    await kafka.createTopic(topic, { assignment, config: { 'min.insync.replicas': '2' } })
  }
}

/** The books: answers against records. */
export function balance(
  answered: readonly Answered[],
  stored: ReadonlyMap<string, number>,
  history: History,
  limitMs: number,
): LedgerReport {
  const verdicts: Record<Verdict, number> = {
    stored: 0,
    spooled: 0,
    accepted: 0,
    not_stored: 0,
    unknown: 0,
    no_answer: 0,
    never_sent: 0,
    unexplained: 0,
  }
  const statuses: Record<string, number> = {}
  const codes: Record<string, number> = {}
  for (const { verdict, status, code } of answered) {
    verdicts[verdict]++
    statuses[status] = (statuses[status] ?? 0) + 1
    if (code !== undefined) codes[code] = (codes[code] ?? 0) + 1
  }
  const gates = new GateTimes(history.lives)
  const isLate = (event: Answered) => event.latency > limitMs + history.heldUpMs && !gates.wasGone(event)
  const times = (event: Answered) => stored.get(event.id) ?? 0
  const count = (test: (event: Answered) => boolean) => answered.filter(test).length
  const isOpen = ({ verdict }: Answered) => ['unknown', 'no_answer', 'unexplained'].includes(verdict)
  const isMissing = (event: Answered) => isStored(event) && times(event) === 0
  const isGone = (event: Answered) =>
    history.deleted.some(
      ({ topic, recreatedAt }) => topic === event.stream && answeredAt(event) < recreatedAt,
    )
  const offered = answered.filter(event => event.delivery === 'guaranteed' && !gates.wasGone(event))
  const settled = answered.filter(event => isSettled(event, history.faults))
  const settledHasty = settled.filter(event => event.delivery === 'hasty')
  const settledGuaranteed = settled.filter(event => event.delivery === 'guaranteed')
  const latencies = offered.map(event => event.latency)
  const isSuspect = (event: Answered) =>
    (isMissing(event) && !isGone(event)) ||
    (event.verdict === 'not_stored' && times(event) > 0) ||
    times(event) > 1 ||
    event.verdict === 'unexplained' ||
    (!gates.wasGone(event) && ['no_answer', 'never_sent'].includes(event.verdict)) ||
    isLate(event) ||
    (isSettled(event, history.faults) && !['stored', 'spooled', 'accepted'].includes(event.verdict))
  const ids = new Set(answered.map(event => event.id))
  const storedAt = answered.filter(isStored).map(answeredAt)
  storedAt.sort((a, b) => a - b)
  return {
    seconds: largest(answered.map(event => event.sentAt)) / 1000,
    sent: answered.length,
    verdicts,
    statuses,
    codes,
    storedOnce: count(event => times(event) === 1),
    storedTwice: count(event => times(event) > 1),
    promisedButMissing: count(event => isMissing(event) && !isGone(event)),
    deniedButStored: count(event => event.verdict === 'not_stored' && times(event) > 0),
    lostWithTopic: count(event => isMissing(event) && isGone(event)),
    unknownStored: count(event => isOpen(event) && times(event) > 0),
    unknownMissing: count(event => isOpen(event) && times(event) === 0),
    foreign: [...stored.keys()].filter(id => !ids.has(id)).length,
    overDeadline: count(isLate),
    gateKilled: count(event => event.verdict === 'no_answer' && gates.wasGone(event)),
    noAnswer: count(event => event.verdict === 'no_answer' && !gates.wasGone(event)),
    noGate: count(event => event.verdict === 'never_sent' && gates.wasGone(event)),
    refusedByGate: count(event => event.verdict === 'never_sent' && !gates.wasGone(event)),
    heldUpMs: history.heldUpMs,
    gaveUp: history.lives.filter(({ ended, exitCode }) => ended === 'SIGTERM' && exitCode !== 0).length,
    hasty: hastyBooks(answered, times, isGone, gates),
    latency: {
      p50: quantile(latencies, 0.5),
      p99: quantile(latencies, 0.99),
      max: largest(latencies),
    },
    longestGap: longestGap(storedAt, 0),
    offered: offered.length,
    shareStored: share(offered),
    refused: offered.filter(({ verdict }) => verdict === 'not_stored').length,
    settled: {
      sent: settledGuaranteed.length,
      shareStored: share(settledGuaranteed),
      p50: quantile(
        settledGuaranteed.map(event => event.latency),
        0.5,
      ),
      hasty: settledHasty.length,
      hastyRefused: settledHasty.filter(event => event.verdict !== 'accepted').length,
    },
    faults: history.faults.map((fault, i) => {
      const until = history.faults[i + 1]?.from ?? Number.POSITIVE_INFINITY
      const within = (time: number) => time >= fault.from && time < until
      const sent = offered.filter(event => within(event.sentAt))
      return {
        ...fault,
        sent: sent.length,
        shareStored: share(sent),
        p99: quantile(
          sent.map(event => event.latency),
          0.99,
        ),
        longestGap: longestGap(storedAt.filter(within), fault.from),
      }
    }),
    accounts:
      history.accounts === undefined
        ? undefined
        : compareAccounts(
            history.accounts,
            answered.filter(event => gates.of(event) === history.lives.at(-1)),
            stored,
          ),
    suspects: answered
      .filter(isSuspect)
      .slice(0, MAX_SUSPECTS)
      .map(event => ({ ...event, stored: times(event) })),
  }
}

/** `Math.max` takes no hundred thousand arguments. */
const largest = (values: readonly number[]) => values.reduce((a, b) => Math.max(a, b), 0)
const answeredAt = (event: Answered) => event.sentAt + event.latency
/** It was promised to be in Kafka, or on disk and later in Kafka. */
const isStored = ({ verdict }: Answered) => verdict === 'stored' || verdict === 'spooled'
const share = (events: readonly Answered[]) => events.filter(isStored).length / events.length

/** Between times in their order, the first of which is `since`. */
function longestGap(times: readonly number[], since: number): number {
  return times.reduce((gap, at, i) => Math.max(gap, at - (times[i - 1] ?? since)), 0)
}

/** The start is a fault too: what was sent in its first seconds proves nothing. */
function isSettled({ sentAt }: Answered, faults: readonly Disturbance[]): boolean {
  const disturbs = ({ from, to }: { from: number; to: number }) =>
    sentAt > from - BEFORE_FAULT_MS && sentAt <= to + SETTLED_MS
  return ![{ from: 0, to: 0 }, ...faults].some(disturbs)
}

/** When there was a gate, and which. */
class GateTimes {
  constructor(readonly lives: readonly Life[]) {}

  /** Whether an event has no answer because its gate was killed, or there was none. */
  wasGone(event: Answered): boolean {
    return this.lives.some((life, i) => {
      const back = this.lives[i + 1]?.from ?? Number.POSITIVE_INFINITY
      const overlaps = event.sentAt < back && answeredAt(event) >= life.to
      if (!overlaps) return false
      if (event.verdict === 'never_sent') return true
      return event.verdict === 'no_answer' && life.ended === 'kill -9' && brokeAt(event, life.to)
    })
  }

  /** Of an event that was accepted. */
  of(event: Answered): Life | undefined {
    return this.lives.findLast(life => life.started <= event.sentAt)
  }
}

/** Whether the connection broke when it had to; one that hangs is no gate's that was killed. */
function brokeAt(event: Answered, killedAt: number): boolean {
  return answeredAt(event) <= Math.max(event.sentAt, killedAt) + BREAKS_MS
}

function hastyBooks(
  answered: readonly Answered[],
  times: (event: Answered) => number,
  isGone: (event: Answered) => boolean,
  gates: GateTimes,
): LedgerReport['hasty'] {
  const accepted = answered.filter(event => event.verdict === 'accepted')
  const missing = accepted.filter(event => times(event) === 0)
  const wasInMemory = (event: Answered) => {
    const life = gates.of(event)
    return life?.ended === 'kill -9' && event.sentAt >= life.to - IN_MEMORY_MS
  }
  const withTopic = missing.filter(isGone)
  const byKill = missing.filter(event => !isGone(event) && wasInMemory(event))
  const lost = missing.filter(event => !isGone(event) && !wasInMemory(event))
  // Each gate answers for its own; what it counts may be more, for events of unknown fate are often stored.
  const uncounted = gates.lives.map(
    life => lost.filter(event => gates.of(event) === life).length - (life.counted ?? 0),
  )
  const none = lost.filter(event => gates.of(event) === undefined).length
  return {
    accepted: accepted.length,
    stored: accepted.length - missing.length,
    lostByKill: byKill.length,
    lostWithTopic: withTopic.length,
    lost: lost.length,
    counted: gates.lives.reduce((sum, life) => sum + (life.counted ?? 0), 0),
    uncounted: uncounted.reduce((sum, more) => sum + Math.max(0, more), none),
  }
}

/**
 * What the report holds against the service, in words; empty if every promise was kept.
 *
 * `least` is the share of guaranteed events that must be answered 201. It is less than 90 % in a run that is little but
 * faults. With a `spool`, none may be refused.
 */
export function violations(report: LedgerReport, least = 0.9, spool = false): string[] {
  const { verdicts, settled, hasty } = report
  const found: string[] = []
  const none = (count: number, what: string) => {
    if (count > 0) found.push(`${count} events ${what}`)
  }
  none(report.promisedButMissing, 'were answered 201 and are not stored')
  none(report.deniedButStored, 'were said to be not stored and are')
  none(report.storedTwice, 'are stored more than once')
  none(report.foreign, 'are stored that nobody sent')
  none(report.overDeadline, 'were answered after the deadline')
  none(report.noAnswer, 'got no answer')
  none(report.refusedByGate, 'were refused a connection while there was a gate')
  none(verdicts.unexplained, 'failed with no word about their fate')
  none(hasty.uncounted, 'were answered 202 and lost, and no metric counts them')
  none(settled.hastyRefused, 'were hasty, and not accepted later than 15 s after a fault')
  if (spool) none(report.refused, 'were refused (503), though there is a spool')
  for (const line of report.accounts?.broken ?? []) found.push(`accounts and ledger do not agree: ${line}`)
  if (report.gaveUp > 0) found.push(`${report.gaveUp} gates did not end with 0 on SIGTERM`)
  if (!(report.shareStored >= least)) {
    found.push(`only ${percent(report.shareStored)} of what a living gate was offered were answered 201`)
  }
  if (!(settled.shareStored === 1)) {
    found.push(`of those sent later than 15 s after a fault only ${percent(settled.shareStored)} were`)
  }
  return found
}

const percent = (share: number) => `${(share * 100).toFixed(2)} %`
const ms = (value: number) => `${value.toFixed(value < 100 ? 1 : 0)} ms`
const listed = (counts: Record<string, number>) =>
  Object.entries(counts)
    .map(([name, count]) => `${name}: ${count}`)
    .join(', ') || 'none'

export const seconds = (ms: number) => `${(ms / 1000).toFixed(1)} s`

/** The report as two tables of Markdown: the faults, and the books. */
export function table(report: LedgerReport): string {
  const { verdicts, latency, settled, hasty, accounts } = report
  const faults = report.faults.map(
    ({ what, from, to, sent, shareStored, p99, longestGap }) =>
      `| ${what} | ${seconds(from)} to ${seconds(to)} | ${sent} | ${percent(shareStored)} | ${seconds(p99)} | ${seconds(longestGap)} |`,
  )
  const rows: (readonly [string, string | number])[] = [
    ['sent', `${report.sent} in ${report.seconds.toFixed(1)} s`],
    ['statuses (events)', listed(report.statuses)],
    ['codes', listed(report.codes)],
    ['said to be stored (201)', verdicts.stored],
    ...(verdicts.spooled > 0 ? [['said to be in Kafka or on disk (202)', verdicts.spooled] as const] : []),
    ['stored once, whatever was said', report.storedOnce],
    ['**stored more than once**', report.storedTwice],
    ['**answered 201, missing**', report.promisedButMissing],
    ['answered 201 before their topic was deleted, gone with it', report.lostWithTopic],
    ['**said to be not stored, stored**', report.deniedButStored],
    ['said to be not stored', verdicts.not_stored],
    ['said to be unknown (504)', verdicts.unknown],
    ['**no answer**', report.noAnswer],
    ['no answer, for the gate was killed with -9', report.gateKilled],
    ['never sent, for there was no gate', report.noGate],
    ['**failed with no word about its fate**', verdicts.unexplained],
    ['fate not known to the client: stored / not', `${report.unknownStored} / ${report.unknownMissing}`],
    ['**answered over the deadline**', report.overDeadline],
    ['longest that the ledger itself was held up, which is forgiven', ms(report.heldUpMs)],
    ['latency p50 / p99 / max', [latency.p50, latency.p99, latency.max].map(ms).join(' / ')],
    ['longest time without a 201', ms(report.longestGap)],
    ['answered 201, of guaranteed events', `${percent(report.shareStored)} of ${report.offered}`],
    [
      'of those sent later than 15 s after a fault',
      `${percent(settled.shareStored)} of ${settled.sent}, p50 ${ms(settled.p50)}`,
    ],
    ['hasty events, answered 202', hasty.accepted],
    ['of them stored', hasty.stored],
    ['lost by kill -9 of the gate', hasty.lostByKill],
    ['gone with their topic', hasty.lostWithTopic],
    ['lost otherwise / counted by `eventgate_hasty_events_lost_total`', `${hasty.lost} / ${hasty.counted}`],
    ['**lost and not counted**', hasty.uncounted],
    ...(accounts === undefined
      ? []
      : [
          [
            'events of the last gate, in its accounts and here / **differences**',
            `${accounts.events} of ${accounts.streams} streams / ${accounts.broken.length}`,
          ] as const,
        ]),
  ]
  return [
    '| fault | when | sent until the next | answered 201 | p99 | longest time without a 201 |',
    '|---|---|---|---|---|---|',
    ...faults,
    '',
    '| | |',
    '|---|---|',
    ...rows.map(([name, value]) => `| ${name} | ${value} |`),
  ].join('\n')
}
