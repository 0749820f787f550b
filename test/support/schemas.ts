import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { dirname, join } from 'node:path'
import type { TestContext } from 'node:test'
import { type Code, GateError } from '#src/lib/errors.js'
import type { Event, Schema } from '#src/lib/eventgate.js'
import { type SchemaOptions, SchemaRepository } from '#src/lib/schemas/repository.js'
import { temporary } from './service.js'

export const YAML = '$schema: https://json-schema.org/draft-07/schema#\ntitle: a\ntype: object\n'

export function repository(baseUris: string[], more: Partial<SchemaOptions> = {}): SchemaRepository {
  return new SchemaRepository({
    uriField: '$schema',
    baseUris,
    fileExtension: '.yaml',
    allowInsecure: false,
    allowAbsoluteUris: false,
    maxSchemas: 100,
    failureTtlMs: 60_000,
    timeoutMs: 2000,
    userAgent: 'a test',
    ...more,
  })
}

/** A folder with these files. */
export function folder(t: TestContext, files: Record<string, string | Buffer>): string {
  const root = temporary(t)
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), text)
  }
  return root
}

export type Handler = (req: IncomingMessage, res: ServerResponse) => void

export interface Remote {
  base: string
  /** The paths that were asked for. */
  asked: string[]
  handle: Handler
  close(): void
}

export async function remote(t: TestContext, handle: Handler): Promise<Remote> {
  const server = createServer((req, res) => {
    it.asked.push(req.url ?? '')
    it.handle(req, res)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const close = () => {
    server.closeAllConnections()
    server.close()
  }
  t.after(close)
  const it: Remote = {
    base: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked: [],
    handle,
    close,
  }
  return it
}

/** Answers these paths with these texts, all else with 404. */
export const serving =
  (files: Record<string, string>): Handler =>
  (req, res) => {
    const text = files[req.url ?? '']
    res.statusCode = text === undefined ? 404 : 200
    res.end(text)
  }

export async function load(schemas: SchemaRepository, uri: unknown): Promise<Schema> {
  await schemas.load([uri])
  return schemas.get(uri)
}

export async function refused(
  schemas: SchemaRepository,
  uri: unknown,
  code: Code,
  message?: RegExp,
): Promise<GateError> {
  let error: unknown
  try {
    await load(schemas, uri)
  } catch (thrown) {
    error = thrown
  }
  assert.ok(error instanceof GateError, `${String(uri)} is refused`)
  assert.equal(error.code, code, error.message)
  if (message) assert.match(error.message, message)
  return error
}

export const DRAFT_07 = 'https://json-schema.org/draft-07/schema#'

/** A repository of these documents; an object is written as JSON. */
export function repositoryOf(
  t: TestContext,
  files: Record<string, string | object>,
  more: { allowInsecure?: boolean; bases?: string[] } = {},
): SchemaRepository {
  const texts = Object.entries(files).map(([path, text]) => [
    path,
    typeof text === 'string' ? text : JSON.stringify(text),
  ])
  return repository([folder(t, Object.fromEntries(texts)), ...(more.bases ?? [])], {
    allowInsecure: more.allowInsecure ?? false,
    maxSchemas: 1000,
    timeoutMs: 300,
  })
}

/** The text of a schema's complaints about an event; empty if it is valid. */
export function complaints(schema: Schema, event: object): string {
  try {
    schema.validate(structuredClone(event) as Event)
    return ''
  } catch (error) {
    assert.ok(error instanceof GateError)
    assert.equal(error.code, 'validation_failed', error.message)
    return error.message
  }
}
