import assert from 'node:assert/strict'
import { test } from 'node:test'
import express from 'express'
import { Connections } from '#src/lib/http/connections.js'
import { Responder } from '#src/lib/http/responder.js'
import type { Health, NotReady } from '#src/lib/telemetry/health.js'
import { infoRoutes } from '#src/routes/info.js'
import { mount } from '#src/routes/mount.js'
import { serve } from '../../support/serve.js'
import { send } from '../../support/service.js'

const info = {
  name: 'my-gate',
  version: '1.2.3',
  description: 'Takes events',
  homepage: 'https://a.example/',
}

test('/_info says what the service is, and how it is', async t => {
  const connections = new Connections({ max: 10, maxAgeMs: 0 })
  const responder = new Responder({ cors: false, csp: false, readTimeoutMs: 1000 }, connections)
  let notReady: NotReady | undefined
  const health = { notReady: () => notReady, report: () => ({ uptime_seconds: 5 }) } as unknown as Health
  const web = express()
  for (const route of infoRoutes(info, health, responder, undefined)) mount(web, route, responder)
  const url = await serve(t, web)
  const at = async (path: string) => (await send(url + path)).json()

  assert.deepEqual(await at('/_info'), { ...info, home: info.homepage })
  assert.deepEqual(await at('/_info/name'), { name: 'my-gate' })
  assert.deepEqual(await at('/_info/version'), { version: '1.2.3' })
  assert.equal((await send(`${url}/_info/home`)).headers.location, info.homepage)
  for (const path of ['/_info/live', '/_info/startup']) assert.deepEqual(await at(path), { status: 'ok' })
  assert.deepEqual(await at('/_info/ready'), { status: 'ready' })
  notReady = { code: 'not_ready', reason: 'no broker' }
  const reply = await send(`${url}/_info/ready`)
  assert.equal(reply.status, 503)
  assert.equal(reply.json().error[0].code, 'not_ready')
  assert.equal((await send(`${url}/_info/live`)).status, 200, 'a restart would not help')
  const report = await send(`${url}/_info/health`)
  assert.deepEqual([report.json(), report.headers['cache-control']], [{ uptime_seconds: 5 }, 'no-store'])
})

test('the health of a worker has its number, and the state of all', async t => {
  const connections = new Connections({ max: 10, maxAgeMs: 0 })
  const responder = new Responder({ cors: false, csp: false, readTimeoutMs: 1000 }, connections)
  const health = { report: () => ({ status: 'ready' }) } as unknown as Health
  const workers = [0, 1].map(worker => ({ worker, pid: 7, status: 'ready', uptime_seconds: 1, restarts: 0 }))
  const web = express()
  const member = { report: async () => ({ worker: 1, workers }) }
  for (const route of infoRoutes(info, health, responder, member)) mount(web, route, responder)
  const report = await send(`${await serve(t, web)}/_info/health`)
  assert.deepEqual(report.json(), { status: 'ready', worker: 1, workers })
})
