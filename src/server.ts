#!/usr/bin/env node
import { readFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { register } from 'prom-client'
import ServiceRunner from 'service-runner'
import { readConf } from './lib/config/config.js'
import { type ConfigFile, type MetricsEndpoint, readConfigFile } from './lib/config/file.js'
import { ConfigError } from './lib/config/problems.js'
import { tuneCollector } from './lib/runtime/gc.js'
import { exposition } from './lib/telemetry/exposition.js'
import { type Log, LogStream, makeLog } from './lib/telemetry/log.js'
import { collectProcessMetrics } from './lib/telemetry/reporter.js'
import { type Exporting, startTracing } from './lib/telemetry/tracing.js'

/** The codes of sysexits.h. After EX_CONFIG a supervisor need not try again. */
const EX_CONFIG = 78
const EX_USAGE = 64

const USAGE = `usage: node dist/server.js [-c FILE]

  -c, --config FILE   configuration, YAML (default: config.yaml; the variable APP_CONFIG_PATH takes precedence)
  -v, --version       print the version and exit
  -h, --help          print this and exit
`

tuneCollector()
void main()

async function main(): Promise<void> {
  const { values } = parse()
  if (values.help) return void process.stdout.write(USAGE)
  if (values.version) return void process.stdout.write(`${packageVersion()}\n`)
  const warnings: string[] = []
  const file = readFile(process.env.APP_CONFIG_PATH ?? values.config, warnings)
  const service = file.services[0] as ConfigFile['services'][number]
  const { shutdown_timeout_ms } = readConf(service.conf)
  const log = makeLog(file.logging ?? {}, service.name)
  for (const warning of warnings) log.warn(warning)

  // Without workers service-runner handles no signals, and the default handlers would cut requests off.
  let runner: ServiceRunner | undefined
  let metrics: Server | undefined
  let tracing: Exporting | undefined
  let stopping = false
  let asked = 0
  const stop = async (signal: string) => {
    // SIGHUP comes along with other signals when a terminal closes, and must not hurry the end.
    if (signal !== 'SIGHUP' && ++asked > 1) return end(1, `${signal} again: ending at once`)
    if (stopping) return
    stopping = true
    log.info(`${signal}: finishing what is in flight`)
    setTimeout(
      () => end(1, 'the grace period is over: ending with work unfinished'),
      shutdown_timeout_ms,
    ).unref()
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
  process.on('SIGHUP', stop)
  process.on('SIGUSR2', () => log.info('SIGUSR2 has no meaning here'))
  withoutNextListener('SIGUSR2')

  try {
    tracing = await startTracing(process.env, service.name)
  } catch (error) {
    process.stderr.write(`eventgate: ${(error as Error).message}\n`)
    process.exit(EX_CONFIG)
  }
  const endpoint = [file.metrics ?? []].flat().find(({ type }) => type === 'prometheus')
  if (endpoint?.port !== undefined) metrics = await serveMetrics(endpoint, log)
  runner = new ServiceRunner({ num_workers: 0 })
  await runner.start(forServiceRunner(file, service, log))
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
function readFile(path: string, warnings: string[]): ConfigFile {
  try {
    return readConfigFile(readFileSync(path, 'utf8'), process.env, ({ path: at, message }) =>
      warnings.push(`${path}: ${at} ${message}`),
    )
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
  const name = metricsName(file) ?? service.name
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

function metricsName({ metrics }: ConfigFile): string | undefined {
  return [metrics ?? []].flat().find(({ name }) => name !== undefined)?.name
}

async function serveMetrics(endpoint: MetricsEndpoint, log: Log): Promise<Server> {
  const { port, interface: address } = endpoint
  collectProcessMetrics(register)
  const server = createServer(async (req, res) => {
    if (req.url?.replace(/\?.*/, '') !== '/metrics') return void res.writeHead(404).end()
    if (req.method !== 'GET' && req.method !== 'HEAD')
      return void res.writeHead(405, { allow: 'GET, HEAD' }).end()
    try {
      const pieces = await exposition(register)
      res.writeHead(200, { 'content-type': register.contentType })
      for (const piece of pieces) res.write(piece)
      res.end()
    } catch (error) {
      log.error({ err: error }, 'metrics could not be collected')
      res.writeHead(500).end()
    }
  })
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, address ?? undefined, () => resolve(server))
  }).then(
    () => server,
    error => {
      log.fatal({ err: error }, `metrics cannot be served on port ${port}`)
      process.exit(1)
    },
  )
}
