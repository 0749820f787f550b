import { type ShutdownTimes, shutdownTimes } from '../http/shutdown.js'
import { type KafkaSettings, readKafkaConf } from '../kafka/config.js'
import { memoryLimit } from '../runtime/memory-limit.js'
import { fitToMemory, fitToQueue } from './bounds.js'
import { OPTIONS, type Options, readOptions } from './options/options.js'
import { ConfigError, checker, type Problem } from './problems.js'
import { RULES } from './rules.js'
import { raisedFor, shareOf, tooSmallToShare } from './share.js'

/** The options, parsed and complete, and what follows from them. */
export interface Config extends Omit<Options, 'producer' | 'kafka'> {
  readonly producer: NonNullable<Options['producer']>
  readonly kafka: KafkaSettings | null
  readonly shutdown: ShutdownTimes
  readonly max_error_events: number
  /** How many workers share the host's bounds. 1 in a process that serves alone. */
  readonly workers: number
  /** Problems that do not prevent the start. */
  readonly warnings: readonly Problem[]
  /** Which bounds a memory limit lowered, for the log. */
  readonly memory: string | null
}

const checkConf = checker({ type: 'object', additionalProperties: false, properties: OPTIONS })

/** What service-runner adds to the options of a service. */
const ADDED_BY_SERVICE_RUNNER = ['worker_id', 'logging', 'metrics', 'num_workers']

/**
 * Reads a service's options for one of so many workers, on a host with this memory limit. Throws a ConfigError with
 * all that is wrong.
 */
export function readConf(
  conf: Readonly<Record<string, unknown>>,
  limit = memoryLimit(),
  workers = 1,
): Config {
  const { config, problems } = evaluate(conf, 'conf', limit, workers)
  if (!config || problems.length > 0) throw new ConfigError(problems)
  return shareOf(config, workers)
}

/** Reads the options of a host, and finds all that is wrong with them. Options of wrong types make no config. */
export function evaluate(
  conf: Readonly<Record<string, unknown>>,
  at: string,
  limit = memoryLimit(),
  workers = 1,
): { config?: Config; problems: Problem[] } {
  const given = Object.entries(conf).filter(([name]) => !ADDED_BY_SERVICE_RUNNER.includes(name))
  const problems = checkConf(Object.fromEntries(given), at)
  if (problems.length > 0) return { problems }
  const report = (path: string, message: string) => problems.push({ path: `${at}.${path}`, message })
  const configured = raisedFor(readOptions(conf, report), conf, workers)
  const memory = fitToMemory(configured, conf, limit, Math.max(1, workers))
  const options = { ...configured, ...memory.bounds }
  const kafka = readKafka(options, report)
  const queue = fitToQueue(options, conf, kafka.settings)
  const config: Config = Object.freeze({
    ...options,
    ...queue.bounds,
    producer: options.producer ?? (options.kafka ? 'kafka' : 'file'),
    kafka: kafka.settings,
    shutdown: shutdownTimes(conf.shutdown_timeout_ms === undefined ? undefined : options.shutdown_timeout_ms),
    memory: memory.memory,
    workers: Math.max(1, workers),
    warnings: [...kafka.warnings, ...exposures(options), ...memory.warnings, ...queue.warnings],
  })
  for (const { option, broken } of RULES) {
    const message = broken(config, conf)
    if (message) report(option, message)
  }
  for (const { path, message } of tooSmallToShare(config, workers)) report(path, message)
  if (config.dev_ui && workers > 1)
    report('dev_ui', 'needs num_workers 0: the page would show the events of one worker')
  return { config, problems }
}

function readKafka(
  options: Options,
  report: (path: string, message: string) => void,
): { settings: KafkaSettings | null; warnings: readonly Problem[] } {
  if (!options.kafka) return { settings: null, warnings: [] }
  const {
    settings = null,
    problems,
    warnings,
  } = readKafkaConf(options.kafka, {
    requestTimeoutMs: options.request_timeout_ms,
    maxInFlight: {
      guaranteed: { messages: options.max_events_in_flight, bytes: options.max_bytes_in_flight },
      hasty: { messages: options.hasty_max_events, bytes: options.hasty_max_bytes },
    },
  })
  for (const { path, message } of problems) report(path, message)
  return { settings, warnings }
}

/** Warns if the development page is open to other machines. */
function exposures({ dev_ui, interface: address }: Options): Problem[] {
  if (!dev_ui || /^(localhost|127\..*|::1)$/.test(String(address))) return []
  const reached = address ?? 'any address of this machine'
  const message = `is on, and all who can reach ${reached} can read the events: switch it off in production, and listen on 127.0.0.1 on a laptop`
  return [{ path: 'dev_ui', message }]
}
