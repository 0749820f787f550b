import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startService, testEvent } from './helpers.js'
import { connect, head } from './http-helpers.js'

const REQUESTS = 300

/** One request for many events, hasty or not. */
function request(path: string, count: number): string {
  const body = JSON.stringify(Array.from({ length: count }, () => testEvent()))
  return head({ 'content-length': body.length }, { path }) + body
}

test('a guaranteed request overtakes the hasty ones that wait', async t => {
  const service = await startService(t, {
    producer: 'memory',
    hasty_max_events: 50 * REQUESTS,
    hasty_max_bytes: '64mb',
  })
  const crowd = await Promise.all(Array.from({ length: REQUESTS }, () => connect(t, service.url)))
  const one = await connect(t, service.url)
  let answered = 0
  const hasty = request('/v1/events?hasty=true', 50)
  const guaranteed = request('/v1/events', 1)
  for (const each of crowd) each.write(hasty)
  one.write(guaranteed)
  const all = crowd.map(async each => {
    await each.until(/^HTTP\/1\.1 202 /)
    answered++
  })
  await one.until(/^HTTP\/1\.1 201 /)
  const before = answered
  await Promise.all(all)
  assert.ok(before < REQUESTS / 2, `${before} of ${REQUESTS} hasty requests were answered before it`)
  assert.equal(await service.stop(), 0)
})

test('of hasty requests that come at once, those beyond the bound are told when to come back, and none is left without an answer', async t => {
  const service = await startService(t, {
    producer: 'memory',
    hasty_max_events: 100,
    hasty_max_bytes: '64mb',
  })
  const crowd = await Promise.all(Array.from({ length: REQUESTS }, () => connect(t, service.url)))
  const hasty = request('/v1/events?hasty=true', 50)
  for (const each of crowd) each.write(hasty)
  const statuses = await Promise.all(
    crowd.map(async each => {
      const answer = await each.until(/^HTTP\/1\.1 (202|503) [\s\S]*\r\n\r\n/)
      if (each.received().startsWith('HTTP/1.1 503'))
        assert.match(each.received(), /\r\nretry-after: [1-5]\r\n/)
      return answer
    }),
  )
  assert.equal(statuses.length, REQUESTS)
  assert.ok(crowd.some(each => each.received().startsWith('HTTP/1.1 202')))
  assert.equal(await service.stop(), 0)
})
