import type { Express, NextFunction, Request, Response } from 'express'
import { GateError } from '../lib/errors.js'
import type { Responder } from '../lib/http/responder.js'

export type Handler = (req: Request, res: Response, next: NextFunction) => unknown

/** A path of the service, and what answers there. */
export interface Route {
  path: string
  /** By method. All others are refused with 405 and the list of these. */
  methods: Readonly<Record<string, Handler>>
  /** Refuses a request whatever its method is. */
  refusalOf?(req: Request): GateError | undefined
}

/** A route that only reads. Node leaves the body out of an answer to HEAD. */
export function get(path: string, handle: Handler): Route {
  return { path, methods: { GET: handle, HEAD: handle } }
}

/** The name of a route in metrics: its path without parameters, because clients choose their values. */
export function labelOf(path: string): string {
  return path.replace(/\/:.*$/, '').slice(1) || 'root'
}

/** Adds a route to an Express app. `res.locals.route` is its label from then on. */
export function mount(web: Express, { path, methods, refusalOf }: Route, responder: Responder): void {
  const label = labelOf(path)
  const allow = Object.keys(methods).join(', ')
  web.all(path, (req, res, next) => {
    res.locals.route = label
    const refused = refusalOf?.(req)
    if (refused) return responder.refuse(req, res, refused)
    const handle = methods[req.method]
    if (handle) return handle(req, res, next)
    if (req.method === 'OPTIONS' && 'HEAD' in methods) return tellMethods(res, allow)
    const error = new GateError('method_not_allowed', `${req.method} is not allowed here, only ${allow}`)
    responder.refuse(req, res, error, ['allow', allow])
  })
}

/** Answers OPTIONS on a route that only reads. A page asks so before it reads with `x-requested-with`. */
function tellMethods(res: Response, allow: string): void {
  res.setHeader('allow', allow)
  res.setHeader('content-type', 'text/plain')
  res.setHeader('x-content-type-options', 'nosniff')
  res.end(allow)
}
