import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readConf } from '#src/lib/config/config.js'
import { assertRefused } from '../../../support/config.js'

const broker = { 'metadata.broker.list': 'a:1' }

test('without a producer it is Kafka if that is configured, else a file', () => {
  assert.equal(readConf({}).producer, 'file')
  assert.equal(readConf({ kafka: { conf: broker } }).producer, 'kafka')
  assert.equal(readConf({ kafka: { conf: broker }, producer: 'memory' }).producer, 'memory')
})

test('properties of Kafka that can never work are refused', () => {
  assertRefused([
    [
      { kafka: { conf: { 'metadata.broker.list': ['a:9092', 'b:9092'] } } },
      "kafka.conf['metadata.broker.list']",
      /must be one text, not a list/,
    ],
    [
      { kafka: { conf: { ...broker, 'client.id': ['a'] } } },
      "kafka.conf['client.id']",
      /must be one text, not a list/,
    ],
    [
      { kafka: { conf: { ...broker, acks: { all: true } } } },
      "kafka.conf['acks']",
      /must be one value, not a map/,
    ],
    [{ kafka: [] }, 'kafka', /must be an object/],
  ])
})

const kafka = { conf: broker }

test('there is no spool without a directory', () => {
  for (const conf of [{}, { spool: null }, { spool: {} }, { spool: { directory: null, max_bytes: '1gb' } }])
    assert.equal(readConf(conf).spool, null)
})

test('a spool has defaults for all except its directory', () => {
  assert.deepEqual(readConf({ kafka, spool: { directory: '/spool' } }).spool, {
    directory: '/spool',
    maxBytes: 10 * 1024 ** 3,
    afterMs: 1000,
    persistent: true,
  })
  const spool = { directory: '/spool', max_bytes: '256mb', after_ms: 500, persistent: false }
  assert.deepEqual(readConf({ kafka, spool }).spool, {
    directory: '/spool',
    maxBytes: 256 * 1024 ** 2,
    afterMs: 500,
    persistent: false,
  })
})

test('a spool that cannot work is refused', () => {
  const directory = '/spool'
  assertRefused([
    [{ kafka, spool: { directory: 'spool' } }, 'spool.directory', /must be an absolute path, not "spool"/],
    [{ kafka, spool: { directory: '' } }, 'spool.directory', /must be text that is not empty/],
    [{ kafka, spool: { directory, max_bytes: '255mb' } }, 'spool.max_bytes', /must be at least 256mb, not/],
    [{ kafka, spool: { directory, after_ms: 0 } }, 'spool.after_ms', /from 1 to/],
    [{ kafka, spool: { directory, size: '1gb' } }, 'spool', /has no option "size"/],
    [{ kafka, spool: true }, 'spool', /must be an object/],
  ])
})
