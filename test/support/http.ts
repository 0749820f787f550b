import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer, type Socket, connect as tcpConnect } from 'node:net'
import { dirname, join } from 'node:path'
import type { TestContext } from 'node:test'
import { CODES, type Code } from '#src/lib/errors.js'
import { type Reply, type Service, send, temporary, testEvent } from './service.js'

/** What a failing answer is expected to be. */
export interface Failure {
  status: number
  reason?: string
  /** Codes of the entries under `invalid`, in order. */
  invalid?: Code[]
  /** Codes of the entries under `error`, in order. */
  error?: Code[]
}

// biome-ignore lint/suspicious/noExplicitAny: tests look into it freely, and fail where they are wrong
export type Entry = any

/**
 * Asserts what every client's parser relies on in a failing answer (contract 1.2), and what is expected of
 * this one. Gives its entries.
 */
export function assertFailure(reply: Reply, expected: Failure): Entry[] {
  assert.equal(reply.status, expected.status, reply.body)
  if (expected.reason !== undefined) assert.equal(reply.reason, expected.reason)
  assert.equal(reply.headers['content-type'], 'application/json; charset=utf-8')
  if (reply.headers['content-length'] !== undefined)
    assert.equal(Number(reply.headers['content-length']), Buffer.byteLength(reply.body))
  const retryAfter = reply.headers['retry-after']
  if (reply.status === 503) assert.match(String(retryAfter), /^[1-9]\d*$/)
  else assert.equal(retryAfter, undefined)

  const body: Entry = reply.json()
  assert.ok(isObject(body), reply.body)
  const entries = Object.entries<Entry>(body).flatMap(([kind, list]) => {
    assert.ok(kind === 'invalid' || kind === 'error', `unexpected key ${kind}`)
    assert.ok(Array.isArray(list), `${kind} is not a list`)
    for (const entry of list) assertEntry(entry, kind)
    return list
  })
  assert.ok(entries.length > 0, 'the body of a failure says nothing')
  const hasBoth = reply.status === 207 || reply.status >= 500
  assert.deepEqual(Object.keys(body), hasBoth ? ['invalid', 'error'] : ['invalid'])
  const codes = (kind: string) => (body[kind] ?? []).map((entry: Entry) => entry.code)
  if (expected.invalid || expected.error) {
    assert.deepEqual(codes('invalid'), expected.invalid ?? [])
    assert.deepEqual(codes('error'), expected.error ?? [])
  }
  return entries
}

function assertEntry(entry: Entry, kind: string): void {
  assert.ok(isObject(entry), 'an entry is not an object')
  assert.equal(entry.status, kind)
  if ('event' in entry) assert.ok(isObject(entry.event), 'event is not an object')
  if ('event' in entry) assert.ok(Number.isInteger(entry.index))
  assert.ok(CODES.includes(entry.code), `unknown code ${entry.code}`)
  assert.equal(typeof entry.retriable, 'boolean')
  assert.ok(isObject(entry.context))
  assert.ok(typeof entry.context.message === 'string' && entry.context.message !== '')
  if (kind === 'error') assert.deepEqual(Object.keys(entry.context), ['message'])
  else assert.equal(entry.retriable, false, 'a client cannot mend its mistake by sending it again')
  if ('errors' in entry.context) {
    assert.ok(Array.isArray(entry.context.errors) && entry.context.errors.length <= 16)
    assert.ok(entry.context.errorsCount >= entry.context.errors.length)
    assert.equal(typeof entry.context.errorsText, 'string')
  }
}

export function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Asserts an answer of success: its status and phrase, and that it has no body. */
export function assertAccepted(reply: Reply, status: number, reason: string): void {
  assert.equal(reply.status, status, reply.body)
  assert.equal(reply.reason, reason)
  assert.equal(reply.body, '')
}

export const ONE_ACCEPTED = 'All 1 out of 1 events were accepted.'

// biome-ignore lint/suspicious/noExplicitAny: events are looked into freely
export type Stored = any

/** Posts an event that is accepted, and gives what it has become. */
export async function stored(
  service: Service,
  event: unknown,
  headers: Record<string, string> = {},
): Promise<Stored> {
  assertAccepted(await service.post(event, { headers }), 201, ONE_ACCEPTED)
  return service.produced().at(-1)
}

/** Posts bytes as they are. */
export function postBytes(
  service: Pick<Service, 'url'>,
  body: string | Buffer,
  { path = '/v1/events', headers = {} }: { path?: string; headers?: Record<string, string> } = {},
): Promise<Reply> {
  return send(`${service.url}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body,
  })
}

/** Whether the service still does its work. */
export async function assertAlive(service: Service): Promise<void> {
  const marker = `alive ${Math.random()}`
  assertAccepted(await service.post(testEvent({ test: marker })), 201, ONE_ACCEPTED)
  assert.ok(service.produced().some(event => event.test === marker))
}

/** A connection on which anything can be said. */
export interface Connection {
  socket: Socket
  write(data: string | Buffer): void
  /** What has come so far. */
  received(): string
  /** Waits until what has come matches. */
  until(pattern: RegExp): Promise<string>
  /** Waits until the other side has closed. */
  closed(): Promise<string>
}

/** Opens a connection; it goes with the test. */
export async function connect(
  t: TestContext,
  url: string,
  { allowHalfOpen = false } = {},
): Promise<Connection> {
  const { hostname, port } = new URL(url)
  const socket = tcpConnect({ host: hostname, port: Number(port), allowHalfOpen })
  t.after(() => void socket.destroy())
  await once(socket, 'connect')
  let text = ''
  let isClosed = false
  let changed = () => {}
  socket.on('data', chunk => {
    text += chunk.toString('latin1')
    changed()
  })
  socket.on('error', () => {})
  for (const event of ['end', 'close']) {
    socket.on(event, () => {
      isClosed = true
      changed()
    })
  }
  const wait = async (isDone: () => boolean, what: string) => {
    while (!isDone()) {
      assert.ok(!isClosed, `closed before ${what}, after: ${text}`)
      await new Promise<void>(resolve => {
        changed = resolve
      })
    }
    return text
  }
  return {
    socket,
    write: data => void socket.write(data),
    received: () => text,
    until: pattern => wait(() => pattern.test(text), String(pattern)),
    closed: async () => {
      if (!isClosed) await wait(() => isClosed, 'the end').catch(() => {})
      return text
    },
  }
}

/** The head of a POST of events, to be completed by its body. */
export function head(
  headers: Record<string, string | number>,
  { path = '/v1/events', version = '1.1' } = {},
): string {
  const all = { host: 'test', 'content-type': 'application/json', ...headers }
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`)
  return `POST ${path} HTTP/${version}\r\n${lines.join('')}\r\n`
}

/** One answer off a raw connection, as a Reply. Fails if there is not exactly one, whole, in `text`. */
export function parseAnswer(text: string): Reply {
  const [first, ...rest] = parseAnswers(text)
  assert.ok(first && rest.length === 0, `not one answer: ${text}`)
  return first
}

/** All whole answers with a length, off a raw connection. */
export function parseAnswers(text: string): Reply[] {
  const replies: Reply[] = []
  for (let rest = text; rest !== ''; ) {
    const split = rest.indexOf('\r\n\r\n')
    assert.ok(split > 0, `not an answer: ${rest}`)
    const [line = '', ...lines] = rest.slice(0, split).split('\r\n')
    const match = /^HTTP\/1\.1 (\d+) (.*)$/.exec(line)
    assert.ok(match, `not an answer: ${rest}`)
    const headers: Record<string, string> = {}
    for (const header of lines) {
      const [, name = '', value = ''] = /^([^:]+): ?(.*)$/.exec(header) ?? []
      headers[name.toLowerCase()] = value
    }
    const length = Number(headers['content-length'] ?? 0)
    assert.ok(rest.length >= split + 4 + length, `cut off: ${rest}`)
    const body = Buffer.from(rest.slice(split + 4, split + 4 + length), 'latin1').toString()
    rest = rest.slice(split + 4 + length)
    replies.push({
      status: Number(match[1]),
      reason: match[2] as string,
      headers,
      body,
      json: () => JSON.parse(body),
    })
  }
  return replies
}

/** A port that nothing listens on. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0)
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

/** A repository of these schemas by URI, as a folder. */
export function repository(t: TestContext, schemas: Record<string, object>): string {
  const folder = temporary(t)
  for (const [uri, schema] of Object.entries(schemas)) {
    const file = join(folder, `${uri}.yaml`)
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, JSON.stringify({ $id: uri, title: dirname(uri).slice(1), type: 'object', ...schema }))
  }
  return folder
}

/** The samples of a metrics endpoint: `name{labels}` → value. */
export async function samples(port: number): Promise<Map<string, number>> {
  const reply = await send(`http://127.0.0.1:${port}/metrics`)
  assert.equal(reply.status, 200)
  const lines = reply.body.split('\n').filter(line => line !== '' && !line.startsWith('#'))
  return new Map(
    lines.map(line => {
      const at = line.lastIndexOf(' ')
      return [line.slice(0, at), Number(line.slice(at + 1))]
    }),
  )
}

/** Waits until something holds; fails with its last complaint after a time that is only a guard against hanging. */
export async function eventually<T>(check: () => T | Promise<T>): Promise<T> {
  for (const end = Date.now() + 20_000; ; ) {
    try {
      return await check()
    } catch (error) {
      if (Date.now() > end) throw error
      await new Promise(resolve => setTimeout(resolve, 20))
    }
  }
}
