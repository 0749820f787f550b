import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { pino } from 'pino'
import { Registry } from 'prom-client'
import { readConf } from '#src/lib/config/config.js'
import type { EventGate } from '#src/lib/eventgate.js'
import { Admission } from '#src/lib/http/admission.js'
import { Connections } from '#src/lib/http/connections.js'
import { Responder } from '#src/lib/http/responder.js'
import { Scheduler } from '#src/lib/runtime/scheduler.js'
import { Reporter } from '#src/lib/telemetry/reporter.js'
import { EventsRoute } from '#src/routes/events.js'
import { makeRequestReaders } from '#src/wiring.js'
import { send, testEvent } from '../support/service.js'

test('a defect once the events were begun does not call them not stored', async t => {
  const config = readConf({})
  const room = { maxBytes: 1000, maxEvents: 10, maxRequests: 10 }
  const admission = new Admission({ guaranteed: room, hasty: room })
  const outcomes = () => Promise.reject(new Error('a defect'))
  const broken = { start: () => ({ begun: Promise.resolve(), outcomes: outcomes() }) } as unknown as EventGate
  const connections = new Connections({ max: 10, maxAgeMs: 0 })
  const events = new EventsRoute({
    ...makeRequestReaders(config),
    scheduler: new Scheduler(),
    gate: broken,
    admission,
    connections,
    responder: new Responder({ cors: false, csp: false, readTimeoutMs: 1000 }, connections),
    observer: new Reporter(new Registry(), pino({ level: 'silent' }), null),
  })
  const server = createServer((req, res) => events.post(req, res, 'v1/events')).listen(0, '127.0.0.1')
  t.after(() => void server.close())
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const reply = await send(`http://127.0.0.1:${port}/v1/events`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(testEvent()),
  })
  assert.equal(reply.status, 504)
  const [entry] = reply.json().error
  assert.equal(entry.code, 'produce_unknown')
  assert.equal(entry.retriable, false)
  await events.close()
  assert.deepEqual(admission.inFlight('guaranteed'), { bytes: 0, events: 0 })
})
