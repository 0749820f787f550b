import { quote } from '../errors.js'
import { readText } from '../yaml.js'
import { evaluate } from './config.js'
import { readNumWorkers } from './num-workers.js'
import { optionalText, port, text, type ValueOf } from './options/values.js'
import { ConfigError, checker, type Problem } from './problems.js'

const level = { enum: ['trace', 'debug', 'info', 'warn', 'error', 'fatal'] } as const

const endpoint = {
  type: 'object',
  required: ['type'],
  properties: {
    type: {
      enum: ['prometheus', 'log'],
      description: '`prometheus` serves metrics at `/metrics`. `log` is accepted and has no effect.',
    },
    name: { ...text, description: 'Label `service` of all metrics (default: `services[0].name`).' },
    port: { ...port, description: 'Port of the metrics. Without it they are not served.' },
    interface: { ...optionalText, description: 'Address of the metrics (default: all addresses).' },
  },
} as const

/** Long enough for what a busy worker cannot divide, and for the pauses of a machine with too few processors. */
export const HEARTBEAT_MS = 30_000

/** The configuration file: service-runner's format, with the options in `services[0].conf`. */
export const FILE = {
  type: 'object',
  required: ['services'],
  additionalProperties: false,
  properties: {
    service_name: {
      ...text,
      description:
        'Name of the process in service-runner. Logs and metrics use `services[0].name` and `metrics.name`.',
    },
    num_workers: {
      type: ['integer', 'string'],
      read: readNumWorkers,
      description:
        'Processes that serve one port: a number, or an expression such as `ncpu` or `ncpu - 1` (default: 0). With 0 there is one process, else a primary and its workers. [Workers](operations.md#workers)',
    },
    worker_heap_limit_mb: {
      type: 'number',
      minimum: 1,
      description:
        'A larger heap is logged, and the process goes on (MB). `NODE_OPTIONS=--max-old-space-size` limits it.',
    },
    worker_heartbeat_timeout: {
      anyOf: [{ type: 'number', minimum: 3 }, { enum: [false] }],
      description: `Time after which a worker that does not answer is killed and replaced (ms; default ${HEARTBEAT_MS}; \`false\`: never).`,
    },
    startup_concurrency: {
      description: 'Accepted, without effect: after the first, all workers start at the same time.',
    },
    app_base_path: { ...text, description: 'Accepted, without effect: the app is this one.' },
    dns_cache: { description: "service-runner's cache of host names (default: off)." },
    info: { type: 'object', description: 'Accepted, without effect.' },
    version: { type: 'string', description: 'Accepted, without effect.' },
    logging: {
      type: 'object',
      additionalProperties: false,
      properties: {
        name: { ...text, description: 'Name in every log line (default: `services[0].name`).' },
        level: { ...level, description: 'Lowest level that is logged (default: `info`).' },
        format: {
          enum: ['bunyan', 'ecs'],
          description: 'Field names: those of bunyan, or of the Elastic Common Schema (default: `bunyan`).',
        },
        streams: {
          type: 'array',
          maxItems: 1,
          items: {
            type: 'object',
            required: ['type'],
            additionalProperties: false,
            properties: {
              type: { enum: ['stdout', 'stderr'], description: 'Where the log goes (default: `stdout`).' },
              level: { ...level, description: 'Overrides `logging.level`.' },
              named_levels: {
                type: 'boolean',
                description: 'Whether levels are written as `"INFO"` instead of `30` (default: false).',
              },
            },
          },
        },
      },
    },
    metrics: { anyOf: [endpoint, { type: 'array', items: endpoint }] },
    services: {
      type: 'array',
      minItems: 1,
      maxItems: 1,
      items: {
        type: 'object',
        required: ['name', 'conf'],
        additionalProperties: false,
        properties: {
          name: { ...text, description: 'Name of the service in logs, and label `service` of metrics.' },
          module: { enum: ['eventgate', '@wikimedia/eventgate'], description: 'This app, by either name.' },
          entrypoint: { enum: ['app'], description: 'The only entry point.' },
          conf: { type: 'object', description: 'The [options](#options).' },
        },
      },
    },
  },
} as const

/** The file as it is checked. */
export type ConfigFile = ValueOf<typeof FILE>

/** What of a file may be looked at although it is not valid. */
type GivenFile = { num_workers?: string | number; services?: { conf?: Record<string, unknown> }[] }

const checkFile = checker(FILE)

/** How the log is written. */
export type Logging = NonNullable<ConfigFile['logging']>

/** Where metrics are served. */
export type MetricsEndpoint = ValueOf<typeof endpoint>

/**
 * Reads a YAML file in which `{env(NAME,default)}` stands for an environment variable. Throws a ConfigError with all
 * that is wrong. `warn` receives values that YAML parsers read differently. `numWorkers` of a command line wins.
 */
export function readConfigFile(
  yaml: string,
  env: NodeJS.ProcessEnv,
  warn: (problem: Problem) => void = () => {},
  numWorkers?: string,
): ConfigFile {
  let file: unknown
  try {
    const { value, notes } = readText(substituteEnv(yaml, env), { maxValues: 100_000, maxDepth: 100 })
    file = value
    for (const { path, message } of notes) warn({ path, message: SECRET.test(path) ? AMBIGUOUS : message })
  } catch (error) {
    throw new ConfigError([{ path: 'the file', message: `cannot be read: ${(error as Error).message}` }])
  }
  const problems = checkFile(file, '')
  const given = file as GivenFile | null
  let workers = 0
  try {
    workers = readNumWorkers(numWorkers ?? given?.num_workers)
  } catch (error) {
    problems.push({ path: 'num_workers', message: (error as Error).message })
  }
  const conf = given?.services?.[0]?.conf
  if (conf) problems.push(...evaluate(conf, 'services[0].conf', undefined, workers).problems)
  if (problems.length > 0) throw new ConfigError(problems)
  return { ...(file as ConfigFile), num_workers: workers }
}

/** Paths of values that must not be shown. */
const SECRET = /pass|secret|pem|key|token|auth|cookie/i
const AMBIGUOUS = 'is read differently by different YAML parsers: put it into quotes'

/**
 * Replaces `{env(NAME)}` and `{env(NAME,default)}`. A reference that is alone in quotes becomes one quoted text, so
 * that quotes and line breaks of a password do not end it.
 */
function substituteEnv(yaml: string, env: NodeJS.ProcessEnv): string {
  const reference =
    /(?:(?<!['"\\])(?<quote>['"]))?\{\s*env\(\s*(?<name>[^\s,()]+)\s*(?:,\s*(?<fallback>(?:[^)]*[^)\s])?)\s*)?\)\s*\}(?:\k<quote>(?!['"]))?/g
  const [malformed] = /\{\s*env\([^}]*\}?/.exec(yaml.replace(reference, '')) ?? []
  if (malformed !== undefined)
    throw new Error(`${quote(malformed)} cannot be filled in: a default cannot contain a closing parenthesis`)
  return yaml.replace(reference, (...match) => {
    const whole: string = match[0]
    const { quote: mark = '', name = '', fallback = '' } = match.at(-1) as Record<string, string | undefined>
    const value = env[name] ?? fallback
    return mark && whole.endsWith(mark) ? JSON.stringify(value) : `${mark}${value}`
  })
}
