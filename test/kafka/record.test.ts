import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { assertAccepted, assertFailure, ONE_ACCEPTED, repository } from '../support/http.js'
import {
  anyKafka,
  javaPartitions,
  type Kafka,
  type KafkaRecord,
  readTopics,
  topicName,
} from '../support/kafka.js'
import { type Service, startService, temporary } from '../support/service.js'

// contract 5, and the topics of 2 and 4: what stands in Kafka, as Java's consumer reads it.

const text = { type: 'string' }
const PARTITIONS = 7
const WIKIS = ['enwiki', 'dewiki', 'ru_вики', 'a"b', '']

/** CRC-32 as in zlib, written out so that it shares nothing with the code that it judges. */
function crc32(bytes: Buffer): number {
  let crc = 0xffffffff
  for (const byte of bytes) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0)
  }
  return (crc ^ 0xffffffff) >>> 0
}

async function start(t: TestContext, kafka: Kafka, streams: object | undefined, more: object = {}) {
  const path = join(temporary(t), 'streams.json')
  writeFileSync(path, JSON.stringify(streams ?? {}))
  const meta = { type: 'object', properties: { dt: text, stream: text } }
  const { conf = {}, ...rest } = more as { conf?: object }
  return startService(t, {
    schema_base_uris: [
      repository(t, {
        '/page/1.0.0': { properties: { $schema: text, meta } },
        // Declares no time of its own.
        '/timeless/1.0.0': {
          properties: { $schema: text, meta: { type: 'object', properties: { stream: text } } },
        },
        '/named-after/1.0.0': { properties: { $schema: text } },
      }),
    ],
    kafka: { conf: { 'metadata.broker.list': kafka.bootstrap, ...conf } },
    ...(streams && { stream_config_uri: path }),
    ...rest,
  })
}

const page = (stream: string, more: object) => ({ $schema: '/page/1.0.0', meta: { stream }, ...more })
const eventOf = ({ value }: KafkaRecord) => JSON.parse(String(value))

/** Posts pages with keys in one request after the other; gives the records with the key that each must have. */
async function keyed(kafka: Kafka, service: Service, stream: string, topic: string) {
  await kafka.createTopic(topic, { partitions: PARTITIONS })
  const events = Array.from({ length: 60 }, (_, n) =>
    page(stream, { n, wiki: WIKIS[n % WIKIS.length], page: { id: n % 4 } }),
  )
  for (const part of [events.slice(0, 31), events.slice(31)])
    assert.equal(
      (await service.post(part)).reason,
      `All ${part.length} out of ${part.length} events were accepted.`,
    )
  const records = await readTopics(kafka.bootstrap, [topic])
  assert.equal(records.length, events.length)
  const keys = records.map(record => {
    const { wiki, page } = eventOf(record)
    return `{"wiki_id":${JSON.stringify(wiki)},"page_id":${page.id}}`
  })
  for (const [i, record] of records.entries()) assert.deepEqual(record.key, Buffer.from(String(keys[i])))
  assert.equal(new Set(keys).size, 20)
  return { records, keys }
}

test('what an event becomes in Kafka', async t => {
  const kafka = await anyKafka()
  t.after(() => kafka.close())
  const prefix = `${topicName('record')}.`
  const legacy = `eventlogging_${topicName('Thing')}`
  const settings = { schema_title: 'page' }
  const withKey = { ...settings, message_key_fields: { wiki_id: 'wiki', page_id: 'page.id' } }
  const streams = {
    keyed: withKey,
    java: withKey,
    refused: withKey,
    keyless: settings,
    'empty.list': { ...settings, message_key_fields: [] },
    'empty.map': { ...settings, message_key_fields: {} },
    '/^of\\..+/': withKey,
    timed: settings,
    timeless: { schema_title: 'timeless' },
    [legacy]: settings,
  }
  const service = await start(t, kafka, streams, { topic_prefix: prefix, overwrite_dt: false })
  const read = (stream: string) => readTopics(kafka.bootstrap, [prefix + stream])

  await t.test('keys are JSON, and stand where CRC-32 puts them, in order', async () => {
    const { records, keys } = await keyed(kafka, service, 'keyed', `${prefix}keyed`)
    const seen = new Map<string, number>()
    for (const [i, { partition, ...record }] of records.entries()) {
      const key = String(keys[i])
      assert.equal(partition, crc32(Buffer.from(key)) % PARTITIONS, key)
      const { n } = eventOf({ partition, ...record })
      assert.ok(n > (seen.get(key) ?? -1), `${key}: ${n} comes too late`)
      seen.set(key, n)
    }
    assert.ok(new Set(records.map(({ partition }) => partition)).size > 3)
  })

  await t.test('with murmur2_random, where Java puts them', async () => {
    const java = await start(t, kafka, streams, {
      topic_prefix: prefix,
      conf: { partitioner: 'murmur2_random' },
    })
    const { records, keys } = await keyed(kafka, java, 'java', `${prefix}java`)
    const chosen = await javaPartitions(keys, [PARTITIONS])
    assert.deepEqual(
      records.map(({ partition }) => [partition]),
      chosen,
    )
  })

  await t.test('a stream known by a regular expression has its key', async () => {
    assertAccepted(await service.post(page('of.pages', { wiki: 'a', page: { id: 1 } })), 201, ONE_ACCEPTED)
    const [record] = await read('of.pages')
    assert.equal(String(record?.key), '{"wiki_id":"a","page_id":1}')
  })

  await t.test('an event without a part of its key is refused, and nothing of it stored', async () => {
    const good = page('refused', { wiki: 'a', page: { id: 1 } })
    const events = [
      page('refused', { wiki: 'a' }),
      good,
      page('refused', { wiki: null, page: { id: 1 } }),
      page('refused', { wiki: 'a', page: { id: null } }),
    ]
    const entries = assertFailure(await service.post(events), {
      status: 207,
      invalid: ['key_field_missing', 'key_field_missing', 'key_field_missing'],
    })
    assert.deepEqual(
      entries.map(({ context }) => /'\.(.*?)'/.exec(context.message)?.[1]),
      ['page.id', 'wiki', 'page.id'],
    )
    assert.deepEqual(
      (await read('refused')).map(eventOf).map(({ wiki, page }) => [wiki, page.id]),
      [['a', 1]],
    )
  })

  await t.test('without key fields the key is null', async () => {
    for (const stream of ['keyless', 'empty.list', 'empty.map']) {
      assertAccepted(await service.post(page(stream, { wiki: 'a' })), 201, ONE_ACCEPTED)
      assert.deepEqual(
        (await read(stream)).map(({ key }) => key),
        [null],
        stream,
      )
    }
  })

  await t.test('the timestamp is that of meta.dt', async () => {
    const dt = '2020-02-03T04:05:06.789+01:00'
    const before = Date.now()
    const events = [page('timed', { meta: { stream: 'timed', dt } }), page('timed', { n: 1 })]
    assert.equal((await service.post(events)).status, 201)
    const records = await read('timed')
    assert.equal(records.length, 2)
    for (const record of records) {
      const { meta } = eventOf(record)
      assert.equal(record.timestampType, 'CreateTime')
      assert.equal(record.timestamp, Date.parse(meta.dt))
    }
    const [old, late] = records.map(({ timestamp }) => timestamp).sort((a, b) => a - b)
    assert.equal(old, Date.UTC(2020, 1, 3, 3, 5, 6, 789))
    assert.ok(Number(late) >= before && Number(late) <= Date.now())
  })

  await t.test('an invalid time refuses the event', async () => {
    const event = page('timed', { meta: { stream: 'timed', dt: 'yesterday' } })
    assertFailure(await service.post(event), { status: 400, invalid: ['timestamp_unparsable'] })
  })

  await t.test('the timestamp is that of receipt where the schema declares no time', async () => {
    const before = Date.now()
    const event = { $schema: '/timeless/1.0.0', meta: { stream: 'timeless', dt: '2001-01-01T00:00:00Z' } }
    assertAccepted(await service.post(event), 201, ONE_ACCEPTED)
    const [record] = await read('timeless')
    assert.ok(record && record.timestamp >= before && record.timestamp <= Date.now())
    assert.deepEqual(eventOf(record), event)
  })

  await t.test('streams named eventlogging_… take no prefix', async () => {
    assertAccepted(await service.post(page(legacy, { n: 1 })), 201, ONE_ACCEPTED)
    const [record, ...others] = await readTopics(kafka.bootstrap, [legacy])
    assert.deepEqual([record && eventOf(record).n, others], [1, []])
  })

  await t.test('so they do without a stream configuration', async () => {
    const other = `eventlogging_${topicName('Other')}`
    const plain = await start(t, kafka, undefined, { topic_prefix: prefix })
    assert.equal((await plain.post([page(other, { n: 1 }), page('plain', { n: 2 })])).status, 201)
    assert.deepEqual(
      (await readTopics(kafka.bootstrap, [other])).map(eventOf).map(({ n }) => n),
      [1],
    )
    assert.deepEqual(
      (await read('plain')).map(eventOf).map(({ n }) => n),
      [2],
    )
  })

  await t.test('without a stream field topics are named after schemas', async () => {
    const plain = await start(t, kafka, undefined, { topic_prefix: prefix, stream_field: null })
    for (const $schema of ['/named-after/1.0.0', 'named-after/1.0.0']) {
      assertAccepted(await plain.post({ $schema, meta: { stream: 'not.this' } }), 201, ONE_ACCEPTED)
    }
    assert.equal((await read('named-after_1.0.0')).length, 2)
  })
})
