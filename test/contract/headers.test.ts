import assert from 'node:assert/strict'
import { once } from 'node:events'
import { Agent, request } from 'node:http'
import { test } from 'node:test'
import { assertFailure, connect, head, parseAnswers, postBytes } from '../support/http.js'
import { type Reply, send, startService, testEvent } from '../support/service.js'

// contract 1.4.

const SECURITY = ['x-xss-protection', 'x-content-type-options', 'x-frame-options', 'content-security-policy']
const CORS = [
  'access-control-allow-origin',
  'access-control-allow-headers',
  'access-control-expose-headers',
  'access-control-allow-methods',
]

function assertCors({ headers }: Reply, origin: string | undefined): void {
  assert.equal(headers['access-control-allow-origin'], origin)
  if (origin === undefined) {
    for (const name of CORS) assert.equal(headers[name], undefined, name)
    return
  }
  assert.equal(headers['access-control-allow-headers'], 'accept, x-requested-with, content-type')
  assert.equal(headers['access-control-expose-headers'], 'etag')
  assert.equal(headers['access-control-allow-methods'], 'post')
}

/** One request of every way out of the service, with an origin or without. */
async function everyAnswer(url: string, origin?: string): Promise<Record<string, Reply>> {
  const headers: Record<string, string> = origin === undefined ? {} : { origin }
  const post = (body: unknown, query = '') =>
    postBytes({ url }, JSON.stringify(body), { path: `/v1/events${query}`, headers })
  return {
    created: await post(testEvent()),
    hasty: await post(testEvent(), '?hasty'),
    some: await post([testEvent(), 1]),
    invalid: await post({}),
    malformed: await postBytes({ url }, '{', { headers }),
    'not allowed': await send(`${url}/v1/events`, { method: 'PUT', headers }),
    preflight: await send(`${url}/v1/events`, { method: 'OPTIONS', headers }),
    info: await send(`${url}/_info`, { headers }),
    'not found': await send(`${url}/nowhere`, { headers }),
    spec: await send(`${url}/?spec`, { headers }),
  }
}

test('by default', async t => {
  const service = await startService(t)
  await t.test('every answer may be read by any origin', async () => {
    for (const [name, reply] of Object.entries(await everyAnswer(service.url, 'https://example.org'))) {
      assertCors(reply, '*')
      assert.equal(reply.headers.vary, undefined, name)
    }
  })
  await t.test(
    'every answer has the security headers, and nothing that tells what it is made of',
    async () => {
      for (const [name, { headers }] of Object.entries(await everyAnswer(service.url))) {
        assert.equal(headers['x-xss-protection'], '1; mode=block', name)
        assert.equal(headers['x-content-type-options'], 'nosniff')
        assert.equal(headers['x-frame-options'], 'SAMEORIGIN')
        assert.match(String(headers['content-security-policy']), /default-src 'self'/)
        assert.equal(headers['x-powered-by'], undefined)
        assert.equal(headers.etag, undefined)
        assert.equal(headers.server, undefined)
      }
    },
  )
  for (const path of ['/v1/events', '/v2/events', '/v1/events?hasty=true']) {
    await t.test(`a preflight of ${path} is allowed, and remembered`, async () => {
      const reply = await send(`${service.url}${path}`, {
        method: 'OPTIONS',
        headers: {
          origin: 'https://example.org',
          'access-control-request-method': 'POST',
          'access-control-request-headers': 'content-type',
        },
      })
      assert.equal(reply.status, 204)
      assert.equal(reply.body, '')
      assertCors(reply, '*')
      assert.match(String(reply.headers['access-control-max-age']), /^[1-9]\d+$/)
      assert.equal(reply.headers.allow, 'POST, OPTIONS')
    })
  }

  await t.test('a connection is kept for longer than the proxies in front keep it', async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    const sockets = new Set()
    const body = JSON.stringify(testEvent())
    for (let i = 0; i < 5; i++) {
      const headers = { 'content-type': 'application/json' }
      const req = request(`${service.url}/v1/events`, { method: 'POST', agent, headers }).end(
        i === 2 ? '{' : body,
      )
      const [res] = await once(req, 'response')
      assert.equal(res.statusCode, i === 2 ? 400 : 201)
      assert.equal(res.headers.connection, 'keep-alive')
      const [, seconds] = /^timeout=(\d+)$/.exec(String(res.headers['keep-alive'])) ?? []
      assert.ok(Number(seconds) >= 5, `kept for ${seconds} s`)
      sockets.add(req.socket)
      res.resume()
      await once(res, 'end')
      await new Promise(setImmediate)
    }
    assert.equal(sockets.size, 1)
    agent.destroy()
  })
  await t.test('it is still there after 5 s of silence', async t => {
    const connection = await connect(t, service.url)
    const body = JSON.stringify(testEvent())
    const whole = head({ 'content-length': body.length }) + body
    connection.write(whole)
    await connection.until(/^HTTP\/1\.1 201 /)
    await new Promise(resolve => setTimeout(resolve, 5200))
    connection.write(whole)
    await connection.until(/\r\n\r\nHTTP\/1\.1 201 /)
  })
  await t.test('requests that come at once on one connection are answered in their order', async t => {
    const connection = await connect(t, service.url)
    const bodies = [JSON.stringify(testEvent()), '{', JSON.stringify([testEvent(), testEvent()]), '[]']
    connection.write(bodies.map(body => head({ 'content-length': body.length }) + body).join(''))
    await connection.until(/(\r\n\r\n[\s\S]*){4}\}$/)
    const answers = parseAnswers(connection.received())
    assert.deepEqual(
      answers.map(({ status }) => status),
      [201, 400, 201, 400],
    )
  })
  await t.test('a client that asks for the end of its connection gets it after the answer', async t => {
    const connection = await connect(t, service.url)
    const body = JSON.stringify(testEvent())
    connection.write(head({ 'content-length': body.length, connection: 'close' }) + body)
    const [answer] = parseAnswers(await connection.closed())
    assert.equal(answer?.status, 201)
    assert.equal(answer?.headers.connection, 'close')
  })
  assert.equal(await service.stop(), 0)
})

test('cors: one origin', async t => {
  const service = await startService(t, { cors: 'https://a.example' })
  for (const origin of [undefined, 'https://a.example', 'https://b.example']) {
    for (const reply of Object.values(await everyAnswer(service.url, origin)))
      assertCors(reply, 'https://a.example')
  }
})

test('cors: a list of origins', async t => {
  const service = await startService(t, { cors: ['https://a.example', 'https://b.example'] })
  for (const origin of ['https://a.example', 'https://b.example']) {
    for (const [name, reply] of Object.entries(await everyAnswer(service.url, origin))) {
      assertCors(reply, origin)
      assert.equal(reply.headers.vary, 'origin', name)
    }
  }
  for (const origin of [undefined, 'https://c.example', 'null', 'https://a.example.evil', 'a.example']) {
    for (const [name, reply] of Object.entries(await everyAnswer(service.url, origin))) {
      assertCors(reply, undefined)
      assert.equal(reply.headers.vary, 'origin', name)
    }
  }
})

test('cors: false, csp: false', async t => {
  const service = await startService(t, { cors: false, csp: false })
  for (const [name, reply] of Object.entries(await everyAnswer(service.url, 'https://a.example'))) {
    assertCors(reply, undefined)
    assert.equal(reply.headers['access-control-max-age'], undefined)
    assert.equal(reply.headers.vary, undefined)
    for (const header of SECURITY) assert.equal(reply.headers[header], undefined, `${name}: ${header}`)
  }
  await t.test('a beacon works all the same', async () => {
    const headers = { origin: 'https://a.example', 'content-type': 'text/plain;charset=UTF-8' }
    const reply = await postBytes(service, JSON.stringify(testEvent()), {
      path: '/v1/events?hasty=true',
      headers,
    })
    assert.equal(reply.status, 202)
  })
  await t.test('a refused beacon is told so', async () => {
    assertFailure(await postBytes(service, '{', { headers: { 'content-type': 'text/plain' } }), {
      status: 400,
    })
  })
})

test('csp: a policy of the operator', async t => {
  const service = await startService(t, { csp: "default-src 'none'" })
  const { headers } = await service.post(testEvent())
  assert.equal(headers['content-security-policy'], "default-src 'none'")
  assert.equal(headers['x-content-type-options'], 'nosniff')
})
