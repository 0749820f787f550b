import { availableParallelism } from 'node:os'

/** Tests that run together because they need the same things. */
export interface Lane {
  /** What they test and need, for the last line. */
  what: string
  command: string
  /** Files and folders in `test/`. */
  paths: readonly string[]
  /** Matches files of which each folder is run in one process, because most of their time would be its start. */
  grouped?: RegExp
  timeoutMs: number
  /** How many files run at the same time. */
  concurrency: number
}

export const LANES: Readonly<Record<string, Lane>> = {
  fast: {
    what: 'units, contract, service, documents (Node.js)',
    command: 'npm test',
    paths: ['architecture.test.js', 'unit', 'contract', 'service', 'docs'],
    grouped: /^unit\/(?!cli\/|routes\/).*\//,
    timeoutMs: 300_000,
    // More than processors, because most of these tests wait for a service.
    concurrency: availableParallelism() + 2,
  },
  slow: {
    what: 'hostile clients, simulated faults, workers under load (Node.js, minutes)',
    command: 'npm run test:slow',
    paths: ['security', 'suites', 'fuzz', 'simulation', 'workers'],
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

/** Says which tests are not among those that were asked for, and the command for each. */
export function notRun(asked: readonly string[]): string {
  const left = Object.entries(LANES).filter(([name]) => !asked.includes(name))
  const commands = left.map(([, { what, command }]) => `${what}: ${command}`)
  return left.length === 0
    ? 'All tests were run.'
    : `Not run: ${commands.join('; ')}. All of it: npm run test:all`
}
