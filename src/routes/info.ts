import { GateError } from '../lib/errors.js'
import type { Responder } from '../lib/http/responder.js'
import type { Health } from '../lib/telemetry/health.js'
import { get, type Route } from './mount.js'

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
export function infoRoutes(info: Info, health: Health, responder: Responder): Route[] {
  const { name, version, homepage } = info
  return [
    // The original calls the homepage `home`; clients of both names are served.
    get('/_info', (_req, res) => res.json({ ...info, home: homepage })),
    get('/_info/name', (_req, res) => res.json({ name })),
    get('/_info/version', (_req, res) => res.json({ version })),
    get('/_info/home', (_req, res) => res.redirect(301, homepage)),
    get('/_info/live', (_req, res) => res.json({ status: 'ok' })),
    get('/_info/startup', (_req, res) => res.json({ status: 'ok' })),
    get('/_info/ready', (req, res) => {
      const notReady = health.notReady()
      if (notReady) responder.refuse(req, res, new GateError(notReady.code, notReady.reason))
      else res.json({ status: 'ready' })
    }),
    get('/_info/health', (_req, res) => res.set('cache-control', 'no-store').json(health.report())),
  ]
}
