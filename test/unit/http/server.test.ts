import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { connect } from 'node:net'
import { type TestContext, test } from 'node:test'
import { Connections } from '#src/lib/http/connections.js'
import { Responder } from '#src/lib/http/responder.js'
import { createServer } from '#src/lib/http/server.js'
import { serve } from '../../support/serve.js'
import { send } from '../../support/service.js'

async function start(
  t: TestContext,
  onEvents: (res: ServerResponse) => void = res => void res.end('events'),
) {
  const connections = new Connections({ max: 10, maxAgeMs: 0 })
  const responder = new Responder({ cors: false, csp: false, readTimeoutMs: 1000 }, connections)
  const counted: unknown[] = []
  const labels: string[] = []
  const server = createServer(
    {
      web: (_req, res) => void res.end('web'),
      events: {
        paths: ['/v1/events'],
        post(_req, res, label) {
          labels.push(label)
          onEvents(res)
        },
      },
      responder,
      connections,
      observer: { answered: (...answer) => void counted.push(answer) },
    },
    { request: 1000, keepAlive: 5000 },
  )
  const url = await serve(t, server)
  return { server, url, counted, labels, connections }
}

/** Sends bytes, and gives all that is answered until the end. */
async function exchange(url: string, bytes: string): Promise<string> {
  const socket = connect(Number(new URL(url).port), '127.0.0.1')
  let answer = ''
  socket.on('data', chunk => {
    answer += chunk
  })
  socket.write(bytes)
  await once(socket, 'close')
  return answer
}

test('only a POST to an events path takes the short way', async t => {
  const { url, labels } = await start(t)
  const at = async (method: string, path: string) => (await send(url + path, { method })).body
  assert.equal(await at('POST', '/v1/events'), 'events')
  assert.equal(await at('POST', '/v1/events?hasty'), 'events')
  assert.deepEqual(labels, ['v1/events', 'v1/events'])
  for (const [method, path] of [
    ['GET', '/v1/events'],
    ['POST', '/v1/events/'],
    ['POST', '/v1/eventsx'],
    ['POST', '/v2/events'],
  ] as const)
    assert.equal(await at(method, path), 'web', path)
})

test('what is no request of HTTP/1.1 is refused with an answer, and counted', async t => {
  const { url, counted } = await start(t)
  const end = 'connection: close\r\n\r\n'
  for (const [bytes, status] of [
    [`GET / HTTP/1.1\r\n${end}`, 400],
    [`GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n${end}`, 400],
    [`GET / HTTP/1.1\r\nhost: a\r\nexpect: more\r\n${end}`, 417],
    [`GET nowhere HTTP/1.1\r\nhost: a\r\n${end}`, 400],
    ['CONNECT a:1 HTTP/1.1\r\nhost: a\r\n\r\n', 400],
    ['nonsense\r\n\r\n', 400],
  ] as const) {
    assert.match(await exchange(url, bytes), new RegExp(`^HTTP/1.1 ${status} `), bytes)
    assert.deepEqual(counted.pop(), ['unknown', 'other', status, 0], bytes)
    assert.deepEqual(counted, [])
  }
  assert.match(await exchange(url, `GET / HTTP/1.0\r\n${end}`), /^HTTP\/1.1 200 /)
})

test('when it drains, an idle connection may still ask, and the last answer ends it', async t => {
  const { server, url, connections } = await start(t)
  const socket = connect(Number(new URL(url).port), '127.0.0.1')
  await once(server, 'connection')
  const drained = server.drain(60_000)
  assert.equal(connections.closing, true)
  // Without `connection: close` from the app, the client ends it.
  socket.write('POST /v1/events HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: 0\r\n\r\n')
  const [answer] = await once(socket, 'data')
  assert.match(String(answer), /200 OK/)
  await drained
  assert.equal(connections.count, 0)
})

test('requests that have not come whole are refused, those that have are not', async t => {
  let post: ServerResponse | undefined
  const { server, url } = await start(t, res => {
    post = res
  })
  const part = exchange(url, 'POST /v1/events HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\n{')
  await once(server, 'request')
  const whole = exchange(
    url,
    'POST /v1/events HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: 0\r\n\r\n',
  )
  await once(server, 'request')
  await new Promise(setImmediate)
  assert.equal(server.refuseIncomplete(), 1)
  post?.end('whole')
  assert.match(await part, /^HTTP\/1.1 503 [\s\S]*draining/)
  assert.match(await whole, /^HTTP\/1.1 200 /)
})
