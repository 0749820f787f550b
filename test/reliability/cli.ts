/**
 * The ledger, part by part: `npm run ledger [-- --only faults]`. It writes each part's result to
 * `bench/RELIABILITY.md`, and exits with 1 if a promise was broken. Variants of `faults` write nothing:
 *
 * - `--short`
 * - `--naive`: the naive service instead
 * - `--conf '{…}'`: options of the service (JSON)
 * - `--kafka 1.1.1`: brokers of that version are killed and stopped
 * - `--kafka 3.3.2 --upgrade 3.9.1`: brokers are upgraded one after the other, and downgraded again. All events that
 *   have 19 s must be stored.
 *
 * `spool` and `spool-topic` take `--outage 600`, which is how long Kafka or the topic is away (s), and `spool` takes
 * `--kill-every 60`. The result says how long it was.
 */
import { parseArgs } from 'node:util'
import { publish, type Result } from './report.js'

const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    short: { type: 'boolean', default: false },
    naive: { type: 'boolean', default: false },
    conf: { type: 'string', default: '{}' },
    kafka: { type: 'string' },
    upgrade: { type: 'string' },
    outage: { type: 'string' },
    'kill-every': { type: 'string' },
  },
})
const { only, short, naive, kafka, upgrade } = values
// Before what reads it is loaded.
if (kafka !== undefined) process.env.KAFKA_VERSION = kafka
const conf = JSON.parse(values.conf) as Record<string, unknown>
const isFull = !short && !naive && values.conf === '{}' && kafka === undefined
const say = (line: string) => process.stderr.write(`${line}\n`)

const spoolTimes = {
  ...(values.outage !== undefined && { outageS: Number(values.outage) }),
  ...(values['kill-every'] !== undefined && { killEveryS: Number(values['kill-every']) }),
}
const faults = async (spool: boolean) =>
  (await import('./faults.js')).run(say, {
    ...{ short, naive, conf, spool, upgrade },
    brokersOnly: kafka !== undefined,
  })

const parts = {
  faults: () => faults(false),
  spool: async () => (await import('./spool.js')).run(say, { ...spoolTimes, short }),
  'spool-topic': async () => (await import('./spool.js')).runTopic(say, spoolTimes),
  'spool-faults': () => faults(true),
  outage: async () => (await import('./outage.js')).run(say),
  isolation: async () => (await import('./isolation.js')).run(say),
  overload: async () => (await import('./overload.js')).run(say),
} satisfies Record<string, () => Promise<Result>>

const names = Object.keys(parts) as (keyof typeof parts)[]
const chosen = names.filter(name => (isFull && only === undefined) || name === (only ?? 'faults'))
if (chosen.length === 0) {
  say(`there is no part ${only}; there are ${names.join(', ')}`)
  process.exit(64)
}
for (const name of chosen) {
  say(`== ${name}`)
  const { text, broken } = await parts[name]()
  console.log(text)
  for (const line of broken) console.log(`BROKEN: ${line}`)
  if (broken.length > 0) process.exitCode = 1
  if (isFull) publish(name, [text.trim(), ...broken.map(line => `**Broken**: ${line}.`)].join('\n\n'))
}
