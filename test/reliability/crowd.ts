/**
 * Many clients at once, in a process of their own, so that what they cost is not what is measured:
 *
 *     const answers = await crowd({ url, core: '1', connections: 64, seconds: 10, shape: { arrayOf: 50 } })
 *
 * Requests go over plain sockets: node:http's client takes as much of a core as the service does.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { benchEvent } from '../../bench/event.js'
import { ledgerEvent, verdictsOf } from './load.js'

export interface Crowd {
  url: string
  /** The processor that the clients run on, where taskset is. */
  core?: string | undefined
  /** They get what others leave of it, so that a crowd takes nothing from Kafka and from other clients. */
  modest?: boolean
  seconds: number
  /** At most so many requests are out at one time. */
  connections: number
  /**
   * Requests a second, sent when they are due however long the answers take. A request that is due while all
   * connections are busy is counted and not sent. Without a rate, each connection sends its next request after the
   * answer, or after the `Retry-After` of a 503 if that is `obeyed`.
   */
  rate?: number
  obeyed?: boolean
  hasty?: boolean
  /** Every `every`th request is an array of so many events; without it, all are. */
  arrayOf?: number
  every?: number
  streams: readonly string[]
  /** Events of production's size, or the ledger's small ones, whose ids are the client's. */
  events: 'bench' | 'ledger'
  giveUpMs?: number
  /** Writes each event with what was answered of it to this file, as `Entry` in JSON, a line each. */
  ledger?: string
}

/** One event in the ledger's file. */
export interface Entry {
  id: string
  verdict: string
  code?: string | undefined
}

/** One request and its answer. Times are milliseconds; `at` since the epoch. */
export interface Reply {
  at: number
  ms: number
  /** 0 without an answer. */
  status: number
  events: number
  /** Seconds; NaN without the header. */
  retryAfter: number
}

export interface CrowdReport {
  replies: Reply[]
  /** Requests that were due while all connections were taken. */
  skipped: number
  /** What the clients' own event loop was late by: what it adds to a time that was measured. */
  lateMs: number
}

export const hasTaskset = !spawnSync('taskset', ['-V']).error

/** A command that runs on one processor, where that can be had. */
export function pinned(core: string | undefined, command: readonly string[]): string[] {
  return core !== undefined && hasTaskset ? ['taskset', '-c', core, ...command] : [...command]
}

/** Runs clients in a process of their own; `stop` ends them early. */
export function startCrowd(options: Crowd): { report: Promise<CrowdReport>; stop(): void } {
  const script = fileURLToPath(import.meta.url)
  const command = [process.execPath, script, JSON.stringify(options)]
  const [program = '', ...args] = pinned(
    options.core,
    options.modest ? ['nice', '-n', '19', ...command] : command,
  )
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'] })
  const kill = () => child.kill('SIGKILL')
  process.once('exit', kill)
  const report = reportOf(child).finally(() => process.removeListener('exit', kill))
  return { report, stop: () => child.stdin?.end() }
}

export function crowd(options: Crowd): Promise<CrowdReport> {
  return startCrowd(options).report
}

async function reportOf(child: ChildProcess): Promise<CrowdReport> {
  const chunks: Buffer[] = []
  child.stdout?.on('data', chunk => chunks.push(chunk))
  const [code] = await once(child, 'close')
  if (code !== 0) throw new Error(`the clients ended with ${code}`)
  const { replies, ...rest } = JSON.parse(String(Buffer.concat(chunks)))
  return {
    ...rest,
    replies: (replies as number[][]).map(([at, ms, status, events, retryAfter]) => ({
      ...{ at, ms, status, events },
      retryAfter: retryAfter ?? Number.NaN,
    })),
  }
}

/** An answer off the wire. */
interface Response {
  status: number
  retryAfter: number
  body: string
}

const NO_ANSWER: Response = { status: 0, retryAfter: Number.NaN, body: '' }

/** One connection, made anew when the last one was closed. One request at a time. */
class Client {
  #socket: Socket | undefined
  #received: Buffer = Buffer.alloc(0)
  #answer: ((response: Response) => void) | undefined

  constructor(
    readonly port: number,
    readonly host: string,
  ) {}

  post(request: Buffer, giveUpMs: number): Promise<Response> {
    return new Promise(resolve => {
      const timer = setTimeout(() => this.#end(NO_ANSWER), giveUpMs)
      this.#answer = response => {
        clearTimeout(timer)
        resolve(response)
      }
      this.#socket ??= this.#connect()
      this.#socket.write(request)
    })
  }

  close(): void {
    this.#socket?.destroy()
  }

  #connect(): Socket {
    const socket = connect({ port: this.port, host: this.host, noDelay: true })
    const lost = () => {
      if (this.#socket === socket) this.#end(NO_ANSWER)
    }
    socket.on('error', lost).on('close', lost)
    socket.on('data', data => {
      this.#received = this.#received.length > 0 ? Buffer.concat([this.#received, data]) : data
      this.#read()
    })
    return socket
  }

  /** The service's answers have their length, and so much of HTTP is enough. */
  #read(): void {
    const end = this.#received.indexOf('\r\n\r\n')
    if (end < 0) return
    const head = this.#received.toString('latin1', 0, end)
    const length = Number(/\r\ncontent-length: (\d+)/i.exec(head)?.[1] ?? 0)
    if (this.#received.length < end + 4 + length) return
    const body = this.#received.toString('utf8', end + 4, end + 4 + length)
    this.#received = this.#received.subarray(end + 4 + length)
    const retryAfter = Number(/\r\nretry-after: (\d+)/i.exec(head)?.[1] ?? Number.NaN)
    const response = { status: Number(head.slice(9, 12)), retryAfter, body }
    if (/\r\nconnection: close/i.test(head)) this.#end(response)
    else this.#settle(response)
  }

  #end(response: Response): void {
    const socket = this.#socket
    this.#socket = undefined
    this.#received = Buffer.alloc(0)
    socket?.destroy()
    this.#settle(response)
  }

  #settle(response: Response): void {
    const answer = this.#answer
    this.#answer = undefined
    answer?.(response)
  }
}

interface Made {
  request: Buffer
  ids: string[]
  events: number
}

/** Makes requests; those of events whose ids nobody asks for are made once. */
function makeRequests(options: Crowd): () => Made {
  const { url, hasty = false, arrayOf = 1, every = 1, streams, events } = options
  const { host, pathname } = new URL(url)
  const path = hasty ? `${pathname}?hasty=true` : pathname
  let requests = 0
  let sent = 0
  const make = (size: number): Made => {
    const ids: string[] = []
    const bodies = Array.from({ length: size }, () => {
      const stream = streams[sent++ % streams.length] as string
      if (events === 'bench') return benchEvent(stream)
      const id = randomUUID()
      ids.push(id)
      return ledgerEvent(id, stream)
    })
    const body = JSON.stringify(size === 1 ? bodies[0] : bodies)
    const head = `POST ${path} HTTP/1.1\r\nhost: ${host}\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n`
    return { request: Buffer.from(head + body), ids, events: size }
  }
  const sizeOf = () => (requests++ % every === every - 1 ? arrayOf : 1)
  if (events === 'ledger') return () => make(sizeOf())
  const kept = new Map<string, Made>()
  return () => {
    const size = sizeOf()
    const key = `${size} ${requests % streams.length}`
    const made = kept.get(key) ?? make(size)
    kept.set(key, made)
    return made
  }
}

async function run(options: Crowd): Promise<void> {
  const { seconds, connections, rate, obeyed = false, giveUpMs = 30_000 } = options
  const { hostname, port } = new URL(options.url)
  const next = makeRequests(options)
  const replies: number[][] = []
  const ledger = options.ledger === undefined ? undefined : createWriteStream(options.ledger)
  const end = performance.now() + seconds * 1000
  let stopped = false
  process.stdin.on('end', () => {
    stopped = true
  })
  process.stdin.resume()
  const more = () => !stopped && performance.now() < end
  const clients: Client[] = []

  async function send(client: Client): Promise<Response> {
    const { request, ids, events } = next()
    const at = Date.now()
    const before = performance.now()
    const response = await client.post(request, giveUpMs)
    const { status, retryAfter, body } = response
    replies.push([at, performance.now() - before, status, events, retryAfter])
    if (ledger) {
      const verdicts =
        status === 0 ? ids.map(() => ({ verdict: 'no_answer' })) : verdictsOf(status, body, events)
      const entries = ids.map((id, i) => JSON.stringify({ id, ...verdicts[i] }))
      ledger.write(`${entries.join('\n')}\n`)
    }
    return response
  }

  async function closedLoop(client: Client): Promise<void> {
    while (more()) {
      const { status, retryAfter } = await send(client)
      const pause = status === 0 ? 1 : obeyed && status === 503 ? retryAfter || 0 : 0
      if (pause > 0) await sleep(Math.max(0, Math.min(pause * 1000, end - performance.now())))
    }
  }

  let skipped = 0
  const lateness: number[] = []
  const tick = setInterval(
    (last => () => {
      const now = performance.now()
      lateness.push(now - last - 20)
      last = now
    })(performance.now()),
    20,
  )
  const client = () => {
    const made = new Client(Number(port), hostname)
    clients.push(made)
    return made
  }
  if (rate === undefined) {
    await Promise.all(Array.from({ length: connections }, () => closedLoop(client())))
  } else {
    const start = performance.now()
    const free: Client[] = []
    const open = new Set<Promise<void>>()
    let due = 0
    while (more()) {
      for (; due < ((performance.now() - start) / 1000) * rate; due++) {
        const taken = free.pop() ?? (clients.length < connections ? client() : undefined)
        if (!taken) {
          skipped++
          continue
        }
        const sending = send(taken).then(() => {
          free.push(taken)
          open.delete(sending)
        })
        open.add(sending)
      }
      await sleep(2)
    }
    await Promise.all(open)
  }
  clearInterval(tick)
  for (const each of clients) each.close()
  if (ledger) await new Promise<void>(resolve => ledger.end(resolve))
  lateness.sort((a, b) => a - b)
  const lateMs = Math.max(0, lateness[Math.floor(lateness.length * 0.99)] ?? 0)
  process.stdout.write(JSON.stringify({ replies, skipped, lateMs }), () => process.exit())
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await run(JSON.parse(process.argv[2] as string))
