import assert from 'node:assert/strict'
import { test } from 'node:test'
import express from 'express'
import { readConf } from '#src/lib/config/config.js'
import { Explainer } from '#src/lib/explain/explainer.js'
import { knownTo, makeSchemas, makeSteps, readInfo } from '#src/wiring.js'
import { makeDev } from '#src/wiring-dev.js'
import { serve } from '../support/serve.js'
import { send } from '../support/service.js'

test('a development service shows schemas with their examples and a sample, and its page', async t => {
  const config = readConf({ dev_ui: true })
  const schemas = makeSchemas(config, readInfo())
  const steps = makeSteps(config, schemas, undefined, async () => {})
  const dev = makeDev(config, schemas, new Explainer(steps, knownTo(config, schemas, undefined)), steps)
  t.after(() => dev.routes.close())
  const web = express().use(dev.page.router()).use('/_dev', dev.routes.router())
  const url = await serve(t, web)
  const shown = (await send(`${url}/_dev/schemas/test/event/1.0.0`)).json()
  assert.equal(shown.uri, '/test/event/1.0.0')
  assert.equal(shown.sample.$schema, '/test/event/1.0.0')
  assert.ok(Array.isArray(shown.examples))
  assert.deepEqual((await send(`${url}/_dev/events`)).json().entries, [])
  assert.match((await send(url)).body, /<!doctype html>/i)
})
