import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readConf } from '#src/lib/config/config.js'

test('what is taken hastily, and error events, follow the queue behind them', () => {
  const queued = (messages: number, conf: object = {}, properties: object = {}) => ({
    ...conf,
    kafka: {
      conf: { 'metadata.broker.list': 'a:1', 'queue.buffering.max.messages': messages, ...properties },
    },
  })
  const bounds: [conf: Record<string, unknown>, errorEvents: number, hasty: number][] = [
    [queued(200, { error_stream: 'e' }), 50, 150],
    [queued(200), 0, 200],
    [queued(200, { error_stream: 'e', hasty_max_events: 100 }), 50, 100],
    [queued(2, { error_stream: 'e' }), 1, 1],
    [queued(1), 0, 1],
    // 0 is without a bound.
    [queued(0, { error_stream: 'e' }), 5000, 20_000],
    [queued(100_000, { error_stream: 'e' }), 5000, 20_000],
    [queued(25_000, { error_stream: 'e', hasty_max_events: 20_000 }), 5000, 20_000],
    [{ error_stream: 'e' }, 5000, 20_000],
  ]
  for (const [conf, errorEvents, hasty] of bounds) {
    const config = readConf(conf, undefined)
    assert.deepEqual(
      [config.max_error_events, config.hasty_max_events],
      [errorEvents, hasty],
      JSON.stringify(conf),
    )
    const isLower = conf.hasty_max_events === undefined && hasty < 20_000
    assert.equal(
      config.warnings.some(({ path }) => path === 'hasty_max_events'),
      isLower,
    )
  }
  const small = readConf(queued(100, {}, { 'queue.buffering.max.kbytes': 4096 }), undefined)
  assert.deepEqual([small.hasty_max_bytes, small.max_body_size], [4 * 1024 ** 2, 4 * 1024 ** 2])
})

test('the shares of the Kafka producers follow the bounds that a memory limit lowers', () => {
  const config = readConf({ kafka: { conf: { 'metadata.broker.list': 'a:1' } } }, 200 * 1024 ** 2)
  const { maxInFlight } = config.kafka?.guaranteed.sender ?? {}
  assert.ok(config.max_bytes_in_flight < readConf({}, undefined).max_bytes_in_flight)
  assert.deepEqual(maxInFlight, {
    messages: config.max_events_in_flight,
    bytes: config.max_bytes_in_flight,
  })
})
