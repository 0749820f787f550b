import assert from 'node:assert/strict'
import { test } from 'node:test'
import { problemsIn } from '../../support/config.js'

test('impossible combinations are named', () => {
  const conf = { max_body_size: '20mb', request_timeout_ms: 1000 }
  const problems = problemsIn(conf)
  assert.deepEqual(problems, [
    {
      path: 'services[0].conf.max_body_size',
      message:
        'is 20971520, more than hasty_max_bytes, 16777216: the largest body would never be accepted hastily',
    },
    {
      path: 'services[0].conf.schema_timeout_ms',
      message:
        'is 3000, more than request_timeout_ms, 1000: a request would time out before its schema is loaded',
    },
  ])
})

test('a queue that cannot hold what is configured is refused, without a negative number', () => {
  const kafka = (properties: object) => ({ conf: { 'metadata.broker.list': 'a:1', ...properties } })
  const cases: [conf: object, path: string, message: RegExp][] = [
    [
      { kafka: kafka({ 'queue.buffering.max.messages': 200 }), error_stream: 'e', hasty_max_events: 180 },
      'hasty_max_events',
      /at most 150, not 180.* 200 events \(queue\.buffering\.max\.messages\) and 50 of them are for error events/,
    ],
    [
      { kafka: kafka({ 'queue.buffering.max.messages': 1000 }), hasty_max_events: 20_000 },
      'hasty_max_events',
      /at most 1000, not 20000/,
    ],
    [
      { kafka: kafka({ 'queue.buffering.max.messages': 1 }), error_stream: 'e' },
      'kafka.conf',
      /queue\.buffering\.max\.messages of at least 2/,
    ],
    [
      { kafka: kafka({ 'queue.buffering.max.kbytes': 4096 }), hasty_max_bytes: '16mb', max_body_size: '1mb' },
      'hasty_max_bytes',
      /at most 4194304, not 16777216.*queue\.buffering\.max\.kbytes/,
    ],
  ]
  for (const [conf, path, message] of cases) {
    const [problem, ...others] = problemsIn(conf)
    assert.deepEqual([problem?.path, others], [`services[0].conf.${path}`, []])
    assert.match(String(problem?.message), message)
    assert.doesNotMatch(String(problem?.message), /-\d/)
  }
})

test('what Kafka is said to be must be one sink', () => {
  const kafka = { conf: { 'metadata.broker.list': 'a:1' } }
  assert.equal(problemsIn({ producer: 'kafka' })[0]?.path, 'services[0].conf.producer')
  assert.equal(problemsIn({ kafka, output_path: 'x' })[0]?.path, 'services[0].conf.producer')
  assert.deepEqual(problemsIn({ kafka, output_path: 'x', producer: 'file' }), [])
})

test('a spool is for Kafka, and events come to it before their requests time out', () => {
  const kafka = { conf: { 'metadata.broker.list': 'a:1' } }
  const spool = { directory: '/spool' }
  assert.deepEqual(problemsIn({ spool }), [
    { path: 'services[0].conf.spool', message: 'is for Kafka, and the producer is "file"' },
  ])
  assert.deepEqual(problemsIn({ kafka, spool: { ...spool, after_ms: 9000 } }), [
    {
      path: 'services[0].conf.spool.after_ms',
      message:
        'is 9000, which must be less than request_timeout_ms, 9000: requests would time out before their events are spooled',
    },
  ])
  assert.deepEqual(problemsIn({ kafka, spool: { ...spool, after_ms: 8999 } }), [])
})
