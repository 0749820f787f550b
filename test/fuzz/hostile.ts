/** What hostile clients are made of: requests of any coding, readers of any kind, and a registry of any mood. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { brotliCompressSync, deflateSync, gzipSync, constants as zlib } from 'node:zlib'
import type { Random } from './random.js'

export const CODINGS = ['plain', 'chunked', 'gzip', 'deflate', 'br'] as const
export type Coding = (typeof CODINGS)[number]

/** How a client reads its answer: at once, not at all, a little now and then, or it is gone before. */
export const READERS = ['at once', 'never', 'slowly', 'gone'] as const
export type Reader = (typeof READERS)[number]

/** What a registry says to anything it is asked. */
export const MOODS = ['missing', 'silent', 'sorry', 'failing'] as const
export type Mood = (typeof MOODS)[number]

/** Every request has a deadline of 9 s; the machine may be busy. */
export const DEADLINE_MS = 13_000

/** What became of the hostile requests, by status or in words. */
export class Fate {
  readonly counts = new Map<string, number>()
  /** Promises to them that were broken. */
  readonly broken: string[] = []

  count(what: string): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + 1)
  }

  toString(): string {
    return [...this.counts].map(([what, count]) => `${what}: ${count}`).join(', ')
  }
}

/** Whom an attack is for. */
export interface Target {
  port: number
  /** Of this attack alone. */
  random: Random
  fate: Fate
  registry: Registry
  /** False once no more is to be sent. */
  going(): boolean
  metrics(): Promise<ReadonlyMap<string, number>>
}

export interface Post {
  body: string | Buffer
  coding?: Coding
  hasty?: boolean
  reader?: Reader
}

/** Bytes of one request. Made beforehand: to compress takes longer than to send. */
export function requestOf(
  { body, coding = 'plain', hasty = false }: Post,
  more = 'connection: close\r\n',
): Buffer {
  const plain = Buffer.from(body)
  const bytes = coded(plain, coding)
  const length =
    coding === 'chunked' ? 'transfer-encoding: chunked\r\n' : `content-length: ${bytes.length}\r\n`
  const encoding = coding === 'plain' || coding === 'chunked' ? '' : `content-encoding: ${coding}\r\n`
  const head = `POST /v1/events${hasty ? '?hasty=true' : ''} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n${encoding}${length}${more}\r\n`
  return Buffer.concat([Buffer.from(head), bytes])
}

function coded(plain: Buffer, coding: Coding): Buffer {
  if (coding === 'gzip') return gzipSync(plain, { level: 9 })
  if (coding === 'deflate') return deflateSync(plain, { level: 9 })
  if (coding === 'br') return brotliCompressSync(plain, { params: { [zlib.BROTLI_PARAM_QUALITY]: 5 } })
  if (coding === 'plain') return plain
  const chunks: Buffer[] = []
  for (let at = 0; at < plain.length; at += 50_000) {
    const chunk = plain.subarray(at, at + 50_000)
    chunks.push(Buffer.from(`${chunk.length.toString(16)}\r\n`), chunk, Buffer.from('\r\n'))
  }
  return Buffer.concat([...chunks, Buffer.from('0\r\n\r\n')])
}

/** Sends one request and reads its answer, as it reads. Resolves with the answer's text, as far as it is of interest. */
export async function exchange(target: Target, bytes: Buffer, reader: Reader = 'at once'): Promise<string> {
  const socket = await open(target.port)
  if (!socket) {
    target.fate.count('no connection')
    // Else a client would try a thousand times a second.
    await sleep(100)
    return ''
  }
  let text = ''
  let received = 0
  let closed = false
  const end = once(socket, 'close').then(() => {
    closed = true
  })
  socket.on('data', chunk => {
    received += chunk.length
    if (text.length < 2000) text += chunk.toString('latin1', 0, 2000)
    if (reader === 'slowly') socket.pause()
  })
  socket.write(bytes)
  if (reader === 'gone') {
    await sleep(20)
    socket.destroy()
    target.fate.count('gone')
    return ''
  }
  const trickle = reader === 'slowly' ? setInterval(() => socket.resume(), 500) : undefined
  if (reader === 'never' || reader === 'slowly') {
    if (reader === 'never') socket.pause()
    const until = Date.now() + DEADLINE_MS
    while (!closed && target.going() && Date.now() < until) await sleep(100)
    clearInterval(trickle)
    socket.removeAllListeners('data')
    socket.on('data', chunk => {
      received += chunk.length
      if (text.length < 2000) text += chunk.toString('latin1', 0, 2000)
    })
    socket.resume()
  }
  const timer = setTimeout(() => {
    target.fate.count('neither answered nor closed')
    target.fate.broken.push(`a request had neither an answer nor an end within ${DEADLINE_MS} ms`)
    socket.destroy()
  }, DEADLINE_MS)
  await end
  clearTimeout(timer)
  target.fate.count(/^HTTP\/1\.1 (?!1)(\d+)/m.exec(text)?.[1] ?? (received > 0 ? 'cut' : 'closed'))
  return text
}

export async function open(port: number): Promise<Socket | undefined> {
  const socket = connect({ host: '127.0.0.1', port })
  return new Promise(resolve => {
    socket.once('connect', () => resolve(socket))
    socket.on('error', () => resolve(undefined))
  })
}

/** So many clients, each of whom sends again as soon as it has its answer, and pauses after a refusal if it is polite. */
export async function crowd(
  target: Target,
  connections: number,
  one: (client: number) => Promise<unknown>,
  pauseMs = 5,
): Promise<void> {
  await Promise.all(
    Array.from({ length: connections }, async (_, client) => {
      while (target.going()) {
        await one(client)
        await sleep(pauseMs)
      }
    }),
  )
}

/** A registry whose answers are the attack's to choose. */
export interface Registry {
  url: string
  mood: Mood
  /** Real answers by path; they come before the mood. */
  files: Map<string, string>
  asked: number
  close(): void
}

export async function startRegistry(mood: Mood): Promise<Registry> {
  const server = createServer((req, res) => {
    registry.asked++
    const file = registry.files.get(req.url ?? '')
    if (file !== undefined) return void res.end(file)
    if (registry.mood === 'silent') return
    if (registry.mood === 'sorry') return void res.end('{"error":{"code":"internal","info":"try again"}}')
    if (registry.mood === 'failing') return void res.writeHead(500).end('trouble')
    setTimeout(() => res.writeHead(404).end('none'), 5)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const registry: Registry = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    mood,
    files: new Map(),
    asked: 0,
    close: () => {
      server.close()
      server.closeAllConnections()
    },
  }
  return registry
}
