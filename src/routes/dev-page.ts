import { readdirSync, readFileSync } from 'node:fs'
import { extname, join } from 'node:path'
import { type Response, Router } from 'express'
import type { LocalOnly } from '../lib/dev/host-check.js'
import { refusal } from '../lib/http/answer.js'

const TYPES: Record<string, string> = {
  '.css': 'text/css',
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.svg': 'image/svg+xml',
}

/** The page runs its own files and asks its own service; whatever an event says, nothing else is loaded. */
const CSP = [
  "default-src 'none'",
  ...["script-src 'self'", "style-src 'self'", "img-src 'self'", "connect-src 'self'"],
  ...["base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"],
].join('; ')

/** The development page at `/`, and its files, which are few and are held in memory. */
export class PageRoutes {
  readonly #files = new Map<string, { type: string; body: Buffer }>()
  readonly #localOnly: LocalOnly

  constructor(folder: string, localOnly: LocalOnly) {
    this.#localOnly = localOnly
    for (const name of readdirSync(folder)) {
      const type = TYPES[extname(name)]
      if (type === undefined) continue
      this.#files.set(name, { type: `${type}; charset=utf-8`, body: readFileSync(join(folder, name)) })
    }
  }

  router(): Router {
    const router = Router()
    router.get('/', (req, res, next) => {
      if ('spec' in req.query || 'doc' in req.query) return next()
      res.locals.route = 'root'
      // A link from another site may lead here: only the name matters.
      const error = this.#localOnly.nameRefusalOf(req)
      if (!error) return this.#send(res, 'index.html')
      const { status, body } = refusal(error)
      res.status(status).type('json').send(body)
    })
    router.get('/_dev/static/:name', (req, res, next) => {
      if (!this.#files.has(req.params.name)) return next()
      res.locals.route = '_dev'
      const error = this.#localOnly.refusalOf(req)
      if (!error) return this.#send(res, req.params.name)
      const { status, body } = refusal(error)
      res.status(status).type('json').send(body)
    })
    return router
  }

  #send(res: Response, name: string): void {
    const { type, body } = this.#files.get(name) as { type: string; body: Buffer }
    for (const header of res.getHeaderNames())
      if (header.startsWith('access-control-')) res.removeHeader(header)
    // Cached, a page would be an older release's than its service.
    res.setHeader('cache-control', 'no-store')
    res.setHeader('content-security-policy', CSP)
    res.setHeader('x-content-type-options', 'nosniff')
    res.setHeader('referrer-policy', 'no-referrer')
    res.setHeader('content-type', type)
    res.end(res.req.method === 'HEAD' ? undefined : body)
  }
}
