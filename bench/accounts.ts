/**
 * Measures what accounts of streams cost: CPU and garbage of an event, memory of 5,000 streams, and a scrape of them.
 * The variants are measured in turn, in one process, because only their differences count.
 *
 *   npm run pretest && node .build/bench/accounts.js
 */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { pino } from 'pino'
import { Registry } from 'prom-client'
import { GateError } from '#src/lib/errors.js'
import type { Accounts, Context, Outcome, Stream } from '#src/lib/eventgate.js'
import { ByPattern } from '#src/lib/streams/by-pattern.js'
import { StreamTable } from '#src/lib/streams/table.js'
import type { StreamAccounts } from '#src/lib/telemetry/accounts.js'
import { exposition } from '#src/lib/telemetry/exposition.js'
import { Reporter } from '#src/lib/telemetry/reporter.js'

const STREAMS = 5000
const EVENTS = 200_000
const ROUNDS = 15

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void
const heap = () => {
  collect()
  return process.memoryUsage().heapUsed
}
const median = (values: number[]) => values.toSorted((a, b) => a - b)[values.length >> 1] as number

const settings = Object.fromEntries(
  Array.from({ length: STREAMS }, (_, n) => [`mediawiki.some.stream_${n}.v1`, { schema_title: 'a/title' }]),
)
const table = StreamTable.read(JSON.stringify(settings), {
  ...{ objectPath: undefined, destination: undefined, topicPrefix: 'eqiad.' },
})
const streams = Object.keys(settings).map(name => table.find(name) as Stream)
const events = Array.from({ length: 1000 }, (_, n) => ({
  dt: new Date(Date.now() - n * 1000).toISOString(),
  meta: {},
}))
const context: Context = {
  ...{ requestId: 'r', receivedAt: Date.now(), deadline: Infinity, headers: {}, delivery: 'guaranteed' },
  ...{ clientIp: () => undefined, textOf: () => '{}' },
}
const delivered: Outcome = { fate: 'delivered' }

function keep(eventTimeField: string | undefined): {
  registry: Registry
  reporter: Reporter
  accounts: StreamAccounts
} {
  const registry = new Registry()
  const reporter = new Reporter(registry, pino({ level: 'silent' }), 'eventgate')
  const accounts = reporter.keepAccounts({
    ...{ streamField: 'meta.stream', eventTimeField, destination: undefined, errorStream: undefined },
    quietAfter: new ByPattern<number | false>([['/./', 900]]),
    classes: new ByPattern<string>([]),
    countsExperiments: false,
  })
  reporter.ofStreamConfigs().fetched?.(table)
  return { registry, reporter, accounts }
}

/** Microseconds and bytes of garbage of an event. */
function pass(
  [accounts, outcome]: [Accounts, Outcome],
  pick: (n: number) => Stream,
): { micros: number; bytes: number } {
  collect()
  const before = process.memoryUsage().heapUsed
  const cpu = process.cpuUsage()
  for (let n = 0; n < EVENTS; n++) {
    const event = events[n % events.length] as (typeof events)[number]
    accounts.open(event, pick(n), context).settle(outcome, context)
  }
  const { user, system } = process.cpuUsage(cpu)
  const bytes = process.memoryUsage().heapUsed - before
  return { micros: (user + system) / EVENTS, bytes: bytes / EVENTS }
}

const nothing: Accounts = { open: () => NO_ACCOUNT, openRefused: () => NO_ACCOUNT }
const NO_ACCOUNT = { settle() {} }
const PICKS: Record<string, (n: number) => Stream> = {
  'one stream': () => streams[0] as Stream,
  // Steps far apart, so that caches do not help.
  [`${STREAMS} streams`]: n => streams[(n * 2971) % STREAMS] as Stream,
}
const counted = keep(undefined).accounts
const whole = keep('dt').accounts
/** An event that is refused is counted only. One that is stored also has a time. */
const VARIANTS: Record<string, [Accounts, Outcome]> = {
  'the loop alone': [nothing, delivered],
  'the counters': [counted, { fate: 'invalid', error: new GateError('validation_failed', 'no') }],
  'the counters, when stored last, the time to storage': [counted, delivered],
  'the counters, when stored last, the time to storage, the skew': [whole, delivered],
}

for (const [shape, pick] of Object.entries(PICKS)) {
  const found = new Map(Object.keys(VARIANTS).map(name => [name, { micros: [], bytes: [] } as Found]))
  for (let round = 0; round < ROUNDS; round++)
    for (const [name, variant] of Object.entries(VARIANTS)) {
      const { micros, bytes } = pass(variant, pick)
      found.get(name)?.micros.push(micros)
      found.get(name)?.bytes.push(bytes)
    }
  for (const [name, { micros, bytes }] of found)
    console.log(`${shape}, ${name}: ${median(micros).toFixed(3)} µs, ${median(bytes).toFixed(1)} bytes`)
}

interface Found {
  micros: number[]
  bytes: number[]
}

const before = heap()
const memory = keep('dt')
const configured = heap()
for (const stream of streams) memory.accounts.open({}, stream, context).settle(delivered, context)
const used = heap()
const mib = (bytes: number) => (bytes / 1024 ** 2).toFixed(2)
console.log(
  `${STREAMS} streams: ${mib(used - before)} MiB, of which ${mib(configured - before)} before the first event`,
)

/** CPU of this process so far (ms): other processes of the machine do not count. */
const cpuMs = () => {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}

/** The scrape of all metrics, with the longest time for which nothing else could run. */
for (const stream of streams) memory.reporter.outcome({ ...delivered, stream, schema: undefined }, context, 0)
const totals: number[] = []
const blocked: number[] = []
let lines = 0
for (let round = 0; round < ROUNDS; round++) {
  let last = cpuMs()
  let longest = 0
  let isOver = false
  const look = () => {
    const now = cpuMs()
    longest = Math.max(longest, now - last)
    last = now
    if (!isOver) setImmediate(look)
  }
  setImmediate(look)
  const start = cpuMs()
  let text = ''
  for await (const piece of exposition(memory.registry)) text += piece
  totals.push(cpuMs() - start)
  await new Promise(setImmediate)
  isOver = true
  blocked.push(longest)
  lines = text.split('\n').length
}
console.log(
  `a scrape of ${lines} lines: ${median(totals).toFixed(0)} ms of CPU, ${median(blocked).toFixed(1)} ms at a time (at worst ${Math.max(...blocked).toFixed(1)})`,
)
process.exit(0)
