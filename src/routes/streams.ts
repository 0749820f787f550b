import { Router } from 'express'

/** `/v1/stream-configs`: the stream configurations in force, by name. Names that are unknown are left out. */
export function streamRoutes(configs: () => Readonly<Record<string, unknown>>): Router {
  const router = Router()
  router.get('/', (_req, res) => void res.json(configs()))
  router.get('/:names', (req, res) => {
    const all = configs()
    const names = req.params.names.split(/[,|]/)
    res.json(
      Object.fromEntries(names.filter(name => Object.hasOwn(all, name)).map(name => [name, all[name]])),
    )
  })
  return router
}
