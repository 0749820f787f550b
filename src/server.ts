#!/usr/bin/env node
import { readFileSync } from 'node:fs'
import type { Server } from 'node:http'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { register } from 'prom-client'
import type ServiceRunner from 'service-runner'
import { readConf } from './lib/config/config.js'
import { type ConfigFile, readConfigFile } from './lib/config/file.js'
import { ConfigError, type Problem } from './lib/config/problems.js'
import { tuneCollector } from './lib/runtime/gc.js'
import { exposition } from './lib/telemetry/exposition.js'
import { type Log, LogStream, makeLog } from './lib/telemetry/log.js'
import { serveMetrics } from './lib/telemetry/metrics-server.js'
import { collectProcessMetrics } from './lib/telemetry/reporter.js'
import { type Exporting, startTracing } from './lib/telemetry/tracing.js'
import { Link } from './lib/workers/link.js'
import { readSelf } from './lib/workers/self.js'

/** The codes of sysexits.h. After EX_CONFIG a supervisor need not try again. */
const EX_CONFIG = 78
const EX_USAGE = 64

const USAGE = `usage: node dist/server.js [-c FILE]

  -c, --config FILE   configuration, YAML (default: config.yaml; the variable APP_CONFIG_PATH takes precedence)
  -n, --num-workers N as num_workers of the configuration, which it overrides
  -v, --version       print the version and exit
  -h, --help          print this and exit
`

tuneCollector()
void main()

async function main(): Promise<void> {
  const { values } = parse()
  if (values.help) return void process.stdout.write(USAGE)
  if (values.version) return void process.stdout.write(`${packageVersion()}\n`)
  const self = readSelf()
  const warnings: string[] = []
  const path = process.env.APP_CONFIG_PATH ?? values.config
  const file = readFile(path, warnings, self ? `${self.count}` : values['num-workers'])
  const service = file.services[0] as ConfigFile['services'][number]
  const { num_workers: count = 0 } = file
  const { shutdown_timeout_ms: graceMs } = readConf(service.conf, undefined, count)
  const log = makeLog(file.logging ?? {}, service.name, self?.number)
  for (const warning of self ? [] : warnings) log.warn(warning)
  if (!self && count > 0) return (await import('./primary.js')).lead({ file, path, count, graceMs, log })

  // Without workers service-runner handles no signals, and the default handlers would cut requests off.
  let runner: ServiceRunner | undefined
  let metrics: Server | undefined
  let tracing: Exporting | undefined
  let stopping = false
  let asked = 0
  const stop = async (signal: string) => {
    // SIGHUP comes along with other signals when a terminal closes, and must not hurry the end.
    if (signal !== 'SIGHUP' && signal.startsWith('SIG') && ++asked > 1)
      return end(1, `${signal} again: ending at once`)
    if (stopping) return
    stopping = true
    log.info(`${signal}: finishing what is in flight`)
    setTimeout(() => end(1, 'the grace period is over: ending with work unfinished'), graceMs).unref()
    const failure = await runner?.stop().then(
      () => undefined,
      (error: Error) => error,
    )
    metrics?.close()
    await tracing?.end()
    if (failure) end(1, failure.message)
    else end(0, 'ended')
  }
  const end = (code: number, message: string) => {
    log[code === 0 ? 'info' : 'warn'](message)
    process.exit(code)
  }
  process.on('SIGTERM', stop)
  process.on('SIGINT', stop)
  // A primary restarts its workers on SIGHUP, which a terminal sends to all of them.
  process.on('SIGHUP', self ? () => {} : stop)
  process.on('SIGUSR2', () => log.info('SIGUSR2 has no meaning here'))
  withoutNextListener('SIGUSR2')

  try {
    tracing = await startTracing(process.env, service.name)
  } catch (error) {
    process.stderr.write(`eventgate: ${(error as Error).message}\n`)
    process.exit(EX_CONFIG)
  }
  const endpoint = [file.metrics ?? []].flat().find(({ type }) => type === 'prometheus')
  if (endpoint?.port !== undefined) {
    collectProcessMetrics(register)
    if (!self) metrics = await serveMetrics(endpoint, () => exposition(register), log)
  }
  const { default: Runner } = await import('service-runner')
  const primary = self && (await joinPrimary(stop))
  runner = new Runner({ num_workers: 0 })
  await runner.start(forServiceRunner(file, service, log))
  void primary?.tell('ready')
}

/** Ends the worker when the primary wants it to, or is gone. */
async function joinPrimary(stop: (cause: string) => Promise<void>): Promise<Link> {
  const { default: cluster } = await import('node:cluster')
  // service-runner would take this for a worker of its own, and wait for a configuration.
  Object.assign(cluster, { isMaster: true, isWorker: false })
  cluster.worker?.on('disconnect', function (this: { exitedAfterDisconnect: boolean }) {
    // Otherwise Node.js ends the process at once.
    this.exitedAfterDisconnect = true
    void stop('the primary is gone')
  })
  return new Link(process, { drain: () => stop('the primary ends this worker') })
}

/** That of service-runner would write a heap dump, with events in it, into a folder that everybody can read. */
function withoutNextListener(signal: NodeJS.Signals): void {
  const drop = (name: string | symbol, listener: () => void) => {
    if (name !== signal) return
    process.off('newListener', drop)
    queueMicrotask(() => process.off(signal, listener))
  }
  process.on('newListener', drop)
}

function parse() {
  try {
    return parseArgs({
      options: {
        config: { type: 'string', short: 'c', default: 'config.yaml' },
        'num-workers': { type: 'string', short: 'n' },
        version: { type: 'boolean', short: 'v' },
        help: { type: 'boolean', short: 'h' },
      },
    })
  } catch (error) {
    process.stderr.write(`eventgate: ${(error as Error).message}\n\n${USAGE}`)
    process.exit(EX_USAGE)
  }
}

function packageVersion(): string {
  return JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')).version
}

/** If the configuration is wrong, ends the process with every problem, before anything is opened. */
function readFile(path: string, warnings: string[], numWorkers: string | undefined): ConfigFile {
  const warn = ({ path: at, message }: Problem) => warnings.push(`${path}: ${at} ${message}`)
  try {
    return readConfigFile(readFileSync(path, 'utf8'), process.env, warn, numWorkers)
  } catch (error) {
    const problems =
      error instanceof ConfigError
        ? error.problems.map(({ path, message }) => `${path} ${message}`)
        : [(error as Error).message]
    process.stderr.write(
      `eventgate: ${path} cannot be started with:\n${problems.map(problem => `  ${problem}\n`).join('')}`,
    )
    process.exit(EX_CONFIG)
  }
}

/**
 * The configuration for service-runner. Its logger, bunyan, writes through pino. Its metrics go nowhere, because its
 * Prometheus client is a nested one with a registry and a server of its own. Its patch of `dns.lookup` is off unless
 * configured.
 */
function forServiceRunner(file: ConfigFile, service: ConfigFile['services'][number], log: Log): object {
  const name = [file.metrics ?? []].flat().find(({ name }) => name !== undefined)?.name ?? service.name
  return {
    dns_cache: false,
    ...file,
    num_workers: 0,
    logging: {
      name: service.name,
      level: log.level,
      streams: [{ type: 'raw', level: log.level, stream: new LogStream(log) }],
    },
    metrics: [{ type: 'log', name }],
    services: [{ ...service, module: fileURLToPath(new URL('app.js', import.meta.url)), entrypoint: 'app' }],
  }
}
