import assert from 'node:assert/strict'
import { test } from 'node:test'
import express from 'express'
import type { Responder } from '#src/lib/http/responder.js'
import { mount } from '#src/routes/mount.js'
import { streamRoutes } from '#src/routes/streams.js'
import { serve } from '../../support/serve.js'
import { send } from '../../support/service.js'

test('stream configurations: all, or those that are named and known', async t => {
  const all: Record<string, object> = { a: { topic: 'a' }, b: { topic: 'b' } }
  const web = express()
  for (const route of streamRoutes({
    all: () => all,
    of: name => (Object.hasOwn(all, name) ? all[name] : undefined),
  }))
    mount(web, route, {} as Responder)
  const url = `${await serve(t, web)}/v1/stream-configs`
  assert.deepEqual((await send(url)).json(), all)
  assert.deepEqual((await send(`${url}/`)).json(), all)
  for (const names of ['b,a,c,b', 'b|a', 'b%7Ca'])
    assert.deepEqual((await send(`${url}/${names}`)).json(), { b: all.b, a: all.a }, names)
  assert.deepEqual((await send(`${url}/__proto__`)).json(), {})
})
