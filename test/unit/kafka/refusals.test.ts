import assert from 'node:assert/strict'
import { test } from 'node:test'
import { unavailability, unfitness } from '#src/lib/kafka/refusals.js'
import type { Topic } from '#src/lib/kafka/topic.js'

test('an event that Kafka could never store says why', () => {
  const codeOf = (timestamp: number, size = 10) => unfitness(timestamp, 5, size, 1000)?.code
  assert.equal(codeOf(0), undefined)
  assert.equal(codeOf(253_402_300_799_999), undefined)
  for (const timestamp of [-1, 0.5, Number.NaN, 253_402_300_800_000])
    assert.equal(codeOf(timestamp), 'timestamp_unparsable')
  assert.equal(codeOf(0, 939), undefined)
  assert.equal(codeOf(0, 940), 'event_too_large')
})

test('an event cannot wait where none is stored, or too many wait', () => {
  const topic = (rejects: boolean, hasRoom: boolean) =>
    ({
      rejects,
      hasRoom: () => hasRoom,
      breaker: { problem: 'why' },
      settings: { timeoutMs: 8900 },
      toString: () => 't',
    }) as unknown as Topic
  const messageOf = (of: Topic) => unavailability(of, undefined, 10, 100, 0)?.message
  assert.equal(messageOf(topic(false, true)), undefined)
  assert.equal(messageOf(topic(true, true)), 't: nothing could be stored for 8900 ms (why)')
  assert.equal(messageOf(topic(false, false)), 't: too many events wait for it already (why)')
})
