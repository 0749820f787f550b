import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Pacer } from '#src/lib/schemas/pacer.js'

test('steps run in the order of coming, one in a turn of the event loop', async () => {
  const pacer = new Pacer()
  let turns = 0
  let done = false
  const count = () => {
    turns++
    if (!done) setImmediate(count)
  }
  setImmediate(count)
  const ran: [step: number, turn: number][] = []
  const step = async (number: number) => {
    await pacer.wait({ until: 0 })
    ran.push([number, turns])
  }
  await Promise.all([0, 1, 2, 3].map(step))
  done = true
  assert.deepEqual(
    ran.map(([number]) => number),
    [0, 1, 2, 3],
  )
  assert.equal(new Set(ran.map(([, turn]) => turn)).size, 4, JSON.stringify(ran))
})

test('time in line does not count against the deadline', async () => {
  const pacer = new Pacer()
  const deadline = { until: 1000 }
  const begun = performance.now()
  await pacer.wait(deadline)
  const took = performance.now() - begun
  assert.ok(deadline.until > 1000 && deadline.until <= 1000 + took, `${deadline.until}`)
})
