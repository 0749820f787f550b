import assert from 'node:assert/strict'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join, normalize } from 'node:path'
import { load } from 'js-yaml'
import { WIKIMEDIA } from './service.js'

// Production's schemas and stream configurations, where they lie beside the checkout, and what serves them there.

export const isThere = existsSync(join(WIKIMEDIA, 'clusters'))
export const REPOSITORY = join(WIKIMEDIA, 'schemas-event-primary')

export type Json = Record<string, unknown>

export interface Schema {
  title?: string
  examples?: Json[]
  properties?: Record<string, Schema>
  additionalProperties?: Schema | boolean
  default?: unknown
}

export interface StreamSettings {
  schema_title: string
  message_key_fields?: Record<string, string>
  producers: { eventgate: { enrich_fields_from_http_headers: Record<string, string | false> } }
}

/** Ends with a test, or with a check. */
type Scope = { after(end: () => void): void }

/** Every version of a schema of events by its place: some `$id`s and examples name another. */
export function wholeSchemas(): Map<string, Schema> {
  const files = readdirSync(REPOSITORY, { recursive: true, encoding: 'utf8' })
    .filter(file => /\/\d+\.\d+\.\d+\.yaml$/.test(file) && !file.startsWith('fragment/'))
    .sort()
  return new Map(
    files.map(file => [
      `/${file.replace(/\.yaml$/, '')}`,
      load(readFileSync(join(REPOSITORY, file), 'utf8')) as Schema,
    ]),
  )
}

/** An event of each version of a schema that a stream takes. */
export function examplesOf(streams: Record<string, StreamSettings>, schemas: Map<string, Schema>) {
  return Object.entries(streams).flatMap(([key, settings]) =>
    [...schemas]
      .filter(([, { title, examples }]) => title === settings.schema_title && examples?.length)
      .map(([uri, schema]) => {
        const example = schema.examples?.[0] as Json & { meta: Json }
        const stream = concrete(key, example.meta.stream)
        const event = { ...example, $schema: uri, meta: { ...example.meta, stream } }
        return { uri, schema, settings, stream, event }
      }),
  )
}

/** A stream for a key of the configuration: itself, or a name that the expression matches. */
function concrete(key: string, example: unknown): string {
  if (!key.startsWith('/')) return key
  const expression = new RegExp(key.slice(1, -1))
  const name = String(example)
  assert.match(name, expression)
  return name
}

export function streamsOf(name: string): Record<string, StreamSettings> {
  return JSON.parse(readFileSync(join(WIKIMEDIA, 'stream-configs', `${name}.json`), 'utf8')).streams
}

/** The stream configuration's API and the schema registry of a cluster, with what they are asked. */
export async function serveProduction(t: Scope, name: string) {
  const streamConfig = readFileSync(join(WIKIMEDIA, 'stream-configs', `${name}.json`))
  const asked: { url: string | undefined; host: string | undefined }[] = []
  const streams = await serve(t, (req, res) => {
    asked.push({ url: req.url, host: req.headers.host })
    res.setHeader('content-type', 'application/json; charset=utf-8').end(streamConfig)
  })
  const fetched: { uri: string; status: number }[] = []
  const base = '/repositories/primary/jsonschema'
  const registry = await serve(t, (req, res) => {
    const path = normalize(req.url ?? '/')
    const uri = path.slice(base.length)
    const file = join(REPOSITORY, uri)
    res.statusCode = path.startsWith(`${base}/`) && existsSync(file) ? 200 : 404
    fetched.push({ uri, status: res.statusCode })
    res.end(res.statusCode === 200 ? readFileSync(file) : 'not found')
  })
  return { streams, registry, asked, fetched }
}

/** Serves HTTP on loopback until the test ends; gives its `host:port`. */
async function serve(t: Scope, listener: RequestListener): Promise<string> {
  const server = createServer(listener).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return `127.0.0.1:${(server.address() as AddressInfo).port}`
}
