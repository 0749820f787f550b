import { Router } from 'express'

export interface ConfiguredStreams {
  /** As they were configured, by name or regular expression. */
  all(): Readonly<Record<string, unknown>>
  /** The settings of one stream; undefined if it is not configured. */
  of(name: string): unknown
}

/** `/v1/stream-configs`: the stream configurations in force, by name. Names that are unknown are left out. */
export function streamRoutes(configs: ConfiguredStreams): Router {
  const router = Router()
  router.get('/', (_req, res) => void res.json(configs.all()))
  router.get('/:names', (req, res) => {
    const names = [...new Set(req.params.names.split(/[,|]/))]
    const found = names.map(name => [name, configs.of(name)] as const)
    res.json(Object.fromEntries(found.filter(([, settings]) => settings !== undefined)))
  })
  return router
}
