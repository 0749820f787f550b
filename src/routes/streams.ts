import { get, type Route } from './mount.js'

export interface ConfiguredStreams {
  /** All settings as they were configured, by name or regular expression. */
  all(): Readonly<Record<string, unknown>>
  /** The settings of one stream. Undefined if it is not configured. */
  of(name: string): unknown
}

/** The stream configurations in force, by name. Unknown names are left out. */
export function streamRoutes(configs: ConfiguredStreams): Route[] {
  return [
    get('/v1/stream-configs', (_req, res) => res.json(configs.all())),
    get('/v1/stream-configs/:names', (req, res) => {
      const names = [...new Set((req.params.names as string).split(/[,|]/))]
      const found = names.map(name => [name, configs.of(name)] as const)
      res.json(Object.fromEntries(found.filter(([, settings]) => settings !== undefined)))
    }),
  ]
}
