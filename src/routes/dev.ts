import { type ErrorRequestHandler, type Request, type Response, Router } from 'express'
import { briefly, type EntryView } from '../lib/dev/entry-view.js'
import type { Filter } from '../lib/dev/filter.js'
import type { HostCheck } from '../lib/dev/host-check.js'
import { LiveView } from '../lib/dev/live-view.js'
import type { Recorder } from '../lib/dev/recorder.js'
import { GateError, quote } from '../lib/errors.js'
import { refusalAnswer } from '../lib/http/answer.js'
import { get, type Route } from './mount.js'

export interface DevOptions {
  recorder: Recorder
  view: EntryView
  schemas: SchemaBrowser
  /** What the latest edits of schemas break, the newest first. */
  edits(): Promise<readonly object[]>
  hostCheck: HostCheck
}

export interface SchemaBrowser {
  list(): Promise<readonly object[]>
  /** Rejects with a GateError if there is no such schema. */
  show(uri: string): Promise<object>
}

const FILTERS: readonly (keyof Filter)[] = ['stream', 'schema', 'outcome', 'code', 'request_id', 'text']
const MAX_LIMIT = 1000
const MAX_WAIT_MS = 60_000
const MAX_LIVE = 20

/** `/_dev`: what arrived, for the development page and for tests. */
export class DevRoutes {
  readonly #options: DevOptions
  readonly #live = new Set<LiveView>()
  readonly #closing = new AbortController()

  constructor(options: DevOptions) {
    this.#options = options
  }

  /** Ends the answers that would stay open. */
  close(): void {
    this.#closing.abort()
    for (const view of this.#live) view.end()
  }

  router(): Router {
    const router = Router()
    router.use((req, res, next) => {
      res.locals.route = '_dev'
      for (const name of res.getHeaderNames()) if (name.startsWith('access-control-')) res.removeHeader(name)
      const error = this.#options.hostCheck.refusalOf(req)
      if (error) return refuse(res, error)
      res.setHeader('cache-control', 'no-store')
      next()
    })
    for (const { path, methods } of this.#routes())
      router.all(path, (req, res, next) => {
        const handle = methods[req.method]
        if (handle) return handle(req, res, next)
        res.setHeader('allow', Object.keys(methods).join(', '))
        throw new GateError('method_not_allowed', `${quote(req.method)} is not allowed here`)
      })
    const onError: ErrorRequestHandler = (error, _req, res, _next) => {
      // Express gives a status to the client's mistakes, such as a path that cannot be decoded.
      const isClients = !(error instanceof GateError) && error.status < 500
      refuse(res, isClients ? new GateError('request_malformed', error.message) : GateError.from(error))
    }
    router.use(onError)
    return router
  }

  #routes(): Route[] {
    const { recorder, schemas, edits } = this.#options
    const list = get('/events', (req, res) => this.#list(req, res))
    const reset = (_req: Request, res: Response) => {
      recorder.reset()
      res.status(204).end()
    }
    return [
      { ...list, methods: { ...list.methods, DELETE: reset } },
      get('/events/wait', (req, res) => this.#wait(req, res)),
      get('/events/live', (req, res) => this.#watch(req, res)),
      get('/events/:seq', (req, res) => this.#show(req, res)),
      get('/counts', (_req, res) => res.json(recorder.counts(Date.now()))),
      get('/edits', async (_req, res) => res.json({ edits: await edits() })),
      get('/schemas', async (_req, res) => res.json({ schemas: await schemas.list() })),
      get('/schemas/*path', async (req, res) => {
        const uri = `/${([] as string[]).concat(req.params.path ?? []).join('/')}`
        res.json(await schemas.show(uri))
      }),
    ]
  }

  #list(req: Request, res: Response): void {
    const { recorder } = this.#options
    const limit = numberOf(req, 'limit', 100, 1, MAX_LIMIT)
    const before = numberOf(req, 'before', Infinity, 1, Infinity)
    const entries = recorder.list(filterOf(req), limit, before).map(briefly)
    const { lastSeq, kept, dropped } = recorder
    res.json({ entries, total_seen: lastSeq, kept, dropped })
  }

  async #wait(req: Request, res: Response): Promise<void> {
    const { recorder, view } = this.#options
    const count = numberOf(req, 'count', 1, 1, MAX_LIMIT)
    const since = numberOf(req, 'since', 0, 0, Infinity)
    const ms = numberOf(req, 'timeout_ms', 10_000, 0, MAX_WAIT_MS)
    const filter = filterOf(req)
    const gone = new AbortController()
    res.once('close', () => gone.abort())
    const closing = this.#closing.signal
    const signal = AbortSignal.any([gone.signal, closing])
    const found = await recorder.wait(filter, { count, since, ms, signal })
    if (gone.signal.aborted) return
    if (found === 'full')
      throw new GateError('over_capacity', 'too many requests are waiting: ask again later')
    if (!found) {
      const message = describeMiss(recorder, filter, { count, since, ms })
      throw new GateError(closing.aborted ? 'draining' : 'event_not_seen', message)
    }
    const entries = await view.wholes(found, gone.signal, closing)
    if (!gone.signal.aborted) res.json({ entries })
  }

  #watch(req: Request, res: Response): void {
    const { recorder } = this.#options
    if (this.#live.size >= MAX_LIVE)
      throw new GateError('over_capacity', `${MAX_LIVE} clients are watching already`)
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
    // The server allows half-open connections, so a client that left would be noticed late.
    req.socket.once('end', leave)
    res.once('close', () => {
      req.socket.off('end', leave)
      leave()
    })
  }

  async #show(req: Request, res: Response): Promise<void> {
    const { recorder, view } = this.#options
    const entry = recorder.get(Number(req.params.seq))
    if (!entry) throw new GateError('entry_not_found', `entry ${quote(req.params.seq)} is not kept`)
    res.json(await view.whole(entry))
  }
}

/** Says what arrived instead of what a client waited for. */
function describeMiss(
  recorder: Recorder,
  filter: Filter,
  { count, since, ms }: { count: number; since: number; ms: number },
): string {
  const wanted = Object.entries(filter)
  const what =
    wanted.length === 0 ? 'any' : wanted.map(([name, value]) => `${name} ${quote(value)}`).join(', ')
  const matching = recorder.list(filter, MAX_LIMIT).filter(({ seq }) => seq > since)
  const others = recorder.after(Math.max(since, recorder.lastSeq - 5), 5)
  const seen = others.map(({ outcome, stream, schemaUri, error }) => {
    const reason = error ? `: ${error.message.slice(0, 200)}` : ''
    return `${outcome} ${stream ?? '(no stream)'} ${schemaUri ?? '(no schema)'}${reason}`
  })
  const instead = seen.length === 0 ? 'nothing arrived' : `the latest that arrived: ${seen.join('; ')}`
  return `${matching.length} of ${count} events came within ${ms} ms of ${what}; ${instead}`
}

/** Unlike other refusals, pages of other origins must not read this one. */
function refuse(res: Response, error: GateError): void {
  const { status, reason, body, retryAfter } = refusalAnswer(error)
  if (res.headersSent) return void res.destroy()
  if (retryAfter) res.setHeader('retry-after', '1')
  res.setHeader('content-type', 'application/json; charset=utf-8')
  res.setHeader('content-length', Buffer.byteLength(body))
  res.writeHead(status, reason)
  res.end(res.req.method === 'HEAD' ? undefined : body)
}

function filterOf({ query }: Request): Filter {
  const given = FILTERS.filter(name => typeof query[name] === 'string' && query[name] !== '')
  return Object.fromEntries(given.map(name => [name, query[name]]))
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
