import assert from 'node:assert/strict'
import type { IncomingMessage } from 'node:http'
import { test } from 'node:test'
import { HostCheck } from '#src/lib/dev/host-check.js'

const check = new HostCheck(['Dev.Example'])
const refusal = (headers: Record<string, string>) =>
  check.refusalOf({ headers } as unknown as IncomingMessage)

for (const host of [
  'localhost',
  'localhost:8192',
  'a.localhost',
  '127.0.0.1:1',
  '[::1]:1',
  '10.0.0.1',
  'DEV.example:1',
])
  test(`a request to ${host} is allowed`, () => {
    assert.equal(refusal({ host }), undefined)
    assert.equal(refusal({ host, origin: `http://${host}`, 'sec-fetch-site': 'same-origin' }), undefined)
    assert.equal(refusal({ host, origin: `https://${host}`, 'sec-fetch-site': 'none' }), undefined)
  })

for (const host of [
  'evil.example',
  'localhost.evil.example',
  'dev.example.evil',
  '',
  '127.0.0.1.evil.example',
])
  test(`a request to ${host || 'no host'} is refused`, () => {
    assert.equal(refusal({ host })?.code, 'origin_refused')
  })

test('a page of another origin or site is refused, but may link here', () => {
  const host = 'localhost:8192'
  const others: Record<string, string>[] = [
    { origin: 'http://evil.example' },
    { origin: 'http://localhost:1' },
    { origin: 'null' },
    { 'sec-fetch-site': 'cross-site' },
    { 'sec-fetch-site': 'same-site' },
  ]
  for (const other of others) {
    const headers = { host, ...other }
    assert.equal(refusal(headers)?.code, 'origin_refused', JSON.stringify(other))
    assert.equal(check.hostRefusalOf({ headers } as unknown as IncomingMessage), undefined)
  }
})
