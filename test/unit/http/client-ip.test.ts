import assert from 'node:assert/strict'
import type { IncomingMessage } from 'node:http'
import { test } from 'node:test'
import { ClientAddress } from '#src/lib/http/client-ip.js'

/** What `ClientAddress` looks at of a request. */
const from = (remoteAddress: string | undefined, headers: IncomingMessage['headers'] = {}) =>
  ({ socket: { remoteAddress }, headers }) as Pick<IncomingMessage, 'headers' | 'socket'>
const said = { 'x-client-ip': '198.51.100.7' }

test('a proxy is trusted by its address or its network, in IPv4 and IPv6', () => {
  const address = new ClientAddress(['10.1.0.0/16', '192.0.2.1', '2001:db8::/32', '::1'])
  for (const proxy of ['10.1.255.255', '192.0.2.1', '2001:db8:1::2', '::1', '::ffff:10.1.2.3'])
    assert.equal(address.of(from(proxy, said)), '198.51.100.7', proxy)
  for (const stranger of ['10.2.0.1', '192.0.2.2', '2001:db9::1', '::2'])
    assert.equal(address.of(from(stranger, said)), stranger)
})

test('an IPv4 address of a connection in IPv6 is told as IPv4', () => {
  assert.equal(new ClientAddress([]).of(from('::ffff:192.0.2.9', said)), '192.0.2.9')
})

test('trusting nobody, and everybody', () => {
  assert.equal(new ClientAddress([]).of(from('127.0.0.1', said)), '127.0.0.1')
  assert.equal(new ClientAddress(['0.0.0.0/0']).of(from('203.0.113.5', said)), '198.51.100.7')
})

test('which header counts', () => {
  const address = new ClientAddress(['127.0.0.1'])
  const cases: [IncomingMessage['headers'], string | undefined][] = [
    [{}, '127.0.0.1'],
    [{ ...said, 'x-forwarded-for': '203.0.113.1' }, '198.51.100.7'],
    [{ 'x-client-ip': ' 198.51.100.7 ' }, '198.51.100.7'],
    [{ 'x-forwarded-for': ' 203.0.113.1 , 198.51.100.1' }, '203.0.113.1'],
    [{ 'x-forwarded-for': '2001:db8::1' }, '2001:db8::1'],
    [{ 'x-client-ip': 'x', 'x-forwarded-for': '203.0.113.1' }, '203.0.113.1'],
    [{ 'x-client-ip': '198.51.100.9, 198.51.100.8' }, '198.51.100.9'],
    [{ 'x-forwarded-for': '10.0.0.5, 10.0.0.6' }, '10.0.0.5'],
    [{ 'x-client-ip': '256.0.0.1', 'x-forwarded-for': 'unknown, 203.0.113.1' }, '203.0.113.1'],
    [{ 'x-forwarded-for': ',203.0.113.1' }, '203.0.113.1'],
  ]
  for (const [headers, expected] of cases)
    assert.equal(address.of(from('127.0.0.1', headers)), expected, JSON.stringify(headers))
})

test('each form in which proxies write an address', () => {
  const address = new ClientAddress(['127.0.0.1'])
  const forms: [string, string][] = [
    ['203.0.113.7:5123', '203.0.113.7'],
    ['203.0.113.7:5123, 10.0.0.6:80', '203.0.113.7'],
    ['"203.0.113.7"', '203.0.113.7'],
    ['"203.0.113.7:5123"', '203.0.113.7'],
    ['\t203.0.113.7 ,10.0.0.6', '203.0.113.7'],
    ['2001:db8::7', '2001:db8::7'],
    ['2001:db8::5:7', '2001:db8::5:7'],
    ['[2001:db8::7]', '2001:db8::7'],
    ['[2001:db8::7]:4711', '2001:db8::7'],
    ['"[2001:db8::7]:4711"', '2001:db8::7'],
    ['::ffff:203.0.113.7', '203.0.113.7'],
    ['[::FFFF:203.0.113.7]:443', '203.0.113.7'],
    ['fe80::1%any.text', 'fe80::1'],
    ['[fe80::1%25eth0]:80', 'fe80::1'],
    ['unknown, 203.0.113.7', '203.0.113.7'],
    ['_hidden, "unknown", 203.0.113.7:1', '203.0.113.7'],
  ]
  for (const name of ['x-client-ip', 'x-forwarded-for'])
    for (const [value, expected] of forms)
      assert.equal(address.of(from('127.0.0.1', { [name]: value })), expected, `${name}: ${value}`)
})

test("a header that names no client never makes the proxy's address the client's", () => {
  const address = new ClientAddress(['127.0.0.1', '10.0.0.0/8'])
  const headers = [
    ...[
      '',
      'unknown',
      'x, y',
      '1.2.3',
      '1.2.3.4.5',
      '203.0.113.7:port',
      '[203.0.113.7',
      '"2001:db8::7',
      '%',
      ':80',
    ],
    ...['unknown, 10.0.0.6', '_hidden, 127.0.0.1:80', ',10.0.0.6', `${'x,'.repeat(1000)}203.0.113.7`],
  ]
  for (const name of ['x-client-ip', 'x-forwarded-for'])
    for (const value of headers)
      assert.equal(address.of(from('127.0.0.1', { [name]: value })), undefined, `${name}: ${value}`)
  const both = { 'x-client-ip': 'unknown', 'x-forwarded-for': '10.0.0.6, 203.0.113.7' }
  assert.equal(address.of(from('127.0.0.1', both)), undefined)
})

test('a connection that is gone has no address', () => {
  assert.equal(new ClientAddress(['127.0.0.1']).of(from(undefined, said)), undefined)
})

test('what is no network is refused, and named', () => {
  for (const wrong of [
    '',
    'localhost',
    '10.0.0.0/33',
    '10.0.0.0/',
    '10.0.0/8',
    '::1/129',
    '10.0.0.0/8/8',
    '10.0.0.0/-1',
    '10.0.0.0/x',
  ])
    assert.throws(
      () => new ClientAddress(['127.0.0.1', wrong]),
      (error: Error) => error.message.startsWith(JSON.stringify(wrong)),
      wrong,
    )
})
