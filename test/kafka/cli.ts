/**
 * Runs the tests that need a real Kafka. `npm run test:kafka -- --kafka 1.1.1` runs those of records and versions
 * on another version of it, and `--kafka all` on each version that is tested.
 */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { TESTED_KAFKAS } from '../support/kafka-jars.js'

const { values } = parseArgs({ options: { kafka: { type: 'string' } } })
const pathOf = (name: string) => fileURLToPath(new URL(name, import.meta.url))
const TESTS = ['versions', 'record', 'service'].map(name => pathOf(`${name}.test.js`))

/** Runs Node.js, and remembers if it fails. */
function run(args: readonly string[], env: NodeJS.ProcessEnv = {}): void {
  const { status } = spawnSync(process.execPath, args, { stdio: 'inherit', env: { ...process.env, ...env } })
  if (status !== 0) process.exitCode = 1
}

if (values.kafka === undefined) run([pathOf('../lanes.js'), 'kafka'])
const versions = values.kafka === 'all' ? TESTED_KAFKAS : (values.kafka?.split(',') ?? [])
for (const version of versions) {
  console.log(`== Kafka ${version}`)
  // One file after the other, because each starts brokers of its own.
  run(['--test', '--test-concurrency=1', '--test-timeout=300000', ...TESTS], { KAFKA_VERSION: version })
}
