import { readdirSync, readFileSync } from 'node:fs'
import { extname, join } from 'node:path'
import { type Response, Router } from 'express'
import type { HostCheck } from '../lib/dev/host-check.js'
import type { GateError } from '../lib/errors.js'
import { refusalAnswer } from '../lib/http/answer.js'

const TYPES: Record<string, string> = {
  '.css': 'text/css',
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.svg': 'image/svg+xml',
}

/** The page loads its own files and asks its own service only, whatever an event says. */
const CSP = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ')

/** The development page at `/`, and its files, which are held in memory. */
export class PageRoutes {
  readonly #files = new Map<string, { type: string; body: Buffer }>()
  readonly #hostCheck: HostCheck

  constructor(folder: string, hostCheck: HostCheck) {
    this.#hostCheck = hostCheck
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
      // A link of another site may lead here, so that only the host matters.
      this.#answer(res, 'index.html', this.#hostCheck.hostRefusalOf(req))
    })
    router.get('/_dev/static/:name', (req, res, next) => {
      if (!this.#files.has(req.params.name)) return next()
      res.locals.route = '_dev'
      this.#answer(res, req.params.name, this.#hostCheck.refusalOf(req))
    })
    return router
  }

  #answer(res: Response, name: string, error: GateError | undefined): void {
    if (error) {
      const { status, body } = refusalAnswer(error)
      return void res.status(status).type('json').send(body)
    }
    const { type, body } = this.#files.get(name) as { type: string; body: Buffer }
    for (const header of res.getHeaderNames())
      if (header.startsWith('access-control-')) res.removeHeader(header)
    // A cached page could be of an older release than the service.
    res.setHeader('cache-control', 'no-store')
    res.setHeader('content-security-policy', CSP)
    res.setHeader('x-content-type-options', 'nosniff')
    res.setHeader('referrer-policy', 'no-referrer')
    res.setHeader('content-type', type)
    res.end(res.req.method === 'HEAD' ? undefined : body)
  }
}
