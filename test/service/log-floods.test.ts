import assert from 'node:assert/strict'
import { test } from 'node:test'
import { eventually } from '../support/http.js'
import { startService, testEvent } from '../support/service.js'

// A failure that comes a thousand times a second fills no disk, and what clients sent stays out of the log.

const at = (level: string) => ({ logging: { level } })
const SECRET = 'secret '.repeat(1000)

test('a thousand failures of one kind in a second make one line, and one with their count', async t => {
  const service = await startService(t, {}, at('info'))
  const events = (count: number, more: object) =>
    Array.from({ length: count }, () => testEvent(more as Record<string, unknown>))
  const started = Date.now()
  const replies = await Promise.all([
    service.post(events(1000, { test: 42 })),
    service.post(events(1000, { $schema: '/no/such/1.0.0' })),
  ])
  assert.deepEqual(
    replies.map(({ status }) => status),
    [400, 400],
  )
  for (const code of ['validation_failed', 'schema_not_found']) {
    const lines = await eventually(() => {
      const found = service.log().filter(line => line.code === code)
      assert.equal(
        found.reduce((sum, { count }) => sum + Number(count ?? 1), 0),
        1000,
      )
      return found
    })
    const [first, second] = lines
    assert.equal(first?.count, undefined)
    assert.match(String(second?.msg), /^and \d+ more with /)
    // A busy machine may take more than a second for them.
    assert.ok(lines.length <= 2 * Math.ceil((Date.now() - started) / 1000), `${lines.length} lines`)
  }
})

test('events are logged at debug only, with only the beginning of their values', async t => {
  const service = await startService(t, {}, at('info'))
  for (const more of [
    { test: { text: SECRET } },
    { $schema: SECRET },
    { $schema: `/${SECRET.replaceAll(' ', '')}` },
    { meta: { stream: SECRET } },
    { meta: SECRET },
  ])
    assert.equal((await service.post(testEvent(more))).status, 400)
  assert.equal((await service.post(SECRET)).status, 400)
  assert.equal((await service.post([SECRET])).status, 400)
  assert.equal(
    (await service.post(testEvent(), { query: `?hasty=${encodeURIComponent(SECRET)}` })).status,
    400,
  )
  await eventually(() => assert.ok(service.log().filter(({ code }) => code !== undefined).length > 3))
  for (const line of service.log()) {
    assert.ok(!('event' in line))
    assert.ok(!String(line.msg).includes('secret '.repeat(16)), String(line.msg))
    assert.ok(JSON.stringify(line).length < 1500)
  }
})

test('at debug the line of a failure has the event, cut', async t => {
  const service = await startService(t, {}, at('debug'))
  const event = testEvent({ test: 42, more: SECRET })
  assert.equal((await service.post([testEvent(), event])).status, 207)
  const [line] = service.log().filter(({ code }) => code === 'validation_failed')
  assert.equal(line?.event, JSON.stringify(event).slice(0, 4096))
})
