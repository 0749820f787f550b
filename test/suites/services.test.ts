import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { load } from 'js-yaml'
import { freePort } from '../support/http.js'
import { CORPORA, type Corpus, ROOT, spawnService, startService, temporary } from '../support/service.js'

interface Settings {
  schema_title: string
}

interface Schema {
  title: string
  examples?: Example[]
}

interface Example extends Record<string, unknown> {
  $schema: string
  meta: { stream: string; dt: string }
}

for (const corpus of CORPORA) {
  test(`schemas of a corpus, and their examples: ${corpus.name}`, { skip: corpus.skip }, async t => {
    const repository = corpus.schemas
    const versions = readdirSync(repository, { recursive: true, encoding: 'utf8' }).filter(file =>
      /\/\d+\.\d+\.\d+\.yaml$/.test(file),
    )
    assert.ok(versions.length >= corpus.versions)
    // Fragments are parts of schemas, and their examples no events: unit/schemas/compiler.test.ts validates those.
    const whole = versions.filter(file => !file.startsWith('fragment/'))
    const examples = whole.flatMap(file => {
      const schema = load(readFileSync(join(repository, file), 'utf8')) as { examples?: Example[] }
      // By its place: some examples name an older version, and some schemas another place.
      return (schema.examples ?? []).map(example => ({
        ...example,
        $schema: `/${file.replace(/\.yaml$/, '')}`,
      }))
    })
    assert.ok(examples.length >= whole.length / 2)

    const service = await startService(t, { schema_base_uris: [repository], overwrite_dt: false })
    const events = examples.map((example, n) => ({
      ...example,
      ...(typeof example.meta?.stream === 'string'
        ? {}
        : { meta: { ...example.meta, stream: `examples.${n}` } }),
    }))
    const reply = await service.post(events)
    assert.equal(
      reply.reason,
      `All ${events.length} out of ${events.length} events were accepted.`,
      reply.body,
    )
    for (const [n, stored] of service.produced().entries()) {
      // What the gate and the schemas' defaults add aside, it is what was sent.
      assert.deepEqual(only(stored, events[n]), events[n], events[n]?.$schema)
    }
    assert.equal(service.produced().length, events.length)
    t.diagnostic(`${whole.length} schemas of events, ${events.length} examples`)
  })
}

const [OWN] = CORPORA as [Corpus]

for (const cluster of ['library-main', 'library-web']) {
  test(`configurations of production's shape start the service, and what they are for is accepted: ${cluster}`, async t => {
    const streamConfig = readFileSync(join(OWN.streamConfigs, `${cluster}.json`), 'utf8')
    const { streams } = JSON.parse(streamConfig) as { streams: Record<string, Settings> }
    const asked: (string | undefined)[] = []
    const server = createServer((req, res) => {
      asked.push(req.headers.host, req.url)
      res.setHeader('content-type', 'application/json').end(streamConfig)
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    t.after(() => server.close())
    const { port } = server.address() as AddressInfo
    const text = readFileSync(join(OWN.clusters, `${cluster}.config.yaml`), 'utf8')
      .replace('port: 8192', 'port: 0')
      .replace('port: 9102', `port: ${await freePort()}`)
      .replace('127.0.0.1:6500', `127.0.0.1:${port}`)
      .replace('file:///srv/service/schemas/library/', `${pathToFileURL(OWN.schemas)}/`)
      .replace('http://127.0.0.1:6023/repositories/library/', `${pathToFileURL(temporary(t))}/`)
      .replace(/127\.0\.0\.1:9093\S*/, '127.0.0.1:9')
    assert.doesNotMatch(text, /8192|9102|6500|6023|9093|srv/)
    const folder = temporary(t)
    const service = await spawnService(t, folder, text)
    assert.deepEqual(await (await fetch(`${service.url}/v1/stream-configs`)).json(), streams)
    assert.deepEqual(asked.slice(0, 2), [
      'streams.library.example.org',
      `/api?action=streamconfigs&constraints=destination_event_service=${cluster}`,
    ])
    const told = (reason: string) => service.logged().includes(reason)
    assert.equal(told('not precached: schema /library/gone/1.0.0'), cluster === 'library-main')
    assert.equal(told('which changes nothing'), false)

    // Each example goes to each stream that takes its schema, and is held against the configuration as it is.
    const events = readdirSync(OWN.schemas, { recursive: true, encoding: 'utf8' })
      .filter(file => /\/\d+\.\d+\.\d+\.yaml$/.test(file))
      .flatMap(file => {
        const { title, examples = [] } = load(readFileSync(join(OWN.schemas, file), 'utf8')) as Schema
        return Object.entries(streams)
          .filter(([, { schema_title }]) => schema_title === title)
          .flatMap(([key]) =>
            examples.map(example => ({ ...example, meta: { ...example.meta, stream: key } })),
          )
          .map(event => (event.meta.stream.startsWith('/') ? matching(event) : event))
      })
    assert.ok(events.length >= 3, `${events.length}`)
    const file = join(folder, 'events.json')
    writeFileSync(file, JSON.stringify(events))
    const args = [join(ROOT, 'dist/cli.js'), 'validate', '-c', join(folder, 'config.yaml'), file]
    const { code, out } = await run(args)
    assert.equal(code, 0, out)
    assert.match(out, new RegExp(`${events.length} events: ${events.length} would be accepted, 0 refused`))
  })
}

/** The service is in this process's care too: what it runs must not stop the loop. */
async function run(args: string[]): Promise<{ code: number; out: string }> {
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  let out = ''
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', chunk => {
      out += chunk
    })
  const [code] = await once(child, 'close')
  return { code, out }
}

/** The streams of the corpus that are expressions are all for names like its examples'. */
function matching(event: Example): Example {
  const names = { 'library/door': 'library.door.north', 'library/search': 'library.search.north' }
  const title = event.$schema.slice(1).replace(/\/[^/]*$/, '') as keyof typeof names
  return { ...event, meta: { ...event.meta, stream: names[title] } }
}

/** Of a value the parts that another one has. */
function only(value: unknown, sent: unknown): unknown {
  if (typeof sent !== 'object' || sent === null || Array.isArray(sent)) return value
  const parts = value as Record<string, unknown>
  return Object.fromEntries(Object.entries(sent).map(([name, part]) => [name, only(parts?.[name], part)]))
}
