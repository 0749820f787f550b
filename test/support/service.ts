import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { type IncomingHttpHeaders, request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import { dump } from 'js-yaml'

/** The checkout's root, from `.build/test/`. */
export const ROOT = fileURLToPath(new URL('../../../', import.meta.url))

/** Real input beside the checkout; it is not part of the project and may be absent. */
export const WIKIMEDIA = join(ROOT, '../shared/wikimedia')
/** Schemas, stream configurations and services' configurations, in the shapes that real ones have. */
export interface Corpus {
  name: string
  schemas: string
  /** Versions of schemas in it, at least. */
  versions: number
  streamConfigs: string
  clusters: string
  /** Why a test with it is skipped; false where it is there. */
  skip: string | false
}

/** The project's own, which is always there, and a real one. */
export const CORPORA: readonly Corpus[] = [
  corpus("the project's own", join(ROOT, 'test/corpus'), 'schemas', 8),
  corpus('a real one', WIKIMEDIA, 'schemas-event-primary', 83),
]

function corpus(name: string, root: string, schemas: string, versions: number): Corpus {
  const skip = existsSync(root) ? false : `${root} is not there: nothing was tested`
  const [streamConfigs, clusters] = [join(root, 'stream-configs'), join(root, 'clusters')]
  return { name, schemas: join(root, schemas), versions, streamConfigs, clusters, skip }
}

/** Why a test that needs the real corpus is skipped; false where it is there. */
export const NOT_REAL: string | false = CORPORA[1]?.skip ?? false

/** The official test suite of JSON Schema, likewise. */
export const JSON_SCHEMA_SUITE = join(ROOT, '../shared/json-schema-test-suite')

/** A folder that goes when the test ends. */
export function temporary(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'eventgate-test-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** An HTTP answer as it came off the wire. */
export interface Reply {
  status: number
  reason: string
  headers: IncomingHttpHeaders
  body: string
  /** The body as JSON; fails the test if it is not JSON. */
  // biome-ignore lint/suspicious/noExplicitAny: tests look into it freely, and fail where they are wrong
  json(): any
}

export interface Send {
  method?: string
  headers?: Record<string, string>
  body?: string | Buffer
}

/** Sends one request on a connection of its own, with nothing added to it but its length. */
export async function send(url: string, { method = 'GET', headers = {}, body }: Send = {}): Promise<Reply> {
  const req = request(url, { method, headers, agent: false })
  req.end(body)
  const [res] = await once(req, 'response')
  const chunks: Buffer[] = []
  for await (const chunk of res) chunks.push(chunk)
  const text = Buffer.concat(chunks).toString()
  return {
    status: res.statusCode,
    reason: res.statusMessage,
    headers: res.headers,
    body: text,
    json: () => JSON.parse(text),
  }
}

/** A service that runs. */
export interface Running {
  url: string
  /** Posts events as JSON. */
  post(events: unknown, options?: { query?: string; headers?: Record<string, string> }): Promise<Reply>
  /** What was produced, read back from the file. */
  produced(): Record<string, unknown>[]
  /** What it has logged. */
  log(): Record<string, unknown>[]
}

/** A service in a process of its own, as operators start it. */
export interface Service extends Running {
  process: ChildProcess
  /** Ends it in order, and gives its exit code. */
  stop(signal?: NodeJS.Signals): Promise<number | null>
}

/** Starts the service on a free port with these options, writing events to a file; ends it after the test. */
export async function startService(
  t: TestContext,
  conf: Record<string, unknown> = {},
  top: Record<string, unknown> = {},
  env: NodeJS.ProcessEnv = {},
): Promise<Service> {
  const folder = temporary(t)
  const file = join(folder, 'events.ndjson')
  const services = [
    { name: 'eventgate', conf: { port: 0, ...(conf.kafka ? {} : { output_path: file }), ...conf } },
  ]
  const config = { logging: { level: 'debug' }, ...top, services }
  const { url, process, logged } = await spawnService(t, folder, config, { env })
  return {
    url,
    process,
    post: posterTo(url),
    produced: () => (existsSync(file) ? linesOf(readFileSync(file, 'utf8')) : []),
    log: () => linesOf(logged()),
    async stop(signal = 'SIGTERM') {
      const exit = once(process, 'exit')
      process.kill(signal)
      const [code] = await exit
      return code
    },
  }
}

/**
 * The start command with any configuration, a text being that of the file as it is; resolves when the service
 * says that it is ready.
 */
export async function spawnService(
  t: { after(end: () => void): void },
  folder: string,
  config: object | string,
  { env = {}, args = ['dist/server.js'] }: { env?: NodeJS.ProcessEnv; args?: readonly string[] } = {},
) {
  const path = join(folder, 'config.yaml')
  writeFileSync(path, typeof config === 'string' ? config : dump(config))
  const child = spawn(globalThis.process.execPath, [...args, '-c', path], {
    cwd: ROOT,
    env: { ...globalThis.process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  t.after(() => void child.kill('SIGKILL'))
  let out = ''
  child.stderr.on('data', chunk => {
    out += chunk
  })
  const port = await new Promise<number>((resolve, reject) => {
    child.stdout.on('data', chunk => {
      out += chunk
      const ready = /"port":(\d+)\}?,"(?:msg|message)":"eventgate \S+ is ready/.exec(out)
      if (ready) resolve(Number(ready[1]))
    })
    child.once('exit', code => reject(new Error(`the service ended with ${code}:\n${out}`)))
  })
  return { url: `http://127.0.0.1:${port}`, process: child, logged: () => out }
}

/** Posts events as JSON to the service at this address. */
export function posterTo(url: string): Running['post'] {
  return (events, { query = '', headers = {} } = {}) =>
    send(`${url}/v1/events${query}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify(events),
    })
}

/** The values of lines of JSON. */
export function linesOf(text: string): Record<string, unknown>[] {
  return text
    .split('\n')
    .filter(line => line !== '')
    .map(line => JSON.parse(line))
}

/** A valid event of the schema that ships. */
export function testEvent(more: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    $schema: '/test/event/1.0.0',
    meta: { stream: 'eventgate.test.event' },
    test: 'some text',
    ...more,
  }
}
