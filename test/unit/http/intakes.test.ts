import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type IntakeOptions, Intakes } from '#src/lib/http/intakes.js'

test('closing waits for every request that is under way, those that come meanwhile included', async () => {
  const intakes = new Intakes({} as IntakeOptions)
  intakes.began()
  const closed = intakes.close()
  intakes.began()
  intakes.done()
  await new Promise(setImmediate)
  assert.equal(intakes.isClosed, false)
  intakes.done()
  await closed
  assert.equal(intakes.isClosed, true)
})

test('without a request closing is done at once', async () => {
  const intakes = new Intakes({} as IntakeOptions)
  await intakes.close()
  assert.equal(intakes.isClosed, true)
})
