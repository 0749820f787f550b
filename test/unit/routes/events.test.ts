import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import express from 'express'
import type { Context, EventGate, Events, Outcome } from '#src/lib/eventgate.js'
import type { DryRun } from '#src/lib/explain/dry-run.js'
import { type EventsOptions, EventsRoute } from '#src/routes/events.js'
import { mount } from '#src/routes/mount.js'
import { intakeParts } from '../../support/intake.js'
import { serve } from '../../support/serve.js'
import { send, testEvent } from '../../support/service.js'

/** A gate that takes everything, and keeps what it was given. */
class TakingGate {
  readonly taken: { events: unknown[]; context: Context }[] = []

  start(events: Events, context: Context): ReturnType<EventGate['start']> {
    const all = Array.from({ length: events.length }, (_, i) => events.at(i))
    this.taken.push({ events: all, context })
    const outcomes: Outcome[] = all.map(() => ({ fate: 'delivered' }))
    return { begun: Promise.resolve(), outcomes: Promise.resolve(outcomes) }
  }
}

async function start(t: TestContext, more: Partial<EventsOptions> = {}) {
  const gate = new TakingGate()
  const parts = intakeParts()
  const events = new EventsRoute({ ...parts.options, gate: gate as unknown as EventGate, ...more })
  const web = express()
  for (const route of events.routes()) mount(web, route, parts.options.responder)
  const url = await serve(t, web)
  const post = (path: string, body: unknown) =>
    send(url + path, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })
  return { ...parts, gate, events, url, post }
}

test('events are taken on each path, guaranteed or hasty, and counted by its label', async t => {
  const { post, gate, answered } = await start(t)
  assert.equal((await post('/v1/events', [{ a: 1 }, { a: 2 }])).status, 201)
  assert.equal((await post('/v2/events?hasty', { a: 3 })).status, 202)
  assert.deepEqual(
    gate.taken.map(({ events, context }) => [context.delivery, events]),
    [
      ['guaranteed', [{ a: 1 }, { a: 2 }]],
      ['hasty', [{ a: 3 }]],
    ],
  )
  assert.deepEqual(answered, [
    ['v1/events', 'POST', 201],
    ['v2/events', 'POST', 202],
  ])
})

test('a hasty request without any object is refused, because nobody hears of its outcome', async t => {
  const { post, gate } = await start(t)
  assert.equal((await post('/v1/events?hasty', [1, 2])).json().invalid[0].code, 'body_not_events')
  assert.equal((await post('/v1/events', [1, 2])).status, 201, 'a guaranteed one is told of each')
  assert.equal(gate.taken.length, 1)
})

test('optional routes are there only where they are configured', async t => {
  const bare = await start(t)
  for (const path of ['/v1/validate', '/v1/_test/events'])
    assert.equal((await send(bare.url + path)).status, 404, path)
  const testEvents = [testEvent()]
  const dryRun = { process: async () => [{ outcome: 'accepted' }] } as unknown as DryRun
  const { url, post, gate } = await start(t, { testEvents, dryRun })
  assert.equal((await send(`${url}/v1/_test/events`)).status, 201)
  assert.deepEqual(gate.taken[0]?.events, testEvents)
  const validated = await post('/v1/validate?hasty', {})
  assert.deepEqual([validated.status, validated.json()], [200, { results: [{ outcome: 'accepted' }] }])
  assert.equal(gate.taken.length, 1, 'nothing was taken')
})

test('a defect once the events were begun does not call them not stored', async t => {
  const outcomes = () => Promise.reject(new Error('a defect'))
  const broken = { start: () => ({ begun: Promise.resolve(), outcomes: outcomes() }) } as unknown as EventGate
  const { post, events, options } = await start(t, { gate: broken })
  const reply = await post('/v1/events', testEvent())
  assert.equal(reply.status, 504)
  const [entry] = reply.json().error
  assert.equal(entry.code, 'produce_unknown')
  assert.equal(entry.retriable, false)
  await events.close()
  assert.deepEqual(options.admission.inFlight('guaranteed'), { bytes: 0, events: 0 })
})
