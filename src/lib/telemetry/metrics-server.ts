import { createServer, type Server } from 'node:http'
import { register } from 'prom-client'
import type { Log } from './log.js'

/** Where to listen. Without an address: at all of them. */
interface Endpoint {
  readonly port?: number
  readonly interface?: string | null
}

/** Serves metrics at `/metrics`. Ends the process if it cannot listen. */
export async function serveMetrics(
  { port, interface: address }: Endpoint,
  collect: () => AsyncIterable<string>,
  log: Log,
): Promise<Server> {
  const server = createServer(async (req, res) => {
    if (req.url?.replace(/\?.*/, '') !== '/metrics') return void res.writeHead(404).end()
    if (req.method !== 'GET' && req.method !== 'HEAD')
      return void res.writeHead(405, { allow: 'GET, HEAD' }).end()
    try {
      res.setHeader('content-type', register.contentType)
      for await (const piece of collect()) res.write(piece)
      res.end()
    } catch (error) {
      log.error({ err: error }, 'metrics could not be collected')
      // Prometheus takes nothing of a scrape that is cut off.
      if (res.headersSent) res.destroy()
      else res.writeHead(500).end()
    }
  })
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, address ?? undefined, () => resolve(server))
  }).then(
    () => server,
    error => {
      log.fatal({ err: error }, `metrics cannot be served on port ${port}`)
      process.exit(1)
    },
  )
}
