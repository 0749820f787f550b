/**
 * Runs the tests by lanes: `node .build/test/lanes.js [LANE...]`, the fast one if none is named. The last line says
 * which tests were not run, and the command for them.
 */
import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { ROOT } from './support/service.js'

/** Tests that run together because they need the same things. */
interface Lane {
  /** What they test and need, for the last line. */
  what: string
  command: string
  /** Files and folders in `test/`. */
  paths: readonly string[]
  timeoutMs: number
  /** How many files run at the same time. */
  concurrency: number
}

const LANES: Readonly<Record<string, Lane>> = {
  fast: {
    what: 'units, contract, service, documents (Node.js)',
    command: 'npm test',
    paths: ['architecture.test.js', 'unit', 'contract', 'service', 'docs'],
    timeoutMs: 300_000,
    // More than processors, because most of these tests wait for a service.
    concurrency: availableParallelism() + 2,
  },
  slow: {
    what: 'hostile clients, simulated faults (Node.js, minutes)',
    command: 'npm run test:slow',
    paths: ['security', 'suites', 'fuzz', 'simulation'],
    timeoutMs: 600_000,
    concurrency: 1,
  },
  kafka: {
    what: 'a real Kafka (Java, Maven)',
    command: 'npm run test:kafka',
    paths: ['kafka', 'reliability'],
    timeoutMs: 300_000,
    // Each file starts brokers of its own.
    concurrency: 1,
  },
  page: {
    what: 'the page (Chromium)',
    command: 'npm run test:page',
    paths: ['page'],
    timeoutMs: 300_000,
    concurrency: 1,
  },
  operators: {
    what: 'chart, image, alerts (helm/tools.sh)',
    command: 'npm run check:operators',
    paths: ['operators'],
    timeoutMs: 120_000,
    concurrency: 1,
  },
}

const { values, positionals } = parseArgs({
  options: { coverage: { type: 'boolean', default: false } },
  allowPositionals: true,
})
const asked = positionals.length > 0 ? positionals : ['fast']
const folder = join(ROOT, '.build/test')
const tests = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter(file =>
  file.endsWith('.test.js'),
)
const isIn = (lane: Lane, file: string) =>
  lane.paths.some(path => file === path || file.startsWith(`${path}/`))
const lost = tests.filter(file => !Object.values(LANES).some(lane => isIn(lane, file)))
if (lost.length > 0) throw new Error(`these tests are in no lane: ${lost.join(', ')}`)

for (const name of asked) {
  const lane = LANES[name]
  if (!lane) throw new Error(`no lane is named ${name}: there are ${Object.keys(LANES).join(', ')}`)
  const files = tests.filter(file => isIn(lane, file))
  if (files.length === 0) throw new Error(`${folder} has no tests of lane ${name}`)
  const args = [
    '--test',
    '--test-reporter=spec',
    `--test-concurrency=${lane.concurrency}`,
    `--test-timeout=${lane.timeoutMs}`,
    ...(values.coverage ? ['--experimental-test-coverage'] : []),
    ...files.sort().map(file => join(folder, file)),
  ]
  const { status } = spawnSync(process.execPath, args, { cwd: ROOT, stdio: 'inherit' })
  if (status !== 0) process.exitCode = 1
}

const left = Object.entries(LANES).filter(([name]) => !asked.includes(name))
const commands = left.map(([, { what, command }]) => `${what}: ${command}`)
console.log(`Not run: ${commands.join('; ')}. All of it: npm run test:all`)
