import assert from 'node:assert/strict'
import { once } from 'node:events'
import { Agent, request as httpRequest, type IncomingMessage } from 'node:http'
import { test } from 'node:test'
import { connect, head } from '../support/http.js'
import { startService, testEvent } from '../support/service.js'

const REQUESTS = 300

/** One request for many events, hasty or not. */
function request(path: string, count: number): string {
  const body = JSON.stringify(Array.from({ length: count }, () => testEvent()))
  return head({ 'content-length': body.length }, { path }) + body
}

/** Posts `body` until it is told to stop, one request after the other, and answers how long each took, milliseconds. */
async function postOn(agent: Agent, url: string, body: string, goesOn: (requests: number) => boolean) {
  const took: number[] = []
  while (goesOn(took.length)) {
    const start = performance.now()
    const sent = httpRequest(url, { agent, method: 'POST', headers: { 'content-type': 'application/json' } })
    sent.end(body)
    const [response] = (await once(sent, 'response')) as [IncomingMessage]
    assert.ok(response.statusCode === 201 || response.statusCode === 202, `${response.statusCode}`)
    await once(response.resume(), 'end')
    took.push(performance.now() - start)
  }
  return took
}

const median = (all: number[]) => all.sort((a, b) => a - b)[all.length >> 1] as number

test('a guaranteed request overtakes the hasty ones that wait', async t => {
  const service = await startService(t, { producer: 'memory', hasty_max_events: 10_000 })
  const agent = new Agent({ keepAlive: true })
  t.after(() => agent.destroy())
  const events = JSON.stringify(Array.from({ length: 50 }, () => testEvent()))
  let over = false
  const crowd = Array.from({ length: 100 }, () =>
    postOn(agent, `${service.url}/v1/events?hasty=true`, events, () => !over),
  )
  const one = JSON.stringify(testEvent())
  const guaranteed = await postOn(agent, `${service.url}/v1/events`, one, requests => requests < 60)
  over = true
  const hasty = (await Promise.all(crowd)).flat()
  // Both wait for this client, which does all else that is done here.
  const [least, most] = [median(guaranteed), median(hasty)]
  assert.ok(least < most / 3, `${least} ms, where hasty ones took ${most} ms`)
  assert.equal(await service.stop(), 0)
})

test('hasty requests beyond the bound are told when to retry, and every request is answered', async t => {
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
