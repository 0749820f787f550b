import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import express from 'express'
import { GateError } from '#src/lib/errors.js'
import { Connections } from '#src/lib/http/connections.js'
import { Responder } from '#src/lib/http/responder.js'
import { get, labelOf, mount, type Route } from '#src/routes/mount.js'
import { serve } from '../../support/serve.js'
import { send } from '../../support/service.js'

async function start(t: TestContext, ...routes: Route[]): Promise<{ url: string; labels: unknown[] }> {
  const connections = new Connections({ max: 10, maxAgeMs: 0 })
  const responder = new Responder({ cors: false, csp: false, readTimeoutMs: 1000 }, connections)
  const web = express()
  const labels: unknown[] = []
  web.use((_req, res, next) => {
    res.on('finish', () => labels.push(res.locals.route))
    next()
  })
  for (const route of routes) mount(web, route, responder)
  return { url: await serve(t, web), labels }
}

test('a label is the path without its parameters, and without slashes around it', () => {
  assert.equal(labelOf('/'), 'root')
  assert.equal(labelOf('/_info/name'), '_info/name')
  assert.equal(labelOf('/v1/stream-configs/:names'), 'v1/stream-configs')
})

test('a method is handled if it is listed, else it is 405 with those that are', async t => {
  const { url, labels } = await start(
    t,
    get('/a/:b', (req, res) => res.json(req.params)),
    {
      path: '/posted',
      methods: { POST: (_req, res) => res.json('posted'), OPTIONS: (_req, res) => res.end() },
    },
  )
  assert.deepEqual((await send(`${url}/a/x`)).json(), { b: 'x' })
  const head = await send(`${url}/a/x`, { method: 'HEAD' })
  assert.deepEqual([head.status, head.body], [200, ''])
  for (const [path, method, allow] of [
    ['/a/x', 'POST', 'GET, HEAD'],
    ['/posted', 'GET', 'POST, OPTIONS'],
    ['/posted', 'HEAD', 'POST, OPTIONS'],
    ['/posted', 'PROPFIND', 'POST, OPTIONS'],
  ] as const) {
    const reply = await send(url + path, { method })
    assert.deepEqual([reply.status, reply.headers.allow], [405, allow], `${method} ${path}`)
  }
  assert.deepEqual(labels, ['a', 'a', 'a', 'posted', 'posted', 'posted'])
})

test('OPTIONS on a route that only reads tells its methods, and on others is as they list it', async t => {
  const { url, labels } = await start(
    t,
    get('/a/:b', (_req, _res, next) => next()),
    { path: '/made', methods: { GET: (_req, res) => res.json('made') } },
  )
  const reply = await send(`${url}/a/x`, { method: 'OPTIONS' })
  assert.deepEqual([reply.status, reply.headers.allow, reply.body], [200, 'GET, HEAD', 'GET, HEAD'])
  assert.equal((await send(`${url}/made`, { method: 'OPTIONS' })).status, 405)
  assert.deepEqual(labels, ['a', 'made'])
})

test('a route may refuse a request whatever its method is, or leave it to the next', async t => {
  const refused = new GateError('over_capacity', 'not now')
  const { url } = await start(
    t,
    { ...get('/', (_req, _res, next) => next()), refusalOf: req => (req.query.no ? refused : undefined) },
    get('/', (_req, res) => res.json('the next')),
  )
  assert.equal((await send(`${url}/?no=1`)).status, 503)
  assert.equal((await send(`${url}/?no=1`, { method: 'PUT' })).status, 503)
  assert.equal((await send(url)).json(), 'the next')
})
