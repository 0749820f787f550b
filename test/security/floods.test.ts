import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import {
  assertAlive,
  type Connection,
  connect,
  eventually,
  head,
  postBytes,
  repository,
} from '../support/http.js'
import { startService, testEvent } from '../support/service.js'

// Much at once, within every bound on a single request, and the heap of production's clusters: the process stays.

process.env.NODE_OPTIONS = '--max-old-space-size=200'

/** A registry that takes requests and says nothing. */
async function silentRegistry(t: TestContext): Promise<string> {
  const server = createServer(() => {}).listen(0, '127.0.0.1')
  t.after(() => void server.close().closeAllConnections())
  await once(server, 'listening')
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
}

const MEMBERS = 499_000
const wide = (event: object) =>
  JSON.stringify({ ...event, wide: [] }).replace('[]', `[${Array(MEMBERS).fill('{}')}]`)

for (const query of ['', '?hasty=true']) {
  test(`20 bodies at once that weigh 20 times as much when they are parsed${query}`, async t => {
    const service = await startService(t, { max_bytes_in_flight: '40mb', hasty_max_bytes: '40mb' })
    // Two slices and more: they would all be held between the first and the second.
    const body = `[${wide(testEvent())},${Array.from({ length: 130 }, () => JSON.stringify(testEvent()))}]`
    const replies = await Promise.all(
      Array.from({ length: 20 }, () => postBytes(service, body, { path: `/v1/events${query}` })),
    )
    for (const { status } of replies) assert.ok([201, 202, 503, 504].includes(status), `${status}`)
    assert.ok(replies.some(({ status }) => status !== 503))
    assert.equal(service.process.exitCode, null)
    await assertAlive(service)
  })
}

test('20 of them whose schema does not come', async t => {
  const service = await startService(t, {
    schema_base_uris: [await silentRegistry(t)],
    schema_timeout_ms: 1000,
    max_bytes_in_flight: '40mb',
  })
  const body = wide(testEvent({ $schema: '/no/such/1.0.0' }))
  const replies = await Promise.all(Array.from({ length: 20 }, () => postBytes(service, body)))
  for (const { status } of replies) assert.equal(status, 503)
  assert.equal(service.process.exitCode, null)
  await assertAlive(service)
})

test('what would become of an event with millions of mistakes', async t => {
  const list = { properties: { l: { type: 'array', items: { type: 'integer' } } } }
  const service = await startService(t, {
    ...{ validate_endpoint: true, max_body_size: '10mb' },
    schema_base_uris: [repository(t, { '/list/1.0.0': list })],
  })
  const event = JSON.stringify({ $schema: '/list/1.0.0', meta: { stream: 's' }, l: [] })
  const body = event.replace('[]', `[${Array(2_000_000).fill('""')}]`)
  const reply = await postBytes(service, body, { path: '/v1/validate' })
  assert.equal(reply.status, 200)
  const [{ error }] = reply.json().results
  assert.equal(error.code, 'validation_failed')
  assert.match(error.details[0].why_not, /more than 65536 characters/)
  assert.equal(service.process.exitCode, null)
  await assertAlive(service)
})

const floods = {
  'refused hastily': `${head({ 'content-length': 2, 'content-type': 'text/html' }, { path: '/v1/events?hasty' })}{}`,
  'whose schema does not come': (() => {
    const body = JSON.stringify(testEvent({ $schema: '/no/such/1.0.0' }))
    return head({ 'content-length': body.length, 'x-long': 'x'.repeat(500) }) + body
  })(),
}
for (const [name, request] of Object.entries(floods)) {
  test(`requests without end on one connection, ${name}: no more of them are read, and the process stays`, async t => {
    const service = await startService(t, { schema_base_uris: [await silentRegistry(t)] })
    const connections = await Promise.all(Array.from({ length: 20 }, () => connect(t, service.url)))
    const many = request.repeat(1000)
    for (const { socket } of connections) socket.pause()
    for (let n = 0; n < 10; n++)
      for (const { socket } of connections) if (!socket.destroyed) socket.write(many)
    await assertAlive(service)
    await new Promise(resolve => setTimeout(resolve, 2000))
    assert.equal(service.process.exitCode, null)
    await assertAlive(service)
    const [{ socket }] = connections as [Connection]
    await fills(socket, many)
  })
}

/** Writes until nobody takes what is written. Kernels buffer some megabytes each way, some more than others. */
async function fills(socket: Socket, text: string): Promise<void> {
  for (let tries = 0; tries < 1000 && !socket.destroyed; tries++) {
    if (socket.writableLength === 0) socket.write(text)
    const before = socket.writableLength
    await new Promise(resolve => setTimeout(resolve, tries < 50 ? 20 : 50))
    const stays = () => socket.destroyed || socket.writableLength === before
    if (!stays()) continue
    await new Promise(resolve => setTimeout(resolve, 500))
    if (stays()) return
  }
  assert.ok(socket.destroyed, 'all that was written is read, though nobody reads the answers')
}

test('a client may send many requests before it reads the first answer, and all that is stored is answered', async t => {
  const service = await startService(t)
  const connection = await connect(t, service.url)
  const one = (n: number) => {
    const body = JSON.stringify(testEvent({ test: `${n}` }))
    return head({ 'content-length': body.length }) + body
  }
  connection.write(Array.from({ length: 2000 }, (_, n) => one(n)).join(''))
  const answers = () => connection.received().split('HTTP/1.1 201 ').length - 1
  await eventually(() => assert.equal(answers(), 2000))
  assert.equal(service.produced().length, 2000)
})

test('a connection is closed after a request to upgrade, because nothing more is read from it', async t => {
  const service = await startService(t)
  const body = JSON.stringify(testEvent())
  const upgrade = { connection: 'upgrade', upgrade: 'websocket' }
  const connection = await connect(t, service.url)
  connection.write(head({ ...upgrade, 'content-length': body.length }) + body)
  assert.match(await connection.closed(), /^HTTP\/1\.1 201 [\s\S]*\r\nconnection: close\r\n/i)
})
