import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Alarm } from '#src/lib/kafka/alarm.js'
import { FakeClock } from '../../support/kafka-fake.js'

test('it rings once for all who ask, soon or at the earliest time, and not after its end', async () => {
  const clock = new FakeClock()
  const rung: number[] = []
  const alarm = new Alarm(clock, now => rung.push(now))
  alarm.set(30)
  alarm.set(20)
  alarm.set(50)
  alarm.set()
  alarm.set()
  assert.equal(alarm.isSet, true)
  await clock.runUntil(10)
  assert.deepEqual([rung, alarm.isSet], [[0], false])
  await clock.runUntil(40)
  assert.deepEqual(rung, [0, 20])
  alarm.set(60)
  alarm.set()
  alarm.stop()
  alarm.set()
  await clock.runUntil(100)
  assert.deepEqual(rung, [0, 20])
})
