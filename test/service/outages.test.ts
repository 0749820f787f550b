import assert from 'node:assert/strict'
import { once } from 'node:events'
import { unlinkSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { type AddressInfo, createServer as createTcpServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { gzipSync } from 'node:zlib'
import { assertAlive, assertFailure, eventually } from '../support/http.js'
import { TcpBroker } from '../support/kafka-broker.js'
import { type Service, send, startService, temporary, testEvent } from '../support/service.js'

// What the service does while what it depends on does not do its part. docs/operations.md promises it.

type Handler = (req: IncomingMessage, res: ServerResponse) => void

/** An HTTP server that does what the test makes it do, and what it was asked for. */
async function misbehaving(t: TestContext, handle: () => Handler): Promise<{ url: string; asked: string[] }> {
  const asked: string[] = []
  const server = createServer((req, res) => {
    asked.push(String(req.url))
    handle()(req, res)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close().closeAllConnections())
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked }
}

/** Takes connections, and says nothing. */
async function silent(t: TestContext): Promise<string> {
  const sockets: Socket[] = []
  const server = createTcpServer(socket => void sockets.push(socket.on('error', () => {})))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  return `127.0.0.1:${(server.address() as AddressInfo).port}`
}

const to = (stream: string, more: object = {}) => testEvent({ meta: { stream }, ...more })
const brokers = (list: string) => ({ conf: { 'metadata.broker.list': list } })
/** Short deadlines, as far as the options allow. */
const QUICK = { request_timeout_ms: 2000, schema_timeout_ms: 1000, shutdown_timeout_ms: 2000 }

test('a broker that takes connections and never answers', async t => {
  await t.test('alone: 503 within the deadline, and nothing else suffers', async t => {
    const service = await startService(t, { kafka: brokers(await silent(t)), ...QUICK })
    const invalid = to('x', { test: 1 })
    assertFailure(await service.post(invalid), { status: 400, invalid: ['validation_failed'] })
    const reply = service.post(to('x'))
    assert.equal((await send(`${service.url}/_info/ready`)).status, 200)
    assertFailure(await service.post(invalid), { status: 400, invalid: ['validation_failed'] })
    assertFailure(await reply, { status: 503, error: ['deadline_not_stored'] })
  })
  await t.test('beside one that does: 201', async t => {
    const broker = await TcpBroker.start(t)
    const list = `${await silent(t)},127.0.0.1:${broker.port}`
    for (const order of [list, list.split(',').toReversed().join()]) {
      const service = await startService(t, { kafka: brokers(order) })
      assert.equal((await service.post(to('x'))).status, 201)
    }
  })
  await t.test('required at the start: the start fails', async t => {
    const kafka = { ...brokers(await silent(t)), required_at_start: true }
    await assert.rejects(startService(t, { kafka, ...QUICK }), /ended with 1/)
  })
})

/** Services that are started now resolve `*.test` to this machine, but while `stop` is in force. */
function stoppableDns(t: TestContext): { stop(): void; go(): void } {
  const folder = temporary(t)
  const flag = join(folder, 'stopped')
  const module = join(folder, 'dns.mjs')
  writeFileSync(
    module,
    `import dns from 'node:dns'
    import { existsSync } from 'node:fs'
    const lookup = dns.lookup
    dns.lookup = (name, options, callback = options) => {
      if (!name.endsWith('.test')) return lookup(name, options, callback)
      const address = '127.0.0.1'
      const failure = Object.assign(new Error('getaddrinfo EAI_AGAIN ' + name), { code: 'EAI_AGAIN' })
      if (existsSync(${JSON.stringify(flag)})) setImmediate(callback, failure)
      else setImmediate(callback, null, options?.all ? [{ address, family: 4 }] : address, 4)
    }`,
  )
  const { NODE_OPTIONS } = process.env
  process.env.NODE_OPTIONS = `${NODE_OPTIONS ?? ''} --import=${pathToFileURL(module).href}`
  t.after(() => {
    if (NODE_OPTIONS === undefined) delete process.env.NODE_OPTIONS
    else process.env.NODE_OPTIONS = NODE_OPTIONS
  })
  return { stop: () => writeFileSync(flag, ''), go: () => unlinkSync(flag) }
}

test('DNS stops', async t => {
  const dns = stoppableDns(t)
  await t.test('at the start: events wait for it, and arrive', async t => {
    const broker = await TcpBroker.start(t)
    broker.host = 'kafka.test'
    dns.stop()
    const service = await startService(t, { kafka: brokers(`kafka.test:${broker.port}`), ...QUICK })
    assert.equal((await service.post(to('x', { test: 1 }))).status, 400)
    const reply = await service.post(to('x'))
    dns.go()
    const [entry] = assertFailure(reply, { status: 503 })
    assert.match(entry.context.message, /EAI_AGAIN/)
    await eventually(async () => assert.equal((await service.post(to('x'))).status, 201))
  })
  await t.test('later: open connections go on, and lost ones come back with it', async t => {
    const broker = await TcpBroker.start(t)
    broker.host = 'kafka.test'
    const service = await startService(t, { kafka: brokers(`kafka.test:${broker.port}`), ...QUICK })
    await eventually(async () => assert.equal((await service.post(to('x'))).status, 201))
    dns.stop()
    for (let i = 0; i < 3; i++) assert.equal((await service.post(to('x'))).status, 201)
    for (const socket of broker.sockets) socket.destroy()
    const reply = await service.post(to('x'))
    dns.go()
    assertFailure(reply, { status: 503 })
    await eventually(async () => assert.equal((await service.post(to('x'))).status, 201))
  })
  await t.test('of a registry: schemas in memory are used, others are 503 until it is back', async t => {
    // An open connection would do without DNS.
    const registry = await misbehaving(
      t,
      () => (_req, res) => void res.setHeader('connection', 'close').end('title: far\ntype: object\n'),
    )
    const address = registry.url.replace('127.0.0.1', 'registry.test')
    const service = await startService(t, { schema_base_uris: [address], schema_failure_ttl_ms: 100 })
    assert.equal((await service.post(to('x', { $schema: '/far/1.0.0' }))).status, 201)
    dns.stop()
    assert.equal((await service.post(to('x', { $schema: '/far/1.0.0' }))).status, 201)
    assertFailure(await service.post(to('x', { $schema: '/far/2.0.0' })), {
      status: 503,
      error: ['schema_unavailable'],
    })
    dns.go()
    await eventually(async () =>
      assert.equal((await service.post(to('x', { $schema: '/far/2.0.0' }))).status, 201),
    )
  })
})

const SCHEMA = 'title: far\ntype: object\nproperties: {x: {type: integer}}\n'
/** Made once, because that takes longer than a registry may. */
const BOMB = gzipSync(`${SCHEMA}${'# bomb\n'.repeat(10_000_000)}`)

/** Ways of a registry to fail. */
const REGISTRIES: Record<string, Handler> = {
  'is slow': (_req, res) => void setTimeout(() => res.end(SCHEMA), 1500),
  trickles: (_req, res) => {
    res.write(SCHEMA)
    const drip = setInterval(() => res.write('#\n'), 100)
    res.on('close', () => clearInterval(drip))
  },
  'says nothing': () => {},
  'answers with a page of HTML': (_req, res) =>
    void res.setHeader('content-type', 'text/html').end('<!doctype html>\n<title>Log in</title>'),
  fails: (_req, res) => void res.writeHead(502).end('<h1>Bad Gateway</h1>'),
  'asks for a password': (_req, res) => void res.writeHead(401).end(SCHEMA),
  'has no end': (_req, res) => {
    const chunk = `${'# '.repeat(32_768)}\n`
    const pour = () => {
      while (!res.destroyed && res.write(chunk));
    }
    res.on('drain', pour)
    pour()
  },
  'hides its size by gzip': (_req, res) => {
    res.setHeader('content-encoding', 'gzip')
    res.end(BOMB)
  },
  'redirects to itself': (req, res) => void res.writeHead(302, { location: String(req.url) }).end(),
}

test('a registry that', async t => {
  let handle: Handler = (_req, res) => void res.end(SCHEMA)
  const registry = await misbehaving(t, () => handle)
  const service = await startService(t, {
    schema_base_uris: [registry.url],
    schema_failure_ttl_ms: 100,
    ...QUICK,
    request_timeout_ms: 9000,
  })
  const event = (version: number) => to('far', { $schema: `/far/${version}.0.0`, x: 1 })
  assert.equal((await service.post(event(0))).status, 201)
  for (const [i, [name, misbehave]] of Object.entries(REGISTRIES).entries()) {
    await t.test(`${name}: 503 for new schemas, 201 for those that are held`, async () => {
      handle = misbehave
      registry.asked.length = 0
      const reply = await service.post([event(0), event(i + 1)])
      const [entry, ...others] = assertFailure(reply, { status: 207, error: ['schema_unavailable'] })
      assert.deepEqual(others, [])
      assert.equal(entry.index, 1)
      assert.ok(entry.retriable)
      assert.deepEqual(registry.asked, [`/far/${i + 1}.0.0`, `/far/${i + 1}.0.0.yaml`])
      handle = (_req, res) => void res.end(SCHEMA)
      await eventually(async () => assert.equal((await service.post(event(i + 1))).status, 201))
    })
  }
  await t.test('redirects to a private address is not followed there', async t => {
    const inside = await misbehaving(t, () => (_req, res) => void res.end(SCHEMA))
    for (const [i, status] of [301, 302, 303, 307, 308].entries()) {
      handle = (_req, res) => void res.writeHead(status, { location: `${inside.url}/latest/meta-data` }).end()
      const reply = await service.post(event(100 + i))
      const [entry] = assertFailure(reply, { status: 503, error: ['schema_unavailable'] })
      assert.match(entry.context.message, /not followed/)
    }
    assert.deepEqual(inside.asked, [])
  })
  await t.test('has another schema by that name: configured streams refuse it', async t => {
    const file = join(temporary(t), 'streams.json')
    writeFileSync(file, JSON.stringify({ strict: { schema_title: 'near' } }))
    handle = (_req, res) => void res.end(SCHEMA)
    const other = await startService(t, { schema_base_uris: [registry.url], stream_config_uri: file })
    assertFailure(await other.post(to('strict', { $schema: '/near/1.0.0' })), {
      status: 400,
      invalid: ['schema_not_allowed'],
    })
  })
  await t.test('answers with what is no schema: 503, until it is one', async () => {
    for (const [i, text] of ['just a text', '[1, 2]', '{"error": "try again"}', '{"a": '].entries()) {
      handle = (_req, res) => void res.end(text)
      assertFailure(await service.post(event(200 + i)), { status: 503, error: ['schema_unavailable'] })
      handle = (_req, res) => void res.end(SCHEMA)
      await eventually(async () => assert.equal((await service.post(event(200 + i))).status, 201))
    }
  })
  await t.test('answers with an unusable schema: the client is told so', async () => {
    handle = (_req, res) => void res.end('{"type": "objekt"}')
    assertFailure(await service.post(event(300)), { status: 400, invalid: ['schema_broken'] })
  })
  handle = (_req, res) => void res.writeHead(404).end()
  await assertAlive(service)
})

/** What a stream configuration API may say that is no stream configuration. */
const RUBBISH: Record<string, Handler> = {
  'a page of HTML': (_req, res) => void res.end('<!doctype html><title>503</title>'),
  nothing: (_req, res) => void res.end(),
  'a text': (_req, res) => void res.end('OK'),
  'half of it': (_req, res) => void res.end('{"known": {"schema_title": "test/ev'),
  bytes: (_req, res) => void res.end(Buffer.from([0xff, 0xfe, 0, 1, 2, 0x80])),
  null: (_req, res) => void res.end('null'),
  'a map of nothing': (_req, res) => void res.end('{"known": null, "other": 7}'),
  'brackets without end': (_req, res) => void res.end('['.repeat(5_000_000)),
  'a bomb of YAML': (_req, res) => {
    const rows = Array.from({ length: 30 }, (_, i) => `a${i + 1}: &a${i + 1} [*a${i}, *a${i}, *a${i}]`)
    res.end(`a0: &a0 [x, x]\n${rows.join('\n')}\n`)
  },
  'a redirect to itself': (req, res) => void res.writeHead(302, { location: String(req.url) }).end(),
  'a body cut': (_req, res) => {
    res.writeHead(200, { 'content-length': 1000 }).write('{"known": {}')
    setTimeout(() => res.destroy(), 20)
  },
  'an answer that never ends': (_req, res) => {
    const drip = setInterval(() => res.write(' '), 50)
    res.on('close', () => clearInterval(drip))
  },
}

test('a stream configuration API that answers with rubbish', { timeout: 120_000 }, async t => {
  const good: Handler = (_req, res) => void res.end('{"known": {"schema_title": "test/event"}}')
  let handle = good
  const api = await misbehaving(t, () => handle)
  const service: Service = await startService(t, {
    stream_config_uri: `${api.url}/streams`,
    stream_config_ttl: 0.2,
    stream_config_timeout_ms: 1000,
    stream_config_min_refresh_ms: 60_000,
  })
  assert.equal((await service.post(to('known'))).status, 201)
  for (const [name, misbehave] of Object.entries(RUBBISH)) {
    await t.test(`${name}: the last good one stays`, async () => {
      handle = misbehave
      const before = api.asked.length
      // The second question comes after the first answer was judged.
      await eventually(() => assert.ok(api.asked.length >= before + 2))
      assert.equal((await service.post(to('known'))).status, 201)
      assertFailure(await service.post(to('unknown')), { status: 503, error: ['stream_config_unavailable'] })
      const { stream_configuration } = (await send(`${service.url}/_info/health`)).json()
      assert.equal(stream_configuration.streams, 1)
      assert.ok(stream_configuration.problem)
      handle = good
      await eventually(async () =>
        assertFailure(await service.post(to('unknown')), { status: 400, invalid: ['stream_not_configured'] }),
      )
    })
  }
})
