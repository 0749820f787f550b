/** Starts what the ledger tests, as a process of its own: the service, or the naive one beside it. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { dump, load } from 'js-yaml'
import type { Service } from './ledger.js'
import { ledgerSchema } from './load.js'

const ROOT = fileURLToPath(new URL('../../../', import.meta.url))

const CHART = load(readFileSync(join(ROOT, 'helm/eventgate/values.yaml'), 'utf8')) as {
  heapLimitMb: number
  nodeOptions: string
}

/** As the chart starts the service; as the image does if `heapMb` is 0. */
export function nodeOptions(heapMb = CHART.heapLimitMb): string {
  return heapMb === 0 ? CHART.nodeOptions : `--max-old-space-size=${heapMb} ${CHART.nodeOptions}`
}

/** How a process is started. */
export interface How {
  env?: NodeJS.ProcessEnv
  /** Put before `node …`: `['taskset', '-c', '0']`. It must exec, not fork: signals go to its pid. */
  prefix?: readonly string[]
  /** Streams that are configured, each by its name; all others are by one expression. Without any, none is. */
  streams?: readonly string[]
}

export interface Started extends Service {
  process: ChildProcess
  /** SIGKILL, and waits for its end. */
  kill9(): Promise<void>
}

/** Starts a process, and waits for the line of its log that names its port, as `"port":8192`. */
async function start(
  args: string[],
  { env = {}, prefix = [] }: Pick<How, 'env' | 'prefix'> = {},
): Promise<Started> {
  const [program = '', ...all] = [...prefix, process.execPath, ...args]
  const child = spawn(program, all, {
    cwd: ROOT,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  // The child ends with this process. It survives a SIGKILL of this process, but then it has no brokers and no output.
  const kill = () => child.kill('SIGKILL')
  process.once('exit', kill)
  const exit = once(child, 'exit').finally(() => process.removeListener('exit', kill))
  const port = await new Promise<string>((resolve, reject) => {
    let output = ''
    child.stdout.on('data', chunk => {
      if (output.length > 100_000) return // found long ago; but the pipe is to be read
      output += chunk
      const ready = /"port":(\d+)/.exec(output)
      if (ready?.[1]) resolve(ready[1])
    })
    exit.then(([code, signal]) =>
      reject(new Error(`${args.join(' ')} ended with ${code ?? signal}:\n${output}`)),
    )
  })
  return {
    url: `http://127.0.0.1:${port}/v1/events`,
    process: child,
    async close() {
      child.kill('SIGTERM')
      const timer = setTimeout(kill, 20_000)
      await exit
      clearTimeout(timer)
    },
    async kill9() {
      kill()
      await exit
    },
  }
}

/**
 * The service itself, with its defaults and `conf`.
 *
 * @param conf options of the service over those that point it at the brokers and the ledger's schema
 */
export async function startEventGate(
  bootstrap: string,
  conf: Record<string, unknown> = {},
  { metricsPort, streams, ...how }: How & { metricsPort?: number | undefined } = {},
): Promise<Started> {
  const folder = await mkdtemp(join(tmpdir(), 'eventgate-ledger-'))
  await mkdir(join(folder, 'ledger/event'), { recursive: true })
  await writeFile(join(folder, 'ledger/event/1.0.0.yaml'), dump(ledgerSchema()))
  const stream_config_uri = join(folder, 'streams.json')
  const settings = { schema_title: 'ledger/event' }
  const configured = streams && Object.fromEntries([...streams, '/./'].map(name => [name, settings]))
  if (configured) await writeFile(stream_config_uri, JSON.stringify(configured))
  const whole = {
    port: 0,
    interface: '127.0.0.1',
    schema_base_uris: [folder],
    kafka: { conf: { 'metadata.broker.list': bootstrap } },
    ...(configured && { stream_config_uri }),
    ...conf,
  }
  const config = join(folder, 'config.yaml')
  const metrics = metricsPort === undefined ? [] : [{ type: 'prometheus', port: metricsPort }]
  await writeFile(config, dump({ num_workers: 0, metrics, services: [{ name: 'eventgate', conf: whole }] }))
  const remove = () => rm(folder, { recursive: true, force: true })
  try {
    const service = await start(['dist/server.js', '-c', config], how)
    return {
      ...service,
      close: () => service.close().finally(remove),
      kill9: () => service.kill9().finally(remove),
    }
  } catch (thrown) {
    await remove()
    throw thrown
  }
}

/** Forty lines with kafkajs's `send`: what the ledger is to catch. */
export function startNaive(bootstrap: string, port = 0): Promise<Started> {
  return start(['.build/test/reliability/naive-cli.js'], {
    env: { BOOTSTRAP: bootstrap, PORT: String(port) },
  })
}

/** A handler that reads and parses and answers 201, and does nothing more. */
export function startBare(how: How = {}): Promise<Started> {
  return start(['.build/bench/bare.js'], how)
}
