/**
 * Production's four configurations with a real Kafka with TLS; only addresses and paths are replaced. The process
 * starts as in production's pods, with their memory and without a heap limit.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdirSync, readFileSync, symlinkSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { load } from 'js-yaml'
import { Field } from '#src/lib/field.js'
import { assertAccepted, eventually, freePort, ONE_ACCEPTED, postBytes, samples } from '../support/http.js'
import { type KafkaCluster, type KafkaRecord, readTopics, startKafka } from '../support/kafka.js'
import { monitor } from '../support/monitoring.js'
import {
  examplesOf,
  type Json,
  REPOSITORY,
  type Schema,
  type StreamSettings,
  serveProduction,
  streamsOf,
  wholeSchemas,
} from '../support/production.js'
import { NOT_REAL, ROOT, send, spawnService, temporary, WIKIMEDIA } from '../support/service.js'

/** What a cluster is expected to do. */
interface Cluster {
  service: string
  /** Streams in its configuration. */
  streams: number
  /** Events: one for each version of a schema that a stream takes. */
  events: number
  /** Schemas that it loads at start and that are not in the repository here. */
  missing: string[]
  /** Whether schemas come over HTTP alone. */
  isRemoteOnly?: boolean
  /** Whether browsers report network errors to it. */
  takesReports?: boolean
}

const CLUSTERS: Cluster[] = [
  {
    service: 'eventgate-main',
    streams: 64,
    events: 77,
    missing: ['/mediawiki/page/image-suggestions-feedback/1.0.0'],
  },
  { service: 'eventgate-analytics', streams: 17, events: 17, missing: ['/sparql/query/1.2.0'] },
  { service: 'eventgate-analytics-external', streams: 146, events: 11, missing: [], isRemoteOnly: true },
  { service: 'eventgate-logging-external', streams: 5, events: 14, missing: [], takesReports: true },
]

interface TestEvent extends Json {
  $schema: string
  meta: { stream: string }
}

/** An event that was answered with 201. */
interface Sent {
  event: Json
  schema: Schema
  stream: string
  settings: StreamSettings
  headers: Record<string, string>
  /** When it was sent, and answered. */
  from: number
  to: number
}

test("production's clusters", { skip: NOT_REAL }, async t => {
  const kafka = await startKafka({ brokers: 1, listeners: ['SSL'] })
  t.after(() => kafka.close())
  const schemas = wholeSchemas()
  const sent: Sent[] = []
  /** Topics of the test events that monitoring brings. */
  const monitored: string[] = []

  for (const cluster of CLUSTERS) {
    await t.test(cluster.service, async t => {
      const streams = streamsOf(cluster.service)
      const { service, conf, metricsPort, fetched } = await start(t, cluster.service, kafka)

      const configs = await send(`${service.url}/v1/stream-configs`)
      assert.equal(configs.status, 200)
      assert.equal(Object.keys(configs.json()).length, cluster.streams)
      assert.deepEqual(configs.json(), streams)

      assert.deepEqual(
        warningsOf(service.logged()).map(({ msg }) => msg.replace(/ has no effect.*/, '')),
        [
          ...cluster.missing.map(uri => `not precached: schema ${uri} is in none of the repositories`),
          "kafka.conf['log.connection.close']",
          "kafka.conf['statistics.interval.ms']",
          "kafka.guaranteed.conf['producer.poll.interval.ms']",
          "kafka.hasty.conf['producer.poll.interval.ms']",
        ],
      )

      const examples = examplesOf(streams, schemas)
      const refused: Record<string, string> = {}
      const answers = examples.map(async ({ uri, schema, settings, stream, event }, n) => {
        const headers = headersOf(n)
        const from = Date.now()
        const reply = await postBytes(service, JSON.stringify(event), { headers })
        if (reply.status === 201) {
          assertAccepted(reply, 201, ONE_ACCEPTED)
          return { event, schema, stream, settings, headers, from, to: Date.now() }
        }
        const [entry] = Object.values<Json[]>(reply.json()).flat()
        const { code, context } = entry as { code: string; context: Json }
        refused[`${stream} ${uri}`] = `${reply.status} ${code}: ${context.errorsText ?? context.message}`
        return []
      })
      const accepted = (await Promise.all(answers)).flat()
      assert.deepEqual(refused, {}, 'no stream refuses the examples of its schema')
      assert.equal(examples.length, cluster.events)
      sent.push(...accepted)

      const from = Date.now()
      const headers = headersOf(examples.length)
      assertAccepted(await send(`${service.url}/v1/_test/events`, { headers }), 201, ONE_ACCEPTED)
      const [event] = conf.test_events
      const { stream } = event.meta
      const settings = streams[stream]
      const schema = schemas.get(event.$schema)
      assert.ok(settings && schema)
      sent.push({ event, schema, stream, settings, headers, from, to: Date.now() })

      const reports = cluster.takesReports ? [await report(service, schemas, streams)] : []
      sent.push(...reports)

      const refusals = [
        { event: { ...event, test: 5 }, reason: 'validation_failed' },
        { event: { ...event, $schema: '/error/1.0.0' }, reason: 'schema_not_allowed' },
        { event: { ...event, meta: { stream: 'of.nobody' } }, reason: 'stream_not_configured' },
      ]
      for (const { event, reason } of refusals) {
        const reply = await postBytes(service, JSON.stringify(event), { headers })
        assert.equal(reply.status, 400, reply.body)
        assert.equal(reply.json().invalid[0].code, reason)
      }

      // All that was accepted, the test's event, and an error event, which comes in the background.
      await eventually(async () => {
        const produced = [...(await samples(metricsPort))].filter(([sample]) =>
          sample.startsWith(`eventgate_events_produced_total{service="${cluster.service}"`),
        )
        const count = produced.reduce((sum, [, value]) => sum + value, 0)
        assert.equal(count, accepted.length + reports.length + 2)
      })

      const { tried, complaints } = await monitor(service.url)
      assert.deepEqual(complaints, [])
      assert.ok(tried.some(name => name.startsWith('get /v1/_test/events')))
      const [{ stream: tested }] = [event.meta]
      monitored.push(topicOf(tested))

      const found = fetched.filter(({ status }) => status === 200).map(({ uri }) => uri)
      // What the bundled repository has is not asked for elsewhere.
      if (!cluster.isRemoteOnly) assert.deepEqual(found, [])
      else assert.ok(accepted.every(({ event }) => found.some(uri => uri === event.$schema)))

      const { code, ms } = await end(service)
      assert.equal(code, 0)
      assert.ok(service.logged().includes('all that was in flight is finished'))
      t.diagnostic(
        `ended ${ms.toFixed(0)} ms after SIGTERM (a pod has 2000); ${tried.length} examples of ?spec hold`,
      )
    })
  }

  await t.test('what Kafka has of them', async t => {
    const topics = [...new Set(sent.map(({ stream }) => topicOf(stream)))]
    const errors = CLUSTERS.map(({ service }) => topicOf(`${service}.error.validation`))
    const records = await readTopics(kafka.bootstrap, [...new Set([...topics, ...errors])])
    records.sort((a, b) => a.timestamp - b.timestamp)
    const filled: Record<string, number> = {}
    let keyed = 0
    for (const one of sent) {
      const record = records.find(
        record => record.topic === topicOf(one.stream) && eventOf(record).$schema === one.event.$schema,
      )
      assert.ok(record, `${one.stream} ${one.event.$schema}`)
      records.splice(records.indexOf(record), 1)
      for (const path of assertRecord(record, one)) filled[path] = (filled[path] ?? 0) + 1
      if (record.key !== null) keyed++
    }
    // By counting the examples that lack what their schemas declare: else nothing might have been tested.
    assert.deepEqual(filled, {
      'meta.id': 115,
      'meta.request_id': 119,
      'http.client_ip': 8,
      'http.request_headers.user-agent': 12,
      'http.request_headers.x-geoip-isp': 8,
      'http.request_headers.x-geoip-country': 8,
      'http.request_headers.x-ja3n': 8,
    })
    assert.equal(keyed, 17)

    for (const topic of monitored) {
      const at = records.findIndex(record => record.topic === topic)
      assert.notEqual(at, -1, topic)
      records.splice(at, 1)
    }
    // Nothing beside what was sent but the error events.
    assert.equal(records.length, CLUSTERS.length)
    for (const { service } of CLUSTERS) {
      const record = records.find(({ topic }) => topic === topicOf(`${service}.error.validation`))
      assert.ok(record, service)
      const { $schema, emitter_id, errored_stream_name, message } = eventOf(record)
      assert.deepEqual(
        { $schema, emitter_id, errored_stream_name, message },
        {
          $schema: '/error/2.1.0',
          emitter_id: `${service}-production`,
          errored_stream_name: `${service}.test.event`,
          message: "'.test' should be string",
        },
      )
    }
    t.diagnostic(`${sent.length} events in ${topics.length} topics`)
  })
})

/** Reports a network error as browsers do, whose reports know of neither schema nor stream. */
async function report(
  service: { url: string },
  schemas: Map<string, Schema>,
  streams: Record<string, StreamSettings>,
): Promise<Sent> {
  const stream = 'w3c.reportingapi.network_error'
  const uri = '/w3c/reportingapi/network_error/1.0.0'
  const [schema, settings] = [schemas.get(uri), streams[stream]]
  assert.ok(schema && settings)
  const [example] = schema.examples ?? []
  const { $schema, meta, ...body } = example ?? {}
  const headers = headersOf(1_000_000)
  const from = Date.now()
  const reply = await postBytes(service, JSON.stringify([body]), {
    path: `/v1/events?schema_uri=${uri}&stream=${stream}`,
    headers: { ...headers, 'content-type': 'application/reports+json' },
  })
  assertAccepted(reply, 201, ONE_ACCEPTED)
  const event = { ...body, $schema: uri, meta: { stream } }
  return { event, schema, stream, settings, headers, from, to: Date.now() }
}

/** Starts the service with a cluster's own text, in which only addresses and paths are replaced. */
async function start(t: TestContext, name: string, kafka: KafkaCluster) {
  const { streams, registry, asked, fetched } = await serveProduction(t, name)
  const metricsPort = await freePort()
  const replacements: [from: RegExp, to: string][] = [
    [/\bport: 8192\b/, 'port: 0'],
    [/\bport: 9102\b/, `port: ${metricsPort}`],
    [/file:\/\/\/srv\/\S+\/primary\/jsonschema\/$/m, `${pathToFileURL(REPOSITORY)}/`],
    [/file:\/\/\/srv\/\S+\/secondary\/jsonschema\/$/m, `${pathToFileURL(temporary(t))}/`],
    [/127\.0\.0\.1:6023\b/g, registry],
    [/127\.0\.0\.1:6500\b/, streams],
    [/127\.0\.0\.1:9093\S*/, kafka.bootstrapOf('SSL')],
    [/\/etc\/ssl\/certs\/\S+/, String(kafka.tls?.caFile)],
  ]
  const original = readFileSync(join(WIKIMEDIA, 'clusters', `${name}.config.yaml`), 'utf8')
  const text = replacements.reduce((text, [from, to]) => text.replace(from, () => to), original)
  assert.doesNotMatch(text, /:6023|:6500|:9093|8192|9102|\/etc\//)
  assert.deepEqual(text.match(/\/srv\/.*/g), ['/srv/service/eventgate-wikimedia.js'])
  assert.match(text, /module: '@wikimedia\/eventgate'/)

  const bin = join(temporary(t), 'node_modules/.bin')
  mkdirSync(bin, { recursive: true })
  symlinkSync(join(ROOT, 'dist/cli.js'), join(bin, 'eventgate'))
  const service = await spawnService(t, temporary(t), text, {
    args: ['--trace-warnings', join(bin, 'eventgate')],
    env: { SERVICE_IDENTIFIER: name, NODE_EXTRA_CA_CERTS: String(kafka.tls?.caFile), ...inPod() },
  })
  const builtIn = /eventgate_factory_module .* is built in/g
  assert.equal(service.logged().match(builtIn)?.length, 1)
  assert.match(service.logged(), /"memory is limited to 300 MiB, so bounds/)
  assert.deepEqual(asked, [
    {
      url: `/w/api.php?format=json&action=streamconfigs&constraints=destination_event_service=${name}`,
      host: 'meta.wikimedia.org',
    },
  ])
  const { services } = load(text) as { services: [{ conf: { test_events: [TestEvent] } }] }
  return { service, conf: services[0].conf, metricsPort, fetched }
}

/** What the image sets, and what Node sees of a pod's limit of memory. */
function inPod(): NodeJS.ProcessEnv {
  const options = /^ENV NODE_OPTIONS="(.*)"$/m.exec(readFileSync(join(ROOT, 'Dockerfile'), 'utf8'))?.[1]
  assert.ok(options && !options.includes('old-space'))
  const limit = `process.constrainedMemory=()=>${300 * 1024 * 1024}`
  return { NODE_OPTIONS: `${options} --import=data:text/javascript,${limit}` }
}

/** SIGTERM while a proxy keeps a connection idle. */
async function end(service: Awaited<ReturnType<typeof spawnService>>) {
  const socket = connect(Number(new URL(service.url).port), '127.0.0.1').resume()
  await once(socket, 'connect')
  const exit = once(service.process, 'exit')
  const start = performance.now()
  service.process.kill('SIGTERM')
  const [code] = await exit
  socket.destroy()
  return { code: code as number | null, ms: performance.now() - start }
}

/** What it warned of. */
function warningsOf(log: string): { level: string; msg: string }[] {
  const lines = log.split('\n').filter(line => line !== '')
  return lines.map(line => JSON.parse(line)).filter(({ level }) => level !== 'INFO')
}

/** As they come from the edge; some that streams ask for are not sent. */
function headersOf(n: number): Record<string, string> {
  return {
    'x-request-id': `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`,
    'user-agent': 'clusters test/1.0 (X11; Linux)',
    'x-client-ip': '198.51.100.7',
    'x-geoip-country': 'FR',
    'x-geoip-isp': 'An ISP',
    'x-ja3n': 'abcdef',
  }
}

const topicOf = (stream: string) => (stream.startsWith('eventlogging_') ? stream : `eqiad.${stream}`)
const eventOf = ({ value }: KafkaRecord) => JSON.parse(String(value)) as Json
const get = (event: Json, path: string) => new Field(path).get(event)

/** Asserts everything of a record; gives the fields that the gate has filled in. */
function assertRecord(record: KafkaRecord, { event, schema, settings, headers, from, to }: Sent): string[] {
  const what = `${record.topic} ${event.$schema}`
  const stored = eventOf(record)
  const expected = structuredClone(event)

  const dt = String(get(stored, 'meta.dt'))
  assert.match(dt, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/, what)
  assert.ok(Date.parse(dt) >= from && Date.parse(dt) <= to, `${what}: received at ${dt}`)
  assert.equal(record.timestamp, Date.parse(dt), what)
  assert.equal(record.timestampType, 'CreateTime')
  assert.deepEqual(record.headers, [])
  new Field('meta.dt').set(expected, dt)

  const id = get(stored, 'meta.id')
  assert.match(String(id), /^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$/, what)

  const known: [path: string, value: unknown][] = [
    ['meta.id', id],
    ['http.client_ip', headers['x-client-ip']],
  ]
  for (const [path, header] of Object.entries(settings.producers.eventgate.enrich_fields_from_http_headers))
    if (header !== false) known.push([path, headers[header]])
  const filled = known.filter(
    ([path, value]) =>
      value !== undefined && get(expected, path) === undefined && schemaAt(schema, path.split('.')),
  )
  for (const [path, value] of filled) new Field(path).set(expected, value)
  for (const [path, value] of added(stored, expected)) {
    assert.deepEqual(schemaAt(schema, path)?.default, value, `${what} .${path.join('.')}`)
    new Field(path.join('.')).set(expected, value)
  }
  assert.deepEqual(stored, expected, what)

  const keys = Object.entries(settings.message_key_fields ?? {}).map(([name, path]) => [
    name,
    get(event, path),
  ])
  const key = keys.length > 0 ? JSON.stringify(Object.fromEntries(keys)) : null
  assert.equal(record.key === null ? null : String(record.key), key, what)
  return filled.map(([path]) => path)
}

/** What a schema says of a field; undefined where it does not declare it, nor its parent as a map. */
function schemaAt(schema: Schema, path: string[]): Schema | undefined {
  let at: Schema | undefined = schema
  for (const name of path) {
    const { properties, additionalProperties: rest } = at as Schema
    at = properties?.[name] ?? (typeof rest === 'object' ? rest : undefined)
    if (!at) return undefined
  }
  return at
}

/** What a value has that another lacks, by path. */
function added(value: Json, than: Json, at: string[] = []): [path: string[], value: unknown][] {
  return Object.entries(value).flatMap(([name, part]): [string[], unknown][] => {
    const path = [...at, name]
    if (!Object.hasOwn(than, name)) return [[path, part]]
    const isMap = typeof part === 'object' && part !== null && !Array.isArray(part)
    return isMap ? added(part as Json, than[name] as Json, path) : []
  })
}
