/**
 * A real toxiproxy between the gate and its brokers: `toxiproxy-server` from PATH, or built once by Go from its
 * module. Where neither can be had, it throws and says so: nothing passes without it.
 */
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { constants } from 'node:fs'
import { access, rename } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { freePorts } from './kafka.js'
import { ALL_CACHES, makeFolder } from './kafka-jars.js'

const VERSION = 'v2.5.0'
const MODULE = `github.com/Shopify/toxiproxy/v2/cmd/server@${VERSION}`
const NAME = 'toxiproxy-server'

/** What is done to the bytes of one direction: `upstream` is to the broker, `downstream` from it. */
export interface Toxic {
  type: 'timeout' | 'latency' | 'bandwidth' | 'slicer'
  stream: 'upstream' | 'downstream'
  attributes: Record<string, number>
}

/** No byte arrives, no connection ends. When it is taken away, those that there are do. */
export const blackhole = (stream: Toxic['stream']): Toxic => ({
  type: 'timeout',
  stream,
  attributes: { timeout: 0 },
})

/** A running toxiproxy. */
export interface Toxiproxy {
  /** A new proxy before an address; answers its own. */
  before(address: string): Promise<string>
  /** Of all proxies: connections end, and new ones are refused. */
  cut(): Promise<void>
  poison(toxics: readonly Toxic[]): Promise<void>
  /** All proxies are open again, and do nothing to what they carry. */
  heal(): Promise<void>
  close(): Promise<void>
}

async function findServer(): Promise<string> {
  for (const folder of (process.env.PATH ?? '').split(delimiter)) {
    const path = join(folder, NAME)
    if (folder && (await runs(path))) return path
  }
  const folder = await makeFolder(join(ALL_CACHES, `toxiproxy-${VERSION}`), build)
  return join(folder, NAME)
}

function runs(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  )
}

async function build(folder: string): Promise<void> {
  const go = join(folder, 'go')
  try {
    await promisify(execFile)('go', ['install', MODULE], {
      env: { ...process.env, GOBIN: go },
      maxBuffer: 16 * 1024 * 1024,
    })
  } catch (thrown) {
    const { code, message } = thrown as NodeJS.ErrnoException
    const why = code === 'ENOENT' ? 'go is not in PATH either' : `go install ${MODULE} failed: ${message}`
    throw new Error(
      `The ledger cuts and throttles the network with toxiproxy, and ${NAME} is not in PATH; ${why}. ` +
        'Install one of them (https://github.com/Shopify/toxiproxy), or run the short form, which needs neither.',
    )
  }
  await rename(join(go, 'server'), join(folder, NAME))
}

/** Starts one. It ends with this process, if that ends in order. */
export async function startToxiproxy(): Promise<Toxiproxy> {
  const [port] = await freePorts(1)
  const child = spawn(await findServer(), ['-host', '127.0.0.1', '-port', String(port)], {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { ...process.env, LOG_LEVEL: 'error' },
  })
  const kill = () => child.kill('SIGKILL')
  process.once('exit', kill)
  const exit = once(child, 'exit').finally(() => process.removeListener('exit', kill))
  const names: string[] = []

  async function call(method: string, path: string, body?: unknown): Promise<void> {
    const response = await fetch(`http://127.0.0.1:${port}${path}`, {
      method,
      ...(body !== undefined && { body: JSON.stringify(body) }),
    })
    const text = await response.text()
    if (!response.ok) throw new Error(`toxiproxy: ${method} ${path}: ${response.status} ${text}`)
  }

  const api: Toxiproxy = {
    async before(address) {
      const [own] = await freePorts(1)
      const name = `proxy-${names.length}`
      const listen = `127.0.0.1:${own}`
      await call('POST', '/proxies', { name, listen, upstream: address, enabled: true })
      names.push(name)
      return listen
    },
    async cut() {
      await Promise.all(names.map(name => call('POST', `/proxies/${name}`, { enabled: false })))
    },
    async poison(toxics) {
      await Promise.all(
        names.map(async name => {
          for (const { type, stream, attributes } of toxics) {
            const toxic = { name: `${type}-${stream}`, type, stream, toxicity: 1, attributes }
            await call('POST', `/proxies/${name}/toxics`, toxic)
          }
        }),
      )
    },
    heal: () => call('POST', '/reset'),
    async close() {
      child.kill('SIGTERM')
      await exit
    },
  }
  for (let tries = 100; ; tries--) {
    try {
      await call('GET', '/version')
      return api
    } catch (error) {
      if (tries === 0 || child.exitCode !== null) {
        kill()
        throw new Error('toxiproxy does not answer', { cause: error })
      }
      await sleep(50)
    }
  }
}
