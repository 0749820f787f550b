import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { Context, Outcome } from '#src/lib/eventgate.js'
import { success } from '#src/lib/http/answer.js'
import { Intake } from '#src/lib/http/intake.js'
import { Intakes } from '#src/lib/http/intakes.js'
import { intakeParts } from '../../support/intake.js'
import { serve } from '../../support/serve.js'
import { send } from '../../support/service.js'

const headers = { 'content-type': 'application/json', 'x-request-id': 'my-request' }

async function start(t: TestContext, handle: (intake: Intake) => Promise<void>, conf = {}) {
  const parts = intakeParts(conf)
  const intakes = new Intakes(parts.options)
  const url = await serve(t, (req, res) => void new Intake(intakes, req, res, 'v1/events').run(handle))
  const post = (body: string, query = '', more = {}) =>
    send(`${url}/v1/events${query}`, { method: 'POST', headers: { ...headers, ...more }, body })
  const inFlight = (delivery: Context['delivery']) => parts.options.admission.inFlight(delivery)
  return { ...parts, intakes, post, inFlight }
}

test('a request is answered once, counted once, and gives back what it holds', async t => {
  let inside: { bytes: number; events: number } | undefined
  const service = await start(t, async intake => {
    intake.enter()
    const body = await intake.read()
    assert.ok(body)
    inside = service.inFlight('guaranteed')
    intake.answer(success(body.length, intake.delivery))
  })
  assert.equal((await service.post('[{},{}]')).status, 201)
  assert.deepEqual(inside, { bytes: 7, events: 2 })
  await service.intakes.close()
  assert.deepEqual(service.inFlight('guaranteed'), { bytes: 0, events: 0 })
  assert.deepEqual(service.answered, [['v1/events', 'POST', 201]])
  assert.equal((await service.post('{}')).json().error[0].code, 'draining')
})

test('the context has what the request says', async t => {
  let context: Context | undefined
  const service = await start(t, async intake => {
    intake.enter()
    const body = await intake.read()
    assert.ok(body)
    context = intake.begin(body)
    assert.equal(context.textOf(1), '{"a" : 1}')
    intake.answer(success(2, 'guaranteed'))
  })
  await service.post('[{},{"a" : 1}]', '?schema_uri=/a/1.0.0&stream=b')
  assert.ok(context)
  const { requestId, receivedAt, deadline, schemaUri, stream, delivery, lookups } = context
  assert.deepEqual([requestId, schemaUri, stream, delivery], ['my-request', '/a/1.0.0', 'b', 'guaranteed'])
  assert.equal(deadline - receivedAt, service.options.requestTimeoutMs)
  assert.equal(lookups?.left, 16)
  assert.equal(context.clientIp(), '127.0.0.1')
})

test('a request that is refused before its events are begun is recorded with its body', async t => {
  const service = await start(t, async intake => {
    intake.enter()
    await intake.read()
  })
  const reply = await service.post('[1,', '?stream=a')
  assert.equal(reply.json().invalid[0].code, 'body_malformed')
  const [recorded] = service.recorded
  assert.equal(recorded?.requestId, 'my-request')
  assert.deepEqual(recorded.query, { schemaUri: undefined, stream: 'a' })
  assert.equal(recorded.bytes?.toString(), '[1,')
  assert.deepEqual(service.answered, [['v1/events', 'POST', 400]])
})

test('a failure before the events are begun is a 500, and afterwards of unknown fate', async t => {
  let isBegun = false
  const service = await start(t, async intake => {
    intake.enter()
    const body = await intake.read()
    if (isBegun && body) intake.begin(body)
    throw new Error('a defect')
  })
  assert.equal((await service.post('{}')).status, 500)
  isBegun = true
  const reply = await service.post('{}')
  assert.equal(reply.status, 504)
  assert.equal(reply.json().error[0].code, 'produce_unknown')
  assert.equal(service.recorded.length, 1, 'its events may be stored: it was not refused')
})

test('a hasty request is answered at once, and holds its body until the outcomes are known', async t => {
  let settle: (outcomes: Outcome[]) => void = () => {}
  const service = await start(t, async intake => {
    intake.enter()
    const body = await intake.read()
    assert.ok(body)
    intake.answer(success(body.length, intake.delivery))
    const outcomes = new Promise<Outcome[]>(resolve => {
      settle = resolve
    })
    intake.handOver(outcomes, body)
  })
  assert.equal((await service.post('{}', '?hasty')).status, 202)
  await new Promise(setImmediate)
  assert.deepEqual(service.inFlight('hasty'), { bytes: 2, events: 1 })
  settle([{ fate: 'delivered' }])
  await service.intakes.close()
  assert.deepEqual(service.inFlight('hasty'), { bytes: 0, events: 0 })
})
