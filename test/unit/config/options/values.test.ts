import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readConf } from '#src/lib/config/config.js'
import { assertRefused, type WrongOption } from '../../../support/config.js'

test('sizes are numbers or text, and come to bytes', () => {
  const sizes: [size: unknown, bytes: number][] = [
    [1000, 1000],
    ['1000', 1000],
    ['4mb', 4 * 1024 ** 2],
    ['1.5 KB', 1536],
    ['2B', 2],
  ]
  for (const [max_body_size, bytes] of sizes) assert.equal(readConf({ max_body_size }).max_body_size, bytes)
})

test('a size without a byte, or of no known unit, is refused', () => {
  assertRefused([
    ...['0', '0mb', '0.5b', '0.9', '0 kB'].map(
      (size): WrongOption => [{ max_body_size: size }, 'max_body_size', /comes to 0 bytes/],
    ),
    [{ max_body_size: 0 }, 'max_body_size', /must be a number of bytes, or a size such as "10mb", not 0/],
    [{ max_body_size: '1tb' }, 'max_body_size', /must be a number of bytes/],
    [{ max_body_size: null }, 'max_body_size', /must be a number of bytes/],
  ])
})

test('a location is a path, or a file: or http(s): URI', () => {
  for (const stream_config_uri of ['a/b', '/a:b', 'file:///a', 'http://a', 'https://a'])
    assert.equal(readConf({ stream_config_uri }).stream_config_uri, stream_config_uri)
  assertRefused([
    [{ stream_config_uri: 'ftp://a/b' }, 'stream_config_uri', /"ftp:\/\/a\/b".* neither a path/],
  ])
})
