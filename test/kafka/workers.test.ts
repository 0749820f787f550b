import assert from 'node:assert/strict'
import { existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { RealDisk } from '#src/lib/spool/real-disk.js'
import { eventually, freePort, samples } from '../support/http.js'
import { anyKafka, readRecords, topicName } from '../support/kafka.js'
import { send, startService, temporary, testEvent } from '../support/service.js'
import { fillSpool } from '../support/spool-directory.js'

test('two workers store in Kafka, add up, are replaced, and drain what workers before them left on disk', async t => {
  const kafka = await anyKafka()
  t.after(() => kafka.close())
  const [page, other, stream] = [topicName('page'), topicName('new'), topicName('live')]
  await kafka.createTopic(page, { partitions: 2 })
  for (const topic of [other, stream]) await kafka.createTopic(topic, { partitions: 1 })
  const directory = join(temporary(t), 'spool')
  mkdirSync(join(directory, '5'), { recursive: true })
  await (await fillSpool(new RealDisk(join(directory, '5')), { page, other }))()

  const port = await freePort()
  const conf = { kafka: { conf: { 'metadata.broker.list': kafka.bootstrap } }, spool: { directory } }
  const top = { num_workers: 2, metrics: { type: 'prometheus', port } }
  const service = await startService(t, { ...conf, shutdown_timeout_ms: 20_000 }, top)
  await eventually(async () => {
    const { workers } = (await send(`${service.url}/_info/health`)).json()
    assert.deepEqual(
      workers.map(({ status }: { status: string }) => status),
      ['ready', 'ready'],
    )
  })
  let stored = 0
  const post = async () => {
    const event = testEvent({ meta: { stream }, test: `${stored}` })
    assert.equal((await service.post(event)).status, 201)
    stored++
  }
  for (let i = 0; i < 50; i++) await post()
  service.process.kill('SIGHUP')
  const isDone = () => service.log().some(({ msg }) => /: done$/.test(String(msg)))
  while (!isDone()) await post()
  // Without a stream configuration the first event of each worker is of a stream that is not known yet.
  const delivered = async () => {
    const all = [...(await samples(port))].filter(([name]) =>
      name.startsWith('eventgate_stream_events_total'),
    )
    return all.reduce((sum, [name, value]) => sum + (name.includes('outcome="delivered"') ? value : 0), 0)
  }
  // A worker that is late with its values has its last ones in the sum.
  await eventually(async () => assert.equal(await delivered(), stored))
  assert.ok(existsSync(join(directory, '0')) && existsSync(join(directory, '1')))
  const left = () =>
    service.log().filter(({ worker, msg }) => worker === 0 && /^0 events are left in .*5$/.test(String(msg)))
  await eventually(() => assert.ok(left().length > 0))
  assert.equal(await service.stop(), 0)

  const read = async (...topics: string[]) => {
    const values: string[] = []
    for await (const { value } of readRecords(kafka.bootstrap, topics)) values.push(String(value))
    return values
  }
  // In order, because this client sent one after the other.
  const texts = (await read(stream)).map(value => JSON.parse(value).test)
  assert.deepEqual(
    texts,
    Array.from({ length: stored }, (_, n) => `${n}`),
  )
  assert.deepEqual((await read(page, other)).toSorted(), ['1', '2', '3', '5', '6'])
})
