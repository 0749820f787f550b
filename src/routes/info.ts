import { Router } from 'express'

/** What the service says of itself. */
export interface Info {
  name: string
  version: string
  description: string
  homepage: string
}

/** `/_info` and its parts; `/_info` is what production's readiness probe asks. */
export function infoRoutes(info: Info): Router {
  const router = Router()
  // The original calls the homepage `home`; clients of both names are served.
  router.get('/', (_req, res) => void res.json({ ...info, home: info.homepage }))
  router.get('/name', (_req, res) => void res.json({ name: info.name }))
  router.get('/version', (_req, res) => void res.json({ version: info.version }))
  router.get('/home', (_req, res) => res.redirect(301, info.homepage))
  return router
}
