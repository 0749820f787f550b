import assert from 'node:assert/strict'
import { test } from 'node:test'
import { INIT_PRODUCER_ID, METADATA, PRODUCE } from '#src/lib/kafka/wire/protocol.js'
import { batchEncoder } from '#src/lib/kafka/wire/records.js'
import { TcpBroker, VERSIONS_OF } from '../../support/kafka-broker.js'
import { producerFor, TO } from '../../support/kafka-producer.js'

for (const [kafka, produce, metadata, initProducerId] of [
  ['1.1', 5, 5, 0],
  ['2.2', 7, 7, 1],
  ['2.8', 8, 8, 1],
  ['3.9', 8, 8, 1],
  ['4.2', 8, 8, 1],
] as const)
  test(`a broker of Kafka ${kafka} is spoken to in the highest versions that it knows`, async t => {
    const broker = await TcpBroker.start(t)
    broker.versions = VERSIONS_OF[kafka]
    await producerFor(t, broker).produce({ n: 1 }, TO)
    const versionsOf = (key: number) => [
      ...new Set(broker.asked.filter(asked => asked.key === key).map(({ version }) => version)),
    ]
    assert.deepEqual(versionsOf(PRODUCE), [produce])
    assert.deepEqual(versionsOf(METADATA), [metadata])
    assert.deepEqual(versionsOf(INIT_PRODUCER_ID), [initProducerId])
  })

test('each connection asks for the versions anew: a broker that was changed under it is spoken to in its own', async t => {
  const broker = await TcpBroker.start(t)
  broker.versions = VERSIONS_OF['3.9']
  const producer = producerFor(t, broker)
  await producer.produce({ n: 1 }, TO)
  for (const kafka of ['1.1', '4.2'] as const) {
    broker.versions = VERSIONS_OF[kafka]
    for (const socket of broker.sockets) socket.destroy()
    await producer.produce({ n: 2 }, TO)
  }
  const versions = broker.asked.filter(({ key }) => key === PRODUCE).map(({ version }) => version)
  assert.deepEqual([...new Set(versions)], [8, 5])
  assert.equal(versions.at(-1), 8)
})

test('a batch for a broker that does not take zstd is compressed otherwise, and anew where its leader changes', async t => {
  const broker = await TcpBroker.start(t)
  broker.versions = VERSIONS_OF['1.1']
  broker.deeds.push('hangs up')
  // Not every Node.js has zstd: snappy stands for it here.
  const conf = { encode: batchEncoder('snappy'), encodeForOld: batchEncoder('gzip') }
  const producer = producerFor(t, broker, {}, {}, conf)
  const stored = producer.produce({ text: 'x'.repeat(5000) }, TO)
  while (broker.produced.length === 0) await new Promise(resolve => setTimeout(resolve, 5))
  broker.versions = VERSIONS_OF['2.2']
  await stored
  const batches = broker.produced.map(body => body.subarray(body.indexOf('a.topic') + 7 + 12))
  assert.deepEqual(
    batches.map(batch => batch.readInt16BE(21) & 7),
    [1, 2],
  )
  // It is the same batch: producer id, epoch, sequence, number of records.
  assert.deepEqual(batches[0]?.subarray(43, 61), batches[1]?.subarray(43, 61))
})

test('a probe asks one broker after the other, until all are known to be away', async t => {
  const broker = await TcpBroker.start(t)
  const producer = producerFor(t, broker, { 'bootstrap.servers': '127.0.0.1:1,127.0.0.1:2,127.0.0.1:3' })
  await producer.probe()
  assert.deepEqual(
    producer.state.brokers.map(({ state }) => state),
    ['unreachable', 'unreachable', 'unreachable'],
  )
})
