import { GateError } from '../lib/errors.js'
import type { Responder } from '../lib/http/responder.js'
import type { Health } from '../lib/telemetry/health.js'
import type { Member } from '../lib/workers/member.js'
import { get, type Route } from './mount.js'

/** What the service says about itself. */
export interface Info {
  name: string
  version: string
  description: string
  homepage: string
}

/**
 * `/_info` and its parts. The readiness probe of the original's charts asks `/_info`. `live` shows that the event loop
 * turns. `startup` shows that everything was fetched at the start, because nothing listens before. `ready` tells whether
 * the service should get requests. Any worker answers for itself; `health` also says how the others are.
 */
export function infoRoutes(
  info: Info,
  health: Health,
  responder: Responder,
  member: Pick<Member, 'report'> | undefined,
): Route[] {
  const { name, version, homepage } = info
  return [
    // The original calls the homepage `home`. Clients may read either name.
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
    get('/_info/health', async (_req, res) => {
      const all = { ...health.report(), ...(await member?.report()) }
      res.set('cache-control', 'no-store').json(all)
    }),
  ]
}
