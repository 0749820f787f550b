import assert from 'node:assert/strict'
import { test } from 'node:test'
import { REAL_CLOCK } from '#src/lib/kafka/transport.js'

test('the real clock calls back once, not before its time, and not after it was cancelled', async () => {
  const time = REAL_CLOCK.now() + 20
  let cancelled = 0
  const cancel = REAL_CLOCK.at(time, () => cancelled++)
  cancel()
  const calledAt = await new Promise<number>(resolve => REAL_CLOCK.at(time, () => resolve(REAL_CLOCK.now())))
  // Timers count in whole milliseconds.
  assert.ok(calledAt > time - 1, `${calledAt - time}`)
  assert.equal(cancelled, 0)
})

test('a time that has passed is called back soon, and `soon` comes after the promises that are at hand', async () => {
  await new Promise<void>(resolve => REAL_CLOCK.at(0, resolve))
  const order: string[] = []
  const done = new Promise<void>(resolve =>
    REAL_CLOCK.soon(() => {
      order.push('soon')
      resolve()
    }),
  )
  await Promise.resolve().then(() => order.push('promise'))
  await done
  assert.deepEqual(order, ['promise', 'soon'])
})
