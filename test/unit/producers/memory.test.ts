import assert from 'node:assert/strict'
import { test } from 'node:test'
import { GateError } from '#src/lib/errors.js'
import { MemoryProducer } from '#src/lib/producers/memory.js'

const destination = { topic: 't', key: null, timestamp: 0, delivery: 'guaranteed' } as const

test('MemoryProducer keeps the latest events, up to its bounds', async () => {
  const byCount = new MemoryProducer({ maxEvents: 3 })
  for (let n = 0; n < 10; n++) await byCount.produce({ n }, destination)
  assert.deepEqual(
    byCount.events,
    [7, 8, 9].map(n => ({ value: `{"n":${n}}`, ...destination })),
  )
  assert.equal(byCount.stored, 10)

  const byBytes = new MemoryProducer({ maxBytes: 30 })
  for (let n = 0; n < 10; n++) await byBytes.produce({ n, x: 'xx' }, destination)
  assert.deepEqual(
    byBytes.events.map(({ value }) => value),
    ['{"n":9,"x":"xx"}'],
  )

  const small = new MemoryProducer({ maxBytes: 5 })
  await small.produce({ n: 'larger than all of it' }, destination)
  assert.deepEqual(small.events, [])
  assert.equal(small.stored, 1)
  await small.produce({}, destination)
  assert.equal(small.events.length, 1)
})

test('MemoryProducer fails on demand, also later', async () => {
  const producer = new MemoryProducer()
  const error = new GateError('produce_failed', 'x')
  producer.failOn = (index, event) =>
    index === 1 ? error : event.late ? Promise.resolve(new GateError('produce_unknown', 'y')) : undefined
  await producer.produce({ n: 0 }, destination)
  await assert.rejects(producer.produce({ n: 1 }, destination), { code: 'produce_failed' })
  await assert.rejects(producer.produce({ late: true }, destination), { code: 'produce_unknown' })
  assert.equal(producer.stored, 1)
})

test('MemoryProducer stores what was given, not what became of it', async () => {
  const producer = new MemoryProducer()
  producer.failOn = async () => undefined
  const event: Record<string, unknown> = { n: 1 }
  const stored = producer.produce(event, destination)
  event.n = 2
  await stored
  assert.equal(producer.events[0]?.value, '{"n":1}')
})
