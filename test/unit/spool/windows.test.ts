import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Windows } from '#src/lib/spool/windows.js'

const record = (partition = 0, bytes = 1000, topic = 't') => ({ topic, partition, bytes })

test('one event is sent first, and more once it is stored', () => {
  const windows = new Windows()
  assert.ok(windows.hasRoom(record()))
  windows.sent(record())
  assert.deepEqual([windows.hasRoom(record()), windows.isProven(record())], [false, false])
  windows.stored(record())
  assert.ok(windows.isProven(record()))
  for (let i = 0; i < 100; i++) {
    assert.ok(windows.hasRoom(record()))
    windows.sent(record())
  }
  assert.equal(windows.running.length, 1)
})

test('what is on its way is bounded, for a unit and in all; an event always fits alone', () => {
  const windows = new Windows()
  const megabyte = 1024 * 1024
  for (let partition = 0; partition < 20; partition++) {
    windows.sent(record(partition))
    windows.stored(record(partition))
  }
  let sent = 0
  for (let i = 0; i < 400; i++)
    if (windows.hasRoom(record(i % 20, megabyte / 8))) {
      windows.sent(record(i % 20, megabyte / 8))
      sent++
    }
  assert.equal(sent, 20 * 2)
  assert.ok(windows.hasRoom(record(99, 4 * megabyte)))
})

test('a unit that is blocked stays so for the pass, and resumes when any of it is stored', () => {
  const windows = new Windows()
  windows.sent(record())
  windows.block(record())
  windows.resume(0)
  assert.ok(windows.isBlocked(record()))
  assert.equal(windows.stored(record()), true)
  assert.ok(windows.isBlocked(record()))
  windows.resume(1)
  assert.ok(windows.hasRoom(record()))
})

test('events whose partition is not known wait for all of their topic, and those of the topic for them', () => {
  const windows = new Windows()
  windows.block(record(3))
  assert.deepEqual([windows.isBlocked(record(4)), windows.isBlocked(record(-1, 1, 'other'))], [false, false])
  // It may be one of partition 4: what comes after it there must not overtake it.
  assert.ok(windows.isBlocked(record(-1)))
  assert.ok(windows.isBlocked(record(4)))
  windows.resume(0)
  assert.deepEqual([windows.isBlocked(record(4)), windows.isBlocked(record(3))], [false, true])
})

test('after a failure nothing of its unit is sent until all that was is back, and for a while', () => {
  const windows = new Windows()
  windows.sent(record())
  windows.stored(record())
  windows.sent(record())
  windows.sent(record())
  windows.failed(record(), 1000)
  windows.resume(2000)
  assert.ok(windows.isBlocked(record()))
  windows.stored(record())
  windows.resume(999)
  assert.ok(windows.isBlocked(record()))
  windows.resume(1000)
  assert.ok(windows.hasRoom(record()))
})

test('a unit that was blocked is forgotten with the next pass: what was left out for its sake comes first', () => {
  const windows = new Windows()
  windows.sent(record(-1))
  windows.block(record(3))
  assert.ok(windows.isBlocked(record(-1)))
  windows.stored(record(-1))
  windows.forget(record(-1))
  assert.ok(windows.isBlocked(record(4)))
  assert.equal(windows.resume(0), true)
  assert.equal(windows.isBlocked(record(4)), false)
})

test('a unit is forgotten once nothing of it is on its way', () => {
  const windows = new Windows()
  windows.sent(record())
  windows.stored(record())
  windows.forget(record())
  assert.equal(windows.isProven(record()), false)
})
