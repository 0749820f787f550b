import assert from 'node:assert/strict'
import { test } from 'node:test'
import { assertFailure, eventually } from '../support/http.js'
import { readTopics, startKafka } from '../support/kafka.js'
import { type Reply, startService, testEvent } from '../support/service.js'

const to = (stream: string) => testEvent({ meta: { stream } })
const codeOf = (reply: Reply) => reply.json().error?.[0]?.code

test('one topic is broken: the others do not notice', { timeout: 180_000 }, async t => {
  const kafka = await startKafka({ brokers: 3 })
  t.after(() => kafka.close())
  // Of two brokers that stay, one that goes alone, and one too few with it.
  await kafka.createTopic('well', { assignment: [[1]] })
  await kafka.createTopic('dead', { assignment: [[3]] })
  await kafka.createTopic('thin', { assignment: [[1, 3]], config: { 'min.insync.replicas': '2' } })
  const service = await startService(t, {
    kafka: { conf: { 'metadata.broker.list': kafka.bootstrap } },
    request_timeout_ms: 4000,
    schema_timeout_ms: 1000,
    shutdown_timeout_ms: 2000,
  })
  const all = ['well', 'dead', 'thin'].map(stream => to(stream))
  // On a busy machine the first connections may outlast a deadline.
  await eventually(async () => assert.equal((await service.post(all)).status, 201))

  await kafka.broker(3).kill9()
  await t.test('an array has its 207, and what is stored is said to be', async () => {
    await eventually(async () => {
      const reply = await service.post(all)
      const entries = assertFailure(reply, { status: 207 })
      assert.deepEqual(entries.map(({ index }) => index).toSorted(), [1, 2])
      for (const entry of entries) assert.ok(entry.retriable, entry.code)
    })
  })
  await t.test('events of the others are 201, each time', async () => {
    const broken = Promise.all(['dead', 'thin'].map(stream => service.post(to(stream))))
    for (let i = 0; i < 20; i++) assert.equal((await service.post(to('well'))).status, 201)
    // While the dead replica counts as in sync, those of the thin one may be stored yet.
    const [dead, thin] = await broken
    assert.equal(dead?.status, 503, dead?.body)
    assert.ok(thin?.status === 503 || thin?.status === 504, thin?.body)
  })
  await t.test('after the first timeout an answer is there at once', async () => {
    const replies = await Promise.all(Array.from({ length: 10 }, () => service.post(to('dead'))))
    const codes = replies.map(codeOf)
    assert.ok(codes.filter(code => code === 'partition_unavailable').length >= 9, String(codes))
  })
  await t.test('once it is well again, so are its events', async () => {
    await kafka.broker(3).restart()
    await kafka.whenInSync(['dead', 'thin'])
    await eventually(async () => assert.equal((await service.post(all)).status, 201))
  })
  await t.test('what was answered 201 is there, once', async () => {
    const records = await readTopics(kafka.bootstrap, ['well', 'dead', 'thin'])
    const ids = records.map(({ value }) => JSON.parse(String(value)).meta.id)
    assert.equal(new Set(ids).size, ids.length)
    assert.ok(records.filter(({ topic }) => topic === 'well').length >= 22)
  })
})
