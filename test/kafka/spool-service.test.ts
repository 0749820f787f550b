import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { eventually } from '../support/http.js'
import { readTopics, startKafka } from '../support/kafka.js'
import { send, startService, temporary, testEvent } from '../support/service.js'

test('without Kafka events are spooled, over restarts and a kill, and stored once and in order when it is back', {
  timeout: 300_000,
}, async t => {
  const kafka = await startKafka({})
  t.after(() => kafka.close())
  for (const topic of ['one', 'two']) await kafka.createTopic(topic, { partitions: 2 })
  const folder = temporary(t)
  const directory = join(folder, 'spool')
  const streams = ['one', 'two'].map(stream => ({
    stream,
    schema_title: 'test/event',
    message_key_fields: { stream: 'meta.stream' },
  }))
  writeFileSync(
    join(folder, 'streams.json'),
    JSON.stringify(Object.fromEntries(streams.map(one => [one.stream, one]))),
  )
  const start = () =>
    startService(t, {
      kafka: { conf: { 'metadata.broker.list': kafka.bootstrap } },
      stream_config_uri: join(folder, 'streams.json'),
      spool: { directory, max_bytes: '300mb', after_ms: 500 },
      shutdown_timeout_ms: 4000,
    })
  let sent = 0
  const next = (stream: string) => testEvent({ meta: { stream }, test: `${sent++}` })
  const both = () => [next('one'), next('two')]
  const accepted = new Set<string>()

  let service = await start()
  const post = async (query = '') => {
    const events = both()
    const reply = await service.post(events, { query })
    if (reply.status < 203) for (const { test: name } of events) accepted.add(String(name))
    return reply
  }
  const spooled = async (): Promise<number> => {
    const report = await send(`${service.url}/_info/health`)
    return report.json().spool.waiting.events
  }
  await eventually(async () => assert.equal((await post()).status, 201))

  await kafka.broker(1).kill9()
  await t.test('an answer says how many are on disk', async () => {
    await eventually(async () => {
      const { status, reason, body } = await post()
      assert.deepEqual([status, body], [202, ''])
      assert.equal(reason, '2 out of 2 events were accepted: 0 stored, 2 spooled.')
    })
  })
  await t.test('hasty events are spooled, too', async () => {
    for (let i = 0; i < 5; i++) assert.equal((await post('?hasty=true')).status, 202)
    await eventually(async () => assert.ok((await spooled()) >= 12))
  })
  await t.test('SIGTERM leaves them to the next process', async () => {
    assert.equal(await service.stop(), 0)
    service = await start()
    for (let i = 0; i < 10; i++) assert.equal((await post()).status, 202)
  })
  await t.test('so does a kill', async () => {
    await service.stop('SIGKILL')
    service = await start()
    for (let i = 0; i < 10; i++) assert.equal((await post()).status, 202)
  })
  await kafka.broker(1).restart()
  await t.test('when Kafka is back, events go there again', async () => {
    await eventually(async () => assert.equal((await post()).status, 201))
    await eventually(async () => assert.equal(await spooled(), 0))
  })
  await t.test('all that was accepted is there once, in order', async () => {
    const records = await readTopics(kafka.bootstrap, ['one', 'two'])
    const stored = records.map(({ topic, partition, value }) => ({
      at: `${topic}-${partition}`,
      name: String(JSON.parse(String(value)).test),
    }))
    const names = stored.map(({ name }) => name)
    assert.equal(new Set(names).size, names.length, 'twice')
    for (const name of accepted) assert.ok(names.includes(name), `${name} is lost`)
    for (const place of new Set(stored.map(({ at }) => at))) {
      const numbers = stored.filter(({ at }) => at === place).map(({ name }) => Number(name))
      assert.deepEqual(
        numbers,
        numbers.toSorted((a, b) => a - b),
      )
    }
  })
})
