/**
 * The tests that need a real Kafka, on one version of it or another: `npm run test:kafka -- --kafka 1.1.1`, with
 * `--kafka all` on each version that is supported.
 */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { NEWEST_KAFKA, TESTED_KAFKAS } from '../support/kafka-jars.js'

const { values } = parseArgs({ options: { kafka: { type: 'string', default: NEWEST_KAFKA } } })
const TESTS = ['kafka/versions', 'contract/record', 'kafka/service'].map(name =>
  fileURLToPath(new URL(`../${name}.test.js`, import.meta.url)),
)

for (const version of values.kafka === 'all' ? TESTED_KAFKAS : values.kafka.split(',')) {
  console.log(`== Kafka ${version}`)
  const { status } = spawnSync(
    process.execPath,
    // One after the other: each starts brokers of its own.
    ['--test', '--test-concurrency=1', '--test-timeout=300000', ...TESTS],
    { stdio: 'inherit', env: { ...process.env, KAFKA_VERSION: version } },
  )
  if (status !== 0) process.exitCode = 1
}
