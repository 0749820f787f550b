import { Registry } from 'prom-client'
import type { Context } from '#src/lib/eventgate.js'
import { ByPattern } from '#src/lib/streams/by-pattern.js'
import { StreamTable } from '#src/lib/streams/table.js'
import { keepAccounts } from '#src/lib/telemetry/account-metrics.js'
import type { AccountOptions, StreamAccounts } from '#src/lib/telemetry/accounts.js'
import { exposition } from '#src/lib/telemetry/exposition.js'
import { MetricSet } from '#src/lib/telemetry/metric-set.js'
import { StreamLabels } from '#src/lib/telemetry/stream-labels.js'

/** One line of what is scraped. */
export interface Sample {
  name: string
  labels: Record<string, string>
  value: number
}

export interface Kept {
  accounts: StreamAccounts
  labels: StreamLabels
  registry: Registry
  /** The values of a metric now, with their labels. */
  samples(name: string): Promise<Sample[]>
  /** Puts a stream configuration in force. */
  configure(streams: Record<string, object>): void
}

/** Accounts as a service keeps them, with a registry of their own. */
export function keep(options: Partial<AccountOptions> = {}): Kept {
  const registry = new Registry()
  const labels = new StreamLabels()
  const accounts = keepAccounts(
    new MetricSet(registry, {}),
    {
      streamField: 'meta.stream',
      eventTimeField: 'dt',
      quietAfter: new ByPattern<number | false>([]),
      classes: new ByPattern<string>([]),
      destination: undefined,
      errorStream: undefined,
      countsExperiments: false,
      ...options,
    },
    labels,
  )
  return {
    ...{ accounts, labels, registry },
    samples: async name => samplesOf(await textOf(registry)).filter(sample => sample.name === name),
    configure: streams => accounts.configure(tableOf(streams)),
  }
}

export function contextFor(more: Partial<Context> = {}): Context {
  return {
    requestId: 'r',
    receivedAt: Date.now(),
    deadline: Infinity,
    headers: {},
    delivery: 'guaranteed',
    clientIp: () => undefined,
    textOf: () => '{}',
    ...more,
  }
}

export function tableOf(streams: Record<string, object>): StreamTable {
  return StreamTable.read(JSON.stringify(streams), {
    objectPath: undefined,
    destination: undefined,
    topicPrefix: 'eqiad.',
  })
}

/** What is scraped of a registry. */
export async function textOf(registry: Registry): Promise<string> {
  let text = ''
  for await (const piece of exposition(registry)) text += piece
  return text
}

/** The samples of a text in Prometheus's format. */
export function samplesOf(text: string): Sample[] {
  return text.split('\n').flatMap(line => {
    const [, name, inner = '', value] = /^([a-z_]+)(?:\{(.*)\})? (\S+)$/.exec(line) ?? []
    if (name === undefined) return []
    const pairs = [...inner.matchAll(/([a-z_]+)="((?:[^"\\]|\\.)*)"/g)].map(([, label, text]) => [
      label,
      JSON.parse(`"${text}"`),
    ])
    return { name, labels: Object.fromEntries(pairs), value: Number(value) }
  })
}

/** The account of each stream, delivery and kind, by outcome and code. */
export interface Sheet {
  received: number
  inFlight: number
  outcomes: Record<string, number>
}

/** By `stream delivery kind`. */
export function sheetsOf(samples: readonly Sample[]): Map<string, Sheet> {
  const sheets = new Map<string, Sheet>()
  for (const { name, labels, value } of samples) {
    const of = /^eventgate_stream_(received_total|events_total|in_flight_events)$/.exec(name)?.[1]
    if (!of) continue
    const key = `${labels.stream} ${labels.delivery} ${labels.kind}`
    const sheet = sheets.get(key) ?? { received: 0, inFlight: 0, outcomes: {} }
    sheets.set(key, sheet)
    if (of === 'received_total') sheet.received += value
    else if (of === 'in_flight_events') sheet.inFlight += value
    else if (value > 0) sheet.outcomes[[labels.outcome, labels.code].filter(Boolean).join(' ')] = value
  }
  return sheets
}

/** What does not add up: nothing, if the accounts are right. */
export function imbalances(sheets: ReadonlyMap<string, Sheet>): string[] {
  return [...sheets].flatMap(([key, { received, inFlight, outcomes }]) => {
    const known = Object.values(outcomes).reduce((sum, events) => sum + events, 0)
    return received === known + inFlight
      ? []
      : `${key}: ${received} came, ${known} are known, ${inFlight} in flight`
  })
}
