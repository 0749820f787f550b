/**
 * The three-broker ledger, whole: `npm run ledger [-- --seconds 60 --rate 300 --short --naive --conf '{…}']`.
 * `--naive` runs it against the naive service instead; `--conf` is JSON, options of the service. Exits with 1 if
 * a promise was broken.
 */
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { startKafka } from '../test/real-kafka.js'
import { createLedgerTopics, FULL, runLedger, SHORT, table, violations } from './ledger.js'
import { createNeighbourTopics, measureNeighbours } from './ledger-neighbours.js'
import { startEventGate, startNaive } from './ledger-service.js'

const { values } = parseArgs({
  options: {
    seconds: { type: 'string' },
    rate: { type: 'string' },
    deadline: { type: 'string', default: '9000' },
    short: { type: 'boolean', default: false },
    naive: { type: 'boolean', default: false },
    conf: { type: 'string', default: '{}' },
  },
})

const say = (line: string) => process.stderr.write(`${line}\n`)
const schedule = values.short ? SHORT : FULL
const deadlineMs = Number(values.deadline)
const conf = { request_timeout_ms: deadlineMs, ...(JSON.parse(values.conf) as Record<string, unknown>) }
const start = (bootstrap: string) => (values.naive ? startNaive(bootstrap) : startEventGate(bootstrap, conf))

say('starting three brokers')
const kafka = await startKafka({ brokers: 3 })
try {
  const topics = ['ledger.one', 'ledger.two']
  await createLedgerTopics(kafka, topics)
  await createNeighbourTopics(kafka)

  const first = await start(kafka.bootstrap)
  const neighbours = await measureNeighbours(kafka, first, { deadlineMs }).finally(() => first.close())
  await kafka.whenInSync(topics)

  const second = await start(kafka.bootstrap)
  const report = await runLedger(kafka, second, {
    seconds: Number(values.seconds ?? schedule.seconds),
    rate: Number(values.rate ?? schedule.rate),
    faults: schedule.faults,
    deadlineMs,
    topics,
    log: say,
  }).finally(() => second.close())

  const figures = ({ count, p50, p99 }: { count: number; p50: number; p99: number }) =>
    `p50 ${p50.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms (${count} events)`
  const text = `${table(report)}

Healthy partitions: ${figures(neighbours.healthyBefore)}. While a follower of their leaders' other partitions is stopped: ${figures(neighbours.healthy)}. Those other partitions: ${figures(neighbours.held)}.
`
  console.log(text)
  const broken = violations(report)
  if (neighbours.healthy.p50 >= 50) broken.push('healthy partitions wait for a stopped follower of others')
  for (const line of broken) console.log(`BROKEN: ${line}`)
  process.exitCode = broken.length > 0 ? 1 : 0
  if (broken.length === 0 && !values.short && !values.naive) {
    const head = `# Ledger\n\nWritten by \`npm run ledger\` on ${new Date().toISOString().slice(0, 10)}, Node ${process.version}: what was answered, against what is in Kafka. Three brokers of Apache Kafka 4.2.0, replication 3, \`min.insync.replicas\` 2.\n\n`
    writeFileSync(fileURLToPath(new URL('../../bench/LEDGER.md', import.meta.url)), head + text)
  }
} finally {
  await kafka.close()
}
