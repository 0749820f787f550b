import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readConf } from '#src/lib/config/config.js'
import { assertRefused } from '../../../support/config.js'

test('agents are parsed once, and one that cannot be is named', () => {
  assertRefused([
    [{ test_kitchen: { ua_denylist: ['fine', '(bot'] } }, 'test_kitchen.ua_denylist', /\(bot/],
    [{ test_kitchen: { ua_denylist: 'bot' } }, 'test_kitchen.ua_denylist', /must be a list/],
    [{ test_kitchen: { denylist: [] } }, 'test_kitchen', /has no option "denylist"/],
  ])
  const { ua_denylist = [] } = readConf({ test_kitchen: { ua_denylist: ['bot/[0-9]'] } }).test_kitchen
  assert.deepEqual(
    ua_denylist.map(expression => [expression.test('a bot/2'), expression.test('a bot')]),
    [[true, false]],
  )
  assert.deepEqual(readConf({}).test_kitchen, {})
})

test('header names are checked, and add to the defaults', () => {
  assertRefused([
    [{ http_request_headers_to_fields: { 'x y': 'a' } }, 'http_request_headers_to_fields', /"x y"/],
  ])
  assert.deepEqual(
    readConf({ http_request_headers_to_fields: { 'x-request-id': 'a', 'x-b': 'b' } })
      .http_request_headers_to_fields,
    { 'x-request-id': 'a', 'user-agent': 'http.request_headers.user-agent', 'x-b': 'b' },
  )
})

test('an error stream has a name that a topic can have', () => {
  assertRefused([[{ error_stream: '..' }, 'error_stream', /"\.\."/]])
  for (const error_stream of ['a', '..a', '...', 'a.b-c_1', null])
    assert.equal(readConf({ error_stream }).error_stream, error_stream)
})
