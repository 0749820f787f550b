import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Misfit } from '#src/lib/kafka/response-codes.js'
import { INIT_PRODUCER_ID, METADATA, PRODUCE } from '#src/lib/kafka/wire/protocol.js'
import { negotiate } from '#src/lib/kafka/wire/versions.js'

const range = (minVersion: number, maxVersion: number) => ({ minVersion, maxVersion })

test('the highest version that both sides speak', () => {
  const spoken = { [PRODUCE]: range(3, 13), [METADATA]: range(0, 7), [INIT_PRODUCER_ID]: range(0, 0) }
  assert.deepEqual(negotiate(spoken, 'a:1'), {
    produce: 8,
    metadata: 7,
    initProducerId: 0,
    trueEpochs: false,
  })
})

test('a broker without producer ids can be used, and leader epochs count from Metadata 9 on', () => {
  const spoken = { [PRODUCE]: range(0, 5), [METADATA]: range(5, 9) }
  assert.deepEqual(negotiate(spoken, 'a:1'), {
    produce: 5,
    metadata: 8,
    initProducerId: undefined,
    trueEpochs: true,
  })
})

for (const [what, spoken, reason] of [
  [
    'too old',
    { [PRODUCE]: range(0, 4), [METADATA]: range(0, 8) },
    /^a:1: .*Produce 0 to 4.*Kafka 1\.0 or newer/,
  ],
  ['too new', { [PRODUCE]: range(9, 13), [METADATA]: range(9, 13) }, /^a:1: .*too new for this version/],
  ['silent about Produce', { [METADATA]: range(0, 8) }, /^a:1: the broker speaks no Produce/],
] as const)
  test(`a broker that is ${what} is a misfit, and is told with its versions`, () => {
    assert.throws(
      () => negotiate(spoken, 'a:1'),
      error => error instanceof Misfit && reason.test(error.message),
    )
  })
