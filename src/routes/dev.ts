import type { ServerResponse } from 'node:http'
import { type ErrorRequestHandler, type Request, type Response, Router } from 'express'
import { briefly } from '../lib/dev/entry-view.js'
import type { LocalOnly } from '../lib/dev/host-check.js'
import type { Entry, Filter, Recorder } from '../lib/dev/recorder.js'
import { GateError, quote } from '../lib/errors.js'
import { refusal } from '../lib/http/answer.js'
import { yieldToEventLoop } from '../lib/runtime/event-loop.js'

export interface DevOptions {
  recorder: Recorder
  /** An entry with all that can be said of it. */
  whole(entry: Entry, explains?: boolean): Promise<object>
  schemas: SchemaBrowser
  /** What the latest edits of schemas mean, the newest first. */
  edits(): Promise<readonly object[]>
  localOnly: LocalOnly
}

/** The schemas that there are. */
export interface SchemaBrowser {
  list(): Promise<readonly object[]>
  /** Rejects with a GateError that says why there is none. */
  show(uri: string): Promise<object>
}

const MAX_LIMIT = 1000
const MAX_WAIT_MS = 60_000
/** How often those who watch are told, and that the connection lives. */
const LIVE_MS = 100
const ALIVE_MS = 15_000
/** Of one request; each takes milliseconds. */
const MAX_EXPLAINED = 100
const MAX_LIVE = 20
/** Entries, and characters of them, that one message tells of. */
const MAX_BATCH = 200
const MAX_BATCH_LENGTH = 1024 * 1024

const ALLOWED = [
  { path: '/events', allow: 'DELETE, GET, HEAD' },
  ...['/events/wait', '/events/live', '/events/:seq', '/counts', '/edits', '/schemas', '/schemas/*path'].map(
    path => ({
      path,
      allow: 'GET, HEAD',
    }),
  ),
]

/** `/_dev`: what arrived, for a developer's page and tests. To be `close`d, or those who watch would stay. */
export class DevRoutes {
  readonly #options: DevOptions
  readonly #live = new Set<LiveView>()
  readonly #closing = new AbortController()

  constructor(options: DevOptions) {
    this.#options = options
  }

  close(): void {
    this.#closing.abort()
    for (const view of this.#live) view.end()
  }

  router(): Router {
    const { recorder, whole, schemas, edits, localOnly } = this.#options
    const router = Router()
    router.use((req, res, next) => {
      res.locals.route = '_dev'
      for (const name of res.getHeaderNames()) if (name.startsWith('access-control-')) res.removeHeader(name)
      const error = localOnly.refusalOf(req)
      if (error) return refuse(res, error)
      res.setHeader('cache-control', 'no-store')
      next()
    })

    router.get('/events', (req, res) => {
      const limit = numberOf(req, 'limit', 100, 1, MAX_LIMIT)
      const before = numberOf(req, 'before', Infinity, 1, Infinity)
      const entries = recorder.list(filterOf(req), limit, before).map(briefly)
      const { lastSeq, kept, dropped } = recorder
      res.json({ entries, total_seen: lastSeq, kept, dropped })
    })
    router.delete('/events', (_req, res) => {
      recorder.reset()
      res.status(204).end()
    })
    router.get('/events/wait', async (req, res) => {
      const count = numberOf(req, 'count', 1, 1, MAX_LIMIT)
      const since = numberOf(req, 'since', 0, 0, Infinity)
      const ms = numberOf(req, 'timeout_ms', 10_000, 0, MAX_WAIT_MS)
      const gone = new AbortController()
      res.once('close', () => gone.abort())
      const signal = AbortSignal.any([gone.signal, this.#closing.signal])
      const found = await recorder.wait(filterOf(req), { count, since, ms, signal })
      if (gone.signal.aborted) return
      if (found === 'full') {
        refuse(res, new GateError('over_capacity', 'too many are waiting already: ask again later'))
      } else if (found) {
        const entries = await this.#wholes(found, gone.signal)
        if (!gone.signal.aborted) res.json({ entries })
      } else {
        const message = this.#notSeen(filterOf(req), count, since, ms)
        refuse(res, new GateError(this.#closing.signal.aborted ? 'draining' : 'event_not_seen', message))
      }
    })
    router.get('/events/live', (req, res) => {
      if (this.#live.size >= MAX_LIVE)
        return refuse(res, new GateError('over_capacity', `${MAX_LIVE} are watching already`))
      if (req.method === 'HEAD') return void res.type('text/event-stream').end()
      const since = numberOf(req, 'since', recorder.lastSeq, 0, Infinity)
      const last = Number(req.headers['last-event-id'] ?? since)
      const ms = numberOf(req, 'timeout_ms', 0, 0, 2 ** 31 - 1)
      const view = new LiveView(recorder, res, Number.isSafeInteger(last) ? last : since)
      this.#live.add(view)
      const timer = ms > 0 ? setTimeout(() => view.end(), ms).unref() : undefined
      const leave = () => {
        clearTimeout(timer)
        this.#live.delete(view)
        view.end()
      }
      // The server lets connections be half open; who has gone would be noticed much later.
      req.socket.once('end', leave)
      res.once('close', () => {
        req.socket.off('end', leave)
        leave()
      })
    })
    router.get('/events/:seq', async (req, res) => {
      const entry = recorder.get(Number(req.params.seq))
      if (entry) res.json(await whole(entry))
      else refuse(res, new GateError('entry_not_found', `entry ${quote(req.params.seq)} is not kept`))
    })
    router.get('/counts', (_req, res) => void res.json(recorder.counts(Date.now())))
    router.get('/edits', async (_req, res) => void res.json({ edits: await edits() }))
    router.get('/schemas', async (_req, res) => void res.json({ schemas: await schemas.list() }))
    router.get('/schemas/*path', async (req, res) => {
      const uri = `/${([] as string[]).concat(req.params.path).join('/')}`
      res.json(await schemas.show(uri))
    })
    for (const { path, allow } of ALLOWED)
      router.all(path, (req, res) => {
        const error = new GateError('method_not_allowed', `${quote(req.method)} is not allowed here`)
        res.setHeader('allow', allow)
        refuse(res, error)
      })
    const onError: ErrorRequestHandler = (error, _req, res, _next) => {
      // Express marks so what is the client's: a path that cannot be decoded.
      const isClients = !(error instanceof GateError) && error.status < 500
      refuse(res, isClients ? new GateError('request_malformed', error.message) : GateError.from(error))
    }
    router.use(onError)
    return router
  }

  /** What they are, as long as somebody waits for it. */
  async #wholes(entries: readonly Entry[], signal: AbortSignal): Promise<object[]> {
    const wholes: object[] = []
    let explained = 0
    for (const entry of entries) {
      if (signal.aborted) break
      wholes.push(
        await this.#options.whole(entry, explained < MAX_EXPLAINED && !this.#closing.signal.aborted),
      )
      if (entry.error) explained++
      await yieldToEventLoop()
    }
    return wholes
  }

  #notSeen(filter: Filter, count: number, since: number, ms: number): string {
    const { recorder } = this.#options
    const wanted = Object.entries(filter).filter(([, value]) => value !== undefined)
    const what =
      wanted.length === 0 ? 'any' : wanted.map(([name, value]) => `${name} ${quote(value)}`).join(', ')
    const matching = recorder.list(filter, MAX_LIMIT).filter(({ seq }) => seq > since)
    const others = recorder.after(Math.max(since, recorder.lastSeq - 5), 5)
    const seen = others.map(
      ({ verdict, stream, schemaUri, error }) =>
        `${verdict} ${stream ?? '(no stream)'} ${schemaUri ?? '(no schema)'}${error ? `: ${error.message.slice(0, 200)}` : ''}`,
    )
    const instead = seen.length === 0 ? 'nothing arrived' : `the latest that arrived: ${seen.join('; ')}`
    return `${matching.length} of ${count} events came within ${ms} ms of ${what}; ${instead}`
  }
}

/** Tells one who watches of what comes, in batches, and no faster than is read. */
class LiveView {
  readonly #recorder: Recorder
  readonly #res: ServerResponse
  /** The number of the latest entry that was told. */
  #told: number
  #resets: number
  #timer: NodeJS.Timeout | undefined
  #unsubscribe: (() => void) | undefined
  readonly #alive: NodeJS.Timeout
  #ended = false

  constructor(recorder: Recorder, res: ServerResponse, since: number) {
    this.#recorder = recorder
    this.#res = res
    this.#told = since
    // Who saw later ones saw them of the process before this one: nothing of it is left.
    this.#resets = since > recorder.lastSeq ? -1 : recorder.resets
    res.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8', 'x-accel-buffering': 'no' })
    res.write(`retry: 1000\n\n`)
    this.#alive = setInterval(() => this.#isSlow || res.write(':\n\n'), ALIVE_MS)
    this.#tell()
  }

  end(): void {
    if (this.#ended) return
    this.#ended = true
    this.#unsubscribe?.()
    clearTimeout(this.#timer)
    clearInterval(this.#alive)
    this.#res.end()
  }

  get #isSlow(): boolean {
    return this.#res.writableNeedDrain
  }

  #tell(): void {
    if (this.#ended) return
    if (this.#isSlow) return void this.#res.once('drain', () => this.#tell())
    const recorder = this.#recorder
    if (recorder.resets > this.#resets) {
      this.#resets = recorder.resets
      this.#told = recorder.after(0, 1)[0]?.seq ?? recorder.lastSeq + 1
      this.#told--
      this.#res.write(`id: ${this.#told}\nevent: reset\ndata: {}\n\n`)
    }
    const entries = this.#recorder.after(this.#told, MAX_BATCH)
    const [first] = entries
    if (first) {
      if (first.seq > this.#told + 1)
        this.#res.write(`event: gap\ndata: ${JSON.stringify({ missed: first.seq - this.#told - 1 })}\n\n`)
      const texts: string[] = []
      let length = 0
      for (const entry of entries) {
        const text = JSON.stringify(briefly(entry))
        length += text.length
        if (texts.length > 0 && length > MAX_BATCH_LENGTH) break
        texts.push(text)
        this.#told = entry.seq
      }
      this.#res.write(`id: ${this.#told}\nevent: entries\ndata: [${texts.join(',')}]\n\n`)
    }
    this.#next()
  }

  /** Waits for a change, and then so long that others may come with it. */
  #next(): void {
    const later = () => {
      this.#timer = setTimeout(() => this.#tell(), LIVE_MS)
    }
    if (this.#told < this.#recorder.lastSeq) later()
    else this.#unsubscribe = this.#recorder.onceChanged(later)
  }
}

/** As any refusal, but not for pages of other origins to read. */
function refuse(res: Response, error: GateError): void {
  const { status, reason, body, retryAfter } = refusal(error)
  if (res.headersSent) return void res.destroy()
  if (retryAfter) res.setHeader('retry-after', '1')
  res.setHeader('content-type', 'application/json; charset=utf-8')
  res.setHeader('content-length', Buffer.byteLength(body))
  res.writeHead(status, reason)
  res.end(res.req.method === 'HEAD' ? undefined : body)
}

function filterOf({ query }: Request): Filter {
  return {
    stream: textOf(query.stream),
    schema: textOf(query.schema),
    outcome: textOf(query.outcome),
    code: textOf(query.code),
    requestId: textOf(query.request_id),
    text: textOf(query.text),
  }
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined
}

function numberOf({ query }: Request, name: string, byDefault: number, min: number, max: number): number {
  const value = query[name]
  if (value === undefined || value === '') return byDefault
  const number = typeof value === 'string' && /^\d+$/.test(value) ? Number(value) : Number.NaN
  if (number >= min) return Math.min(number, max)
  throw new GateError(
    'query_refused',
    `query parameter ${quote(name)} must be an integer of at least ${min}, not ${quote(value)}`,
  )
}
