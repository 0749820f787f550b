import { Router } from 'express'
import { GateError } from '../lib/errors.js'
import type { Responder } from '../lib/http/responder.js'
import type { Health } from '../lib/telemetry/health.js'

/** What the service says of itself. */
export interface Info {
  name: string
  version: string
  description: string
  homepage: string
}

/**
 * `/_info` and its parts; `/_info` is what production's readiness probe asks. Of the probes, `live` asks whether
 * the event loop turns, `startup` whether all that is fetched at the start was (nothing listens before),
 * `ready` whether requests are welcome.
 */
export function infoRoutes(info: Info, health: Health, responder: Responder): Router {
  const router = Router()
  // The original calls the homepage `home`; clients of both names are served.
  router.get('/', (_req, res) => void res.json({ ...info, home: info.homepage }))
  router.get('/name', (_req, res) => void res.json({ name: info.name }))
  router.get('/version', (_req, res) => void res.json({ version: info.version }))
  router.get('/home', (_req, res) => res.redirect(301, info.homepage))
  router.get(['/live', '/startup'], (_req, res) => void res.json({ status: 'ok' }))
  router.get('/ready', (req, res) => {
    const notReady = health.notReady()
    if (notReady) responder.refuse(req, res, new GateError(notReady.code, notReady.reason))
    else res.json({ status: 'ready' })
  })
  router.get('/health', (_req, res) => void res.set('cache-control', 'no-store').json(health.report()))
  return router
}
