import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Channel } from '#src/lib/kafka/channel.js'
import type { ProduceRequest } from '#src/lib/kafka/transport.js'
import { FakeClock, FakeCluster } from '../../support/kafka-fake.js'
import { SETTINGS } from '../../support/kafka-sender.js'

const EMPTY: ProduceRequest = { acks: -1, timeoutMs: 50, answerMs: 1000, batches: [] }

function setUp(faults: ConstructorParameters<typeof FakeCluster>[1] = {}) {
  const clock = new FakeClock()
  const channel = new Channel(1, 'fast', new FakeCluster(clock, faults), clock, SETTINGS)
  return { clock, channel }
}

test('connecting makes it busy, and then it is connected', async () => {
  const { clock, channel } = setUp()
  const connected = channel.connect()
  assert.equal(channel.readyAt, Infinity)
  assert.ok(!channel.connected)
  await clock.runUntil(100)
  assert.ok(await connected)
  assert.ok(channel.connected && channel.readyAt <= 100)
})

test('each failure to connect is followed by a longer pause, until a request is answered', async () => {
  let refuses = true
  const { clock, channel } = setUp({ connect: () => (refuses ? 'refused' : undefined) })
  const pauses: number[] = []
  for (let i = 0; i < 3; i++) {
    const connected = channel.connect()
    await clock.runUntil(clock.time + 10)
    assert.ok(!(await connected))
    assert.equal(channel.problem, 'broker 1 cannot be reached: connection refused')
    assert.ok(channel.isAway(clock.time))
    pauses.push(Math.round((channel.readyAt - clock.time) / 100))
    await clock.runUntil(channel.readyAt)
    assert.ok(!channel.isAway(clock.time))
  }
  assert.deepEqual(pauses, [1, 2, 4])
  refuses = false
  const connected = channel.connect()
  await clock.runUntil(clock.time + 10)
  assert.ok(await connected)
  assert.equal(channel.failures, 3)
  const answered = channel.produce(EMPTY)
  await clock.runUntil(clock.time + 10)
  await answered
  assert.equal(channel.failures, 0)
})

test('a connection that takes more than a second may never be there', async () => {
  const { clock, channel } = setUp({ connect: () => 'hangs' })
  void channel.connect()
  await clock.runUntil(900)
  assert.ok(!channel.isAway(clock.time))
  await clock.runUntil(1100)
  assert.ok(channel.isAway(clock.time))
  assert.match(channel.problem, /no connection yet/)
})

test('a request without an answer closes the connection, and names the broker', async () => {
  const { clock, channel } = setUp({ request: () => 'lost' })
  void channel.connect()
  await clock.runUntil(100)
  const answered = channel.produce(EMPTY).catch((error: Error) => error)
  await clock.runUntil(200)
  assert.ok((await answered) instanceof Error)
  assert.equal(channel.problem, 'broker 1: connection reset')
  assert.ok(!channel.connected && !channel.busy)
})
