import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Registry } from 'prom-client'
import { GateError } from '#src/lib/errors.js'
import type { Context, Outcome, Schema } from '#src/lib/eventgate.js'
import { collectProcessMetrics, Reporter } from '#src/lib/telemetry/reporter.js'
import { recordedLog } from '../../support/recorded-log.js'

const schema = { uri: '/a/1.0.0' } as Schema
const context = (delivery: Context['delivery'] = 'guaranteed'): Context => ({
  requestId: 'my-request',
  receivedAt: 0,
  deadline: Infinity,
  headers: {},
  delivery,
  clientIp: () => undefined,
  textOf: () => '{}',
})

function makeReporter() {
  const registry = new Registry()
  const { log, lines } = recordedLog()
  const reporter = new Reporter(registry, log, 'my-gate')
  const value = async (sample: string) => {
    const found = (await registry.metrics()).split('\n').find(line => line.startsWith(`${sample} `))
    return found === undefined ? undefined : Number(found.slice(sample.length))
  }
  return { reporter, lines, value }
}

test('an event on disk is spooled: not stored yet, and not lost', async () => {
  const { reporter, value } = makeReporter()
  const stream = { name: 's', topic: 's' }
  const counted = (outcome: string) =>
    value(`eventgate_events_total{service="my-gate",delivery="hasty",outcome="${outcome}",code=""}`)
  const seconds = 'eventgate_produce_duration_seconds_count'
  const labels = '{service="my-gate",delivery="hasty",outcome="spooled"}'
  assert.deepEqual([await counted('spooled'), await value(`${seconds}${labels}`)], [undefined, undefined])
  reporter.outcome({ fate: 'spooled', stream, schema, produceMs: 2 }, context('hasty'), 0)
  assert.deepEqual([await counted('spooled'), await counted('delivered')], [1, 0])
  assert.equal(await value(`${seconds}${labels}`), 1)
  assert.equal(reporter.lost, 0)
  const produced = 'eventgate_events_produced_total{service="my-gate",stream="s",schema_uri="/a/1.0.0"}'
  assert.equal(await value(produced), undefined)
})

test('a stream that nobody configured has a label of its own once an event of it was stored', async () => {
  const { reporter, value } = makeReporter()
  const stream = { name: 'made.up', topic: 'made.up' }
  const invalid: Outcome = {
    fate: 'invalid',
    error: new GateError('validation_failed', 'no'),
    stream,
    schema,
  }
  const errors = (label: string) =>
    value(
      `eventgate_validation_errors_total{service="my-gate",stream="${label}",schema_uri="/a/1.0.0",error_type="validation_failed"}`,
    )
  reporter.outcome(invalid, context(), 0)
  assert.deepEqual([await errors('unknown'), await errors('made.up')], [1, undefined])
  reporter.outcome({ fate: 'delivered', stream, schema }, context(), 0)
  reporter.outcome(invalid, context(), 0)
  assert.deepEqual([await errors('unknown'), await errors('made.up')], [1, 1])
  const configured = { ...stream, name: 'another', configuredAs: '/^an/' }
  reporter.outcome({ ...invalid, stream: configured }, context(), 0)
  assert.equal(await errors('/^an/'), 1)
})

test('events that nobody hears of are counted as lost, except if they are invalid', () => {
  const { reporter } = makeReporter()
  const lost: Outcome = { fate: 'not_stored', error: new GateError('over_capacity', 'full') }
  const invalid: Outcome = { fate: 'invalid', error: new GateError('validation_failed', 'no') }
  reporter.outcome(lost, context('guaranteed'), 0)
  reporter.outcome(invalid, context('hasty'), 0)
  assert.equal(reporter.lost, 0)
  reporter.outcome(lost, context('hasty'), 0)
  reporter.errorEvent(invalid, context(), 0)
  reporter.errorEventDropped(context())
  assert.equal(reporter.lost, 3)
})

test('a refused request is a line with its id, and at level error where it has a cause', () => {
  const { reporter, lines } = makeReporter()
  reporter.refused(new GateError('body_empty', 'nothing'), { requestId: 'x'.repeat(300) })
  const cause = new Error('a defect')
  reporter.refused(new GateError('internal_error', 'why', { cause }), { requestId: 'my-request' })
  const [refused, defect] = lines
  assert.deepEqual(
    [refused?.level, refused?.code, refused?.msg],
    [30, 'body_empty', 'request refused: nothing'],
  )
  assert.equal(refused?.request_id, 'x'.repeat(200))
  assert.equal(defect?.level, 50)
  assert.match(JSON.stringify(defect), /"message":"a defect"/)
})

test('a method that clients made up is `other`', async () => {
  const { reporter, value } = makeReporter()
  reporter.answered('v1/events', 'PROPFIND', 405, 5)
  const labels = 'service="my-gate",path="v1/events",method="other",status="405"'
  assert.equal(await value(`express_router_request_duration_seconds_count{${labels}}`), 1)
})

test('a stream configuration is told with twenty of its warnings', () => {
  const { reporter, lines } = makeReporter()
  const warnings = Array.from({ length: 25 }, (_, i) => `warning ${i}`)
  reporter.ofStreamConfigs().fetched?.({ size: 3, warnings } as never)
  assert.equal(lines.length, 22)
  assert.equal(lines[0]?.msg, 'stream configuration with 3 streams is in force')
  assert.equal(lines.at(-1)?.msg, 'stream configuration: and 5 more warnings')
})

test('metrics of the process have no gauge that is called a total', async () => {
  const registry = new Registry()
  collectProcessMetrics(registry)
  const text = await registry.metrics()
  assert.match(text, /^process_resident_memory_bytes /m)
  assert.doesNotMatch(text, /^# TYPE \S+_total gauge$/m)
})

test('a spool has its metrics, and dead letters are named in the log', async () => {
  const { reporter, lines, value } = makeReporter()
  assert.equal(await value('eventgate_spool_bytes{service="my-gate"}'), undefined)
  const state = { bytes: 7, maxBytes: 70, events: 0, oldestAt: undefined, streams: new Map(), deadLetters: 0 }
  const spool = reporter.ofSpool(() => ({ ...state, broken: undefined }))
  spool.deadLetter('gone', 'there is no topic "gone"')
  spool.damaged(3, 'segment 7 has 3 events that cannot be read')
  spool.trouble('the disk is full')
  spool.complain('directory /spool: another process has it')
  assert.equal(await value('eventgate_spool_bytes{service="my-gate"}'), 7)
  assert.equal(await value('eventgate_spool_dead_letters_total{service="my-gate"}'), 1)
  assert.equal(await value('eventgate_spool_damaged_total{service="my-gate"}'), 3)
  assert.deepEqual(
    lines.map(({ level, msg }) => [level, msg]),
    [
      [50, 'a spooled event of topic gone is a dead letter: there is no topic "gone"'],
      [50, 'segment 7 has 3 events that cannot be read'],
      [40, 'the disk is full'],
      [50, 'directory /spool: another process has it'],
    ],
  )
})
