import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readConf } from '#src/lib/config/config.js'
import { DIVIDED } from '#src/lib/config/share.js'
import { problemsIn } from '../../support/config.js'

const MIB = 1024 ** 2
const kafka = (properties: object = {}) => ({ conf: { 'metadata.broker.list': 'a:1', ...properties } })
const conf = { kafka: kafka(), error_stream: 'errors', max_body_size: '1mb' }

test('one process that serves has the whole', () => {
  const alone = readConf(conf, undefined)
  for (const workers of [0, 1]) assert.deepEqual(without(readConf(conf, undefined, workers)), without(alone))
})

test('bounds of the host are divided among its workers, and nothing else', () => {
  const whole = readConf(conf, undefined)
  const share = readConf(conf, undefined, 4)
  const divided = new Set<string>([...DIVIDED, 'kafka', 'workers'])
  for (const name of Object.keys(whole) as (keyof typeof whole)[])
    if (!divided.has(name)) assert.deepEqual(plain(share[name]), plain(whole[name]), name)
  for (const name of DIVIDED) assert.equal(share[name], Math.floor(whole[name] / 4), name)
  for (const delivery of ['guaranteed', 'hasty'] as const) {
    const { sender: all } = whole.kafka?.[delivery] ?? {}
    const { sender: part } = share.kafka?.[delivery] ?? {}
    assert.ok(all && part)
    assert.equal(part.maxQueuedMessages, Math.floor(all.maxQueuedMessages / 4))
    assert.equal(part.maxQueuedBytes, Math.floor(all.maxQueuedBytes / 4))
    assert.equal(part.maxInFlight?.messages, Math.floor((all.maxInFlight?.messages ?? 0) / 4))
    assert.equal(part.maxRequestBytes, all.maxRequestBytes)
    assert.equal(part.timeoutMs, all.timeoutMs)
  }
  assert.equal(share.workers, 4)
})

test('a share of bounds that are not configured holds the largest body', () => {
  const share = readConf({}, undefined, 16)
  assert.equal(share.max_bytes_in_flight, 10 * MIB)
  assert.equal(share.hasty_max_bytes, 10 * MIB)
  assert.equal(share.max_events_in_flight, 3125)
})

test('bounds that are too small to be divided are problems, each with what to set', () => {
  const given = {
    max_bytes_in_flight: '32mb',
    max_connections: 2,
    kafka: kafka({ 'queue.buffering.max.messages': 6 }),
  }
  const problems = problemsIn(given, { num_workers: 4 }).map(({ path, message }) => `${path} ${message}`)
  assert.deepEqual(problems, [
    'services[0].conf.max_connections is 2 for 4 workers, 0 for each, less than one: set at least 4',
    'services[0].conf.max_bytes_in_flight is 32 MiB for 4 workers, 8 MiB for each, less than max_body_size: set at least 40 MiB',
    'services[0].conf.kafka.conf: queue.buffering.max.messages of guaranteed events is 6 for 4 workers, 1 for each, less than two: set at least 8',
    'services[0].conf.kafka.conf: queue.buffering.max.messages of hasty events is 6 for 4 workers, 1 for each, less than two: set at least 8',
  ])
  assert.deepEqual(problemsIn(given, { num_workers: 1 }), [])
})

test('a memory limit is that of all workers', () => {
  const limit = 1024 * MIB
  const [alone, share] = [readConf(conf, limit), readConf(conf, limit, 4)]
  assert.equal(alone.max_bytes_in_flight, 32 * MIB)
  assert.ok(share.max_bytes_in_flight >= MIB)
  assert.match(readConf(conf, 600 * MIB, 4).memory ?? '', /lower: max_bytes_in_flight/)
  assert.equal(readConf(conf, 600 * MIB).memory, null)
})

test('the development page is for one process', () => {
  const [problem] = problemsIn({ dev_ui: true }, { num_workers: 2 })
  assert.deepEqual(problem, {
    path: 'services[0].conf.dev_ui',
    message: 'needs num_workers 0: the page would show the events of one worker',
  })
})

/** Functions and parsed values are made anew for each. */
function plain(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value ?? null))
}

function without(config: object): unknown {
  return plain({ ...config, kafka: undefined })
}
