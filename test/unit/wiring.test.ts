import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { Registry } from 'prom-client'
import { readConf } from '#src/lib/config/config.js'
import { Scheduler } from '#src/lib/runtime/scheduler.js'
import { LogStream } from '#src/lib/telemetry/log.js'
import { Reporter } from '#src/lib/telemetry/reporter.js'
import {
  logOf,
  makeAdmission,
  makeSchemas,
  makeSteps,
  openProducers,
  openStreamConfigs,
  precache,
  readInfo,
  readSpec,
  userAgentOf,
} from '#src/wiring.js'
import { recordedLog } from '../support/recorded-log.js'
import { ROOT, temporary, testEvent } from '../support/service.js'

const info = readInfo()
const produced = async () => {}

test('what the package says of itself is in the document and in the user agent', () => {
  const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))
  assert.equal(info.version, version)
  assert.equal(readSpec(info).info.version, version)
  assert.equal(userAgentOf(readConf({}), info), `eventgate/${version}`)
  assert.equal(userAgentOf(readConf({ user_agent: 'mine' }), info), 'mine')
})

test("the log is the server's if there is one, else one of its own", () => {
  const { log } = recordedLog()
  assert.equal(logOf({ streams: [{ stream: new LogStream(log) }] }, 'x'), log)
  assert.equal(logOf({ level: 'error' }, 'x').level, 'error')
  assert.equal(logOf(undefined, 'x').level, 'info')
})

test('a room has as many requests as fit into its bytes at 4 KiB each', () => {
  const admission = makeAdmission(readConf({ max_bytes_in_flight: 20_000_000, hasty_max_events: 5 }))
  assert.equal(admission.room('guaranteed').maxRequests, Math.ceil(20_000_000 / 4096))
  assert.equal(admission.room('hasty').maxEvents, 5)
})

test('schemas are precached, that of error events too, and a missing one warns', async () => {
  const config = readConf({
    schema_precache_uris: ['/test/event/1.0.0', '/no/such/1.0.0'],
    error_stream: 'errors',
  })
  const schemas = makeSchemas(config, info)
  const { log, lines } = recordedLog()
  await precache(config, schemas, log)
  assert.deepEqual(
    lines.map(({ level, schema_uri }) => [level, schema_uri]),
    [[40, '/no/such/1.0.0']],
  )
  assert.equal(schemas.get('/test/event/1.0.0').uri, '/test/event/1.0.0')
  assert.equal(schemas.get(config.error_schema_uri).uri, config.error_schema_uri)
})

test('the steps take an event of a schema that ships with the service', async () => {
  const config = readConf({ topic_prefix: 'eqiad.' })
  const schemas = makeSchemas(config, info)
  const steps = makeSteps(config, schemas, undefined, produced)
  const event = testEvent()
  const context = {
    requestId: 'my-request',
    receivedAt: Date.UTC(2026, 0, 1),
    deadline: Infinity,
    headers: {},
    delivery: 'guaranteed' as const,
    clientIp: () => undefined,
    textOf: () => JSON.stringify(event),
  }
  await steps.load([event], context)
  const schema = steps.schemaFor(event, context)
  const stream = steps.streamFor(event, schema, context)
  steps.enrich(event, schema, stream, context, 0)
  schema.validate(event)
  const { topic, delivery } = steps.route(event, schema, stream, context)
  assert.deepEqual([topic, delivery], ['eqiad.eventgate.test.event', 'guaranteed'])
  assert.equal((event.meta as { request_id?: string }).request_id, 'my-request')
})

test('without Kafka both deliveries have one producer', async t => {
  const { log } = recordedLog()
  const reporter = new Reporter(new Registry(), log, null)
  const open = (conf: object) => openProducers(readConf({ ...conf }), reporter, undefined, new Scheduler())
  const memory = await open({ producer: 'memory' })
  assert.equal(memory.guaranteed, memory.hasty)
  const path = join(temporary(t), 'events')
  const file = await open({ producer: 'file', output_path: path })
  assert.match(file.hasty.name, new RegExp(path))
  await file.hasty.close(1000)
})

test('without a URI any schema may go to any stream', async () => {
  assert.equal(await openStreamConfigs(readConf({}), info, {} as never), undefined)
})
