import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readConf } from '#src/lib/config/config.js'
import { assertRefused } from '../../../support/config.js'

test('options of streams that can never work are refused', () => {
  assertRefused([
    [{ topic_prefix: 'x'.repeat(250) }, 'topic_prefix', /must be text that matches/],
    [{ stream_config_uri: 'ftp://a/b' }, 'stream_config_uri', /neither a path nor/],
    [{ stream_config_uri: ['a', 'b'] }, 'stream_config_uri', /must be text/],
    [{ stream_config_ttl: -1 }, 'stream_config_ttl', /must be a number from 0 to 86400, not -1/],
    [
      { stream_config_uri_options: { headers: { a: 'b\nc' } } },
      "stream_config_uri_options.headers['a']",
      /must be text that matches/,
    ],
  ])
})

test('null switches the stream configuration off', () => {
  for (const conf of [{}, { stream_config_uri: null }]) assert.equal(readConf(conf).stream_config_uri, null)
})
