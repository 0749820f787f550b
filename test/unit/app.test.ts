import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { register } from 'prom-client'
import { app } from '#src/app.js'
import { eventually } from '../support/http.js'
import { send, testEvent } from '../support/service.js'

async function start(t: TestContext, conf: Record<string, unknown> = {}) {
  const logging = { level: 'fatal' }
  const config = { port: 0, interface: '127.0.0.1', producer: 'memory', logging, ...conf }
  const service = await app({ name: 'my-gate', config })
  let closed: Promise<void> | undefined
  const close = () => {
    closed ??= service.close()
    return closed
  }
  t.after(async () => {
    // Metrics are registered once in a process.
    register.clear()
    await close()
  })
  const url = `http://127.0.0.1:${service.port}`
  const post = (event: unknown, headers = {}) =>
    send(`${url}/v1/events`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify(event),
    })
  return { port: service.port, close, url, post }
}

test('it listens, takes events, and ends in order', async t => {
  const { close, url, post } = await start(t)
  assert.equal((await post(testEvent())).status, 201)
  assert.equal((await post(testEvent({ test: 1 }))).status, 400)
  await close()
  await assert.rejects(send(url), { code: 'ECONNREFUSED' })
})

test('each answer has the same headers and is counted once, by its route', async t => {
  const { url } = await start(t, { cors: '*' })
  const requests = [
    ['POST', '/v1/events', 415, 'v1/events'],
    ['POST', '/v2/events/', 415, 'v2/events'],
    ['GET', '/v1/events', 405, 'v1/events'],
    ['GET', '/_info/name', 200, '_info/name'],
    ['GET', '/v1/stream-configs/a', 200, 'v1/stream-configs'],
    ['GET', '/nowhere', 404, 'unknown'],
    ['GET', '/v1/stream-configs/%ff', 400, 'unknown'],
  ] as const
  const expected: string[] = []
  for (const [method, path, status, label] of requests) {
    const reply = await send(url + path, { method })
    assert.equal(reply.status, status, path)
    assert.equal(reply.headers['access-control-allow-origin'], '*', path)
    expected.push(
      `express_router_request_duration_seconds_count{service="my-gate",path="${label}",method="${method}",status="${status}"} 1`,
    )
  }
  await eventually(async () => {
    const counted = (await register.metrics()).match(/^express_router_request_duration_seconds_count.*$/gm)
    assert.deepEqual(counted?.sort(), expected.sort())
  })
})

test('a port that is taken fails the start', async t => {
  const { port } = await start(t)
  register.clear()
  await assert.rejects(start(t, { port }), { code: 'EADDRINUSE' })
})
